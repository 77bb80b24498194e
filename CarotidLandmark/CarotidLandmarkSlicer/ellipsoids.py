"""The confidence ellipsoids: model nodes that follow what is stored on the landmark node."""

import functools

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from CarotidLandmarkLib.landmarks.detection import ellipsoid
from CarotidLandmarkLib.landmarks.points import LABELS, SIDES

from .coordinates import rasFromLps, shareTransform
from .landmarkRecord import ELLIPSOID_ROLES

# RGB by chip, bright enough on a CT; neighbours in the table differ in lightness too, for the colour blind.
COLORS = {
    "found": (0.30, 0.85, 0.45),
    "review": (1.00, 0.65, 0.10),
    "absent": (0.60, 0.62, 0.65),
    "undetected": (0.60, 0.62, 0.65),
    "accepted": (0.25, 0.62, 1.00),
    "moved": (0.85, 0.45, 0.95),
    "missing": (0.60, 0.62, 0.65),
}
PLAIN_COLOR = (1.00, 0.90, 0.55)

_CONFIDENCE = "CarotidLandmark.Confidence"
_COLOR_BY_STATUS = "CarotidLandmark.ColorByStatus"
_SIDE = "CarotidLandmark.Ellipsoid"
_DEFAULT_CONFIDENCE = 0.9
_DEFAULT_OPACITY = 0.35
_OUTLINE_PIXELS = 2
_MIN_RADIUS_MM = 0.01


def confidenceRadii(landmark, confidence):
    """Return the radii (3,) mm, longest first, and the volume in mm^3 of a LandmarkDetection's ellipsoid, or None."""
    if landmark.covariance_mm2 is None:
        return None, None
    radii, _, volume = _ellipsoid(tuple(landmark.covariance_mm2.flat), confidence)
    return radii.copy(), volume


def ellipsoidPolyData(center, halfAxes):
    """Return a closed triangle surface with outward unit normals.

    ``center`` (3,) mm; ``halfAxes`` (3, 3), its columns are the half axes in mm. The ends of the axes are points of the
    surface.
    """
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = _rightHanded(halfAxes), center
    transform = vtk.vtkTransform()
    transform.SetMatrix(matrix.ravel().tolist())
    toEllipsoid = vtk.vtkTransformPolyDataFilter()
    toEllipsoid.SetTransform(transform)
    toEllipsoid.SetInputData(_unitSphere())
    toEllipsoid.Update()
    return toEllipsoid.GetOutput()


def updateEllipsoids(record, chips):
    """Make or update both ellipsoid nodes of ``record``; ``chips`` (side to chip) give the colours.

    An ellipsoid stands at the prediction, also after the point was moved. It is empty where there is no prediction and
    where the reader marked the landmark as missing. Returns the nodes that had to be made.
    """
    display = ellipsoidDisplay(record)
    newNodes = []
    for side in SIDES:
        node = _ellipsoidNode(record, side)
        if node is None:
            node = _addNode(record, side)
            newNodes.append(node)
        shareTransform(record.node, node)
        _show(node, _shape(record, side, display["confidence"]) if chips[side] != "missing" else None)
        color = COLORS[chips[side]] if display["colorByStatus"] else PLAIN_COLOR
        node.GetDisplayNode().SetColor(color)
    return newNodes


def ellipsoidDisplay(record):
    """Return how the ellipsoids are shown: visible, opacity, confidence (fractions) and colorByStatus."""
    settings = (record.detection or {}).get("settings") or {}
    node = _ellipsoidNode(record, "left")
    if node is None:
        confidence = settings.get("confidence", _DEFAULT_CONFIDENCE)
        return {"visible": True, "opacity": _DEFAULT_OPACITY, "confidence": confidence, "colorByStatus": True}
    return {
        "visible": bool(node.GetDisplayNode().GetVisibility()),
        "opacity": node.GetDisplayNode().GetOpacity(),
        "confidence": _confidence(node),
        "colorByStatus": node.GetAttribute(_COLOR_BY_STATUS) == "1",
    }


