"""From slices, wherever each of them lies, to one orthogonal and regular volume."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..errors import BadInputError
from .geometry import Grid

SAME_PLACE_MM, SAME_PLACE = 0.1, 0.2  # no more than this part of the mean distance
PLACE_TOLERANCE_MM = 0.1
MAX_GAP_MM = 8.0
MAX_TILT_DEG = 45.0
AIR_HU = -1024.0


class Slice(NamedTuple):
    """One image: where it is stored and where it lies.

    position: LPS mm of its first pixel. orientation: unit vectors along a row and along a column. spacing: (x, y) mm.
    size: (columns, rows). kind: image type, thickness, kernel and acquisition number, as told. rescale: the (slope,
    intercept) to HU that it needs; applied: the one that GDCM applies.
    """

    path: str
    frame: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    size: tuple[int, int]
    number: int = 0
    kind: tuple[str, str, str, str] = ("", "", "", "")
    rescale: tuple[float, ...] = (1.0, 0.0)
    applied: tuple[float, ...] = (1.0, 0.0)
    fractional: bool = False


class Layout(NamedTuple):
    """How slices become a volume: depths (n,) mm from the first slice, shifts (n, 2) mm to move each in its plane.

    regular: slice k is plane k of the grid, none is interpolated between planes.
    """

    grid: Grid
    depths: np.ndarray
    shifts: np.ndarray
    regular: bool
    warnings: list[str]


def axes_of(orientation: tuple[float, ...]) -> np.ndarray:
    """(3, 3), columns: unit vectors of increasing column, increasing row, and the normal of the slices."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    row = row / np.linalg.norm(row)
    column = column - row * (row @ column)
    column = column / np.linalg.norm(column)
    return np.stack([row, column, np.cross(row, column)], axis=1)


def depths_of(slices: list[Slice]) -> np.ndarray:
    """(n,) mm: how deep they lie along the normal of the first."""
    return np.array([s.position for s in slices]) @ axes_of(slices[0].orientation)[:, 2]


def along_normal(slices: list[Slice]) -> list[Slice]:
    """The slices in the order of their depth along the slice normal, then by number."""
    normal = axes_of(slices[0].orientation)[:, 2]
    return sorted(slices, key=lambda s: (round(float(np.array(s.position) @ normal), 2), s.number, s.path, s.frame))


def lay_out(slices: list[Slice], where: str) -> Layout:
    """Plan an orthogonal, regular grid for parallel slices in order of depth, no two in one place.

    Slices that are sheared (gantry tilt) are to be shifted in their planes; uneven distances are to be interpolated,
    up to gaps of 8 mm. Raises BadInputError for wider gaps and for stacks that lean more than 45 degrees.
    """
    axes = axes_of(slices[0].orientation)
    local = (np.array([s.position for s in slices]) - slices[0].position) @ axes
    depths, shifts = local[:, 2], local[:, :2]
    warnings: list[str] = []
    if np.abs(shifts).max() > PLACE_TOLERANCE_MM:
        warnings.append(_why_shifted(depths, shifts, np.array(slices[0].size) * slices[0].spacing, where))
    else:
        shifts = np.zeros_like(shifts)
    start, step, count, uneven = _planes(depths, where)
    warnings += uneven
    pixel, low = np.array(slices[0].spacing), shifts.min(axis=0)
    extra = np.ceil((shifts.max(axis=0) - low) / pixel - 1e-3).astype(int)
    nx, ny = np.array(slices[0].size) + extra
    origin = np.array(slices[0].position) + axes @ (*low, start)
    grid = Grid((nx, ny, count), np.array([*pixel, step]), origin, axes)
    return Layout(grid, depths, shifts - low, not uneven, warnings)


