"""What is stored on a landmark node, in its attributes and references, and so in .mrml and .mrb files."""

import functools
import json
import sys

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection
from CarotidLandmarkLib.landmarks.forks import Lumen
from CarotidLandmarkLib.landmarks.points import SIDES

from .coordinates import ijkToRas, rasFromLps, transformPoint
from .review import State, statesFromJson, statesToJson

VERSION = 1
VOLUME_ROLE = "CarotidLandmark.Volume"
ELLIPSOID_ROLES = {side: f"CarotidLandmark.Ellipsoid.{side}" for side in SIDES}

_VERSION = "CarotidLandmark.Version"
_DETECTION = "CarotidLandmark.Detection"
_LUMENS = "CarotidLandmark.Lumens"
_REVIEW = "CarotidLandmark.Review"
_FRAME = "CarotidLandmark.Frame"
_IMAGE = "CarotidLandmark.Image"  # which voxels the volume had when it lay as the frame says
_MOVES = "CarotidLandmark.Moves"  # what became of the volume since the node was made: how it was put elsewhere, warps
_EXPORTED = "CarotidLandmark.Exported"
_WARPED = "CarotidLandmark.Warped"  # "1": the volume's voxels were resampled through a non-linear transform
_STORED = (_VERSION, _DETECTION, _LUMENS, _REVIEW, _FRAME, _IMAGE, _WARPED, _MOVES)
_NONE, _TAKEN = "none", "taken away"  # instead of voxels
_SAME_PLACE_MM = 1e-3


