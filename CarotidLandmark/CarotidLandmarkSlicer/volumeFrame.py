"""Where the volume of a landmark node lies now, as seen from where it lay when it was detected in."""

import json

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .coordinates import ijkToRas, transformPoint
from .volumeImage import VolumeImage, imageKey, pointsAround

VOLUME_ROLE = "CarotidLandmark.Volume"

_FRAME = "CarotidLandmark.Frame"
_IMAGE = "CarotidLandmark.Image"  # the VolumeImage that the volume had when it lay as the frame says
_WARPED = "CarotidLandmark.Warped"  # "1": the volume's voxels were resampled through a non-linear transform
_MOVES = "CarotidLandmark.Moves"  # what became of the volume since the node was made: how it was put elsewhere, warps
_SAME_PLACE_MM = 1e-3
_SAME, _ALIKE = 0.9, 0.5  # likeness of what was only filtered, if at all, and of what was resampled as well

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

    def isOf(self, volumeNode):
        """Whether ``volumeNode`` has the remembered voxels in the same place: the same volume, loaded again."""
        known = VolumeImage.fromJson(self.node.GetAttribute(_IMAGE) or "")
        if known is None or known.key != imageKey(volumeNode):
            return False
        return np.allclose(self._read()[1], ijkToRas(volumeNode), rtol=0, atol=_SAME_PLACE_MM)

    def begin(self, geometry, points):
        """The volume was detected in, with ``points`` (N, 3) mm of its RAS at that time for its landmarks.

        ``geometry`` (4, 4) is the IJK to RAS that it had then, None: that of now.
        """
        now = ijkToRas(self.volumeNode)
        self._write(now if geometry is None else geometry, now)
        self._keepImage(pointsAround(transformPoint(self.matrix, points)) if len(points) else None)
        self.node.RemoveAttribute(_WARPED)

    def follow(self):
        """Bring the frame up to the volume's geometry; return whether it had changed.

        The points move with a volume that was put elsewhere. Where it was given other voxels as well (it was cropped or
        resampled in place) they stay where they were, unless the voxels show that their anatomy went along; under a
        non-linear transform, which is then being hardened, no frame can say where that leads. Other voxels at the same
        place that do not look alike may be the first half of a change of both, and are waited for.
        """
        detected, before = self._read()
        now = before if self.volumeNode is None else ijkToRas(self.volumeNode)
        key = imageKey(self.volumeNode)
        if key is None or np.linalg.det(now) == 0:
            return False
        known = VolumeImage.fromJson(self.node.GetAttribute(_IMAGE) or "")
        isOther = known is not None and known.key != key
        if np.allclose(now, before, rtol=0, atol=1e-9) and not (isOther and self._isUnderWarp()):
            if known is None or (isOther and known.likeness(self.volumeNode, np.eye(4)) > _SAME):
                self._keepImage(None if known is None else known.points)
            return False
        isElsewhere = not np.allclose(now, before, rtol=0, atol=_SAME_PLACE_MM)  # a file can round
        (moved, warps), step = _parseMoves(self.node.GetAttribute(_MOVES)), now @ np.linalg.inv(before)
        if isOther and self._isUnderWarp():
            step = np.eye(4)
            self.node.SetAttribute(_WARPED, "1")
            warps += 1
            self.note = self.problem
        elif isOther:
            step = self._likeliest(known, step)
            if isElsewhere and np.array_equal(step, np.eye(4)):
                self.note = _("“{name}” was cropped or resampled; its landmarks stay where they were.").format(
                    name=self.volumeNode.GetName()
                )
        self.node.SetAttribute(_MOVES, json.dumps([(step @ moved).tolist(), warps]))
        self._write(np.linalg.inv(step @ self.matrix) @ now if isOther else detected, now)
        self._keepImage(None if known is None else transformPoint(step, known.points))
        return True

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

    def _keepImage(self, points):
        """Remember the voxels of now for those of the frame; ``points``: None for the volume's middle."""
        if imageKey(self.volumeNode) is None:
            self.node.RemoveAttribute(_IMAGE)
            return
        if points is None:
            middle = (np.array(self.volumeNode.GetImageData().GetDimensions()) - 1) / 2
            points = pointsAround([transformPoint(ijkToRas(self.volumeNode), middle)])
        self.node.SetAttribute(_IMAGE, VolumeImage.of(self.volumeNode, points).toJson())

    def _likeliest(self, known, step):
        """Return which way (4, 4) the anatomy went that a volume shows, which has other voxels by now.

        It stayed, went with the geometry by ``step``, or was cropped before the transform was hardened that the node is
        still under.
        """
        steps = [np.eye(4), step]
        transform = self.node.GetParentTransformNode()
        if transform is not None and not self._isUnderWarp():
            transform.GetMatrixTransformToWorld(matrix := vtk.vtkMatrix4x4())
            steps.append(slicer.util.arrayFromVTKMatrix(matrix))
        likeness = [known.likeness(self.volumeNode, candidate) for candidate in steps]
        return steps[int(np.argmax(likeness))] if max(likeness) > _ALIKE else steps[0]

    def _isUnderWarp(self):
        transform = self.node.GetParentTransformNode()
        return transform is not None and not transform.IsTransformToWorldLinear()


def _parseMoves(text):
    """Return the (4, 4) by which the volume was put elsewhere, in its own RAS, and how often it was warped."""
    try:
        matrix, warps = json.loads(text)
        matrix = np.array(matrix, dtype=float).reshape(4, 4)
        np.linalg.inv(matrix)
        return matrix, warps
    except (TypeError, ValueError, np.linalg.LinAlgError):
        return np.eye(4), 0
