"""Cuts of a CT, flat or along a vessel: where each pixel lies in the patient, and where a point lies in the cut.

x goes to the right and y down in the picture, in mm from its middle. Radiological convention: the patient's right is on
the left of axial and coronal cuts, and sagittal ones have anterior on the left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from scipy.ndimage import map_coordinates

from ..landmarks.curves import SHORT, short_names
from ..landmarks.detection import chi2_quantile
from ..landmarks.forks import ForkResult
from ..volume.ct import CTVolume

FILL_HU, METAL_HU = -1024.0, 2000.0  # outside of the volume; what is brighter would ring
NEAR_MM, ALONG_MM = 15.0, 12.0  # of the fork: the vessels that its plane is fitted to, the common carotid's direction
OBLIQUE = 0.38  # a direction bears the letter of an axis that it has so much of
X, Y, Z = np.eye(3)


class Place(NamedTuple):
    """x, y: mm in the picture. off: mm from the cut, towards the viewer."""

    x: float
    y: float
    off: float


class Cut(Protocol):
    """A surface through a CT.

    letters: of the directions at the left, right, top and bottom edge. vessels: name to (n, 4), points in LPS mm and
    radii in mm, from the fork outwards. upright: whether these run up and down in the picture.
    """

    @property
    def name(self) -> str: ...

    @property
    def vessels(self) -> Mapping[str, np.ndarray]: ...

    @property
    def upright(self) -> bool: ...

    @property
    def letters(self) -> tuple[str, str, str, str]: ...

    def lps(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(..., 3) LPS mm of places x, y (...), NaN where the cut has ended."""

    def place(self, point: np.ndarray) -> Place:
        """Where a point (3,) LPS mm lies."""

    def axes(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The unit vectors (3,) to the right and down, there where a point (3,) LPS mm lies."""


@dataclass(frozen=True)
class Plane:
    """A flat cut. center: (3,) LPS mm. right, down: (3,) unit vectors. vessels, upright: see Cut."""

    name: str
    center: np.ndarray
    right: np.ndarray
    down: np.ndarray
    vessels: Mapping[str, np.ndarray] = field(default_factory=dict)
    upright: bool = False

    @property
    def letters(self) -> tuple[str, str, str, str]:
        return letter(-self.right), letter(self.right), letter(-self.down), letter(self.down)

    def lps(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self.center + x[..., None] * self.right + y[..., None] * self.down

    def place(self, point: np.ndarray) -> Place:
        away = point - self.center
        return Place(away @ self.right, away @ self.down, away @ np.cross(self.down, self.right))

    def axes(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.right, self.down


def letter(direction: np.ndarray) -> str:
    """The letters of L, R, P, A, S and I that a unit vector (3,) points to, the foremost first, two at most."""
    order = np.argsort(-np.abs(direction), kind="stable")
    pairs = ("RL", "AP", "IS")
    return "".join(pairs[axis][int(direction[axis] > 0)] for axis in order if abs(direction[axis]) > OBLIQUE)[:2]


def plain_cuts(center: np.ndarray) -> list[Plane]:
    """The axial, coronal and sagittal cut through `center` (3,) LPS mm."""
    views = (("axial", X, Y), ("coronal", X, -Z), ("sagittal", Y, -Z))
    return [Plane(name, center, right, down) for name, right, down in views]


def fork_plane(fork: ForkResult) -> Plane:
    """The plane fitted to what lies within NEAR_MM of the carina of the three vessels; seen from the front or the left,
    whichever is nearer, with the head up. `fork` has vessels and a carina."""
    assert fork.vessels is not None and fork.carina_lps_mm is not None
    lines = {name: line[:, :3] for name, line in fork.vessels.items()}
    carina = fork.carina_lps_mm
    near = np.concatenate(
        [line[np.linalg.norm(line - carina, axis=1) < NEAR_MM] for line in lines.values()] + [carina[None]]
    )
    middle = near.mean(axis=0)
    normal = np.linalg.svd(near - middle, full_matrices=True)[2][2]
    up = Z - (Z @ normal) * normal
    if np.linalg.norm(up) < 0.5:
        up = np.linalg.svd(lines["common"] - carina)[2][0]
        up *= np.sign((carina - lines["common"].mean(axis=0)) @ up) or 1.0
        up -= (up @ normal) * normal
    up /= np.linalg.norm(up)
    right = np.cross(up, normal)
    right *= np.sign(right[np.abs(right[:2]).argmax()]) or 1.0
    return Plane("fork plane", carina - ((carina - middle) @ normal) * normal, right, -up, named(fork), upright=True)


def cross_section(fork: ForkResult, point: np.ndarray, moved: bool = False) -> Plane:
    """The plane at right angles to the common carotid, seen from below, through the carina of `fork`, or through
    `point` (3,) LPS mm where the lumen does not verify that, or where a reader has `moved` it."""
    assert fork.vessels is not None and fork.carina_lps_mm is not None
    carina = fork.carina_lps_mm
    common = fork.vessels["common"][:, :3]
    near = common[np.linalg.norm(common - carina, axis=1) < ALONG_MM]
    normal = Z
    if len(near) > 3:
        normal = np.linalg.svd(near - near.mean(axis=0))[2][0]
        normal = normal * (np.sign((carina - near.mean(axis=0)) @ normal) or 1.0)
    start = X if abs(normal[0]) < 0.9 else -Z * np.sign(normal[0])
    right = start - (start @ normal) * normal
    right /= np.linalg.norm(right)
    daughters = {name: line for name, line in named(fork).items() if name != SHORT["common"]}
    where, center = ("carina", carina) if fork.check == "verified" and not moved else ("point", point)
    return Plane(f"cross-section at the {where}", center, right, np.cross(normal, right), daughters)


def named(fork: ForkResult) -> dict[str, np.ndarray]:
    """The vessels of `fork` by their short names."""
    return {short_names(fork)[name]: line for name, line in (fork.vessels or {}).items()}


def section(
    covariance: np.ndarray, confidence: float, axes: tuple[np.ndarray, np.ndarray], points: int = 90
) -> np.ndarray:
    """Outline (points, 2), mm to the right and down, of the confidence ellipsoid in the cut through its centre.

    Exact: the points p of the plane with p . inv(covariance) . p = chi2.
    """
    plane = np.stack(axes, axis=1)
    precision = np.linalg.inv(covariance + 1e-9 * np.eye(3))
    variances, directions = np.linalg.eigh(plane.T @ precision @ plane)
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return circle * np.sqrt(chi2_quantile(confidence) / variances) @ directions.T


def hu_at(volume: CTVolume, points: np.ndarray) -> np.ndarray:
    """(...) float32 HU of `volume` at points (..., 3) LPS mm, cubic between voxels; FILL_HU outside, and at NaN."""
    grid = volume.grid
    index = np.moveaxis(grid.world_to_index(points), -1, 0)
    size = np.array(grid.size).reshape(3, *[1] * (index.ndim - 1))
    inside = ((index >= -0.5) & (index <= size - 0.5)).all(axis=0)
    hu = np.full(inside.shape, FILL_HU, dtype=np.float32)
    if inside.any():
        wanted = index[:, inside].clip(0, size.reshape(3, 1) - 1)
        low = np.floor(wanted.min(axis=1)).astype(int)
        high = np.ceil(wanted.max(axis=1)).astype(int) + 1
        part = volume.array[tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1]))]
        part = np.nan_to_num(part.astype(np.float32), nan=FILL_HU).clip(FILL_HU, METAL_HU)
        hu[inside] = map_coordinates(part, (wanted - low[:, None])[::-1], order=3, mode="nearest")
    return hu
