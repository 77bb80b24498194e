"""Does this volume suit the detection? In one line for the panel, quick enough to ask whenever it changes."""

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.checks import check_geometry
from CarotidLandmarkLib.volume.hu import check_hu

SHORT_MM = 100.0

_SAMPLES = 200_000
_OTHER_MODALITIES = ("CR", "DX", "MG", "MR", "NM", "PT", "RF", "US", "XA")


@dataclass(frozen=True)
class VolumeCheck:
    """``ok``: the engine can be asked. ``text``: what the volume is and what to expect, or why it does not suit."""

    ok: bool
    text: str


def checkVolume(volumeNode):
    """Return the VolumeCheck of a volume node or None. The voxels are looked at by a sample."""
    if volumeNode is None:
        return VolumeCheck(False, _("Choose a CT of the neck."))
    name = volumeNode.GetName()
    problem = _kindProblem(volumeNode)
    if problem:
        return VolumeCheck(False, problem.format(name=name, modality=_modality(volumeNode)))
    size, spacing = volumeNode.GetImageData().GetDimensions(), volumeNode.GetSpacing()
    directions = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASDirectionMatrix(directions)
    axes = slicer.util.arrayFromVTKMatrix(directions)[:3, :3]
    try:
        hints = check_geometry(size, spacing, axes, name)
        hints += check_hu(_someVoxels(volumeNode), name)[1]
    except BadInputError as error:
        return VolumeCheck(False, str(error))
    height = float(np.abs(axes[2]) @ np.multiply(size, spacing))
    text = _("CT, {size}, {spacing} mm, {height:.0f} mm tall").format(
        size=" × ".join(map(str, size)), spacing=" × ".join(f"{step:.2g}" for step in spacing), height=height
    )
    if height < SHORT_MM:
        hints.append(_("It is short for a neck: both bifurcations may not be in view."))
    return VolumeCheck(True, " ".join([text + ".", *hints]))


def _kindProblem(volumeNode):
    """Return a sentence, with {name} and {modality} to fill in, if the node is no single CT volume, else ""."""
    if volumeNode.IsA("vtkMRMLLabelMapVolumeNode"):
        return _("“{name}” is a label map: choose the CT itself.")
    if volumeNode.GetClassName() != "vtkMRMLScalarVolumeNode":
        return _("“{name}” is a colour, vector or diffusion volume: choose a CT with one value a voxel.")
    image = volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None or 0 in image.GetDimensions():
        return _("“{name}” is empty: load it again.")
    if image.GetNumberOfScalarComponents() != 1:
        return _("“{name}” has several values a voxel, as a colour picture has: choose the CT itself.")
    if _isFrame(volumeNode):
        return _("“{name}” is a frame of a sequence: make a copy of the frame you want and choose that.")
    if _modality(volumeNode) in _OTHER_MODALITIES:
        return _("“{name}” is {modality}, by its DICOM header: choose a CT.")
    transform = volumeNode.GetParentTransformNode()
    if transform is not None and not transform.IsTransformToWorldLinear():
        return _("“{name}” is under a non-linear transform: harden it, then detect, or take the volume out of it.")
    return ""


def firstVolume(scene):
    """Return the scalar volume that the views show, else the first one of the scene, or None."""
    active = slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID()
    nodes = [scene.GetNodeByID(active)] if active else []
    nodes += slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene)
    return next((node for node in nodes if node and node.GetClassName() == "vtkMRMLScalarVolumeNode"), None)


def _isFrame(volumeNode):
    browsers = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", volumeNode.GetScene())
    return any(browser.IsProxyNodeID(volumeNode.GetID()) for browser in browsers)


def _modality(volumeNode):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    item = hierarchy.GetItemByDataNode(volumeNode)
    name = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName()
    return (item and hierarchy.GetItemAttribute(item, name)) or volumeNode.GetAttribute(name) or ""


def _someVoxels(volumeNode):
    voxels = slicer.util.arrayFromVolume(volumeNode).reshape(-1)
    return voxels[:: max(voxels.size // _SAMPLES, 1) | 1][None]
