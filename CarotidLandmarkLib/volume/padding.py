"""Slices at either end of a volume that hold nothing: there the scan ends, whatever the file says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .checks import MIN_SLICES
from .ct import CTVolume
from .geometry import Grid


def without_padding(volume: CTVolume) -> tuple[CTVolume, list[str]]:
    """The volume without those slices at its ends that hold nothing, a view of it; and what to tell of them.

    A volume of which hardly anything is left is returned as it is.
    """
    grid, axis = volume.grid, volume.grid.slice_axis
    slices = np.moveaxis(volume.array, 2 - axis, 0)
    first, last = 0, len(slices)
    while first < last and _is_blank(slices[first]):
        first += 1
    while last > first and _is_blank(slices[last - 1]):
        last -= 1
    blank = len(slices) - (last - first)
    if not blank or last - first < MIN_SLICES:
        return volume, []
    size = np.array(grid.size)
    size[axis] = last - first
    origin = grid.index_to_world(np.where(np.arange(3) == axis, float(first), 0.0))
    window = tuple(slice(first, last) if n == 2 - axis else slice(None) for n in range(3))
    shown = Grid(tuple(map(int, size)), grid.spacing, origin, grid.direction)  # type: ignore[arg-type]
    said = "1 slice at the end" if blank == 1 else f"{blank} slices at the ends"
    told = f"Not counted as scan, since nothing is there: {said} of the volume."
    return replace(volume, array=volume.array[window], grid=shown), [told]


def _is_blank(values: np.ndarray) -> bool:
    """One value, or two: inside and outside of the disc that a scanner reconstructs."""
    return bool(((values == values.min()) | (values == values.max())).all())
