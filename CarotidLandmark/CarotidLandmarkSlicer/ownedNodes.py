"""The nodes that belong to a landmark node: found by a role, in the same place in space, removed with it."""

import slicer

from .coordinates import shareTransform

OWNER_ROLE = "CarotidLandmark.Landmarks"

_PREFIX = "CarotidLandmark."
_ROLE = "CarotidLandmark.Role"  # attribute of such nodes but for ellipsoids, which have another
_ELLIPSOID = "CarotidLandmark.Ellipsoid"
_ID = "CarotidLandmark.ID"  # the node's own: a copy by the user has another, and is the user's


def ownedNode(landmarkNode, role):
    """Return the node of that role, or None if there is none that can be shown."""
    node = landmarkNode.GetNodeReference(role)
    return node if node is not None and node.GetDisplayNode() is not None else None


def addOwnedNode(landmarkNode, role, className, name):
    """Return a new node of that role, named after the landmark node."""
    node = landmarkNode.GetScene().AddNewNodeByClass(className, f"{landmarkNode.GetName()} {name}")
    node.SetAttribute(_ROLE, role)
    node.CreateDefaultDisplayNodes()
    node.SetNodeReferenceID(OWNER_ROLE, landmarkNode.GetID())
    landmarkNode.SetNodeReferenceID(role, node.GetID())
    return node


def ownedNodes(landmarkNode):
    """Return the nodes of all roles."""
    landmarkNode.GetNodeReferenceRoles(roles := [])
    nodes = [landmarkNode.GetNodeReference(role) for role in roles if role.startswith(_PREFIX)]
    return [node for node in nodes if node is not None and _isOwned(node)]


def followTransform(landmarkNode):
    """Put the nodes under the transform that the landmark node is under, and mark them as none of the user's copies."""
    for node in ownedNodes(landmarkNode):
        shareTransform(landmarkNode, node)
        node.SetAttribute(_ID, node.GetID())


def removeOtherNodes(scene, landmarkNodes):
    """Remove the nodes that belong to none of ``landmarkNodes``, but for copies that the user has made."""
    kept = [node for landmarkNode in landmarkNodes for node in ownedNodes(landmarkNode)]
    for node in slicer.util.getNodesByClass("vtkMRMLDisplayableNode", scene):
        if _isOwned(node) and node not in kept and node.GetAttribute(_ID) == node.GetID():
            scene.RemoveNode(node.GetDisplayNode())
            scene.RemoveNode(node)


def _isOwned(node):
    return node.GetAttribute(_ROLE) is not None or node.GetAttribute(_ELLIPSOID) is not None
