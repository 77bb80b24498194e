"""The surface of a lumen, from its voxels."""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from .coordinates import rasFromLps

_SMOOTHINGS = 20
_PASS_BAND = 0.05


def lumenPolyData(lumen, frame):
    """Return the closed, smoothed surface of a Lumen with its normals; None where it has no voxels.

    ``frame`` (4, 4) leads from RAS to where the surface is wanted.
    """
    if not lumen.voxels.any():
        return None
    image, first = _cut(lumen.voxels)
    surface = vtk.vtkDiscreteFlyingEdges3D()
    surface.SetInputData(image)
    surface.SetValue(0, 1)
    surface.ComputeNormalsOff()
    surface.ComputeGradientsOff()
    surface.ComputeScalarsOff()
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(surface.GetOutputPort())
    smooth.SetNumberOfIterations(_SMOOTHINGS)
    smooth.SetPassBand(_PASS_BAND)
    smooth.NormalizeCoordinatesOn()
    smooth.BoundarySmoothingOff()
    smooth.FeatureEdgeSmoothingOff()
    toFrame = _indexToFrame(lumen.grid, first, frame)
    transform = vtk.vtkTransform()
    transform.SetMatrix(toFrame.ravel().tolist())
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetTransform(transform)
    moved.SetInputConnection(smooth.GetOutputPort())
    normals = vtk.vtkPolyDataNormals()
    if np.linalg.det(toFrame[:3, :3]) < 0:  # the mirroring turns the faces inwards
        turned = vtk.vtkReverseSense()
        turned.ReverseNormalsOff()
        turned.SetInputConnection(moved.GetOutputPort())
        normals.SetInputConnection(turned.GetOutputPort())
    else:
        normals.SetInputConnection(moved.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def _cut(voxels):
    """Return the part that is not empty with a border around it, as an image of indices, and its first index (3,)."""
    parts = []
    for axis in range(3):
        used = np.nonzero(voxels.any(axis=tuple({0, 1, 2} - {axis})))[0]
        parts.append(slice(used[0], used[-1] + 1))
    padded = np.pad(voxels[tuple(parts)].astype(np.uint8), 1)
    image = vtk.vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    return image, np.array([part.start - 1 for part in reversed(parts)])


def _indexToFrame(grid, first, frame):
    matrix = np.eye(4)
    matrix[:3, :3] = rasFromLps((grid.direction * grid.spacing).T).T
    matrix[:3, 3] = rasFromLps(grid.index_to_world(first))
    return frame @ matrix
