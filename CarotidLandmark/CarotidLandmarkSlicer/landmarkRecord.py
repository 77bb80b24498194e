"""What is stored on a landmark node, in its attributes and references, and so in .mrml and .mrb files."""

import functools
import json
import sys

import numpy as np
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection
from CarotidLandmarkLib.landmarks.forks import Lumen
from CarotidLandmarkLib.landmarks.points import SIDES

from .coordinates import rasFromLps, transformPoint
from .review import State, statesFromJson, statesToJson
from .volumeFrame import FRAME_ATTRIBUTES, VOLUME_ROLE, VolumeFrame

VERSION = 1
ELLIPSOID_ROLES = {side: f"CarotidLandmark.Ellipsoid.{side}" for side in SIDES}

_VERSION = "CarotidLandmark.Version"
_DETECTION = "CarotidLandmark.Detection"
_LUMENS = "CarotidLandmark.Lumens"
_REVIEW = "CarotidLandmark.Review"
_EXPORTED = "CarotidLandmark.Exported"
_STORED = (_VERSION, _DETECTION, _LUMENS, _REVIEW)


class LandmarkRecord:
    """Reads and writes what is stored on ``node``. What cannot be read counts as not there and is in ``problem``.

    Positions are stored in the volume's LPS at the time of detection; ``volumeFrame`` (a VolumeFrame) and its matrix
    ``frame`` lead from there to the node's own coordinates. ``note`` is a sentence about what had to be made of damage,
    "" if there is nothing to say.
    """

    def __init__(self, node):
        self.node = node
        self.volumeFrame = VolumeFrame(node)
        self.note = ""
        self.problem = self.volumeFrame.problem or self._versionProblem()
        self.detection, self.predictions = self._readDetection()
        self.states = self._readStates()

    @staticmethod
    def isRecord(node):
        """Return whether the node was made by this module, in whatever version."""
        return node.IsA("vtkMRMLMarkupsFiducialNode") and any(map(node.GetAttribute, (_VERSION, _DETECTION)))

    @property
    def volumeNode(self):
        """The volume that the landmarks are of, or None."""
        return self.volumeFrame.volumeNode

    @property
    def stored(self):
        """All that is stored about detection and decisions, as text by name: what a step of undo brings back."""
        texts = {name: self.node.GetAttribute(name) for name in (*_STORED, *FRAME_ATTRIBUTES)}
        return {name: sys.intern(text) for name, text in texts.items() if text is not None}

    @staticmethod
    def isSame(node, stored):
        """Return whether detection and decisions are those of ``stored``."""
        return all(node.GetAttribute(name) == stored.get(name) for name in (_DETECTION, _REVIEW))

    def restore(self, stored, volumeNode=None):
        """Store again what was ``stored``, for the volume as it lies by now; ``volumeNode`` for a new node only.

        A record that is read from the node afterwards knows of it, this one does not.
        """
        for name in _STORED if volumeNode is None else (*_STORED, *FRAME_ATTRIBUTES):
            self.node.SetAttribute(name, stored.get(name))
        if volumeNode is None:
            self.volumeFrame.restore(stored)
        else:
            self.node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())

    def writeDetection(self, detection, volumeNode, lumens=None, geometry=None):
        """Store a detection (dictionary) of ``volumeNode``, unreviewed. Raises BadInputError if it is none.

        ``lumens``: by side, as Lumen packs them. ``geometry``: see LandmarkScene.applyDetection().
        """
        text = detectionToJson(detection)
        self.node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
        self.node.SetAttribute(_VERSION, str(VERSION))
        self.node.SetAttribute(_DETECTION, text)
        self.node.SetAttribute(_LUMENS, json.dumps(lumens or {}))
        self.problem = ""
        self.detection, self.predictions = self._readDetection()
        points = [self.predicted(side) for side in SIDES if self.predicted(side) is not None]
        self.volumeFrame.begin(geometry, [rasFromLps(point) for point in points])
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
        return self.volumeFrame.matrix

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
