"""The coordinate systems: the library's LPS, the scene's RAS, both in millimetres, and transforms of nodes."""

import numpy as np


def rasFromLps(points):
    """Return LPS points or vectors (..., 3) in RAS, float64. It is its own inverse."""
    return np.asarray(points, dtype=np.float64) * (-1.0, -1.0, 1.0)


def transformPoint(matrix, point):
    """Return ``matrix`` (4, 4) applied to ``point`` (3,)."""
    return matrix[:3, :3] @ np.asarray(point, dtype=np.float64) + matrix[:3, 3]


def shareTransform(fromNode, toNode):
    """Put ``toNode`` under the transform that ``fromNode`` is under; return whether it was under another."""
    transform = fromNode.GetParentTransformNode()
    isThere = transform is not None and fromNode.GetScene().IsNodePresent(transform)
    transformID = transform.GetID() if isThere else None
    if toNode.GetTransformNodeID() == transformID:
        return False
    toNode.SetAndObserveTransformNodeID(transformID)
    return True