def _why_shifted(depths: np.ndarray, shifts: np.ndarray, extent: np.ndarray, where: str) -> str:
    """A gantry tilt where the shifts grow with the depths, else a field of view that was moved."""
    lean = depths @ shifts / (depths @ depths)
    if np.abs(shifts - depths[:, None] * lean).max() <= 2 * PLACE_TOLERANCE_MM:
        tilt = np.degrees(np.arctan(np.linalg.norm(lean)))
        if tilt > MAX_TILT_DEG:
            raise BadInputError(f"The slices of '{where}' lean by {tilt:.0f} degrees: export them as an axial volume.")
        return f"Gantry tilt of {tilt:.1f} degrees corrected by shifting the slices."
    moves = np.abs(np.diff(shifts, axis=0))
    if (np.ptp(shifts, axis=0) >= extent).any():
        k = int((moves / extent).max(axis=1).argmax())
        raise BadInputError(
            f"'{where}' has fields of view that lie {moves[k].max():.0f} mm apart in slices {k + 1} and {k + 2} of "
            f"{len(depths)}: export the series again."
        )
    return f"The field of view moves by up to {moves.max():.1f} mm between slices: corrected by shifting them."


def _planes(depths: np.ndarray, where: str) -> tuple[float, float, int, list[str]]:
    """Depth of the first plane, distance and number of planes, and a warning if they are not the slices themselves."""
    gaps = np.diff(depths)
    pitch = float(np.median(gaps))
    even, start = np.polyfit(np.arange(len(depths)), depths, 1)
    if np.abs(start + even * np.arange(len(depths)) - depths).max() <= min(PLACE_TOLERANCE_MM, 0.1 * even):
        return float(start), float(even), len(depths), []
    step = float(gaps[gaps >= pitch / 2].min())
    if gaps.max() > max(MAX_GAP_MM, 1.5 * step):
        raise BadInputError(
            f"'{where}' has a gap of {gaps.max():.1f} mm between slices {int(gaps.argmax()) + 1} and "
            f"{int(gaps.argmax()) + 2} of {len(depths)}: export the series again, complete."
        )
    multiples = np.round(gaps / pitch)
    if (np.abs(gaps / pitch - multiples) < 0.1).all() and 1 < multiples.mean() < 1.5:
        step, missing = pitch, int(multiples.sum()) - len(gaps)
        warning = f"{missing} of {len(depths) + missing} slices are missing: interpolated from their neighbours."
    else:
        warning = f"Slices {gaps.min():.2f} to {gaps.max():.2f} mm apart were interpolated to a regular distance."
    count = int(round(depths[-1] / step)) + 1
    return 0.0, depths[-1] / (count - 1), count, [warning]


def resample(layout: Layout, pixels: Callable[[int], np.ndarray], dtype: np.dtype) -> np.ndarray:
    """(z, y, x) voxels of `layout.grid`; `pixels(k)` is the (rows, columns) image of slice k, asked for in order."""
    nz, ny, nx = layout.grid.shape
    depths, shifts = layout.depths, layout.shifts / layout.grid.spacing[:2]
    places = np.minimum(np.arange(nz) * layout.grid.spacing[2], depths[-1])
    straight = not shifts.any()
    out = np.empty((nz, ny, nx), dtype=dtype)
    cache: dict[int, np.ndarray] = {}

    def moved(k: int) -> np.ndarray:
        if k not in cache:
            for old in [i for i in cache if i < k - 1]:
                del cache[old]
            cache[k] = pixels(k) if straight else _shift(pixels(k), shifts[k], (ny, nx))
        return cache[k]

    for z, depth in enumerate(places):
        if layout.regular:
            image = moved(z)
        else:
            k = min(int(np.searchsorted(depths, depth, side="right")) - 1, len(depths) - 2)
            part = np.float32((depth - depths[k]) / (depths[k + 1] - depths[k]))
            image = moved(k) * (1 - part) + moved(k + 1) * part
        out[z] = np.round(image) if dtype.kind == "i" and image.dtype.kind == "f" else image
    return out


def _shift(image: np.ndarray, shift: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """`image` moved by `shift` (x, y) >= 0 pixels into a frame of `shape` (rows, columns), linearly; air around it."""
    whole = np.floor(shift + 1e-6).astype(int)
    fx, fy = np.maximum(shift - whole, 0)
    wide = np.full((shape[0] + 1, shape[1] + 1), AIR_HU, dtype=np.float32)
    rows, columns = image.shape
    wide[whole[1] + 1 : whole[1] + 1 + rows, whole[0] + 1 : whole[0] + 1 + columns] = image
    wide = wide[:, 1:] * (1 - fx) + wide[:, :-1] * fx
    return wide[1:] * (1 - fy) + wide[:-1] * fy
