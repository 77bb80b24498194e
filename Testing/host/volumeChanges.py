"""What users and other modules do to a volume that is in the scene."""

import numpy as np

from Testing.host.mrmlHost import slicer, vtk

SHIFT = np.array([10.0, 20.0, 30.0])


def crop(volume):
    """Crop the volume into itself, as Crop Volume does with its input for output."""
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(0, 10, 50)
    roi.SetSize(90, 60, 50)
    parameters = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCropVolumeParametersNode")
    parameters.SetInputVolumeNodeID(volume.GetID())
    parameters.SetROINodeID(roi.GetID())
    parameters.SetOutputVolumeNodeID(volume.GetID())
    parameters.SetVoxelBased(True)
    assert slicer.modules.cropvolume.logic().Apply(parameters) == 0


def centre(volume):
    """Put the volume elsewhere, by SHIFT."""
    volume.SetOrigin(*np.add(volume.GetOrigin(), SHIFT))


def imageOf(size):
    """Return an image (nx, ny, nz) to be a volume's."""
    image = vtk.vtkImageData()
    image.SetDimensions(*size)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
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
