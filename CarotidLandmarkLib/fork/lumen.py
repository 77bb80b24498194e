"""How bright the lumen beside a point is, and masks of what is as bright."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage, special

from .box import SPACING_MM, Box

NEAR_MM = 6.0  # the lumen beside the point is looked for within this
CLOSE_MM = 3.5  # how fast it counts less
BRIGHTER = 1.2  # a lumen so much brighter than all modes is too small to make one
LEAST_LUMEN_MM3 = 8.0  # with less of even brightness there is none that can be measured,
LEAST_BRIGHT_MM3 = 30.0  # with less of any none at all: 10 mm of a vessel of 1 mm radius hold as much
LEAST_HU = 90.0  # what is darker holds no contrast
MUSCLE_HU = 45.0
BEYOND = 0.4  # calcium and bone are brighter than the lumen by more than this share of its contrast
ISLAND_MM3 = 800.0  # calcium of the wall is smaller than this, bone is not, or goes on beyond the box;
RING_MM2 = 40.0  # but a stent and a calcified wall may be longer: so little of each cross-section is in them
EDGE_MM = 0.6  # SD of the blur of a lumen's edge
RIM_VOXELS = 2  # what is so near to bone is as bright as a lumen for blur alone
MOST_MASKS, LATER = 18, 3  # masks that are tried; how many recipes a further level lags behind


class Recipe(NamedTuple):
    """low: limit as a share of the contrast, up from tissue; opening: radius in voxels; calcium: is taken for lumen."""

    low: float
    opening: float = 0.0
    calcium: bool = False

    @property
    def rim_mm(self) -> float:
        """How much of a radius the limit takes: the edge, blurred, is where half of the contrast is."""
        return EDGE_MM * float(special.ndtri(self.low))


RECIPES = (
    Recipe(0.5),
    Recipe(0.65),
    Recipe(0.5, opening=1),
    Recipe(0.65, opening=1),
    Recipe(0.5, calcium=True),
    Recipe(0.75),
    Recipe(0.65, calcium=True),
    Recipe(0.55, opening=1.8),
    Recipe(0.65, opening=1, calcium=True),
    Recipe(0.85, calcium=True),
)


def ordered_masks(levels: list[float]) -> list[tuple[Recipe, float]]:
    """Which recipe to try with which of the `levels`, in this order: a further level when LATER recipes of the one
    before it have been."""
    turns = sorted(
        (recipe + LATER * level, level, recipe) for recipe in range(len(RECIPES)) for level in range(len(levels))
    )
    return [(RECIPES[recipe], levels[level]) for _, level, recipe in turns[:MOST_MASKS]]


def bright_volume(box: Box) -> float:
    """How many mm3 near the middle of `box` are brighter than LEAST_HU."""
    ball, hu, _ = _ball(box)
    return float((ball & (hu > LEAST_HU)).sum() * SPACING_MM**3)


def lumen_levels(box: Box) -> list[float]:
    """HU of even bright regions near the middle of `box`, most of it first; none where there is hardly one.

    Modes of the histogram of what is brighter than LEAST_HU; steep places (edges, specks of calcium) count little, and
    what is farther from the middle counts less.
    """
    ball, hu, away = _ball(box)
    slope = np.sqrt(sum(along**2 for along in np.gradient(hu)))
    bright = ball & (hu > LEAST_HU)
    values = hu[bright]
    weights = 1 / (1 + (slope[bright] / (0.06 * (values - 30))) ** 2)
    if weights.sum() * SPACING_MM**3 < LEAST_LUMEN_MM3:
        return []
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
    return levels


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

    Brighter is calcium of the wall or bone. The one is an island and is left out or taken for lumen (a ring of it is as
    good as what is in it); the other is left out together with its blurred rim. Opening cuts thin bridges to what
    touches the vessel.
    """
    contrast = level - tissue
    bright = hu > level + BEYOND * contrast
    mask = hu > tissue + recipe.low * contrast
    if recipe.calcium:
        mask &= ~ndimage.binary_dilation(bright & ~_islands(bright), iterations=RIM_VOXELS)
    else:
        mask &= ~bright
    return ndimage.binary_opening(mask, _sphere(recipe.opening)) if recipe.opening else mask


def _islands(mask: np.ndarray) -> np.ndarray:
    """The connected parts of `mask` that are smaller than ISLAND_MM3, or upright and as thin as RING_MM2, and that do
    not touch the box's sides; only thin ones may go on above and below."""
    labels, count = ndimage.label(mask)
    volume = np.bincount(labels.ravel(), minlength=count + 1) * SPACING_MM**3
    height = np.array([0] + [where[0].stop - where[0].start for where in ndimage.find_objects(labels)]) * SPACING_MM
    small, thin = volume < ISLAND_MM3, volume < RING_MM2 * height
    for axis, allowed in ((0, (small,)), (1, (small, thin)), (2, (small, thin))):
        for end in (0, -1):
            for kind in allowed:
                kind[np.unique(np.take(labels, end, axis))] = False
    return np.asarray((small | thin)[labels]) & mask


def _sphere(radius: float) -> np.ndarray:
    n = int(radius)
    return (np.mgrid[-n : n + 1, -n : n + 1, -n : n + 1] ** 2).sum(0) <= radius**2
