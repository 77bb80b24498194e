"""Turns the slice views and the camera to a fork, and back."""

import json

import numpy as np
import slicer

from .views import showVolume

FIELD_OF_VIEW_MM = 60.0
LAYOUT = {"Red": "cross", "Green": "fork", "Yellow": "along"}

_BEFORE = "CarotidLandmark.BeforeForkView"  # attribute of a view that was turned
_CAMERA_DISTANCE_MM = 112.0  # shows as much as the slice views
_IN_THE_WAY = -0.35  # cosine of the angle with the camera's direction


def showFork(scene, volumeNode, planes, outwards):
    """Show the ``planes`` (see forkPlanes) in the slice views, from LAYOUT, and look at "space" in 3D.

    The camera stands in front of that, or opposite if the neck's other side would be in the way: ``outwards``
    (3,) is the unit vector away from it. What was shown before is kept on the views, and so in the scene, until
    restoreViews().
    """
    if volumeNode is not None:
        showVolume(scene, volumeNode)
    for sliceNode in _nodes(scene, "vtkMRMLSliceNode"):
        if sliceNode.GetLayoutName() in LAYOUT:
            _keep(sliceNode, _sliceState(sliceNode))
            _turn(sliceNode, planes[LAYOUT[sliceNode.GetLayoutName()]])
    space = planes["space"]
    toCamera = space.toViewer if space.toViewer @ outwards > _IN_THE_WAY else -space.toViewer
    for cameraNode in _nodes(scene, "vtkMRMLCameraNode"):
        _keep(cameraNode, _cameraState(cameraNode))
        _aim(cameraNode, space.center + _CAMERA_DISTANCE_MM * toCamera, space.center, space.up)


def isForkShown(scene):
    """Return whether there is a view to restore."""
    return any(map(_before, _views(scene)))


def restoreViews(scene):
    """Show in every view that was turned what it showed before."""
    for node in _views(scene):
        state = _before(node)
        node.RemoveAttribute(_BEFORE)
        if state is None:
            continue
        if node.IsA("vtkMRMLCameraNode"):
            _aim(node, *state["camera"])
        else:
            _setSlice(node, np.array(state["sliceToRas"]), min(state["fieldOfView"][:2]))
            node.SetXYZOrigin(*state["origin"])
            node.SetSliceVisible(state["visible"])


def _turn(sliceNode, plane):
    matrix = np.eye(4)
    matrix[:3] = np.column_stack([plane.right, plane.up, plane.toViewer, plane.center])
    sliceNode.SetXYZOrigin(0.0, 0.0, 0.0)
    _setSlice(sliceNode, matrix, FIELD_OF_VIEW_MM)
    sliceNode.SetSliceVisible(False)  # in 3D a slice would cut the fork


def _setSlice(sliceNode, matrix, shorterSide):
    """``shorterSide``: of the field of view, mm; its shape is that of the view, which may have changed meanwhile."""
    slicer.util.updateVTKMatrixFromArray(sliceNode.GetSliceToRAS(), matrix)
    sliceNode.UpdateMatrices()
    width, height, depth = sliceNode.GetFieldOfView()
    scale = shorterSide / min(width, height)
    sliceNode.SetFieldOfView(width * scale, height * scale, depth)


def _sliceState(sliceNode):
    return {
        "sliceToRas": slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS()).tolist(),
        "fieldOfView": sliceNode.GetFieldOfView(),
        "origin": sliceNode.GetXYZOrigin(),
        "visible": bool(sliceNode.GetSliceVisible()),
    }


def _cameraState(cameraNode):
    return {"camera": [cameraNode.GetPosition(), cameraNode.GetFocalPoint(), cameraNode.GetViewUp()]}


def _aim(cameraNode, position, focalPoint, up):
    cameraNode.SetPosition(*position)
    cameraNode.SetFocalPoint(*focalPoint)
    cameraNode.SetViewUp(*up)
    cameraNode.ResetClippingRange()


def _keep(node, state):
    if _before(node) is None:
        node.SetAttribute(_BEFORE, json.dumps(state))


def _before(node):
    try:
        return json.loads(node.GetAttribute(_BEFORE) or "null")
    except ValueError:
        return None


def _views(scene):
    return [*_nodes(scene, "vtkMRMLSliceNode"), *_nodes(scene, "vtkMRMLCameraNode")]


def _nodes(scene, className):
    return slicer.util.getNodesByClass(className, scene)
