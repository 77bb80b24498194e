"""A phantom's file of straight vessels, as others' tests of forks draw them, and detections of its forks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from CarotidLandmarkLib.landmarks.detection import LandmarkDetection
from CarotidLandmarkLib.landmarks.forks import ForkResult, Measure
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.study.scores import Score
from CarotidLandmarkLib.study.true_forks import TrueFork, read_true_forks
from CarotidLandmarkLib.volume.geometry import Grid

SLOPE, RADIUS, COMMON_RADIUS = 0.3, 2.4, 3.1  # mm aside a mm of height, of both daughters, which begin at the origin
FAR = 60.0
GRID = Grid.axis_aligned([0, 0, 0], (160, 160, 280), 0.5)


def carina(slope: float = SLOPE) -> np.ndarray:
    """Where the daughters' walls part."""
    return np.array([0.0, 0.0, RADIUS * np.sqrt(1 + slope**2) / slope])


def vessel(way: float, radius: float = RADIUS, up: float = FAR) -> np.ndarray:
    """(n, 4) from the origin to the height `up`, `way` mm aside a mm of height."""
    z = np.linspace(0, up, 121)
    return np.column_stack([way * z, 0 * z, z, np.full(121, radius)])


def vessels(slope: float = SLOPE, internal_radius: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """From the fork outwards."""
    internal = vessel(slope)
    if internal_radius is not None:
        internal[:, 3] = internal_radius
    return {"common": vessel(0, COMMON_RADIUS, -FAR), "internal": internal, "external": vessel(-slope)}


def about(slope: float = SLOPE, occluded: float = 0.0, **more: Any) -> dict[str, Any]:
    """The file's content; both sides are alike."""
    lines = {name: line.tolist() for name, line in vessels(slope).items()}
    lines["common"].reverse()
    facts = {"stenosis": 0.0, "occluded": occluded, "common_occluded": 0.0}
    values = {
        "facts": facts,
        "carina_lps_mm": carina(slope).tolist(),
        "centrelines_lps_mm": lines,
        "bright_calcium_mm3": 40.0,
    }
    return {**{name: {"left": value, "right": value} for name, value in values.items()}, **more}


def case(folder: Path, values: Mapping[str, Any] | None) -> Case:
    """A case with that phantom's file beside it; its volume is not there."""
    if values is not None:
        (folder / "a.phantom.json").write_text(json.dumps(values))
    return Case("a", folder / "a.nrrd", {"left": carina(), "right": carina()}, grid=GRID)


def truth(folder: Path, **more: Any) -> TrueFork:
    return read_true_forks(case(folder, about(**more)))["left"]


def fork(check: str = "verified", swap: bool = False, **more: Any) -> ForkResult:
    """A perfect trace; `swap`: its daughters have each other's names."""
    traced = vessels()
    if swap:
        traced["internal"], traced["external"] = traced["external"], traced["internal"]
    values = {
        "carina_lps_mm": carina() + [0, 0, 0.5],
        "internal_probability": 0.9,
        "vessels": traced,
        "measures": {
            "common_20_mm": Measure(2 * COMMON_RADIUS + 0.3, 0.1, "mm"),
            "internal_20_mm": Measure(2 * RADIUS - 0.1, 0.1, "mm"),
            "calcium_mm3": Measure(30.0, None, "mm3"),
            "nascet_percent": Measure(None, None, "%", "No even part is seen."),
            "above_top_mm": Measure(60.0, 1.0, "mm"),
        },
    }
    return ForkResult(check, [] if check == "verified" else ["It is so."], **{**values, **more})


def answer(of: ForkResult | None, error: float = 0.0) -> tuple[Score, LandmarkDetection]:
    """A left landmark with that fork, `error` mm off."""
    landmark = LandmarkDetection("left", "found", [], 0.9, carina() + [0, error, 0], fork=of)
    return Score("a", "left", "found", True, error), landmark
