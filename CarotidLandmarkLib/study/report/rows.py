"""Every landmark of an evaluation as one row: truth, answer, score, and facts that may explain it; rows by these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...landmarks.detection import Detection, LandmarkDetection
from ...landmarks.points import SIDES, LandmarkSet
from ..cases import Case, read_stenoses
from ..forks import ForkScore, evaluate_forks, score_fork
from ..patients import patients_of
from ..scores import Score, mahalanobis2, score, summary
from ..stats import bootstrap, coverage, each, interval
from ..true_forks import read_true_forks

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
LARGE_ERROR_MM = 4.0  # from here on a located landmark is listed as a failure

MISSED, FALSE_POSITIVE, LOCATED, CORRECTLY_ABSENT = "missed", "false positive", "located", "correctly absent"


@dataclass(frozen=True)
class Row:
    """One landmark. Lengths in mm; None is not known.

    ``slice_spacing`` of its volume, ``stenosis`` (0 to 1, which is occluded) of its side, ``border``: from the truth to
    the nearest face of the volume. ``fork``: what its fork is worth, where it was looked at and the truth has one.
    """

    score: Score
    answer: LandmarkDetection
    truth: np.ndarray | None
    seconds: float | None = None
    slice_spacing: float | None = None
    stenosis: float | None = None
    border: float | None = None
    fork: ForkScore | None = None

    @property
    def outcome(self) -> str:
        """MISSED, FALSE_POSITIVE, LOCATED or CORRECTLY_ABSENT."""
        if self.truth is None:
            return CORRECTLY_ABSENT if self.answer.position_lps_mm is None else FALSE_POSITIVE
        return MISSED if self.answer.position_lps_mm is None else LOCATED

    @property
    def error_mm(self) -> float | None:
        """The error of a located landmark."""
        return self.score.error_mm if self.outcome == LOCATED else None

    @property
    def verdict(self) -> str:
        """The outcome in a few words, for a person."""
        if self.outcome == LOCATED:
            return f"{self.answer.status}, {self.score.error_mm:.2f} mm off"
        return f"{self.outcome} ({self.answer.status})" if self.outcome == FALSE_POSITIVE else self.outcome


def make_rows(truths: Mapping[str, Case], detections: Mapping[str, Detection]) -> list[Row]:
    """The rows of all detected cases, left and right, but for sides that nobody has reviewed."""
    rows, patients = [], patients_of(truths.values())
    for name, detection in detections.items():
        truth = truths[name]
        grid, stenoses = truth.grid, read_stenoses(truth)
        spacing = detection.volume.get("spacing_mm") or (grid.spacing if grid else None)
        between = None if spacing is None else slice_spacing(spacing)
        looked = any(landmark.fork for landmark in detection.landmarks)
        forks = read_true_forks(truth) if looked else {}
        for side, scored in zip(SIDES, score(detection, LandmarkSet(truth.points), str(patients[name]))):
            point, answer = truth.points[side], detection.landmark(side)
            if side in truth.unreviewed:
                continue
            rows.append(
                Row(
                    scored,
                    answer,
                    point,
                    detection.timing_s.get("total"),
                    between,
                    stenoses.get(side),
                    None if grid is None or point is None else float(grid.distance_inside(point)),
                    score_fork(scored, answer, forks[side], grid, between) if side in forks else None,
                )
            )
    return rows


def slice_spacing(spacing_mm: Iterable[float]) -> float:
    """The spacing of three that differs most from the one in the middle: that between slices, in any orientation."""
    low, middle, high = sorted(float(value) for value in spacing_mm)
    return high if high - middle >= middle - low else low


def worst_first(rows: Iterable[Row]) -> list[Row]:
    """Missed landmarks, then false positives ("found" before "review"), then the located by falling error."""

    def badness(row: Row) -> tuple[float, ...]:
        if row.outcome == LOCATED:
            return 2, -row.score.error_mm
        return (0, 0) if row.outcome == MISSED else (1, row.answer.status != "found")

    return sorted((row for row in rows if row.outcome != CORRECTLY_ABSENT), key=badness)


def failures(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Every missed landmark, false positive and error above ``LARGE_ERROR_MM``, worst first, for JSON."""
    return [
        {
            "case": row.score.case,
            "side": row.score.side,
            "outcome": row.outcome,
            "status": row.answer.status,
            "error_mm": row.error_mm,
            "presence": row.answer.presence,
            "reasons": list(row.answer.reasons),
        }
        for row in worst_first(rows)
        if row.outcome != LOCATED or row.score.error_mm > LARGE_ERROR_MM
    ]


