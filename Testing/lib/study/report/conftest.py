"""Five cases with every outcome, made by hand; no volume is behind them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.report.rows import Row
from CarotidLandmarkLib.study.scores import score

POINTS = {"left": np.array([30.0, 0, 50]), "right": np.array([-30.0, 0, 50])}
COVARIANCE = np.diag([0.25, 0.25, 1.0])
MODEL = {"name": "made", "version": "1.0", "sha256": "ab" * 32}

# Case to side to (status, error in mm along z; None: not in the volume, nothing detected)
ANSWERS = {
    "a": {"left": ("found", 0.2), "right": ("found", 0.5)},
    "b": {"left": ("review", 3.0), "right": ("found", 1.0)},
    "c": {"left": ("absent", None), "right": ("found", 12.0)},
    "d": {"left": ("found", 0.4), "right": ("review", None)},
    "e": {"left": ("absent", None), "right": ("review", 6.0)},
}
NOT_THERE = {("d", "right"), ("e", "left")}


def truth_of(case: str) -> LandmarkSet:
    return LandmarkSet({side: p for side, p in POINTS.items() if (case, side) not in NOT_THERE})


def detection_of(case: str, factor: float = 1.0, model: dict | None = None) -> Detection:
    """The answers above with errors times ``factor``; the ellipsoid grows with the error."""
    landmarks = []
    for side, (status, error) in ANSWERS[case].items():
        if status == "absent":
            landmarks.append(LandmarkDetection(side, status, ["Nothing is seen."], 0.1))
            continue
        offset = factor * (error or 0.0)
        covariance = COVARIANCE * (1 + offset)
        shape = ellipsoid(covariance, 0.9)
        reasons = ["It is <odd> & unsure."] if status == "review" else []
        where = POINTS[side] + [0, 0, offset]
        landmarks.append(LandmarkDetection(side, status, reasons, 0.9, where, covariance, *shape))
    volume = {"path": f"{case}.nrrd", "size": [10, 10, 10], "spacing_mm": [0.5, 0.5, 1.25]}
    return Detection(case, volume, model or MODEL, {"confidence": 0.9, "device": "cpu"}, landmarks, {"total": 2.0})


def rows_of(factor: float = 1.0) -> list[Row]:
    facts = {"a": (0.6, 0.0, 5.0), "b": (2.0, 0.55, 15.0), "c": (2.0, 0.8, 25.0), "d": (1.25, 1.0, 60.0)}
    rows = []
    for case in ANSWERS:
        detection, truth = detection_of(case, factor), truth_of(case)
        for scored in score(detection, truth):
            point = truth.points[scored.side]
            spacing, stenosis, border = facts.get(case, (None, None, None))
            border = None if point is None else border
            rows.append(Row(scored, detection.landmark(scored.side), point, 2.0, spacing, stenosis, border))
    return rows


@pytest.fixture
def rows() -> list[Row]:
    return rows_of()


@pytest.fixture
def made() -> SimpleNamespace:
    """The pieces that the cases are made of."""
    return SimpleNamespace(
        answers=ANSWERS, points=POINTS, model=MODEL, truth=truth_of, detection=detection_of, rows=rows_of
    )