class LandmarkRecord:
    """Reads and writes what is stored on ``node``. What cannot be read counts as not there and is in ``problem``.

    Positions are stored in the volume's LPS at the time of detection. ``frame`` (4, 4) leads from there, in RAS, to the
    node's own coordinates: the identity, unless the volume was put elsewhere since (a transform was hardened). ``note``
    is a sentence about what had to be made of the volume's changes or of damage, "" if there is nothing to say.
    """

    def __init__(self, node):
        self.node = node
        self.note = ""
        self.problem = self._warpProblem() or self._versionProblem()
        self.detection, self.predictions = self._readDetection()
        self.states = self._readStates()

    @staticmethod
    def isRecord(node):
        """Return whether the node was made by this module, in whatever version."""
        return node.IsA("vtkMRMLMarkupsFiducialNode") and any(map(node.GetAttribute, (_VERSION, _DETECTION)))

    @property
    def volumeNode(self):
        """The volume that the landmarks are of, or None."""
        return self.node.GetNodeReference(VOLUME_ROLE)

    @property
    def stored(self):
        """All that is stored about detection and decisions, as text by name: what a step of undo brings back."""
        return {name: sys.intern(text) for name in _STORED if (text := self.node.GetAttribute(name)) is not None}

    @staticmethod
    def isSame(node, stored):
        """Return whether detection and decisions are those of ``stored``."""
        return all(node.GetAttribute(name) == stored.get(name) for name in (_DETECTION, _REVIEW))

    def restore(self, stored, volumeNode=None):
        """Store again what was ``stored``, for the volume as it lies by now; ``volumeNode`` for a new node only.

        A record that is read from the node afterwards knows of it, this one does not.
        """
        now, lain = self._readFrame()[1], {name: self.node.GetAttribute(name) for name in (_IMAGE, _MOVES)}
        for name in _STORED:
            self.node.SetAttribute(name, stored.get(name))
        if volumeNode is not None:
            self.node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
            return
        for name, text in lain.items():
            self.node.SetAttribute(name, text)
        (moved, warps), (movedBefore, warpsBefore) = _parseMoves(lain[_MOVES]), _parseMoves(stored.get(_MOVES))
        if not (np.array_equal(moved, movedBefore) and np.array_equal(now, self._readFrame()[1])):
            self._writeFrame(np.linalg.inv(moved @ np.linalg.inv(movedBefore) @ self.frame) @ now, now)
        if warps != warpsBefore:
            self.node.SetAttribute(_WARPED, "1")

    def writeDetection(self, detection, volumeNode, lumens=None, geometry=None):
        """Store a detection (dictionary) of ``volumeNode``, unreviewed. Raises BadInputError if it is none.

        ``lumens``: by side, as Lumen packs them. ``geometry``: see LandmarkScene.applyDetection().
        """
        text = detectionToJson(detection)
        self.node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
        self.node.SetAttribute(_VERSION, str(VERSION))
        self.node.SetAttribute(_DETECTION, text)
        self.node.SetAttribute(_LUMENS, json.dumps(lumens or {}))
        now = ijkToRas(volumeNode)
        self._writeFrame(now if geometry is None else geometry, now)
        self.node.RemoveAttribute(_WARPED)
        self.problem = ""
        self.detection, self.predictions = self._readDetection()
        self.writeStates({side: State("unreviewed", self.predicted(side)) for side in SIDES})

    def writeStates(self, states):
        """Store the reader's decisions (side to State)."""
        self.states = states
        self.node.SetAttribute(_REVIEW, statesToJson(states))

    @property
    def isDetected(self):
        """Whether a model has looked at the volume; else both points are the reader's to place."""
        return self.detection is None or self.detection["model"].get("sha256") is not None

    @property
    def isWarped(self):
        """Whether the points no longer lie where they did in the anatomy, and cannot follow it."""
        return self.node.GetAttribute(_WARPED) is not None

    @property
    def isExported(self):
        """Whether what was decided has been exported as it is now; also where nothing ever was."""
        exported = self.node.GetAttribute(_EXPORTED)
        return exported == self.node.GetAttribute(_REVIEW) or (exported is None and not self.isDecided)

    @property
    def isDecided(self):
        """Whether the reader has decided about a side."""
        return any(state.decision != "unreviewed" for state in self.states.values())

    def markExported(self):
        """What is decided now has been exported."""
        self.node.SetAttribute(_EXPORTED, self.node.GetAttribute(_REVIEW))

    @property
    def lumens(self):
        """Side to the Lumen of those sides that have one; what cannot be read counts as not there."""
        return _unpack(self.lumenText)

    @property
    def lumenText(self):
        """The lumens as they are stored."""
        return self.node.GetAttribute(_LUMENS) or "{}"

    def predicted(self, side):
        """Return the predicted position (3,) LPS mm of ``side`` at the time of detection, or None."""
        position = self.predictions[side].position_lps_mm
        return None if position is None else position.copy()

    def toLocal(self, lps):
        """Return stored LPS positions (..., 3) in the node's own RAS."""
        return transformPoint(self.frame, rasFromLps(lps))

    def fromLocal(self, ras):
        """Return a position (3,) of the node's own RAS as it is stored, in LPS."""
        return rasFromLps(transformPoint(np.linalg.inv(self.frame), ras))

    @property
    def frame(self):
        """(4, 4), see above."""
        detected, now = self._readFrame()
        return now @ np.linalg.inv(detected)

    def followVolume(self):
        """Bring the frame up to the volume's geometry; return whether it had changed.

        The points move with a volume that was put elsewhere. Where it was given other voxels as well (it was cropped or
        resampled in place) the anatomy lies where it lay, and so do they; unless it is under a non-linear transform,
        which is then being hardened: no frame can say where that leads.
        """
        detected, before = self._readFrame()
        (moved, warps), step = _parseMoves(self.node.GetAttribute(_MOVES)), np.eye(4)
        now = before if self.volumeNode is None else ijkToRas(self.volumeNode)
        if np.allclose(now, before, rtol=0, atol=1e-9) or np.linalg.det(now) == 0:
            self._followImage()
            return False
        if self._hasOtherImage() and not self._wasHardened(before, now):
            detected = np.linalg.inv(self.frame) @ now
            isElsewhere = not np.allclose(now, before, rtol=0, atol=_SAME_PLACE_MM)  # a file can round
            if isElsewhere and self._isUnderWarp():
                self.node.SetAttribute(_WARPED, "1")
                warps += 1
                self.note = self.problem = self._warpProblem()
            elif isElsewhere:
                self.note = _("“{name}” was cropped or resampled; its landmarks stay where they were.").format(
                    name=self.volumeNode.GetName()
                )
        else:
            step = now @ np.linalg.inv(before)
        self.node.SetAttribute(_MOVES, json.dumps([(step @ moved).tolist(), warps]))
        self._writeFrame(detected, now)
        return True

    def keepImage(self):
        """Take the voxels of now for those of the frame: from now on only what is yet to come tells of a change."""
        self.node.SetAttribute(_IMAGE, _imageKey(self.volumeNode))

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

    def _warpProblem(self):
        if not self.isWarped:
            return ""
        return _("The volume of “{name}” was warped, and these points were not: detect again.").format(
            name=self.node.GetName()
        )

    def _versionProblem(self):
        version = self.node.GetAttribute(_VERSION)
        if version == str(VERSION):
            return ""
        if version is not None and version.isdigit() and int(version) > VERSION:
            text = _("“{name}” was saved by a newer version of this module: update the extension to see all of it.")
        else:
            text = _("“{name}” was saved by an older version of this module: check the decisions.")
        return text.format(name=self.node.GetName())

    def _readDetection(self):
        try:
            return _parse(self.node.GetAttribute(_DETECTION) or "")
        except (ValueError, BadInputError):
            self.problem = _(
                "The detection stored with “{name}” cannot be read: its points are kept, detect again for the rest."
            ).format(name=self.node.GetName())
            return None, {side: LandmarkDetection(side, "absent") for side in SIDES}

    def _readStates(self):
        try:
            return statesFromJson(self.node.GetAttribute(_REVIEW) or "")
        except ValueError:
            self.note = _(
                "The decisions stored with “{name}” cannot be read: decide about both landmarks again."
            ).format(name=self.node.GetName())
            self.problem = self.problem or self.note
            return {side: State("unreviewed", self.predicted(side)) for side in SIDES}

    def _readFrame(self):
        try:
            detected, now = np.array(json.loads(self.node.GetAttribute(_FRAME)), dtype=float).reshape(2, 4, 4)
            np.linalg.inv(detected), np.linalg.inv(now)
        except (TypeError, ValueError, np.linalg.LinAlgError):
            detected = now = np.eye(4) if self.volumeNode is None else ijkToRas(self.volumeNode)
        return detected, now

    def _writeFrame(self, detected, now):
        self.node.SetAttribute(_FRAME, json.dumps([detected.tolist(), now.tolist()]))
        self.keepImage()


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


def detectionToJson(detection):
    """Return a detection (dictionary) as text. Raises BadInputError if it is none."""
    text = json.dumps(detection)
    _parse(text)
    return text


@functools.lru_cache(maxsize=16)
def _parse(text):
    """Return a stored detection as it is, and side to LandmarkDetection; nobody changes what is kept here."""
    detection = json.loads(text)
    return detection, {landmark.side: landmark for landmark in Detection.from_dict(detection).landmarks}


@functools.lru_cache(maxsize=4)
def _unpack(text):
    """Return side to Lumen of such a text; nobody changes what is kept here."""
    try:
        return {side: Lumen.unpacked(packed) for side, packed in json.loads(text).items() if side in SIDES}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
