"""How bright the lumen beside a point is, and masks of what is as bright."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .box import SPACING_MM, Box

NEAR_MM = 6.0  # the lumen beside the point is looked for within this
CLOSE_MM = 3.5  # how fast it counts less
BRIGHTER = 1.2  # a lumen so much brighter than all modes is too small to make one
LEAST_LUMEN_MM3 = 8.0  # with less than this there is none
LEAST_HU = 90.0  # what is darker holds no contrast
MUSCLE_HU = 45.0


class Recipe(NamedTuple):
    """low, high: limits as shares of the contrast, up from tissue and beyond the lumen; opening: radius in voxels."""

    low: float
    high: float
    opening: float = 0.0


RECIPES = (
    Recipe(0.5, 0.4),
    Recipe(0.65, 0.4),
    Recipe(0.5, 0.4, opening=1),
    Recipe(0.65, 0.4, opening=1),
    Recipe(0.75, 0.3),
    Recipe(0.55, 0.4, opening=1.8),
    Recipe(0.6, np.inf, opening=1),
    Recipe(0.6, np.inf),
    Recipe(0.85, np.inf),
)


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
    levels = [float(edges[peak] + 5) for peak in peaks[:2]]
    brightest = float(np.percentile(values[away[bright] < CLOSE_MM], 90)) if (away[bright] < CLOSE_MM).any() else 0.0
    if levels and brightest > BRIGHTER * max(levels):
        levels.append(brightest)
    return levels, float(weights.sum() * SPACING_MM**3)


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


def lumen_mask(hu: np.ndarray, recipe: Recipe, level: float, tissue: float) -> np.ndarray:
    """What of a box of HU (z, y, x) is as bright as a lumen of `level` in `tissue`: bool (z, y, x).

    Calcium is brighter than the lumen and left out, but for the last resorts: a ring of it is as good as what is in it.
    Opening cuts thin bridges to what touches the vessel.
    """
    contrast = level - tissue
    mask = (hu > tissue + recipe.low * contrast) & (hu < level + recipe.high * contrast)
    return ndimage.binary_opening(mask, _sphere(recipe.opening)) if recipe.opening else mask


def _sphere(radius: float) -> np.ndarray:
    n = int(radius)
    return (np.mgrid[-n : n + 1, -n : n + 1, -n : n + 1] ** 2).sum(0) <= radius**2
