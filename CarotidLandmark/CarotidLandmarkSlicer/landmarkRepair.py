"""What the points of a landmark node say after the user, another module or a transform has been at them."""

import numpy as np
from slicer.i18n import tr as _

from CarotidLandmarkLib.landmarks.points import SIDES

from .coordinates import isInside, rasFromLps, shareTransform, toWorld, transformPoint
from .landmarkPoints import isUnset, localPoint
from .review import isSamePoint, settle


def settledState(record, index, side, before):
    """Return the State of a side of a LandmarkRecord, as its point is now.

    ``before`` (4, 4): the frame until the volume was followed. A point may have been moved before or after the volume:
    the smaller move of both is taken for it.
    """
    state, local = record.states[side], localPoint(record.node, index)
    if isUnset(record.node, index):
        return state
    if local is None or state.point is None:
        return settle(state, None if local is None else record.fromLocal(local))
    points = [rasFromLps(transformPoint(np.linalg.inv(frame), local)) for frame in (record.frame, before)]
    return settle(state, min(points, key=lambda point: np.linalg.norm(point - state.point)))


def followVolume(record):
    """Bring frame and transform up to the volume's; return whether one had changed."""
    changed = record.volumeFrame.follow()
    if record.volumeNode is not None:
        changed = shareTransform(record.volumeNode, record.node) or changed
    return changed


def isBeingHardened(record):
    """Return whether all points just went where the parent transform leads: their world is the same afterwards."""
    node = record.node
    pairs = [
        (record.toLocal(record.states[side].point), localPoint(node, index))
        for index, side in enumerate(SIDES)
        if record.states[side].point is not None
    ]
    return bool(pairs) and all(
        isSamePoint(toWorld(node, before), now) and not isSamePoint(before, now) for before, now in pairs
    )


def pointProblem(record, local):
    """Return a sentence if ``local`` (3,), in the node's own RAS, is no place in the volume's anatomy, else ""."""
    volumeNode = record.volumeNode
    if local is None or volumeNode is None or volumeNode.GetImageData() is None:
        return ""
    if record.volumeFrame.isWarped:
        return _("The volume was warped, and this point was not: detect again.")
    if not isInside(volumeNode, local):
        return _("The point lies outside of the volume: place it inside, or mark it as missing.")
    return ""
