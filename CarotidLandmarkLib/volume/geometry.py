"""The exact mapping between voxel indices (i, j, k) and LPS millimetres (x, y, z)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import numpy as np

Vector = Union[Sequence[float], np.ndarray]


def _constant(values: Vector, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(values, dtype=np.float64).reshape(shape)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class Grid:
    """A box of voxels anywhere in the patient.

    size: (nx, ny, nz). spacing: (3,) mm. origin: (3,) LPS mm of the centre of voxel (0, 0, 0).
    direction: (3, 3), its columns are the LPS unit vectors of the index axes i, j, k (any handedness).
    Points are arrays (..., 3), float64.
    """

    size: tuple[int, int, int]
    spacing: np.ndarray
    origin: np.ndarray
    direction: np.ndarray

    def __post_init__(self) -> None:
        nx, ny, nz = (int(n) for n in self.size)
        object.__setattr__(self, "size", (nx, ny, nz))
        object.__setattr__(self, "spacing", _constant(self.spacing, (3,)))
        object.__setattr__(self, "origin", _constant(self.origin, (3,)))
        object.__setattr__(self, "direction", _constant(self.direction, (3, 3)))

    @classmethod
    def axis_aligned(cls, center: Vector, shape_xyz: Sequence[int], spacing: float | Vector) -> Grid:
        """A grid along the LPS axes whose box has its centre at `center`; `spacing` is one number or three, mm."""
        steps = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (3,))
        nx, ny, nz = shape_xyz
        origin = np.asarray(center, dtype=np.float64) - (np.array([nx, ny, nz]) - 1) / 2 * steps
        return cls((nx, ny, nz), steps, origin, np.eye(3))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx), the shape of the array."""
        nx, ny, nz = self.size
        return nz, ny, nx

    @property
    def affine(self) -> np.ndarray:
        """(4, 4): homogeneous index (i, j, k, 1) to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

    def index_to_world(self, ijk: Vector) -> np.ndarray:
        return np.asarray(ijk, dtype=np.float64) @ (self.direction * self.spacing).T + self.origin

    def world_to_index(self, xyz: Vector) -> np.ndarray:
        inverse = np.linalg.inv(self.direction * self.spacing)
        return (np.asarray(xyz, dtype=np.float64) - self.origin) @ inverse.T

    @property
    def slice_axis(self) -> int:
        """The index axis (0 = i) that runs most along the patient."""
        return int(np.argmax(np.abs(self.direction[2])))

    @property
    def center(self) -> np.ndarray:
        return self.index_to_world((np.array(self.size) - 1) / 2)

    @property
    def extent_mm(self) -> np.ndarray:
        """(3,) length of the box along its own axes i, j, k, from outer voxel edge to outer voxel edge."""
        return np.array(self.size) * self.spacing

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the LPS-aligned box around all voxel edges."""
        half = np.abs(self.direction) @ self.extent_mm / 2
        return self.center - half, self.center + half

    def distance_inside(self, points: Vector) -> np.ndarray:
        """(...,) mm from points (..., 3) to the nearest face of the (maybe oblique) box; negative outside of it."""
        offset = (self.world_to_index(points) - (np.array(self.size) - 1) / 2) * self.spacing
        margin = self.extent_mm / 2 - np.abs(offset)
        outside = np.linalg.norm(np.minimum(margin, 0), axis=-1)
        return np.where(outside > 0, -outside, margin.min(axis=-1))
