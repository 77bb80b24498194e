"""The evaluation protocol: from detections and truth to one table.

Distances are mm and volumes mm^3. A landmark is *located* where it is in the volume and the engine gave a position
("found" or "review"). One that is in the volume but "absent" in the answer is *missed*: it has no error, and counts as
a failure in every success rate. A position for a landmark that is not in the volume is a *false positive*. What its
cases do not define (no cases, one class only, no spread) is None. All results are plain dictionaries for JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..landmarks.detection import Detection, chi2_quantile
from ..landmarks.points import SIDES, LandmarkSet

THRESHOLDS_MM = (2.0, 2.5, 3.0, 4.0)
FAILURE_MM = 10.0
LARGE_ERROR_MM = 5.0


@dataclass(frozen=True)
class Score:
    """One landmark of one case against its truth.

    ``present`` says whether the truth has it. ``error_mm``, ``volume_mm3`` (of the confidence ellipsoid) and
    ``mahalanobis2`` (squared Mahalanobis distance of the truth under the detection's covariance) are NaN where it was
    not located, the last two also where the detection gives no covariance.
    """

    case: str
    side: str
    status: str
    present: bool
    error_mm: float = float("nan")
    volume_mm3: float = float("nan")
    mahalanobis2: float = float("nan")


def score(detection: Detection, truth: LandmarkSet) -> list[Score]:
    """Return the scores of a case's left and right landmark."""
    scores = []
    for side in SIDES:
        landmark, point = detection.landmark(side), truth.points[side]
        located: dict[str, float] = {}
        if point is not None and landmark.position_lps_mm is not None:
            offset = landmark.position_lps_mm - point
            located["error_mm"] = float(np.linalg.norm(offset))
            if landmark.confidence_volume_mm3 is not None:
                located["volume_mm3"] = landmark.confidence_volume_mm3
            if landmark.covariance_mm2 is not None:
                located["mahalanobis2"] = _mahalanobis2(offset, landmark.covariance_mm2)
        scores.append(Score(detection.case, side, landmark.status, point is not None, **located))
    return scores


def evaluate(
    scores: Iterable[Score],
    confidence: float = 0.9,
    covariance_scale: float = 1.0,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the protocol's table of one method.

    The keys "all", "left" and "right" hold ``summary`` of those landmarks and, under "interval_95", percentile
    bootstrap intervals over cases; "uncertainty" holds ``uncertainty`` of all. ``covariance_scale`` multiplies every
    covariance before the coverage is counted (calibration).
    """
    scores = list(scores)
    groups = {"all": scores, **{side: [s for s in scores if s.side == side] for side in SIDES}}
    table: dict[str, Any] = {"cases": len({s.case for s in scores})}
    for name, group in groups.items():
        table[name] = summary(group)
        table[name]["interval_95"] = bootstrap(group, _figures, resamples, seed)
    table["uncertainty"] = uncertainty(scores, confidence, covariance_scale)
    return table


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """Return counts, error statistics of the located landmarks, success rates of all present ones, and failures.

    The SD is the sample's (n - 1). Success at t: error <= t. "failures_over_10_mm" counts errors above 10 mm by status.
    """
    present = [s for s in scores if s.present]
    errors = _column(present, "error_mm")
    located = errors[np.isfinite(errors)]
    failed = [s.status for s in present if s.error_mm > FAILURE_MM]
    figures = _figures(scores)
    return {
        "landmarks": len(scores),
        "present": len(present),
        "located": len(located),
        "missed": len(present) - len(located),
        "not_present": len(scores) - len(present),
        "false_positives": {
            status: sum(not s.present and s.status == status for s in scores) for status in ("found", "review")
        },
        "review": sum(s.present and s.status == "review" for s in scores),
        "mean_mm": figures["mean_mm"],
        "sd_mm": float(located.std(ddof=1)) if len(located) > 1 else None,
        "median_mm": figures["median_mm"],
        "p95_mm": figures["p95_mm"],
        "max_mm": float(located.max()) if len(located) else None,
        "success": figures["success"],
        "failures_over_10_mm": {status: failed.count(status) for status in ("found", "review")},
    }


def uncertainty(scores: Sequence[Score], confidence: float = 0.9, covariance_scale: float = 1.0) -> dict[str, Any]:
    """Return how well the confidence volume tells the error, over located landmarks with a covariance."""
    measured = [s for s in scores if np.isfinite(s.error_mm) and np.isfinite(s.volume_mm3)]
    errors, volumes = _column(measured, "error_mm"), _column(measured, "volume_mm3")
    return {
        "landmarks": len(measured),
        "pearson_volume_error": pearson(volumes, errors),
        "ause_mm": ause(errors, volumes),
        "auroc_error_over_5_mm": auroc(volumes, errors > LARGE_ERROR_MM),
        "confidence": confidence,
        "covariance_scale": covariance_scale,
        "coverage": coverage(_column(scores, "mahalanobis2"), confidence, covariance_scale),
    }


def bootstrap(
    scores: Sequence[Score], statistic: Callable[[list[Score]], dict[str, Any]], resamples: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """Return the 95% percentile interval [low, high] of each number in ``statistic(scores)``.

    Whole cases are drawn with replacement, since the two sides of one patient are not independent. Resamples in which a
    number is None do not count for it; it has None for an interval if that is all of them.
    """
    cases = _by_case(scores)
    generator = np.random.default_rng(seed)
    draws = [
        statistic([s for index in generator.integers(len(cases), size=len(cases)) for s in cases[index]])
        for _ in range(resamples if cases else 0)
    ]
    return _intervals(draws, statistic(list(scores)))


def compare(a: Iterable[Score], b: Iterable[Score], resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Compare two methods on the landmarks that both located: paired bootstrap over cases of the error's difference.

    Returns the mean of (a - b) in mm, its 95% interval, the two-sided bootstrap p value of no difference, and the
    number of landmarks. Negative: a is better.
    """
    errors = [{(s.case, s.side): s.error_mm for s in scores if np.isfinite(s.error_mm)} for scores in (a, b)]
    shared = sorted(errors[0].keys() & errors[1].keys())
    by_case: dict[str, list[float]] = {}
    for case, side in shared:
        by_case.setdefault(case, []).append(errors[0][case, side] - errors[1][case, side])
    if not by_case:
        return {"landmarks": 0, "difference_mm": None, "interval_95": None, "p": None}
    sums = np.array([sum(values) for values in by_case.values()])
    counts = np.array([len(values) for values in by_case.values()])
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    p = 2 * min((means <= 0).mean(), (means >= 0).mean())
    return {
        "landmarks": len(shared),
        "difference_mm": float(sums.sum() / counts.sum()),
        "interval_95": np.percentile(means, [2.5, 97.5]).tolist(),
        "p": float(min(p, 1.0)),
    }


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return Pearson's correlation of two (n,) arrays, or None where either has no spread."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def ause(errors: np.ndarray, uncertainties: np.ndarray) -> float | None:
    """Return the area under the sparsification error in mm: 0 where the uncertainty ranks the errors perfectly.

    For k = 0 … n - 1, the mean error of what remains after removing the k most uncertain of (n,) landmarks, less the
    same after removing the k largest errors, averaged over k (Ilg et al., ECCV 2018, not normalised). Equal
    uncertainties count as removed in random order (the expectation).
    """
    count = len(errors)
    if count == 0:
        return None
    _, group = np.unique(uncertainties, return_inverse=True)
    expected = (np.bincount(group, weights=errors) / np.bincount(group))[group]
    remaining = np.arange(1, count + 1)
    by_uncertainty = np.cumsum(expected[np.argsort(uncertainties, kind="stable")]) / remaining
    by_error = np.cumsum(np.sort(errors)) / remaining
    return float((by_uncertainty - by_error).mean())


def auroc(values: np.ndarray, positive: np.ndarray) -> float | None:
    """Return the probability that a positive's value exceeds a negative's, ties counting half; None without both."""
    ups, downs = values[positive], values[~positive]
    if len(ups) == 0 or len(downs) == 0:
        return None
    difference = ups[:, None] - downs[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def coverage(mahalanobis2: np.ndarray, confidence: float = 0.9, covariance_scale: float = 1.0) -> float | None:
    """Return the share of truths inside the ``confidence`` ellipsoid, covariances multiplied by ``covariance_scale``.

    ``mahalanobis2`` (n,) are squared Mahalanobis distances; NaN ones are left out. A calibrated engine reaches
    ``confidence``.
    """
    known = mahalanobis2[~np.isnan(mahalanobis2)]
    if len(known) == 0:
        return None
    return float((known <= covariance_scale * chi2_quantile(confidence)).mean())


def _figures(scores: Sequence[Score]) -> dict[str, Any]:
    errors = _column([s for s in scores if s.present], "error_mm")
    located = errors[np.isfinite(errors)]
    return {
        "mean_mm": float(located.mean()) if len(located) else None,
        "median_mm": float(np.median(located)) if len(located) else None,
        "p95_mm": float(np.percentile(located, 95)) if len(located) else None,
        "success": {f"{t:g}": float((errors <= t).mean()) if len(errors) else None for t in THRESHOLDS_MM},
    }


def _intervals(draws: list[dict[str, Any]], example: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in example.items():
        if isinstance(value, dict):
            result[key] = _intervals([draw[key] for draw in draws], value)
        else:
            known = [draw[key] for draw in draws if draw[key] is not None]
            result[key] = np.percentile(known, [2.5, 97.5]).tolist() if known else None
    return result


def _by_case(scores: Sequence[Score]) -> list[list[Score]]:
    cases: dict[str, list[Score]] = {}
    for s in scores:
        cases.setdefault(s.case, []).append(s)
    return list(cases.values())


def _column(scores: Sequence[Score], name: str) -> np.ndarray:
    return np.array([getattr(s, name) for s in scores], dtype=np.float64)


def _mahalanobis2(offset: np.ndarray, covariance: np.ndarray) -> float:
    variances, axes = np.linalg.eigh(covariance)
    # A flat ellipsoid has no thickness: the truth is inside only when it lies in it.
    return float(((offset @ axes) ** 2 / np.maximum(variances, 1e-12)).sum())
