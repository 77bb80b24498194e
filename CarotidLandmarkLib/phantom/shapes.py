"""What a phantom is made of: the body's frame and implicit shapes in it (mm, HU)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Union

import numpy as np

from ..volume.geometry import Grid

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Space:
    """The phantom's body frame: LPS axes, z = 0 at the usual height of the bifurcation, the spinal canal at x = y = 0.

    ``rotation`` (3, 3) and ``origin`` (3,) place it in the world: world = origin + rotation @ body.
    ``curve`` (2, degree + 1) are polynomials (lowest order first) of the canal's x and y over z / 100 mm, within
    ``curve_range``; ``waves`` (n, 7) are plane waves (wave vector, amplitude vector, phase) that deform soft tissue.
    """

    rotation: np.ndarray
    origin: np.ndarray
    curve: np.ndarray
    curve_range: tuple[float, float]
    waves: np.ndarray

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Body mm (..., 3) to LPS mm."""
        return np.asarray(points) @ self.rotation.T + self.origin

    def canal(self, z: np.ndarray) -> np.ndarray:
        """The canal's centre (..., 2) in body mm at heights ``z``."""
        t = np.clip(np.asarray(z, float), *self.curve_range) / 100
        return np.stack([np.polynomial.polynomial.polyval(t, c) for c in self.curve], -1)

    def bend(self, points: np.ndarray) -> np.ndarray:
        """Points given relative to the canal (..., 3) to body mm."""
        bent = np.array(points, float)
        bent[..., :2] += self.canal(bent[..., 2])
        return bent


@dataclass
class Tube:
    """A chain of cones in body mm: ``points`` (n, 3), ``radii`` (n,), optionally flattened: ``stretch`` (3,) scales the
    coordinates before distances are taken, so a stretch of 2 halves the width along that axis.

    ``soft`` tubes take part in the deformation of soft tissue, ``within`` ones are not seen in air: a vein ends at the
    skin. ``inner`` are layers within, from outside in: (depth below the surface in mm, HU).
    """

    points: np.ndarray
    radii: np.ndarray
    hu: float
    soft: bool = False
    stretch: np.ndarray | None = None
    inner: tuple[tuple[float, float], ...] = ()
    within: bool = False

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (...,) in mm of ``points`` (..., 3) from the surface, negative inside; unstretched tubes."""
        a, b = self.points[:-1], self.points[1:]
        ab = b - a
        rel = np.asarray(points)[..., None, :] - a
        t = np.clip((rel * ab).sum(-1) / np.maximum((ab * ab).sum(-1), 1e-9), 0, 1)
        away = np.linalg.norm(rel - t[..., None] * ab, axis=-1)
        return (away - self.radii[:-1] - t * np.diff(self.radii)).min(-1)


@dataclass
class Ellipsoid:
    """``axes`` columns are the unit axes; ``radii`` (3,) in mm."""

    center: np.ndarray
    radii: np.ndarray
    hu: float
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))


@dataclass
class Column:
    """An upright shape around the canal: an ellipse whose centre and half axes change with height.

    ``profile`` rows are (z, centre x, centre y, half axis x, half axis y); between rows linear. ``period`` and ``gap``
    leave out slabs (discs between vertebrae): the shape exists where the phase of (z - phase) / period exceeds ``gap``.
    ``inner`` are layers within, from outside in: (depth below the surface in mm, HU).
    """

    profile: np.ndarray
    hu: float
    period: float = 0.0
    gap: float = 0.0
    phase: float = 0.0
    inner: tuple[tuple[float, float], ...] = ()


@dataclass
class Field:
    """An organ given as voxels: its signed distance (D, H, W) in mm on ``grid``, which lies in body mm.

    ``inset`` moves its surface inwards (negative: outwards) by so many mm; ``inner`` are layers as in a Tube.
    """

    distance: Tensor
    grid: Grid
    hu: float
    inset: float = 0.0
    inner: tuple[tuple[float, float], ...] = ()


Shape = Union[Tube, Ellipsoid, Column, Field]
