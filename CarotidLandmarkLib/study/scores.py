"""The evaluation protocol: from detections and truth to one table.

Distances are mm and volumes mm^3. A landmark is *located* where it is in the volume and the engine gave a position
("found" or "review"). One that is in the volume but "absent" in the answer is *missed*: it has no error, and counts as
a failure in every success rate. A position for a landmark that is not in the volume is a *false positive*. What its
cases do not define (no cases, one class only, no spread) is None. All results are plain dictionaries for JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..landmarks.detection import Detection
from ..landmarks.points import SIDES, LandmarkSet
from .stats import (
    RESAMPLES,
    auroc,
    ause,
    bootstrap,
    coverage,
    each,
    interval,
    mean,
    p_value,
    pearson,
    percentiles,
)

THRESHOLDS_MM = (2.0, 2.5, 3.0, 4.0)
FAILURE_MM = 10.0
LARGE_ERROR_MM = 5.0
GOOD_MM = 3.0
VOLUMES = {"uncertainty": "volume_mm3", "passes_spread": "paper_volume_mm3"}


@dataclass(frozen=True)
class Score:
    """One landmark of one case against its truth.

    ``present`` says whether the truth has it. ``error_mm``, ``volume_mm3`` (of the confidence ellipsoid) and
    ``mahalanobis2`` (squared Mahalanobis distance of the truth under the detection's covariance) are NaN where it was
    not located, the last two also where the detection gives no covariance. ``paper_volume_mm3`` is that of the
    passes' spread alone, NaN where the detection does not give it. ``patient`` tells cases of one patient, "" where
    the case is its only one.
    """

    case: str
    side: str
    status: str
    present: bool
    error_mm: float = float("nan")
    volume_mm3: float = float("nan")
    mahalanobis2: float = float("nan")
    paper_volume_mm3: float = float("nan")
    patient: str = ""

    @property
    def whose(self) -> str:
        """The patient, or the case that stands for one: what a bootstrap draws."""
        return self.patient or self.case


def score(detection: Detection, truth: LandmarkSet, patient: str = "") -> list[Score]:
    """Return the scores of the left and right landmark of a case of this ``patient``."""
    scores = []
    for side in SIDES:
        landmark, point = detection.landmark(side), truth.points[side]
        located: dict[str, Any] = {"patient": patient}
        if point is not None and landmark.position_lps_mm is not None:
            offset = landmark.position_lps_mm - point
            located["error_mm"] = float(np.linalg.norm(offset))
            if landmark.confidence_volume_mm3 is not None:
                located["volume_mm3"] = landmark.confidence_volume_mm3
            if landmark.covariance_mm2 is not None:
                located["mahalanobis2"] = mahalanobis2(offset, landmark.covariance_mm2)
            if landmark.passes_sd_mm is not None:
                located["paper_volume_mm3"] = paper_volume_mm3(landmark.passes_sd_mm)
        scores.append(Score(detection.case, side, landmark.status, point is not None, **located))
    return scores


def paper_volume_mm3(sd_mm: Sequence[float] | np.ndarray) -> float:
    """Return the paper's 90% confidence volume in mm^3 from the SD (3,) of the passes along each axis, in mm.

    65.47 sx sy sz (Ma et al., ISBI 2020): the passes' spread alone, without the heatmaps' and without calibration.
    """
    return float(65.47 * np.prod(np.asarray(sd_mm, dtype=np.float64)))


def evaluate(
    scores: Iterable[Score],
    confidence: float = 0.9,
    covariance_scale: float = 1.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the protocol's table of one method.

    The keys "all", "left" and "right" hold ``summary`` of those landmarks, "uncertainty" holds ``uncertainty`` of all,
    and, where the detections know it, "passes_spread" the same of the passes' spread alone. Each has 95% percentile
    bootstrap intervals over patients under "interval_95". ``covariance_scale`` multiplies every covariance before the
    coverage is counted (calibration).
    """
    scores = list(scores)
    groups = {"all": scores, **{side: [s for s in scores if s.side == side] for side in SIDES}}
    table: dict[str, Any] = {"cases": len({s.case for s in scores}), "patients": len({s.whose for s in scores})}
    for name, group in groups.items():
        table[name] = {**summary(group), "interval_95": intervals(group, resamples, seed)}
    patients = [s.whose for s in scores]
    for key, volume in VOLUMES.items():
        if key == "uncertainty" or (_column(scores, volume) > 0).any():
            of = partial(_uncertainty, scores, volume, confidence, covariance_scale)
            limits = each(interval, bootstrap(of, patients, resamples, seed))
            table[key] = {**uncertainty(scores, confidence, covariance_scale, volume), "interval_95": limits}
    return table


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """Return counts, error statistics of the located landmarks, success rates of all present ones, and failures.

    The SD is the sample's (n - 1). Success at t: error <= t. "failures_over_10_mm" counts errors above 10 mm by status;
    "share_over_10_mm" and "review_share" are of the located, "found_of_good" of those within ``GOOD_MM``; of all,
    "silent_share" is "found", but more than ``LARGE_ERROR_MM`` off or of nothing. "found" has the statistics of those.
    """
    present = [s for s in scores if s.present]
    failed = [s.status for s in present if s.error_mm > FAILURE_MM]
    figures = each(_defined, _figures(scores))
    errors = _column(scores, "error_mm")
    located = errors[np.isfinite(errors)]
    found = np.array([s.error_mm for s in scores if s.status == "found" and np.isfinite(s.error_mm)])
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


def intervals(scores: Sequence[Score], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Return the 95% percentile bootstrap interval over patients of every figure of ``summary`` that is no count."""
    return each(interval, bootstrap(partial(_figures, scores), [s.whose for s in scores], resamples, seed))


def uncertainty(
    scores: Sequence[Score], confidence: float = 0.9, covariance_scale: float = 1.0, volume: str = "volume_mm3"
) -> dict[str, Any]:
    """Return how well a ``volume`` of each score tells the error, over located landmarks that have it."""
    return {
        "landmarks": int((np.isfinite(_column(scores, "error_mm")) & np.isfinite(_column(scores, volume))).sum()),
        "confidence": confidence,
        "covariance_scale": covariance_scale,
        **each(_defined, _uncertainty(scores, volume, confidence, covariance_scale)),
    }


def compare(a: Iterable[Score], b: Iterable[Score], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Compare two methods on the same landmarks: paired bootstrap over patients.

    Returns, of the "landmarks" that both located, the mean error of each in mm, the mean of (a - b), its 95% interval
    and the two-sided bootstrap p value of no difference; negative: a is better. "success" holds for each threshold the
    same of the success rate over the "present" landmarks that both were asked for, a missed one being no success;
    there positive is better. Of one patient there is neither interval nor p.
    """
    first, second = ({(s.case, s.side): s for s in scores if s.present} for scores in (a, b))
    shared = sorted(first.keys() & second.keys())
    errors = np.array([(first[key].error_mm, second[key].error_mm) for key in shared]).reshape(-1, 2)
    both = np.isfinite(errors).all(axis=1)
    away = errors[both] @ [1, -1]
    better = {f"{t:g}": (errors[:, 0] <= t).astype(float) - (errors[:, 1] <= t) for t in THRESHOLDS_MM}

    def differences(weights: np.ndarray) -> dict[str, Any]:
        success = {threshold: mean(of, weights) for threshold, of in better.items()}
        return {"difference_mm": mean(away, weights[..., both]), "success": success}

    measured = each(_defined, differences(np.ones(len(shared))))
    patients = [first[key].whose for key in shared]
    draws = bootstrap(differences, patients, resamples, seed)
    number = {
        "difference_mm": len({patient for patient, of in zip(patients, both) if of}),
        "success": dict.fromkeys(better, len(set(patients))),
    }
    limits, p = each(interval, draws), each(p_value, draws, number)
    return {
        "landmarks": int(both.sum()),
        "means_mm": errors[both].mean(axis=0).tolist() if both.any() else None,
        **{"difference_mm": measured["difference_mm"], "interval_95": limits["difference_mm"], "p": p["difference_mm"]},
        "present": len(shared),
        "success": {
            t: {"difference": of, "interval_95": limits["success"][t], "p": p["success"][t]}
            for t, of in measured["success"].items()
        },
    }


def success_curve(
    scores: Iterable[Score], thresholds_mm: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the share of the present landmarks within each of ``thresholds_mm`` (T,), and its 95% band: low, high.

    A missed landmark never succeeds. The band is the percentile bootstrap over patients; all are NaN without any.
    """
    present = [s for s in scores if s.present]
    hits = _column(present, "error_mm")[:, None] <= thresholds_mm
    draws = bootstrap(partial(mean, hits), [s.whose for s in present], resamples, seed)
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return mean(hits), low, high


def _figures(scores: Sequence[Score], weights: np.ndarray | None = None) -> dict[str, Any]:
    errors = _column(scores, "error_mm")
    weights = np.ones(len(scores)) if weights is None else weights
    present, located = np.array([s.present for s in scores], dtype=bool), np.isfinite(errors)
    sure = np.array([s.status == "found" for s in scores], dtype=bool)
    found, good = located & sure, errors <= GOOD_MM
    return {
        **_statistics(errors[located], weights[..., located]),
        "success": {f"{t:g}": mean(errors[present] <= t, weights[..., present]) for t in THRESHOLDS_MM},
        "share_over_10_mm": mean(errors[located] > FAILURE_MM, weights[..., located]),
        "review_share": 1 - mean(found[located], weights[..., located]),
        "found_of_good": mean(found[good], weights[..., good]),
        "silent_share": mean(sure & ~(errors <= LARGE_ERROR_MM), weights),
        "found": _statistics(errors[found], weights[..., found]),
    }


def _statistics(errors: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    median, p95 = percentiles(errors, [50, 95], weights)
    return {"mean_mm": mean(errors, weights), "median_mm": median, "p95_mm": p95}


def _uncertainty(
    scores: Sequence[Score], volume: str, confidence: float, covariance_scale: float, weights: np.ndarray | None = None
) -> dict[str, Any]:
    errors, volumes = _column(scores, "error_mm"), _column(scores, volume)
    weights = np.ones(len(scores)) if weights is None else weights
    known = np.isfinite(errors) & np.isfinite(volumes)
    errors, volumes, counts = errors[known], volumes[known], weights[..., known]
    figures = {
        "pearson_volume_error": pearson(volumes, errors, counts),
        "ause_mm": ause(errors, volumes, counts),
        "auroc_error_over_5_mm": auroc(volumes, errors > LARGE_ERROR_MM, counts),
    }
    if volume == "volume_mm3":
        figures["coverage"] = coverage(_column(scores, "mahalanobis2"), confidence, covariance_scale, weights)
    return figures


def _spread(errors: np.ndarray) -> dict[str, float | None]:
    return {
        "sd_mm": float(errors.std(ddof=1)) if len(errors) > 1 else None,
        "max_mm": float(errors.max()) if len(errors) else None,
    }


def _defined(value: np.ndarray) -> float | None:
    return float(value) if np.isfinite(value) else None


def _column(scores: Sequence[Score], name: str) -> np.ndarray:
    return np.array([getattr(s, name) for s in scores], dtype=np.float64)


def mahalanobis2(offset: np.ndarray, covariance: np.ndarray) -> float:
    """Return the squared Mahalanobis distance of an offset (3,) in mm under a covariance (3, 3) in mm^2."""
    variances, axes = np.linalg.eigh(covariance)
    # A flat ellipsoid has no thickness: the truth is inside only when it lies in it.
    return float(((offset @ axes) ** 2 / np.maximum(variances, 1e-12)).sum())
