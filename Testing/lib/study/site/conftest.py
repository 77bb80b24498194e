"""A site of small volumes, and what the default's weights would have said of them, without running any network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import SIDES, LandmarkSet, mirrored
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.study.site.cases import SiteCases
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid

RULE = np.array([0.3, -0.5, 1.2])
SD_MM = 0.2
PLACES = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}


def answer(case: str, points: dict, sd: float = SD_MM, status: str = "found") -> Detection:
    """Both landmarks at ``points``, None being absent, with round ellipsoids."""
    landmarks = []
    for side in SIDES:
        point = points[side]
        if point is None:
            landmarks.append(LandmarkDetection(side, "absent"))
            continue
        covariance = np.eye(3) * sd**2
        radii, axes, volume = ellipsoid(covariance, 0.9)
        landmarks.append(LandmarkDetection(side, status, [], 0.9, point, covariance, radii, axes, volume))
    model = {"name": "default", "version": "1"}
    return Detection(case, {"spacing_mm": [2.0] * 3}, model, {"confidence": 0.9}, landmarks)


def drawn(count: int, rule: np.ndarray = RULE, seed: int = 0, sd: float = SD_MM) -> tuple[SiteCases, dict]:
    """A site of ``count`` patients, and answers that are off by noise of SD_MM and by ``rule``."""
    rng = np.random.default_rng(seed)
    names = [f"p{number:02d}" for number in range(count)]
    truths = {name: {side: PLACES[side] + rng.normal(0, 4, 3) for side in SIDES} for name in names}
    answers = {}
    for name, points in truths.items():
        told = {side: point - mirrored(side, rule) + rng.normal(0, sd, 3) for side, point in points.items()}
        answers[name] = answer(name, told)
    cases = [Case(name, Path(f"{name}.nrrd"), points, sha256=name) for name, points in truths.items()]
    return SiteCases(cases, {name: number for number, name in enumerate(names)}, truths, [], "0" * 64), answers


@pytest.fixture
def draw_site():
    return drawn


@pytest.fixture
def make_answer():
    return answer


@pytest.fixture
def site_folder(tmp_path):
    """Write the volumes and points of so many patients; returns the folder and the answers that go with it."""

    def write(count: int, rule: np.ndarray = RULE, changed: dict | None = None) -> tuple[Path, dict]:
        site, answers = drawn(count, rule)
        folder = tmp_path / "data"
        folder.mkdir()
        grid = Grid.axis_aligned([0, 0, 0], (40, 30, 20), 2.0)
        for number, (name, points) in enumerate(site.truths.items()):
            array = np.random.default_rng(number).normal(40, 200, grid.shape).astype(np.int16)
            write_volume(CTVolume(array, grid), folder / f"{name}.nrrd", compress=False)
            write_markups(folder / f"{name}.mrk.json", LandmarkSet({**points, **(changed or {}).get(name, {})}))
        return folder, answers

    return write
