"""Where the volume of a landmark node lies now, as seen from where it lay when it was detected in."""

import json

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .coordinates import ijkToRas

VOLUME_ROLE = "CarotidLandmark.Volume"

_FRAME = "CarotidLandmark.Frame"
_IMAGE = "CarotidLandmark.Image"  # which voxels the volume had when it lay as the frame says
_WARPED = "CarotidLandmark.Warped"  # "1": the volume's voxels were resampled through a non-linear transform
_MOVES = "CarotidLandmark.Moves"  # what became of the volume since the node was made: how it was put elsewhere, warps
_NONE, _TAKEN = "none", "taken away"  # instead of voxels
_SAME_PLACE_MM = 1e-3

FRAME_ATTRIBUTES = (_FRAME, _IMAGE, _WARPED, _MOVES)


class VolumeFrame:
    """Reads and writes what is stored on ``node`` about its volume; ``note`` is a sentence about what follow() found.

    ``matrix`` (4, 4) leads from the volume's RAS at the time of detection to the node's own coordinates: the identity,
    unless the volume was put elsewhere since (it was centred, or a transform hardened).
    """

    def __init__(self, node):
        self.node = node
        self.note = ""

    @property
    def volumeNode(self):
        """The volume, or None."""
        return self.node.GetNodeReference(VOLUME_ROLE)

    @property
    def matrix(self):
        """See above."""
        detected, now = self._read()
        return now @ np.linalg.inv(detected)

    @property
    def isWarped(self):
        """Whether the anatomy was bent in a way that no matrix tells."""
        return self.node.GetAttribute(_WARPED) is not None

    @property
    def problem(self):
        """A sentence if the points do not fit the volume any more, else ""."""
        text = _("The volume of “{name}” was warped, and these points were not: detect again.") if self.isWarped else ""
        return text.format(name=self.node.GetName())

    def begin(self, geometry):
        """The volume was detected in; ``geometry`` (4, 4) is the IJK to RAS that it had then, None: that of now."""
        now = ijkToRas(self.volumeNode)
        self._write(now if geometry is None else geometry, now)
        self.node.RemoveAttribute(_WARPED)

    def follow(self):
        """Bring the frame up to the volume's geometry; return whether it had changed.

        The points move with a volume that was put elsewhere. Where it was given other voxels as well (it was cropped or
        resampled in place) the anatomy lies where it lay, and so do they; unless it is under a non-linear transform,
        which is then being hardened: no frame can say where that leads.
        """
        detected, before = self._read()
        now = before if self.volumeNode is None else ijkToRas(self.volumeNode)
        if np.allclose(now, before, rtol=0, atol=1e-9) or np.linalg.det(now) == 0:
            self._followImage()
            return False
        (moved, warps), step = _parseMoves(self.node.GetAttribute(_MOVES)), np.eye(4)
        if self._hasOtherImage() and not self._wasHardened(before, now):
            detected = np.linalg.inv(self.matrix) @ now
            isElsewhere = not np.allclose(now, before, rtol=0, atol=_SAME_PLACE_MM)  # a file can round
            if isElsewhere and self._isUnderWarp():
                self.node.SetAttribute(_WARPED, "1")
                warps += 1
                self.note = self.problem
            elif isElsewhere:
                self.note = _("“{name}” was cropped or resampled; its landmarks stay where they were.").format(
                    name=self.volumeNode.GetName()
                )
        else:
            step = now @ np.linalg.inv(before)
        self.node.SetAttribute(_MOVES, json.dumps([(step @ moved).tolist(), warps]))
        self._write(detected, now)
        return True

    def keepImage(self):
        """Take the voxels of now for those of the frame: from now on only what is yet to come tells of a change."""
        self.node.SetAttribute(_IMAGE, _imageKey(self.volumeNode))

    def restore(self, stored):
        """Bring back an earlier detection's frame, from texts by attribute, for the volume as it lies by now."""
        now = self._read()[1]
        for name in (_FRAME, _WARPED):
            self.node.SetAttribute(name, stored.get(name))
        moved, warps = _parseMoves(self.node.GetAttribute(_MOVES))
        movedBefore, warpsBefore = _parseMoves(stored.get(_MOVES))
        if not (np.array_equal(moved, movedBefore) and np.array_equal(now, self._read()[1])):
            self._write(np.linalg.inv(moved @ np.linalg.inv(movedBefore) @ self.matrix) @ now, now)
        if warps != warpsBefore:
            self.node.SetAttribute(_WARPED, "1")

    def _read(self):
        """The volume's IJK to RAS when it was detected in, and when this was written."""
        try:
            detected, now = np.array(json.loads(self.node.GetAttribute(_FRAME)), dtype=float).reshape(2, 4, 4)
            np.linalg.inv(detected), np.linalg.inv(now)
        except (TypeError, ValueError, np.linalg.LinAlgError):
            detected = now = np.eye(4) if self.volumeNode is None else ijkToRas(self.volumeNode)
        return detected, now

    def _write(self, detected, now):
        self.node.SetAttribute(_FRAME, json.dumps([detected.tolist(), now.tolist()]))
        self.keepImage()

    def _followImage(self):
        """Take note of other voxels in the same place, unless they may be the first half of a change of both.

        A filter leaves the size as it was. What is read from a file comes after the voxels were taken away.
        """
        known, key = self.node.GetAttribute(_IMAGE) or "", _imageKey(self.volumeNode)
        if key == _NONE:
            if known not in ("", _NONE):
                self.node.SetAttribute(_IMAGE, _TAKEN)
        elif known == _NONE or known.split()[:3] == key.split()[:3]:
            self.node.SetAttribute(_IMAGE, key)

    def _hasOtherImage(self):
        known, key = self.node.GetAttribute(_IMAGE), _imageKey(self.volumeNode)
        return known is not None and (known != key or key == _NONE)

    def _isUnderWarp(self):
        transform = self.node.GetParentTransformNode()
        return transform is not None and not transform.IsTransformToWorldLinear()

    def _wasHardened(self, before, now):
        """Whether the geometry is what hardening the transform, which the node is still under, has made of it."""
        transform = self.node.GetParentTransformNode()
        if transform is None or self._isUnderWarp():
            return False
        transform.GetMatrixTransformToWorld(matrix := vtk.vtkMatrix4x4())
        return np.allclose(now, slicer.util.arrayFromVTKMatrix(matrix) @ before, rtol=0, atol=1e-6)


def _imageKey(volumeNode):
    """What tells the image of a volume from another one, in this session."""
    image = None if volumeNode is None else volumeNode.GetImageData()
    return _NONE if image is None else "{} {} {} {}".format(*image.GetDimensions(), image.GetAddressAsString(""))


def _parseMoves(text):
    """Return the (4, 4) by which the volume was put elsewhere, in its own RAS, and how often it was warped."""
    try:
        matrix, warps = json.loads(text)
        matrix = np.array(matrix, dtype=float).reshape(4, 4)
        np.linalg.inv(matrix)
        return matrix, warps
    except (TypeError, ValueError, np.linalg.LinAlgError):
        return np.eye(4), 0
