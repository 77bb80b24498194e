"""The two coordinate systems: the library's LPS and the scene's RAS, both in millimetres."""

import numpy as np


def rasFromLps(points):
    """Return LPS points or vectors (..., 3) in RAS, float64. It is its own inverse."""
    return np.asarray(points, dtype=np.float64) * (-1.0, -1.0, 1.0)


def transformPoint(matrix, point):
    """Return ``matrix`` (4, 4) applied to ``point`` (3,)."""
    return matrix[:3, :3] @ np.asarray(point, dtype=np.float64) + matrix[:3, 3]
