"""What the points of a landmark node say after the user, another module or a transform has been at them."""

from CarotidLandmarkLib.landmarks.points import SIDES

from .coordinates import shareTransform, toWorld
from .landmarkPoints import isUnset, localPoint
from .review import isSamePoint, settle


def settledState(record, index, side):
    """Return the State of a side of a LandmarkRecord, as its point is now."""
    state = record.states[side]
    if isUnset(record.node, index):
        return state
    local = localPoint(record.node, index)
    return settle(state, None if local is None else record.fromLocal(local))


def followVolume(record):
    """Bring frame and transform up to the volume's; return whether one had changed."""
    changed = record.followVolume()
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
