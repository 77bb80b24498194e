"""Calcium in the walls of a carotid fork: what is brighter than the contrast in the lumen, beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..volume.ct import CTVolume
from .sections import Sections, sample

REACH_MM = 20.0  # calcium counts so near to the carina
BRIGHTER_HU, NOISES = 100.0, 3.0  # so much brighter than the lumen, or so many times its noise: else it is not told
PEAK_SHARE, PEAK_MM = 0.5, 1.5  # and half as bright over tissue as the brightest near it: the rest is blooming
STEP_MM, MARGIN_MM = 0.5, 4.0
WALL_MM, BESIDE_MM = 4.5, 3.0  # calcium lies so near to the lumen, and its nearest part so near
WALL_SHARE = 0.4  # of a piece that has less of itself there, all is bone or cartilage
LEAST_VOXELS = 4
WIDEST = 5  # sections over which the widest counts: where a lumen is narrowed, calcium lies farther from it


class Calcium(NamedTuple):
    """points: (n, 3) LPS mm of small voxels of `voxel_mm3` that hold calcium."""

    points: np.ndarray
    voxel_mm3: float

    def volume_mm3(self, carina: np.ndarray) -> float:
        """How much there is within REACH_MM of `carina` (3,)."""
        return float((np.linalg.norm(self.points - carina, axis=1) <= REACH_MM).sum() * self.voxel_mm3)


def find_calcium(
    volume: CTVolume, vessels: Sequence[Sections], carina: np.ndarray, level: float, tissue: float
) -> Calcium:
    """Calcium in the walls of `vessels` around `carina` (3,); `level`, `tissue`: HU of the lumen and of what is around.

    The threshold is relative to the lumen, BRIGHTER_HU above it or NOISES times the noise, and for each place relative
    to the brightest near it (the edge of a blurred speck was at half of its height), whichever is the highest. Bone and
    cartilage are connected pieces that lie mostly elsewhere than in a wall.
    """
    if not sum(len(vessel.length) for vessel in vessels):
        return Calcium(np.zeros((0, 3)), STEP_MM**3)
    n = round((REACH_MM + MARGIN_MM) / STEP_MM)
    offsets = np.arange(-n, n + 1) * STEP_MM
    z, y, x = np.meshgrid(offsets, offsets, offsets, indexing="ij")
    hu = np.nan_to_num(sample(volume, np.stack([x, y, z], -1) + carina), nan=tissue)
    lumen = sample(volume, np.concatenate([vessel.centre for vessel in vessels]))
    noise = 1.4826 * float(np.nanmedian(np.abs(lumen - np.nanmedian(lumen))))
    bright = hu > level + max(BRIGHTER_HU, NOISES * noise)
    labels, count = ndimage.label(bright, np.ones((3, 3, 3)))
    points = np.stack([x[bright], y[bright], z[bright]], 1) + carina
    if not count:
        return Calcium(points, STEP_MM**3)
    peak = ndimage.maximum_filter(hu, 2 * round(PEAK_MM / STEP_MM) + 1)[bright]
    piece, from_wall = labels[bright], _from_wall(points, vessels)
    size = np.bincount(piece, minlength=count + 1)
    inside = np.bincount(piece, from_wall < WALL_MM, count + 1)
    nearest = np.full(count + 1, np.inf)
    np.minimum.at(nearest, piece, from_wall)
    kept = (size >= LEAST_VOXELS) & (inside >= WALL_SHARE * size) & (nearest < BESIDE_MM)
    calcium = kept[piece] & (from_wall < WALL_MM) & (hu[bright] > tissue + PEAK_SHARE * (peak - tissue))
    return Calcium(points[calcium], STEP_MM**3)


def _from_wall(points: np.ndarray, vessels: Sequence[Sections]) -> np.ndarray:
    """(n,) mm from points (n, 3) to the nearest lumen's edge, negative inside."""
    centre = np.concatenate([vessel.centre for vessel in vessels])
    radius = [ndimage.maximum_filter1d(np.nan_to_num(vessel.diameter) / 2, WIDEST) for vessel in vessels]
    distance, near = cKDTree(centre).query(points, k=min(4, len(centre)))
    return np.reshape(distance - np.concatenate(radius)[near], (len(points), -1)).min(1)
