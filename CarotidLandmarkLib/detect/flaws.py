"""Is the scan around an answer such that the answer can be trusted?

In a scan that is blurred, that lacks slices or whose grey values are cut off the network may be sure of a wrong place,
the lumen may bear it out, and the ellipsoid is too small; the networks have learnt from sharper ones. So the scan
itself is asked.
"""

from __future__ import annotations

import re

import numpy as np

from ..volume.ct import CTVolume
from .lumen import Witness

EDGE_REACH_MM, EDGE_SLICES = 15.0, 10  # the edge of the body is looked at in so many slices, so far up and down
AIR_HU, EDGE_HU = -1000.0, (-700.0, -300.0)  # to 0 HU, and what is on the way
MIN_EDGE = 100  # pixels of a slice
# In validation scans at most 1.8 mm, 2.8 with a Gaussian of 2 mm FWHM, 3.0 and more with one of 3 mm.
BLURRED_MM = 2.9
GAP_REACH_MM = (15.0, 30.0)  # in the slices, and from slice to slice
STEP_HU, STRAIGHT, MIN_STEPS = 4.0, 0.15, 30  # so many steps tell; in no scan of the validation they bend as little
PITCH_MM = 0.5  # slices that lie closer are no steps: even a sharp edge bends little from one to the next
GAP_MM = 5.2  # slices of 5 mm leave as much between them
COPIED, ALIKE_HU = 0.99, 2.0  # share of voxels that no slice has in common, but for rounding, with the one before it
CUT_OFF_VOXELS = 100  # with the highest value beside the answer
# Share of the lumen's contrast. Below it lie 22 of 52 good answers in validation scans cut off at 500 HU, where none is
# wrong, and at 200 and 300 HU 75 of 89 good ones and all whose lumen is known that are more than 5 mm off.
CUT_OFF_SHARE = 0.1


def scan_flaws(volume: CTVolume, point_lps: np.ndarray, witness: Witness | None = None) -> list[str]:
    """Sentences for what is wrong with `volume` around `point_lps` (3,) LPS mm; that its grey values are cut off is
    only told with the `witness`, who knows the lumen's."""
    flaws = []
    edge, gap = _edge_mm(volume, point_lps), _gap_mm(volume, point_lps)
    if edge > BLURRED_MM:
        flaws.append(f"The scan is blurred: the edges of the body are {edge:.1f} mm wide.")
    elif gap > GAP_MM:
        flaws.append(f"Slices are missing near the point: {gap:.0f} mm are filled in.")
    highest = None if witness is None else _cut_off(volume, point_lps, witness)
    if highest is not None:
        flaws.append(f"The grey values are cut off at {highest:.0f} HU: calcium looks like the lumen.")
    return flaws


def _part(volume: CTVolume, point_lps: np.ndarray, across_mm: float, along_mm: float) -> np.ndarray:
    """(slices, rows, columns) float32: the voxels so far from the point in its slice and from slice to slice."""
    axis, grid = volume.grid.slice_axis, volume.grid
    reach = np.where(np.arange(3) == axis, along_mm, across_mm) / grid.spacing
    at = grid.world_to_index(point_lps)
    low, high = (np.clip(at + sign * reach, 0, grid.size).round().astype(int) for sign in (-1, 1))
    window = tuple(slice(a, b + 1) for a, b in zip(low[::-1], high[::-1]))
    return np.moveaxis(volume.array[window], 2 - axis, 0).astype(np.float32)


def _edge_mm(volume: CTVolume, point_lps: np.ndarray) -> float:
    """How wide the edge between air and body is in most slices around the point: 1000 HU over its slope, that of a
    sharper quarter of it, since hair and foam are no edge. For a Gaussian blur 1.06 of its FWHM; 0 without any air."""
    slices = _part(volume, point_lps, np.inf, EDGE_REACH_MM)
    across, down = np.delete(volume.grid.spacing, volume.grid.slice_axis)
    widths = []
    for image in slices[:: max(len(slices) // EDGE_SLICES, 1)].clip(AIR_HU, 0):
        middle = (image[1:, 1:] + image[1:, :-1] + image[:-1, 1:] + image[:-1, :-1]) / 4
        edge = (middle > EDGE_HU[0]) & (middle < EDGE_HU[1])
        if edge.sum() >= MIN_EDGE:
            rows, columns = np.diff(image, axis=0) / down, np.diff(image, axis=1) / across
            slope = np.hypot((rows[:, 1:] + rows[:, :-1])[edge], (columns[1:] + columns[:-1])[edge]) / 2
            widths.append(-AIR_HU / np.percentile(slope, 75))
    return float(np.median(widths)) if widths else 0.0


def _gap_mm(volume: CTVolume, point_lps: np.ndarray) -> float:
    """The longest way from slice to slice near the point on which the grey values run straight, as no noise does, or
    on which slices are copies of those at its ends."""
    spacing = float(volume.grid.spacing[volume.grid.slice_axis])
    every = max(round(PITCH_MM / spacing), 1)
    slices = _part(volume, point_lps, *GAP_REACH_MM)[::every]
    steps = np.abs(slices[2:] - slices[:-2]) / 2
    bends = np.abs(slices[2:] - 2 * slices[1:-1] + slices[:-2])
    longest = run = 0
    for step, bend in zip(steps, bends):
        some = step > STEP_HU
        straight = some.sum() >= MIN_STEPS and np.median(bend[some]) < STRAIGHT * np.median(step[some])
        run = run + 1 if straight else 0
        longest = max(longest, run)
    longest = max(longest, _copied(slices))
    return (longest + 1) * every * spacing if longest else 0.0


def _copied(slices: np.ndarray) -> int:
    """How many slices one after the other are copies of the last before or the first behind them.

    Where all slices are so many copies each, as of a scan that was made finer without interpolation, those of one.
    """
    if not slices.size:
        return 0
    alike = (np.abs(np.diff(slices, axis=0)) <= ALIKE_HU).mean((1, 2)) > COPIED
    chains = [chain.split() for chain in re.findall("=+(?: =+)*", "".join("=" if of else " " for of in alike))]
    return max((sum(map(len, of if len(of) == 2 else [max(of)])) for of in chains), default=0)


def _cut_off(volume: CTVolume, point_lps: np.ndarray, witness: Witness) -> float | None:
    """The HU at which this lumen is cut off: many voxels have it, and none beside the point is brighter. Else None."""
    level, tissue = witness.fork.level_hu, witness.fork.tissue_hu
    near = _part(volume, point_lps, GAP_REACH_MM[1], GAP_REACH_MM[1])
    highest = float(near.max(initial=-np.inf))
    if level is None or tissue is None or highest >= level + CUT_OFF_SHARE * (level - tissue):
        return None
    return highest if (near == highest).sum() >= CUT_OFF_VOXELS else None
