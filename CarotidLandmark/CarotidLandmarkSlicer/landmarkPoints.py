"""The fiducial node of a volume with its two points, and its folder in the subject hierarchy."""

import numpy as np
import slicer
from slicer.i18n import tr as _

from CarotidLandmarkLib.landmarks.points import LABELS, SIDES

from .landmarkDisplay import styleDisplay

FOLDER_ATTRIBUTE = "CarotidLandmark"


def addLandmarkNode(volumeNode):
    """Return a new fiducial node for the landmarks of ``volumeNode``, without points."""
    name = _("{volume} carotid bifurcations").format(volume=volumeNode.GetName())
    node = volumeNode.GetScene().AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.SetUndoEnabled(True)
    node.SetControlPointLabelFormat("%N-%d")
    styleDisplay(node)
    return node


def removeLandmarkNode(node):
    """Take a fiducial node out of its scene, with its display and its storage."""
    scene = node.GetScene()
    for one in (node.GetDisplayNode(), node.GetStorageNode(), node):
        if one is not None:
            scene.RemoveNode(one)


def repairPoints(node):
    """Make the points of ``node`` two, named L and R, in this order; return a sentence about what was wrong, or "".

    A point whose name was changed is known by its place in the list. A point that is gone comes back without position.
    """
    labels = [node.GetNthControlPointLabel(index) for index in range(node.GetNumberOfControlPoints())]
    wanted = [LABELS[side] for side in SIDES]
    if labels == wanted and node.GetFixedNumberOfControlPoints():
        return ""
    indices = [labels.index(label) if label in labels else None for label in wanted]
    others = [index for index in range(len(labels)) if index not in indices]
    indices = [others.pop(0) if index is None and others else index for index in indices]
    points = [None if index is None else localPoint(node, index) for index in indices]
    node.SetFixedNumberOfControlPoints(False)
    node.RemoveAllControlPoints()
    for label, point in zip(wanted, points):
        node.AddControlPoint(np.zeros(3) if point is None else point, label)
    node.SetFixedNumberOfControlPoints(True)
    for index, point in enumerate(points):
        if point is None:
            node.UnsetNthControlPointPosition(index)
    if not labels:
        return ""
    return _("“{name}” always has the two points L and R: mark one as missing instead of deleting it.").format(
        name=node.GetName()
    )


def localPoint(node, index):
    """Return the position (3,) of a point in the node's own RAS, or None if it has none."""
    if node.GetNthControlPointPositionStatus(index) != node.PositionDefined:
        return None
    return np.array(node.GetNthControlPointPosition(index))


def setLocalPoint(node, index, point):
    """Put a point at ``point`` (3,) in the node's own RAS, or mark it as missing if that is None."""
    if point is None:
        node.SetNthControlPointPositionMissing(index)
    else:
        node.SetNthControlPointPosition(index, *point, node.PositionDefined)


def describePoint(node, index, review):
    """Give a point the numbers of its LandmarkReview as its description."""
    words = [review.chip] if review.chip == review.status else [review.chip, review.status]
    text = ", ".join([*words, f"presence {review.presence:.2f}"])
    if review.radiiMm is not None:
        text += ", radii {:.1f} x {:.1f} x {:.1f} mm".format(*review.radiiMm)
    text = " ".join([f"{text}.", *review.reasons])
    if node.GetNthControlPointDescription(index) != text:
        node.SetNthControlPointDescription(index, text)


def isUnset(node, index):
    """Return whether a point is neither somewhere nor missing."""
    return node.GetNthControlPointPositionStatus(index) not in (node.PositionDefined, node.PositionMissing)


def fileBelowVolume(volumeNode, nodes):
    """Put ``nodes`` into the one folder of the landmarks below the volume in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    if not volumeItem:
        volumeItem = hierarchy.CreateItem(hierarchy.GetSceneItemID(), volumeNode)
    folder = next((item for item in _children(hierarchy, volumeItem) if _isFolder(hierarchy, item)), None)
    if folder is None:
        folder = hierarchy.CreateFolderItem(volumeItem, _("Carotid bifurcations"))
        hierarchy.SetItemAttribute(folder, FOLDER_ATTRIBUTE, "1")
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if not item:
            hierarchy.CreateItem(folder, node)
        elif hierarchy.GetItemParent(item) != folder:
            hierarchy.SetItemParent(item, folder)


def removeEmptyFolders(scene):
    """Remove the folders of landmarks that are no longer in the scene."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for folder in [
        item for item in _children(hierarchy, hierarchy.GetSceneItemID(), True) if _isFolder(hierarchy, item)
    ]:
        if not _children(hierarchy, folder):
            hierarchy.RemoveItem(folder)


def _children(hierarchy, item, recursive=False):
    children = []
    hierarchy.GetItemChildren(item, children, recursive)
    return children


def _isFolder(hierarchy, item):
    return hierarchy.GetItemAttribute(item, FOLDER_ATTRIBUTE) == "1"
