"""Every landmark of an evaluation as one row: its truth, the answer, the score, and facts that may explain it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...landmarks.detection import Detection, LandmarkDetection
from ...landmarks.points import SIDES, LandmarkSet
from ..cases import Case, read_stenoses
from ..scores import Score, score

LARGE_ERROR_MM = 4.0  # from here on a located landmark is listed as a failure

MISSED, FALSE_POSITIVE, LOCATED, CORRECTLY_ABSENT = "missed", "false positive", "located", "correctly absent"


@dataclass(frozen=True)
class Row:
    """One landmark. Lengths in mm; None is not known.

    ``slice_spacing`` of its volume, ``stenosis`` (0 to 1, which is occluded) of its side, ``border``: from the truth to
    the nearest face of the volume.
    """

    score: Score
    answer: LandmarkDetection
    truth: np.ndarray | None
    seconds: float | None = None
    slice_spacing: float | None = None
    stenosis: float | None = None
    border: float | None = None

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
    rows = []
    for name, detection in detections.items():
        truth = truths[name]
        grid, stenoses = truth.grid, read_stenoses(truth)
        spacing = detection.volume.get("spacing_mm") or (grid.spacing if grid else None)
        for side, scored in zip(SIDES, score(detection, LandmarkSet(truth.points))):
            point = truth.points[side]
            if side in truth.unreviewed:
                continue
            rows.append(
                Row(
                    scored,
                    detection.landmark(side),
                    point,
                    detection.timing_s.get("total"),
                    None if spacing is None else slice_spacing(spacing),
                    stenoses.get(side),
                    None if grid is None or point is None else float(grid.distance_inside(point)),
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
