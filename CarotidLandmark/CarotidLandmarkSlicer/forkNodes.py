"""Lumen, middle lines, seeds and box of the forks: nodes that follow what is stored on the landmark node."""

import json
import zlib

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from CarotidLandmarkLib.landmarks.curves import COLORS, SHORT, seeds, short_names
from CarotidLandmarkLib.landmarks.forks import VESSELS
from CarotidLandmarkLib.landmarks.points import LABELS, SIDES

from .lumenSurface import lumenPolyData
from .ownedNodes import addOwnedNode, followTransform, ownedNode

LUMEN_ROLES = {side: f"CarotidLandmark.Lumen.{side}" for side in SIDES}
VESSEL_ROLES = {(side, name): f"CarotidLandmark.Vessel.{side}.{name}" for side in SIDES for name in VESSELS}
SEED_ROLES = {side: f"CarotidLandmark.Seeds.{side}" for side in SIDES}
ROI_ROLE = "CarotidLandmark.ForkBox"
ROI_MARGIN_MM = 10.0

_KEY = "CarotidLandmark.Key"  # attribute: what the node was made from
_LUMEN_COLOR = (0.86, 0.33, 0.28)
_LUMEN_OPACITY = 0.35
_LINE_MM = 0.7
_GLYPH_MM = 0.7
_RADIUS = "Radius"  # as SlicerVMTK names it


def updateForks(record, chips):
    """Make or update the nodes of ``record`` (a LandmarkRecord); return those that had to be made.

    Lumen and middle lines are there for every fork with vessels and empty where the reader marked the landmark as
    missing (``chips``: side to chip). Seeds and box follow only once makeSeeds() or makeRoi() has made them.
    """
    newNodes = []
    for side in SIDES:
        vessels = vesselLines(record, side) if chips[side] != "missing" else None
        _updateLumen(record, side, record.lumens.get(side) if vessels else None, newNodes)
        for name in VESSELS:
            _updateVessel(record, side, name, vessels[name] if vessels else None, newNodes)
        if ownedNode(record.node, SEED_ROLES[side]) is not None:
            makeSeeds(record, side)
    if ownedNode(record.node, ROI_ROLE) is not None:
        makeRoi(record)
    followTransform(record.node)
    return newNodes


def setForkDisplay(record, lumenVisible, centrelinesVisible):
    """Show or hide the lumens and the middle lines."""
    shown = {role: lumenVisible for role in LUMEN_ROLES.values()}
    shown.update((role, centrelinesVisible) for role in VESSEL_ROLES.values())
    for role, isVisible in shown.items():
        node = ownedNode(record.node, role)
        if node is not None:
            node.GetDisplayNode().SetVisibility(isVisible)


def vesselLines(record, side):
    """Return the vessels of a fork, "common", "internal" and "external", as (n, 3) in the node's own RAS; or None."""
    fork = record.predictions[side].fork
    if fork is None or fork.vessels is None:
        return None
    return {name: record.toLocal(line[:, :3]) for name, line in fork.vessels.items()}


def makeSeeds(record, side):
    """Return the points of a side that Extract Centerline begins and ends at; the beginning is not selected."""
    fork = record.predictions[side].fork
    found = {} if fork is None else seeds(fork)
    role = SEED_ROLES[side]
    node = ownedNode(record.node, role)
    if node is None:
        node = addOwnedNode(record.node, role, "vtkMRMLMarkupsFiducialNode", f"{LABELS[side]} seeds")
    if _isOutdated(node, _key(record, *found.values()), bool(found), node.GetNumberOfControlPoints()):
        node.RemoveAllControlPoints()
        for name, point in found.items():
            index = node.AddControlPoint(record.toLocal(point), f"{LABELS[side]} {short_names(fork)[name]}")
            node.SetNthControlPointSelected(index, name != "common")
    return node


