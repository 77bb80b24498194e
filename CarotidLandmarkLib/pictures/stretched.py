"""The cut along the common and the internal carotid, stretched out: a straightened curved planar reformation.

After Kanitsar et al., "CPR - curved planar reformation", IEEE Visualization 2002: each line of the picture lies at
right angles to the vessel's middle. It turns with the external carotid, so that this is beside the internal one as far
as it is known; elsewhere it turns as little as it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..landmarks.forks import ForkResult
from .cuts import Place, letter, named

STEP_MM = 0.5
SMOOTH_MM = 2.5  # SD along the vessel, of its middle
APART_MM = 4.0  # from the fork on, the external carotid has a direction from the internal one
BESIDE_MM = 30.0  # further away it is not beside it
TURN_MM = 4.0  # SD along the vessel, of that direction


@dataclass(frozen=True)
class Stretched:
    """A cut along a vessel, from below to above.

    line: (n, 3) LPS mm of its middle, STEP_MM apart. up, right: (n, 3) unit vectors along it and to the right of the
    picture. zero: the row of the picture's middle. vessels: name to (n, 4) LPS mm and radius, from the fork outwards.
    """

    name: str
    line: np.ndarray
    up: np.ndarray
    right: np.ndarray
    zero: int
    vessels: Mapping[str, np.ndarray] = field(default_factory=dict)
    upright: bool = True

    @property
    def letters(self) -> tuple[str, str, str, str]:
        right = self.right[self.zero]
        return letter(-right), letter(right), "", ""

    def lps(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        at = self.zero - y / STEP_MM
        rows = np.arange(len(self.line))
        middle, right = (
            np.stack([np.interp(at, rows, values, np.nan, np.nan) for values in of.T], axis=-1)
            for of in (self.line, self.right)
        )
        return middle + x[..., None] * right

    def place(self, point: np.ndarray) -> Place:
        row = self._row(point)
        away = point - self.line[row]
        along = away @ self.up[row]
        toward = np.cross(self.right[row], self.up[row])
        return Place(away @ self.right[row], (self.zero - row) * STEP_MM - along, away @ toward)

    def axes(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        row = self._row(point)
        return self.right[row], -self.up[row]

    def _row(self, point: np.ndarray) -> int:
        return int(np.linalg.norm(self.line - point, axis=1).argmin())


def stretched(fork: ForkResult, toward: np.ndarray) -> Stretched:
    """The cut along the common and internal carotid of `fork`, which has vessels and a carina.

    The external one is on that side of it which looks more along `toward` (3,), what is on the right of the fork plane.
    """
    assert fork.vessels is not None and fork.carina_lps_mm is not None
    common, internal, external = (fork.vessels[name][:, :3] for name in ("common", "internal", "external"))
    line = _smooth(np.concatenate([common[::-1], internal]))
    zero = int(np.linalg.norm(line - fork.carina_lps_mm, axis=1).argmin())
    up = np.gradient(line, axis=0)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    right = _aside(line, up, zero, _smooth(external), toward)
    right *= np.sign(right[zero] @ toward) or 1.0
    return Stretched("CCA-ICA, stretched", line, up, right, zero, named(fork))


def _smooth(line: np.ndarray) -> np.ndarray:
    """(m, 3): `line` (n, 3) smoothed, its points STEP_MM apart."""
    length = np.r_[0, np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()]
    at = np.linspace(0, length[-1], round(length[-1] / STEP_MM) + 1)
    even = np.stack([np.interp(at, length, values) for values in line.T], axis=1)
    border = len(even) - 1
    padded = np.pad(even, ((border, border), (0, 0)), mode="reflect", reflect_type="odd")
    return gaussian_filter1d(padded, SMOOTH_MM / STEP_MM, axis=0)[border:-border]


def _aside(line: np.ndarray, up: np.ndarray, zero: int, other: np.ndarray, instead: np.ndarray) -> np.ndarray:
    """(n, 3) unit vectors at right angles to `up` (n, 3).

    They point from `line` (n, 3) to `other` (m, 3) where that lies beside it above row `zero`, and elsewhere turn as
    little as they can. Where it nowhere does, they start along `instead` (3,).
    """
    aside = np.zeros_like(line)
    known = []
    for row in range(zero + round(APART_MM / STEP_MM), len(line)):
        away = other - line[row]
        along = np.abs(away @ up[row])
        nearest = along.argmin()
        if along[nearest] > STEP_MM or np.linalg.norm(away[nearest]) > BESIDE_MM:
            break
        aside[row] = away[nearest]
        known.append(row)
    if not known:
        known = [zero]
        aside[zero] = instead
    rows = slice(known[0], known[-1] + 1)
    aside[rows] = _across(
        gaussian_filter1d(_across(aside[rows], up[rows]), TURN_MM / STEP_MM, axis=0, mode="nearest"), up[rows]
    )
    for row in range(known[0] - 1, -1, -1):
        aside[row] = _across(aside[row + 1], up[row])
    for row in range(known[-1] + 1, len(line)):
        aside[row] = _across(aside[row - 1], up[row])
    return aside


def _across(vectors: np.ndarray, up: np.ndarray) -> np.ndarray:
    """The part of (..., 3) `vectors` at right angles to the unit vectors `up`, of length 1."""
    across = vectors - (vectors * up).sum(axis=-1, keepdims=True) * up
    return across / np.linalg.norm(across, axis=-1, keepdims=True).clip(min=1e-9)
