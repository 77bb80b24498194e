"""How bright the lumen beside a point is, and masks of what is as bright."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from .box import SPACING_MM, Box

NEAR_MM = 6.0  # the lumen beside the point is looked for within this
CLOSE_MM = 3.5  # how fast it counts less
LEAST_LUMEN_MM3 = 8.0  # with less than this there is none
LEAST_HU = 90.0  # what is darker holds no contrast
MUSCLE_HU = 45.0
# Lower and upper limit as shares of the contrast, from the tissue and beyond the lumen; radius of the opening, voxels.
RECIPES = ((0.5, 0.4, 0.0), (0.65, 0.4, 0.0), (0.5, 0.4, 1.0), (0.65, 0.4, 1.0), (0.75, 0.3, 0.0), (0.55, 0.4, 1.8))


def lumen_levels(box: Box) -> tuple[list[float], float]:
    """HU of even bright regions near the middle of `box`, most of it first, and how many mm3 there are of all of them.

    Modes of the histogram of what is brighter than LEAST_HU; steep places (edges, specks of calcium) count little, and
    what is farther from the middle counts less.
    """
    ball, hu, away = _ball(box)
    slope = np.sqrt(sum(along**2 for along in np.gradient(hu)))
    bright = ball & (hu > LEAST_HU)
    values = hu[bright]
    weights = 1 / (1 + (slope[bright] / (0.06 * (values - 30))) ** 2)
    close = weights * np.exp(-((away[bright] / CLOSE_MM) ** 2))
    counts, edges = np.histogram(values, np.arange(LEAST_HU, 1210, 10), weights=close)
    counts = ndimage.gaussian_filter1d(counts, 2)
    peaks = 1 + np.nonzero((counts[1:-1] > counts[:-2]) & (counts[1:-1] >= counts[2:]))[0]
    peaks = peaks[counts[peaks] > 0.12 * counts.max()]
    peaks = peaks[np.argsort(-counts[peaks])]
    return [float(edges[peak] + 5) for peak in peaks[:3]], float(weights.sum() * SPACING_MM**3)


def tissue_level(box: Box) -> float:
    """HU of the soft tissue near the middle of `box`."""
    ball, hu, _ = _ball(box)
    soft = hu[ball & (hu > -30) & (hu < LEAST_HU)]
    return float(np.median(soft)) if len(soft) > 50 else MUSCLE_HU


def _ball(box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cube around the middle of `box`: what of it lies within NEAR_MM, its HU, and mm from the middle."""
    n = round(NEAR_MM / SPACING_MM)
    part = box.hu[tuple(slice(size // 2 - n, size // 2 + n + 1) for size in box.hu.shape)]
    away = np.sqrt(((np.indices(part.shape) - n) ** 2).sum(0)) * SPACING_MM
    return away <= NEAR_MM, part, away


def lumen_masks(box: Box, levels: list[float], tissue: float) -> Iterator[tuple[float, np.ndarray]]:
    """The likely lumens, best first: each with its level and mask (z, y, x).

    Calcium is brighter than the lumen and left out. Opening cuts thin bridges to what touches the vessel.
    """
    for low, high, opening in RECIPES:
        for level in levels:
            contrast = level - tissue
            mask = (box.hu > tissue + low * contrast) & (box.hu < level + high * contrast)
            if opening:
                mask = ndimage.binary_opening(mask, _sphere(opening))
            yield level, mask


def _sphere(radius: float) -> np.ndarray:
    n = int(radius)
    return (np.mgrid[-n : n + 1, -n : n + 1, -n : n + 1] ** 2).sum(0) <= radius**2
