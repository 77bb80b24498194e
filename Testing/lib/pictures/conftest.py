"""A fork in soft tissue with beads at known places, and detections of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid
from CarotidLandmarkLib.landmarks.forks import ForkResult
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.lib.fork import tubes

COVARIANCE = np.diag([0.3, 0.2, 0.5])


def vessel(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    steps = np.linspace(0, 1, 36)[:, None]
    return np.column_stack([start + steps * (end - start), np.full(36, radius)])


def turned(angle: float) -> np.ndarray:
    """Rotation about z by `angle` degrees, and by 10 about x."""
    c, s = np.cos(np.deg2rad([angle, 10.0])), np.sin(np.deg2rad([angle, 10.0]))
    about_z = np.array([[c[0], -s[0], 0], [s[0], c[0], 0], [0, 0, 1]])
    return about_z @ np.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])


@pytest.fixture(scope="session")
def make_fork() -> Callable[..., ForkResult]:
    """A fork with the carina at the origin, its daughters 0.3 mm aside a mm of height; turned by `rotation`."""

    def make(rotation: np.ndarray | None = None, check: str = "verified", bend: float = 0.0) -> ForkResult:
        rotation = np.eye(3) if rotation is None else rotation
        zero = np.zeros(3)
        ends = {"common": [0, 0, -35.0], "internal": [10.5, 0, 35.0], "external": [-10.5, 0, 35.0]}
        radii = {"common": 3.0, "internal": 2.5, "external": 2.0}
        lines = {name: vessel(zero, np.array(end), radii[name]) for name, end in ends.items()}
        for line in lines.values():
            line[:, 1] += bend * (line[:, 2] / 35) ** 2
            line[:, :3] = line[:, :3] @ rotation.T
        return ForkResult(
            check, distance_mm=0.4, carina_lps_mm=zero, internal_probability=0.9, lumen_hu=350.0, vessels=lines
        )

    return make


@pytest.fixture(scope="session")
def make_beads() -> Callable[..., CTVolume]:
    """Soft tissue of 40 HU with a bead of 1 mm and 1000 HU at each of the points (n, 3) LPS mm."""

    def make(points: np.ndarray) -> CTVolume:
        grid = Grid.axis_aligned(np.zeros(3), (90, 90, 90), 0.6)
        k, j, i = np.indices(grid.shape)
        world = grid.index_to_world(np.stack([i, j, k], -1))
        array = np.full(grid.shape, 40.0, np.float32)
        for point in np.atleast_2d(points):
            array += 960 * np.exp(-(((world - point) / 0.9) ** 2).sum(-1))
        return CTVolume(array.astype(np.float32), grid)

    return make


@pytest.fixture
def make_detection() -> Callable[..., Detection]:
    """Left at the origin with `fork`, or where `place` says, or absent; right absent."""

    def make(
        fork: ForkResult | None = None, place: np.ndarray | None = None, status: str = "found", case: str = "p1"
    ) -> Detection:
        place = np.zeros(3) if place is None else place
        shape = ellipsoid(COVARIANCE, 0.9)
        if status == "absent":
            left = LandmarkDetection("left", "absent", ["Nothing is seen here."], 0.02)
        else:
            left = LandmarkDetection("left", status, [], 0.98, place, COVARIANCE, *shape, fork=fork)
        right = LandmarkDetection(
            "right", "absent", ["No bifurcation is seen at the 4 mm scale (presence 0.01)."], 0.01
        )
        model = {"name": "made", "version": "1.0", "sha256": "0" * 64}
        return Detection(case, {"path": "a.nrrd"}, model, {"confidence": 0.9}, [left, right], {"total": 1.0})

    return make


@pytest.fixture(scope="session")
def neck() -> CTVolume:
    return tubes.draw(tubes.fork())


@pytest.fixture(scope="session")
def turn() -> Callable[[float], np.ndarray]:
    return turned
