"""Where the lumens of the two daughters part."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .box import SPACING_MM
from .lumen import BEYOND

STEP_MM, FINE_MM = 0.5, 0.1
BEFORE_MM, AFTER_MM = 3.0, 14.0  # heights looked at, from where the wave parts
SEEN_MM, WIDE_MM = 0.3, 6.0  # gaps between the lumens that can be measured and are still wedge-shaped
ROWS = 6  # heights to which the wedge is fitted
UNSEEN_MM = 4.0  # at most this far below the first gap that can be seen


def find_carina(hu: np.ndarray, one: np.ndarray, two: np.ndarray, level: float, tissue: float) -> np.ndarray | None:
    """The carina (3,) (x, y, z) in mm from the middle of the box, None where the daughters do not part.

    hu: (z, y, x). one, two: (n, 3) centrelines of the daughters in mm from the middle, from the fork on. level, tissue:
    HU of the lumen and of what is around it. The gap at a height is what the profile between the two centres lacks of
    the lumen's brightness, over the difference of lumen and tissue: blur spreads that, but does not change it; calcium
    is no lumen either, and counts by what it is brighter. The carina is where the wedge between the lumens, fitted
    where it can be seen, has no width.
    """
    heights, gaps, middles = [], [], []
    for height in np.arange(one[0, 2] - BEFORE_MM, one[0, 2] + AFTER_MM, STEP_MM):
        ends = [_crossing(line, height) for line in (one, two)]
        if ends[0] is None or ends[1] is None:
            continue
        distance = float(np.linalg.norm(ends[1] - ends[0]))
        share = np.linspace(0, 1, int(distance / FINE_MM) + 2)
        places = ends[0] + share[:, None] * (ends[1] - ends[0])
        index = places[:, ::-1].T / SPACING_MM + np.array(hu.shape)[:, None] // 2
        bright = (ndimage.map_coordinates(hu, index, order=1) - tissue) / (level - tissue)
        lack = np.clip(np.where(bright > 1 + BEYOND, bright - 1, 1 - bright), 0, 1)
        lack[lack < 0.1] = 0
        heights.append(height)
        gaps.append(lack.mean() * distance)
        middles.append(places[0] + (lack @ share / max(lack.sum(), 1e-6)) * (places[-1] - places[0]))
    z, gap, middle = np.array(heights), np.array(gaps), np.reshape(middles, (-1, 3))
    seen = np.nonzero(gap >= SEEN_MM)[0]
    if not len(seen):
        return None
    first = seen[0]
    rows = np.arange(first, min(first + ROWS, len(z)))
    rows = rows[gap[rows] < WIDE_MM]
    if len(rows) < 3:
        return middle[first]
    slope, offset = np.polyfit(z[rows], gap[rows], 1)
    height = float(np.clip(-offset / slope, z[first] - UNSEEN_MM, z[first])) if slope > 0.05 else float(z[first])
    return np.array([np.polyval(np.polyfit(z[rows], middle[rows, axis], 1), height) for axis in (0, 1)] + [height])


def _crossing(line: np.ndarray, height: float) -> np.ndarray | None:
    """Where a line (n, 3) first rises through a height."""
    rising = np.nonzero((line[:-1, 2] <= height) & (line[1:, 2] > height))[0]
    if not len(rising):
        return None
    low, high = line[rising[0]], line[rising[0] + 1]
    return np.asarray(low + (height - low[2]) / (high[2] - low[2]) * (high - low))
