"""Is a fork an artery's, and the carotid's? What other vessels beside it say of that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from .box import SPACING_MM, Box
from .lumen import BEYOND
from .triple import Arm

LEAST_MM, RADII_MM = 30.0, (1.5, 6.5)  # height and mean radius of what counts as a vessel,
MOST_HU = 800.0  # which is darker than compact bone,
MOST_UNEVEN = 0.3  # and of its contrast nine tenths of its values differ by no more: bone and cartilage by more
BESIDE_MM, ALONG_MM = 18.0, 15.0  # its middle is never farther from the other's, over so much of height at least
SEEN_BELOW_MM = 30.0  # a volume that goes on so far below the point shows the fork of which its artery is a daughter
END_MM, HIGH_MM = 1.8, 6.0  # where the volume ends, this is passed over, and above it so much of height is looked at
SISTER_MM = 16.0  # a sister runs no farther off, middle from middle, on average there;
SISTER_SHARE, SISTER_MOST_MM = (0.55, 1.6), 4.5  # its radius as a share of the other's, and at most: a vein is wider
SISTER_LIKE = 0.15  # of the contrast is how far its brightness is from the lumen's at most


def brighter_vessel(hu: np.ndarray, level: float, tissue: float, common: Arm, side: str) -> bool:
    """Whether in a box of HU (z, y, x) a vessel much brighter than `level` runs beside `common`, nearer to the midline.

    Contrast reaches the arteries first, and in the carotid sheath the jugular vein lies lateral to the artery (Gray's
    Anatomy): a fork of the dimmer vessel on the outer side is one of the vein. side: "left" or "right", the patient's.
    """
    bright = ndimage.binary_opening(hu > level + BEYOND * (level - tissue))
    outwards = 1 if side == "left" else -1
    for values, radius, line in _upright(bright, hu, LEAST_MM):
        if not RADII_MM[0] < radius < RADII_MM[1]:
            continue
        least, middle, most = np.percentile(values, [5, 50, 95])
        if middle > MOST_HU or most - least > MOST_UNEVEN * (middle - tissue):
            continue
        away = _away(line, common)
        if (
            len(away) * SPACING_MM > ALONG_MM
            and np.linalg.norm(away, axis=1).max() < BESIDE_MM
            and outwards * away[:, 0].mean() < 0
        ):
            return True
    return False


def sister_at_end(box: Box, level: float, tissue: float, common: Arm) -> bool:
    """Whether, where the volume ends below the middle of `box`, a vessel like `common` runs beside it.

    Then `common` may be a daughter of a fork that the volume no longer shows, and its own fork a branch's.
    """
    middle = np.array(box.hu.shape) // 2
    y, x = np.clip(np.round(common.centre[-1, 1::-1] / SPACING_MM).astype(int) + middle[1:], 0, 2 * middle[1:])
    rows = np.flatnonzero(box.inside[:, y, x])
    if not len(rows) or (rows[0] - middle[0]) * SPACING_MM < -SEEN_BELOW_MM:
        return False
    contrast = level - tissue
    like = np.zeros(box.hu.shape, bool)
    end = slice(rows[0] + round(END_MM / SPACING_MM), rows[0] + round((END_MM + HIGH_MM) / SPACING_MM))
    like[end] = (box.hu[end] > tissue + 0.5 * contrast) & (box.hu[end] < level + BEYOND * contrast)
    own = float(np.median(common.radius))
    for values, radius, line in _upright(like, box.hu, HIGH_MM - SPACING_MM):
        away = np.linalg.norm(_away(line, common), axis=1)
        if (
            len(away)
            and max(own, radius) < away.mean() < SISTER_MM
            and SISTER_SHARE[0] * own < radius < min(SISTER_SHARE[1] * own, SISTER_MOST_MM)
            and abs(np.median(values) - level) < SISTER_LIKE * contrast
        ):
            return True
    return False


def _upright(mask: np.ndarray, hu: np.ndarray, least_mm: float) -> Iterator[tuple[np.ndarray, float, np.ndarray]]:
    """Of the connected parts of `mask` (z, y, x) that are at least so high: the HU inside (n,), the mean radius in mm,
    and the middles of the cross-sections (m, 3), (x, y, z) mm from the box's middle."""
    labels, _ = ndimage.label(mask)
    for label, where in enumerate(ndimage.find_objects(labels), start=1):
        height = (where[0].stop - where[0].start) * SPACING_MM
        if height < least_mm:
            continue
        own = labels[where] == label
        inner = hu[where][ndimage.binary_erosion(own)]
        if not len(inner):
            continue
        radius = float(np.sqrt(own.sum() * SPACING_MM**3 / height / np.pi))
        first = np.array([along.start for along in where])
        rows = np.flatnonzero(own.any((1, 2)))
        middles = np.array([ndimage.center_of_mass(own[row]) for row in rows])[:, ::-1] + first[:0:-1]
        line = np.column_stack([middles, rows + first[0]]) - np.array(hu.shape)[::-1] // 2
        yield inner, radius, line * SPACING_MM


def _away(line: np.ndarray, vessel: Arm) -> np.ndarray:
    """(m, 2) (x, y) mm from `vessel` to those of the points `line` (n, 3) that are as high as some place of it."""
    z = vessel.centre[:, 2]
    line = line[(line[:, 2] > z.min()) & (line[:, 2] < z.max())]
    nearest = np.abs(line[:, 2, None] - z).argmin(1)
    return np.asarray(line[:, :2] - vessel.centre[nearest, :2])
