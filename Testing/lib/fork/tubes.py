"""A small synthetic neck: bright tubes in soft tissue, drawn point by point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

SIZE, SPACING = np.array([80, 80, 126]), np.array([0.75, 0.75, 0.8])
TISSUE, LUMEN = 45.0, 350.0
SLOPE, RADIUS, COMMON_RADIUS = 0.3, 2.4, 3.1  # mm aside a mm of height, of each daughter of the common fork
CARINA = np.array([0.0, 0.0, RADIUS * np.sqrt(1 + SLOPE**2) / SLOPE])  # where its daughters' walls part

Tube = tuple[Sequence[Sequence[float]], float, float]  # corners (n, 3) LPS mm, radius mm, HU


def fork(slope: float = SLOPE, radius: float = RADIUS, hu: float = LUMEN) -> list[Tube]:
    """A common carotid along z and two daughters in the plane y = 0 that start at the origin."""
    far = 48.0
    daughters: list[Tube] = [([[0, 0, 0], [way * slope * far, 0, far]], radius, hu) for way in (1, -1)]
    return [([[0, 0, -far], [0, 0, 0]], COMMON_RADIUS, hu), *daughters]


def draw(
    tubes: Sequence[Tube], noise: float = 8.0, direction: np.ndarray | None = None, high: float = 50.0
) -> CTVolume:
    """The tubes, the later over the earlier, in a box of 60 x 60 x 100 mm that ends at z = `high`."""
    direction = np.eye(3) if direction is None else direction
    size = SIZE.copy()
    center = np.zeros(3)
    if high < 50:
        size[2] -= round((50 - high) / SPACING[2])
        center[2] = (high - 50) / 2
    grid = Grid(tuple(size), SPACING, center - direction @ (SPACING * (size - 1) / 2), direction)
    array = np.full(grid.shape, TISSUE)
    for corners, radius, hu in tubes:
        line = np.asarray(corners, float)
        along = np.r_[0, np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()]
        steps = np.arange(0, along[-1], 0.4)
        nearest = np.full(grid.shape, np.inf)
        for point in np.stack([np.interp(steps, along, axis) for axis in line.T], 1):
            ijk = grid.world_to_index(point)
            reach = (radius + 1.5) / SPACING
            low, top = np.maximum(np.ceil(ijk - reach), 0).astype(int), np.floor(ijk + reach).astype(int) + 1
            where = tuple(slice(a, b) for a, b in zip(low[::-1], top[::-1]))
            k, j, i = np.indices(nearest[where].shape)
            away = (np.stack([i, j, k], -1) + low - ijk) * SPACING
            nearest[where] = np.minimum(nearest[where], np.linalg.norm(away, axis=-1))
        share = np.clip((radius - nearest) / 0.8 + 0.5, 0, 1)
        array = array * (1 - share) + hu * share
    array += np.random.default_rng(0).normal(0, noise, array.shape)
    return CTVolume(array.astype(np.int16), grid)


def thicken(volume: CTVolume, times: int) -> CTVolume:
    """The mean of every `times` slices, float."""
    fine, grid = volume.array, volume.grid
    array = fine[: len(fine) // times * times].reshape(-1, times, *fine.shape[1:]).mean(1, dtype=np.float32)
    first = grid.index_to_world([0, 0, (times - 1) / 2])
    return CTVolume(array, Grid((*grid.size[:2], len(array)), grid.spacing * [1, 1, times], first, grid.direction))
