"""What users and other modules do to a volume that is in the scene."""

import numpy as np
from vtk.util.numpy_support import numpy_to_vtk

from Testing.host.mrmlHost import slicer, vtk

SHIFT = np.array([10.0, 20.0, 30.0])


def crop(volume, center=(0, 10, 50), size=(90, 60, 50)):
    """Crop the volume into itself, as Crop Volume does with its input for output."""
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(*center)
    roi.SetSize(*size)
    parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCropVolumeParametersNode")
    parameters.SetInputVolumeNodeID(volume.GetID())
    parameters.SetROINodeID(roi.GetID())
    parameters.SetOutputVolumeNodeID(volume.GetID())
    parameters.SetVoxelBased(True)
    assert slicer.modules.cropvolume.logic().Apply(parameters) == 0


def centre(volume):
    """Put the volume elsewhere, by SHIFT."""
    volume.SetOrigin(*np.add(volume.GetOrigin(), SHIFT))


def imageOf(volume, size=(60, 50, 40), shift=(0, 0, 0)):
    """Return an image (nx, ny, nz) of half the HU of a sample volume, air around it.

    It fits when the volume's origin is moved by ``shift``, mm RAS.
    """
    k, j, i = np.meshgrid(*map(np.arange, size[::-1]), indexing="ij")
    index = np.stack([k, j, i], -1) + np.round(np.multiply(shift, (-1, -1, 1)) / volume.GetSpacing()).astype(int)[::-1]
    voxels = slicer.util.arrayFromVolume(volume)
    inside = ((index >= 0) & (index < voxels.shape)).all(-1)
    shown = np.full(size[::-1], -1000, np.int16)
    shown[inside] = voxels[tuple(index[inside].T)] // 2
    image = vtk.vtkImageData()
    image.SetDimensions(*size)
    image.GetPointData().SetScalars(numpy_to_vtk(shown.reshape(-1), deep=True))
    return image


def addWarp():
    """Add a non-linear transform that moves the middle of a sample volume by a centimetre."""
    fixed = [(-60, -60, 0), (60, 60, 0), (-60, 60, 80), (60, -60, 80)]
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for point in fixed:
        source.InsertNextPoint(point)
        target.InsertNextPoint(point)
    source.InsertNextPoint(0, 0, 40)
    target.InsertNextPoint(8, 5, 43)
    spline = vtk.vtkThinPlateSplineTransform()
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    node.SetAndObserveTransformToParent(spline)
    return node


def addLocalWarp():
    """Add a non-linear transform, on a grid of 10 mm, that leaves the border of a sample volume as it is."""
    size, origin = np.array([16, 16, 12]), np.array([-80.0, -80.0, -20.0])
    k, j, i = np.meshgrid(*map(np.arange, size[::-1]), indexing="ij")
    away = np.abs(np.stack([i, j, k], -1) * 10 + origin - (0, 10, 39)) / (57, 46, 36)
    weight = np.minimum(2.5 * np.prod(np.clip(1 - away, 0, 1), axis=-1), 1)
    field = vtk.vtkImageData()
    field.SetDimensions(*map(int, size))
    field.SetOrigin(*origin)
    field.SetSpacing(10, 10, 10)
    field.GetPointData().SetScalars(numpy_to_vtk((weight[..., None] * (5, 3, 4)).reshape(-1, 3), deep=True))
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(field)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "local warp")
    node.SetAndObserveTransformToParent(transform)
    return node
