from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
ORIENTATIONS = ("LPS", "RAS", "LAS", "PIR", "ASL", "oblique")


def direction_of(code: str) -> np.ndarray:
    if code != "oblique":
        return np.array([LETTERS[letter] for letter in code], dtype=float).T
    a, b, c = np.radians([17, -23, 40])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z @ np.diag([1.0, 1.0, -1.0])  # left-handed


@pytest.fixture(params=ORIENTATIONS)
def direction(request) -> np.ndarray:
    return direction_of(request.param)


@pytest.fixture
def make_volume():
    """make_volume(field, direction, spacing, size, center): float32 CT of field(points (..., 3) LPS mm)."""

    def make(field, direction, spacing, size, center=(3.0, -2.0, 11.0)) -> CTVolume:
        direction, spacing = np.asarray(direction, dtype=float), np.broadcast_to(spacing, 3)
        origin = np.asarray(center) - direction @ (spacing * (np.array(size) - 1) / 2)
        grid = Grid(size, spacing, origin, direction)
        index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")[::-1], axis=-1)
        return CTVolume(field(grid.index_to_world(index)).astype(np.float32), grid)

    return make


@pytest.fixture
def ct_like():
    """A small int16 CT: air, a body of soft tissue, some bone; noise everywhere."""
    rng = np.random.default_rng(1)
    z, y, x = np.mgrid[:20, :48, :40]
    radius = np.hypot(x - 20, y - 24)
    hu = np.where(radius < 18, 45, -1000) + np.where(radius < 5, 500, 0) + rng.normal(0, 12, radius.shape)
    return np.clip(hu, -1024, None).astype(np.int16)
