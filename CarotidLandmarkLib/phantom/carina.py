"""The landmark: where, going cranially, the lumens of the internal and external carotid first part."""

from __future__ import annotations

import numpy as np

from .shapes import Tube


def carina(trunk: Tube, internal: Tube, external: Tube, reach_mm: float = 40.0) -> np.ndarray | None:
    """The carina (3,) in body mm from the three lumens' surfaces, or None when they do not part within ``reach_mm``.

    At each height the straight line between the two centres is searched for its point farthest outside the union of
    the lumens; the carina is where that point first leaves the union (distance 0), found by bisection to 0.01 mm.
    Both daughters start at the trunk's last point.
    """
    start = trunk.points[-1, 2]

    def gap(z: float) -> tuple[float, np.ndarray]:
        ends = [_crossing(tube.points, z) for tube in (internal, external)]
        if ends[0] is None or ends[1] is None:
            return -np.inf, trunk.points[-1]
        line = ends[0] + np.linspace(0, 1, 81)[:, None] * (ends[1] - ends[0])
        outside = np.minimum.reduce([tube.distance(line) for tube in (trunk, internal, external)])
        best = int(outside.argmax())
        return float(outside[best]), line[best]

    heights = np.arange(start + 0.25, start + reach_mm, 0.5)
    for low, high in zip(heights[:-1], heights[1:]):
        if gap(high)[0] > 0:
            while high - low > 0.01:
                middle = (low + high) / 2
                low, high = (low, middle) if gap(middle)[0] > 0 else (middle, high)
            return gap(high)[1]
    return None


def _crossing(points: np.ndarray, z: float) -> np.ndarray | None:
    """Where a curve first rises through height ``z``."""
    rising = np.nonzero((points[:-1, 2] <= z) & (points[1:, 2] > z))[0]
    if not len(rising):
        return None
    i = int(rising[0])
    t = (z - points[i, 2]) / (points[i + 1, 2] - points[i, 2])
    return np.asarray(points[i] + t * (points[i + 1] - points[i]))
