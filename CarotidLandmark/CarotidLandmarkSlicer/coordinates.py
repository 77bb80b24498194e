"""The coordinate systems: the library's LPS, the scene's RAS, both in millimetres, and transforms of nodes."""

import numpy as np
import slicer
import vtk


def rasFromLps(points):
    """Return LPS points or vectors (..., 3) in RAS, float64. It is its own inverse."""
    return np.asarray(points, dtype=np.float64) * (-1.0, -1.0, 1.0)


def transformPoint(matrix, points):
    """Return ``matrix`` (4, 4) applied to points (..., 3)."""
    return np.asarray(points, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]


def ijkToRas(volumeNode):
    """Return the matrix (4, 4) from voxel indices to the volume's own RAS, without its parent transform."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def isInside(volumeNode, point):
    """Return whether ``point`` (3,) of the volume's own RAS lies in one of its voxels."""
    index = transformPoint(np.linalg.inv(ijkToRas(volumeNode)), point)
    return bool((index >= -0.5).all() and (index <= np.array(volumeNode.GetImageData().GetDimensions()) - 0.5).all())


def toWorld(node, point):
    """Return ``point`` (3,) of the node's own RAS in the world."""
    world = [0.0, 0.0, 0.0]
    node.TransformPointToWorld(list(point), world)
    return np.array(world)


def fromWorld(node, point):
    """Return ``point`` (3,) of the world in the node's own RAS."""
    local = [0.0, 0.0, 0.0]
    node.TransformPointFromWorld(list(point), local)
    return np.array(local)


def shareTransform(fromNode, toNode):
    """Put ``toNode`` under the transform that ``fromNode`` is under; return whether it was under another."""
    transform = fromNode.GetParentTransformNode()
    isThere = transform is not None and fromNode.GetScene().IsNodePresent(transform)
    transformID = transform.GetID() if isThere else None
    if toNode.GetTransformNodeID() == transformID:
        return False
    toNode.SetAndObserveTransformNodeID(transformID)
    return True
