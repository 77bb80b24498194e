"""Is a fork an artery's? What a brighter vessel beside it says of that."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .box import SPACING_MM
from .lumen import BEYOND
from .triple import Arm

LEAST_MM, RADII_MM = 30.0, (1.5, 6.5)  # height and mean radius of what counts as a vessel,
MOST_HU = 800.0  # which is darker than compact bone,
MOST_UNEVEN = 0.3  # and of its contrast nine tenths of its values differ by no more: bone and cartilage by more
BESIDE_MM, ALONG_MM = 18.0, 15.0  # its middle is never farther from the other's, over so much of height at least


def brighter_vessel(hu: np.ndarray, level: float, tissue: float, common: Arm, side: str) -> bool:
    """Whether in a box of HU (z, y, x) a vessel much brighter than `level` runs beside `common`, nearer to the midline.

    Contrast reaches the arteries first, and in the carotid sheath the jugular vein lies lateral to the artery (Gray's
    Anatomy): a fork of the dimmer vessel on the outer side is one of the vein. side: "left" or "right", the patient's.
    """
    bright = ndimage.binary_opening(hu > level + BEYOND * (level - tissue))
    labels, _ = ndimage.label(bright)
    outwards = 1 if side == "left" else -1
    for label, where in enumerate(ndimage.find_objects(labels), start=1):
        height = (where[0].stop - where[0].start) * SPACING_MM
        if height < LEAST_MM:
            continue
        own = labels[where] == label
        radius = np.sqrt(own.sum() * SPACING_MM**3 / height / np.pi)
        inner = hu[where][ndimage.binary_erosion(own)]
        if not RADII_MM[0] < radius < RADII_MM[1] or not len(inner):
            continue
        least, middle, most = np.percentile(inner, [5, 50, 95])
        if middle > MOST_HU or most - least > MOST_UNEVEN * (middle - tissue):
            continue
        first = np.array([along.start for along in where])
        rows = np.flatnonzero(own.any((1, 2)))
        middles = (np.array([ndimage.center_of_mass(own[row]) for row in rows]) + first[1:]) * SPACING_MM
        heights = (rows + first[0]) * SPACING_MM
        away = _away(np.column_stack([middles[:, ::-1], heights]) - np.array(hu.shape)[::-1] // 2 * SPACING_MM, common)
        if (
            len(away) * SPACING_MM > ALONG_MM
            and np.linalg.norm(away, axis=1).max() < BESIDE_MM
            and outwards * away[:, 0].mean() < 0
        ):
            return True
    return False


def _away(line: np.ndarray, vessel: Arm) -> np.ndarray:
    """(m, 2) (x, y) mm from `vessel` to those of the points `line` (n, 3) that are as high as some place of it."""
    z = vessel.centre[:, 2]
    line = line[(line[:, 2] > z.min()) & (line[:, 2] < z.max())]
    nearest = np.abs(line[:, 2, None] - z).argmin(1)
    return np.asarray(line[:, :2] - vessel.centre[nearest, :2])