class Factor(NamedTuple):
    """Landmarks with ``value(row)`` in [edges[i - 1], edges[i]) make up group i, called names[i]."""

    key: str
    title: str
    value: Callable[[Row], float | None]
    edges: tuple[float, ...]
    names: tuple[str, ...]


FACTORS = (
    Factor(
        "slice_spacing_mm",
        "Slice spacing, mm",
        lambda row: None if row.slice_spacing is None else round(row.slice_spacing, 2),
        (1.0, 2.0, 3.0),
        ("< 1", "1 to < 2", "2 to < 3", "≥ 3"),
    ),
    Factor(
        "stenosis",
        "Stenosis of the internal carotid",
        lambda row: row.stenosis,
        (0.01, 0.5, 0.7, 1.0),
        ("none", "< 50%", "50–69%", "70–99%", "occluded"),
    ),
    Factor(
        "border_mm",
        "Distance of the truth to the border, mm",
        lambda row: row.border,
        (10.0, 20.0, 40.0),
        ("< 10", "10 to < 20", "20 to < 40", "≥ 40"),
    ),
)


def group_rows(rows: Sequence[Row], factor: Factor) -> dict[str, list[Row]]:
    """The landmarks in the volume by group, in the order of ``factor``, without empty groups and unknown values."""
    groups: dict[str, list[Row]] = {name: [] for name in factor.names}
    for row in rows:
        value = factor.value(row)
        if row.score.present and value is not None:
            groups[factor.names[sum(value >= edge for edge in factor.edges)]].append(row)
    return {name: group for name, group in groups.items() if group}


def coverages(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The share of truths inside ellipsoids of each of ``LEVELS``, in all located landmarks and in groups of them, and
    inside those of the passes' spread alone (Ma et al., ISBI 2020); with 95% intervals over patients, for JSON."""
    located = [row for row in rows if row.outcome == LOCATED]
    groups = {"All": located, **{side.capitalize(): [r for r in located if r.score.side == side] for side in SIDES}}
    groups |= {f"Slices {name} mm": group for name, group in group_rows(located, FACTORS[0]).items()}
    groups |= {status.capitalize(): [r for r in located if r.score.status == status] for status in ("found", "review")}
    measured = [(name, group, [row.score.mahalanobis2 for row in group]) for name, group in groups.items()]
    spread = [row for row in located if row.answer.passes_sd_mm is not None]
    measured.append(("The passes' spread alone", spread, [_passes_mahalanobis2(row) for row in spread]))
    result = []
    for name, group, values in measured:
        distances = np.array(values)
        if np.isfinite(distances).any():
            of = partial(_coverage, distances)
            limits = each(interval, bootstrap(of, [row.score.whose for row in group]))
            shares = each(float, of(np.ones(len(group))))
            result.append({"group": name, "landmarks": len(group), "coverage": shares, "interval_95": limits})
    return result


def _coverage(distances: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{level:g}": coverage(distances, level, weights=weights) for level in LEVELS}


def _passes_mahalanobis2(row: Row) -> float:
    assert row.truth is not None and row.answer.position_lps_mm is not None and row.answer.passes_sd_mm is not None
    return mahalanobis2(row.answer.position_lps_mm - row.truth, np.diag(row.answer.passes_sd_mm**2))


def fork_figures(rows: Sequence[Row]) -> dict[str, Any] | None:
    """`evaluate_forks` of those that have a truth, and the number "without_truth"; None where no fork was looked at."""
    looked = [row for row in rows if row.answer.fork is not None]
    if not looked:
        return None
    scores = [row.fork for row in looked if row.fork is not None]
    figures = evaluate_forks(scores) if scores else {"landmarks": 0}
    return {**figures, "without_truth": len(looked) - len(scores)}


def subgroups(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Factor key to its groups, each with counts, mean, median, 95th percentile and largest error in mm, for JSON."""
    keys = ("present", "located", "missed", "review", "mean_mm", "median_mm", "p95_mm", "max_mm")
    result = {}
    for factor in FACTORS:
        groups = {name: summary([row.score for row in group]) for name, group in group_rows(rows, factor).items()}
        result[factor.key] = [{"group": name, **{key: of[key] for key in keys}} for name, of in groups.items()]
    return result
