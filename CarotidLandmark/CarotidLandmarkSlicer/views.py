"""Shows a point in all views of the scene: slices, cameras and the volume's window."""

import numpy as np
import slicer

FIELD_OF_VIEW_MM = 80.0
WINDOW_HU, LEVEL_HU = 900.0, 250.0
CAMERA_DISTANCE_MM = 260.0

_WIDEST_MM, _NARROWEST_MM = 120.0, 20.0


def showPoint(scene, volumeNode, ras):
    """Go to ``ras`` (3,), mm in the world, in every slice and 3D view.

    The volume, if there is one, becomes the background where another was shown, in a window for contrast-filled
    arteries unless the user has set one. A zoom that suits is kept.
    """
    if volumeNode is not None:
        showVolume(scene, volumeNode)
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene):
        zoom(sliceNode)
        sliceNode.JumpSliceByCentering(*ras)
    for cameraNode in slicer.util.getNodesByClass("vtkMRMLCameraNode", scene):
        _aim(cameraNode, np.asarray(ras))


def zoom(sliceNode):
    """Make the shorter side of a slice view FIELD_OF_VIEW_MM, unless it shows about as much already."""
    width, height, depth = sliceNode.GetFieldOfView()
    shorter = min(width, height)
    if not _NARROWEST_MM <= shorter <= _WIDEST_MM:
        scale = FIELD_OF_VIEW_MM / shorter
        sliceNode.SetFieldOfView(width * scale, height * scale, depth)


def showVolume(scene, volumeNode):
    """Make the volume the background where another is shown, in a window for arteries unless the user has set one."""
    for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene):
        shown = [composite.GetBackgroundVolumeID()]
        if composite.GetForegroundOpacity() > 0:
            shown.append(composite.GetForegroundVolumeID())
        if volumeNode.GetID() not in shown:
            composite.SetBackgroundVolumeID(volumeNode.GetID())
    display = volumeNode.GetDisplayNode()
    if display is not None and display.GetAutoWindowLevel():
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(WINDOW_HU, LEVEL_HU)


def _aim(cameraNode, ras):
    away = np.subtract(cameraNode.GetPosition(), cameraNode.GetFocalPoint())
    distance = np.linalg.norm(away)
    away = away / distance if distance > 0 else np.array([0.0, 1.0, 0.0])
    cameraNode.SetFocalPoint(*ras)
    cameraNode.SetPosition(*(ras + CAMERA_DISTANCE_MM * away))
    cameraNode.ResetClippingRange()
