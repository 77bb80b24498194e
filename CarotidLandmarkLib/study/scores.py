"""The evaluation protocol: from detections and truth to one table.

Distances are mm and volumes mm^3. A landmark is *located* where it is in the volume and the engine gave a position
("found" or "review"). One that is in the volume but "absent" in the answer is *missed*: it has no error, and counts as
a failure in every success rate. A position for a landmark that is not in the volume is a *false positive*. What its
cases do not define (no cases, one class only, no spread) is None. All results are plain dictionaries for JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..landmarks.detection import Detection
from ..landmarks.points import SIDES, LandmarkSet
from .stats import auroc, ause, coverage, pearson

THRESHOLDS_MM = (2.0, 2.5, 3.0, 4.0)
FAILURE_MM = 10.0
LARGE_ERROR_MM = 5.0
UNCERTAINTY = ("pearson_volume_error", "ause_mm", "auroc_error_over_5_mm", "coverage")


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
    covariance before the coverage is counted (calibration); "uncertainty" has intervals, too.
    """
    scores = list(scores)
    groups = {"all": scores, **{side: [s for s in scores if s.side == side] for side in SIDES}}
    table: dict[str, Any] = {"cases": len({s.case for s in scores})}
    for name, group in groups.items():
        table[name] = summary(group)
        table[name]["interval_95"] = bootstrap(group, _figures, resamples, seed)
    unsure = partial(uncertainty, confidence=confidence, covariance_scale=covariance_scale)
    intervals = bootstrap(scores, unsure, resamples, seed)
    table["uncertainty"] = {**unsure(scores), "interval_95": {name: intervals[name] for name in UNCERTAINTY}}
    return table


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """Return counts, error statistics of the located landmarks, success rates of all present ones, and failures.

    The SD is the sample's (n - 1). Success at t: error <= t. "failures_over_10_mm" counts errors above 10 mm by status;
    "share_over_10_mm" and "review_share" are of the located. "found" has the error statistics of "found" alone.
    """
    present = [s for s in scores if s.present]
    failed = [s.status for s in present if s.error_mm > FAILURE_MM]
    figures = _figures(scores)
    located, found = _located(scores), _located(scores, "found")
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
        **figures,
        **_spread(located),
        "failures_over_10_mm": {status: failed.count(status) for status in ("found", "review")},
        "found": {"landmarks": len(found), **figures["found"], **_spread(found)},
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
    """Compare two methods on the same landmarks: paired bootstrap over cases.

    Returns, of the "landmarks" that both located, the mean error of each in mm, the mean of (a - b), its 95% interval
    and the two-sided bootstrap p value of no difference; negative: a is better. "success" holds for each threshold the
    same of the success rate over the "present" landmarks that both were asked for, a missed one being no success;
    there positive is better.
    """
    first, second = ({(s.case, s.side): s for s in scores if s.present} for scores in (a, b))
    shared = sorted(first.keys() & second.keys())
    errors = np.array([(first[key].error_mm, second[key].error_mm) for key in shared]).reshape(-1, 2)
    cases = np.array([case for case, _ in shared])
    both = np.isfinite(errors).all(axis=1)
    rates = {t: (errors[:, 0] <= t).astype(float) - (errors[:, 1] <= t) for t in THRESHOLDS_MM}
    return {
        "landmarks": int(both.sum()),
        "means_mm": errors[both].mean(axis=0).tolist() if both.any() else None,
        **_difference(errors[both] @ [1, -1], cases[both], resamples, seed, "difference_mm"),
        "present": len(shared),
        "success": {f"{t:g}": _difference(rate, cases, resamples, seed) for t, rate in rates.items()},
    }


def success_curve(
    scores: Iterable[Score], thresholds_mm: np.ndarray, resamples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the share of the present landmarks within each of ``thresholds_mm`` (T,), and its 95% band: low, high.

    A missed landmark never succeeds. The band is the percentile bootstrap over cases; all are NaN without a landmark.
    """
    present = [s for s in scores if s.present]
    if not present:
        nothing = np.full(len(thresholds_mm), np.nan)
        return nothing, nothing, nothing
    groups = _by_case(present)
    hits = np.array([(_column(group, "error_mm")[:, None] <= thresholds_mm).sum(axis=0) for group in groups])
    counts = np.array([len(group) for group in groups])
    drawn = np.random.default_rng(seed).integers(len(groups), size=(resamples, len(groups)))
    weights = np.apply_along_axis(np.bincount, 1, drawn, minlength=len(groups))
    low, high = np.percentile(weights @ hits / (weights @ counts)[:, None], [2.5, 97.5], axis=0)
    return hits.sum(axis=0) / counts.sum(), low, high


def _figures(scores: Sequence[Score]) -> dict[str, Any]:
    errors = _column([s for s in scores if s.present], "error_mm")
    located, found = errors[np.isfinite(errors)], _located(scores, "found")
    rates = (errors[:, None] <= THRESHOLDS_MM).mean(axis=0) if len(errors) else [None] * len(THRESHOLDS_MM)
    return {
        **_statistics(located),
        "success": {f"{t:g}": None if rate is None else float(rate) for t, rate in zip(THRESHOLDS_MM, rates)},
        "share_over_10_mm": float((located > FAILURE_MM).mean()) if len(located) else None,
        "review_share": 1 - len(found) / len(located) if len(located) else None,
        "found": _statistics(found),
    }


def _statistics(errors: np.ndarray) -> dict[str, float | None]:
    if len(errors) == 0:
        return {"mean_mm": None, "median_mm": None, "p95_mm": None}
    median, p95 = np.percentile(errors, [50, 95])
    return {"mean_mm": float(errors.mean()), "median_mm": float(median), "p95_mm": float(p95)}


def _spread(errors: np.ndarray) -> dict[str, float | None]:
    return {
        "sd_mm": float(errors.std(ddof=1)) if len(errors) > 1 else None,
        "max_mm": float(errors.max()) if len(errors) else None,
    }


def _located(scores: Sequence[Score], status: str | None = None) -> np.ndarray:
    """Errors (n,) in mm of the located landmarks, or of those of one ``status``."""
    errors = _column([s for s in scores if status in (None, s.status)], "error_mm")
    return np.asarray(errors[np.isfinite(errors)])


def _difference(
    values: np.ndarray, cases: np.ndarray, resamples: int, seed: int, name: str = "difference"
) -> dict[str, Any]:
    """Mean of ``values`` (n,) with its interval and p value by bootstrap over the ``cases`` (n,) they are of."""
    if len(values) == 0:
        return {name: None, "interval_95": None, "p": None}
    _, index = np.unique(cases, return_inverse=True)
    sums, counts = np.bincount(index, weights=values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    p = 2 * min((means <= 0).mean(), (means >= 0).mean())
    return {
        name: float(sums.sum() / counts.sum()),
        "interval_95": np.percentile(means, [2.5, 97.5]).tolist(),
        "p": float(min(p, 1.0)),
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
