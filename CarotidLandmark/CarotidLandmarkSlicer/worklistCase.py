"""The case of a worklist that is in the scene: its volume with what was detected in it."""

import json

import numpy as np
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import read_detection
from CarotidLandmarkLib.worklist.cases import no_detection

from .views import LEVEL_HU, WINDOW_HU, showVolume

# Attributes of the volume: the case's key, and, as JSON, the files that it was read from and where it lay then.
CASE, FILES, FRAME = "CarotidLandmark.Case", "CarotidLandmark.Files", "CarotidLandmark.Frame"


def addCase(landmarkScene, read):
    """Put a ReadVolume into the scene and show it; return its volume, its landmarks and sentences about it.

    Without a result, or where that is of another volume, both points are the reader's to place.
    """
    volumeNode = _addVolume(landmarkScene.scene, read)
    sentences = list(read.warnings)
    detection = no_detection(read.case)
    if read.case.report and read.changed:
        sentences.append(_("The volume is not the one that the result is of, so the result is not shown."))
    elif read.case.report:
        try:
            detection = read_detection(read.case.report)
        except BadInputError as error:
            sentences.append(str(error))
    landmarkNode = landmarkScene.applyDetection(volumeNode, detection.to_dict())
    landmarkScene.forgetSteps(landmarkNode)
    showVolume(landmarkScene.scene, volumeNode)
    if all(landmark.position_lps_mm is None for landmark in detection.landmarks):
        slicer.util.resetSliceViews()  # else the views go to a point, at the zoom that they have
    return volumeNode, landmarkNode, sentences


def removeCase(landmarkScene, volumeNode, landmarkNode):
    """Take a volume out of the scene with its landmarks (None: it has none) and all that belongs to them."""
    scene = landmarkScene.scene
    nodes = [volumeNode.GetStorageNode(), volumeNode, volumeNode.GetDisplayNode()]  # the display last: else the views
    if landmarkNode is not None:  # would look for a window
        landmarkScene.unobserve(landmarkNode)
        nodes = [landmarkNode.GetStorageNode(), landmarkNode.GetDisplayNode(), landmarkNode, *nodes]
    for node in nodes:
        if node is not None and scene.IsNodePresent(node):
            scene.RemoveNode(node)
    landmarkScene.removeLeftovers()
    if landmarkNode is not None:
        landmarkScene.forgetSteps(landmarkNode)


def findCase(landmarkScene, case):
    """Return volume and landmarks of a case that is in the scene already, as of a file, or None twice; also where the
    file is gone and has no key."""
    for landmarkNode in landmarkScene.landmarkNodes():
        volumeNode = landmarkScene.volumeNode(landmarkNode)
        if case.key is not None and volumeNode is not None and volumeNode.GetAttribute(CASE) == case.key:
            return volumeNode, landmarkNode
    return None, None


def _addVolume(scene, read):
    """The volume node; its window is set before it has voxels, since to find one takes longer than all else."""
    display = scene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetDefaultColorMap()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(WINDOW_HU, LEVEL_HU)
    volumeNode = slicer.vtkMRMLScalarVolumeNode()
    volumeNode.SetName(read.case.name)
    volumeNode.SetAttribute(CASE, read.case.key)
    volumeNode.SetAttribute(FILES, json.dumps(read.files))
    volumeNode.SetAttribute(FRAME, json.dumps(np.asarray(read.ijkToRas).tolist()))
    volumeNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(read.ijkToRas))
    scene.AddNode(volumeNode)
    volumeNode.SetAndObserveDisplayNodeID(display.GetID())
    volumeNode.SetAndObserveImageData(read.image)
    return volumeNode