def makeRoi(record):
    """Return the box around the vessels of both forks, with ROI_MARGIN_MM on all sides, as Crop Volume takes it.

    There is at least one fork with vessels, unless the node is there already: then it stays as it is.
    """
    lines = [line for side in SIDES for line in (vesselLines(record, side) or {}).values()]
    node = ownedNode(record.node, ROI_ROLE)
    if node is None:
        node = addOwnedNode(record.node, ROI_ROLE, "vtkMRMLMarkupsROINode", "box")
        node.GetDisplayNode().SetFillVisibility(False)
    if lines and _isOutdated(node, _key(record, *lines), True, node.GetNumberOfControlPoints()):
        points = np.concatenate(lines)
        low, high = points.min(axis=0) - ROI_MARGIN_MM, points.max(axis=0) + ROI_MARGIN_MM
        node.SetCenter((low + high) / 2)
        node.SetSize(*(high - low))
    return node


def _updateLumen(record, side, lumen, newNodes):
    role = LUMEN_ROLES[side]
    node = ownedNode(record.node, role)
    if node is None and lumen is not None:
        node = addOwnedNode(record.node, role, "vtkMRMLModelNode", f"{LABELS[side]} lumen")
        newNodes.append(node)
        display = node.GetDisplayNode()
        display.SetColor(_LUMEN_COLOR)
        display.SetOpacity(_LUMEN_OPACITY)
        display.SetVisibility2D(True)
        display.SetScalarVisibility(False)
        display.SetSpecular(0.3)
        display.SetPower(20)
    if node is not None:
        polyData = node.GetPolyData()
        count = 0 if polyData is None else polyData.GetNumberOfPoints()
        parts = () if lumen is None else (record.lumenText.encode(), side.encode())
        if _isOutdated(node, _key(record, *parts), lumen is not None, count):
            surface = None if lumen is None else lumenPolyData(lumen, record.frame)
            node.SetAndObserveMesh(surface or vtk.vtkPolyData())


def _updateVessel(record, side, name, line, newNodes):
    role = VESSEL_ROLES[side, name]
    node = ownedNode(record.node, role)
    if node is None and line is not None:
        node = addOwnedNode(record.node, role, "vtkMRMLMarkupsCurveNode", f"{LABELS[side]} {SHORT[name]}")
        newNodes.append(node)
        node.SetLocked(True)
        display = node.GetDisplayNode()
        display.SetSelectedColor(COLORS[name])
        display.SetVisibility2D(False)
        display.SetPointLabelsVisibility(False)
        display.SetPropertiesLabelVisibility(False)
        display.SetUseGlyphScale(False)
        display.SetGlyphSize(_GLYPH_MM)
        display.SetCurveLineSizeMode(display.UseLineDiameter)
        display.SetLineDiameter(_LINE_MM)
    if node is not None:
        parts = () if line is None else (line,)
        if _isOutdated(node, _key(record, *parts), line is not None, node.GetNumberOfControlPoints()):
            node.RemoveAllControlPoints()
            if line is not None:
                fork = record.predictions[side].fork
                node.SetName(f"{LABELS[side]} {short_names(fork)[name]}")
                _fillCurve(node, line, fork.vessels[name][:, 3])


def _fillCurve(node, line, radii):
    points = vtk.vtkPoints()
    points.SetData(numpy_to_vtk(line, deep=True))
    node.SetAndObserveTransformNodeID(None)  # until followTransform(): all points at once go by the world
    node.SetControlPointPositionsWorld(points)
    measurement = node.GetMeasurement(_RADIUS)
    if measurement is None:
        measurement = slicer.vtkMRMLStaticMeasurement()
        measurement.SetName(_RADIUS)
        measurement.SetUnits("mm")
        node.AddMeasurement(measurement)
    values = numpy_to_vtk(radii.copy(), deep=True)
    values.SetName(_RADIUS)
    measurement.SetControlPointValues(values)


def _isOutdated(node, key, isFull, count):
    """Whether a node with ``count`` points has to be made anew; takes note of the key."""
    if node.GetAttribute(_KEY) == key and bool(count) == isFull:
        return False
    node.SetAttribute(_KEY, key)
    return True


def _key(record, *parts):
    """What tells the contents of a node from others: of the parts (bytes or arrays) and of the frame."""
    text = json.dumps([np.round(record.frame, 6).tolist(), [zlib.crc32(bytes(part)) for part in parts]])
    return f"{zlib.crc32(text.encode()):08x}"