def setEllipsoidDisplay(record, **changes):
    """Change what is given of ellipsoidDisplay, on both ellipsoid nodes of ``record``; updateEllipsoids draws it."""
    display = {**ellipsoidDisplay(record), **changes}
    for side in SIDES:
        _setDisplay(_ellipsoidNode(record, side) or _addNode(record, side), **display)


def _setDisplay(node, visible, opacity, confidence, colorByStatus):
    node.GetDisplayNode().SetVisibility(visible)
    node.GetDisplayNode().SetOpacity(opacity)
    node.SetAttribute(_CONFIDENCE, repr(float(confidence)))
    node.SetAttribute(_COLOR_BY_STATUS, "1" if colorByStatus else "0")


def _ellipsoidNode(record, side):
    node = record.node.GetNodeReference(ELLIPSOID_ROLES[side])
    return node if node is not None and node.GetDisplayNode() is not None else None


def _confidence(node):
    try:
        confidence = float(node.GetAttribute(_CONFIDENCE) or "")
    except ValueError:
        return _DEFAULT_CONFIDENCE
    return confidence if 0 < confidence < 1 else _DEFAULT_CONFIDENCE


def _addNode(record, side):
    display = ellipsoidDisplay(record)
    name = f"{record.node.GetName()} {LABELS[side]}"
    node = record.node.GetScene().AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAttribute(_SIDE, side)
    node.SetSelectable(False)
    node.SetAndObserveMesh(vtk.vtkPolyData())
    node.CreateDefaultDisplayNodes()
    _setDisplay(node, **display)
    displayNode = node.GetDisplayNode()
    displayNode.SetVisibility2D(True)
    displayNode.SetSliceIntersectionThickness(_OUTLINE_PIXELS)
    displayNode.SetScalarVisibility(False)
    displayNode.SetSpecular(0.2)
    displayNode.SetPower(20)
    record.node.SetNodeReferenceID(ELLIPSOID_ROLES[side], node.GetID())
    return node


def _shape(record, side, confidence):
    landmark = record.predictions[side]
    if landmark.position_lps_mm is None or landmark.covariance_mm2 is None:
        return None
    radii, axes, _ = _ellipsoid(tuple(landmark.covariance_mm2.flat), confidence)
    halfAxes = record.frame[:3, :3] @ (rasFromLps(axes) * np.maximum(radii, _MIN_RADIUS_MM)[:, None]).T
    return record.toLocal(landmark.position_lps_mm), halfAxes


@functools.lru_cache(maxsize=16)
def _ellipsoid(covariance, confidence):
    """Return radii, axes and volume for the nine numbers of a covariance; nobody changes what is kept here."""
    return ellipsoid(np.reshape(covariance, (3, 3)), confidence)


def _rightHanded(halfAxes):
    """Return the half axes of the same ellipsoid without the mirroring that would turn its faces inwards."""
    return halfAxes * [np.sign(np.linalg.det(halfAxes)), 1.0, 1.0]


def _unitSphere():
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(1.0)
    sphere.SetThetaResolution(64)
    sphere.SetPhiResolution(33)
    sphere.SetOutputPointsPrecision(vtk.vtkAlgorithm.DOUBLE_PRECISION)
    sphere.Update()
    return sphere.GetOutput()


@functools.lru_cache(maxsize=1)
def _directions():
    return vtk_to_numpy(_unitSphere().GetPoints().GetData()).copy()


def _show(node, shape):
    """Give ``node`` the surface of ``shape`` (center, halfAxes; None: nothing), unless it has it."""
    before = node.GetPolyData()
    if shape is None:
        if before is not None and before.GetNumberOfPoints():
            node.SetAndObserveMesh(vtk.vtkPolyData())
    elif before is None or not _isSurface(before, *shape):
        node.SetAndObserveMesh(ellipsoidPolyData(*shape))


def _isSurface(polyData, center, halfAxes):
    if polyData.GetNumberOfPoints() != len(_directions()):
        return False
    points = vtk_to_numpy(polyData.GetPoints().GetData())
    return np.allclose(points, center + _directions() @ _rightHanded(halfAxes).T, rtol=0, atol=1e-4)
