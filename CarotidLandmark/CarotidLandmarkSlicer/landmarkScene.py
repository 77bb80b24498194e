"""The landmarks in the scene: what a detection makes of it, what the reader decides, and how both stay together."""

import copy
from contextlib import ExitStack, contextmanager

import slicer
from slicer.i18n import tr as _
from slicer.util import NodeModify

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.points import SIDES

from .coordinates import fromWorld, toWorld
from .ellipsoids import (
    confidenceRadii,
    ellipsoidDisplay,
    setEllipsoidDisplay,
    updateEllipsoids,
)
from .forkNodes import updateForks
from .landmarkHistory import LandmarkHistory
from .landmarkObserver import LandmarkObserver
from .landmarkPoints import (
    addLandmarkNode,
    describePoint,
    fileBelowVolume,
    isUnset,
    localPoint,
    removeEmptyFolders,
    repairPoints,
    setLocalPoint,
)
from .landmarkRecord import LandmarkRecord, detectionToJson
from .landmarkRepair import followVolume, isBeingHardened, pointProblem, settledState
from .ownedNodes import removeOtherNodes
from .review import LandmarkReview, State, accepted, isSamePoint, sidesInOrder
from .views import showPoint
from .volumeFrame import VOLUME_ROLE


class LandmarkScene:
    """The landmark nodes of a scene: one fiducial node a volume, the nodes that follow it, one folder.

    Sides are "left" and "right", the patient's. Every detection and decision is one step of undo, here, and one of the
    scene, where the user can undo as well; what follows the fiducial nodes (ellipsoids, lumens) is made anew from them.
    ``note`` is a sentence for the user about the last thing that had to be repaired, "" if there is nothing to say;
    ``movedNode`` is the landmark node whose point was last found to have been moved, or None.
    """

    def __init__(self, mrmlScene):
        self.scene = mrmlScene
        self.note = ""
        self.movedNode = None
        self._history = LandmarkHistory(self)
        self._observers = {}
        self._isWriting = False

    @property
    def isChanging(self):
        """Whether the scene is in the middle of a change by this module, or of undo, closing or loading."""
        scene = self.scene
        return self._isWriting or any(
            (scene.IsClosing(), scene.IsImporting(), scene.IsUndoing(), scene.IsRedoing(), scene.IsBatchProcessing())
        )

    def applyDetection(self, volumeNode, detection, lumens=None, geometry=None):
        """Make or update the nodes of this volume from a detection (dictionary), unreviewed; one undo step.

        Positions are LPS mm of the volume's own coordinates, without its parent transform. ``lumens``: by side, as
        the engine packs them. ``geometry``: the volume's (4, 4) IJK to RAS when it was detected in, unless that is the
        one of now. Returns the fiducial node.
        Raises BadInputError, with the scene as it was, if ``detection`` is none.
        """
        detectionToJson(detection)
        landmarkNode, before = self.landmarkNode(volumeNode), None
        if landmarkNode is not None:
            self.repair(landmarkNode)
            before = LandmarkRecord(landmarkNode).stored
        with self._step():
            landmarkNode = landmarkNode or addLandmarkNode(volumeNode)
            repairPoints(landmarkNode)
            record = LandmarkRecord(landmarkNode)
            record.writeDetection(detection, volumeNode, lumens, geometry)
            self._write(record)
            self._history.add(landmarkNode, before)
            self.removeLeftovers()
        return landmarkNode

    def landmarkNodes(self):
        """Return all landmark nodes of the scene."""
        nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode", self.scene)
        return [node for node in nodes if LandmarkRecord.isRecord(node)]

    def landmarkNode(self, volumeNode):
        """Return the fiducial node of a volume, or None."""
        nodes = (node for node in self.landmarkNodes() if self.volumeNode(node) is volumeNode)
        return next(nodes, None) if volumeNode is not None else None

    def volumeNode(self, landmarkNode):
        """Return the volume of a landmark node, or None if it is no longer in the scene."""
        return LandmarkRecord(landmarkNode).volumeNode

    def adopt(self, volumeNode):
        """Give a volume the landmarks of one that was deleted, if it is the same; return their node, or None."""
        orphans = [node for node in self.landmarkNodes() if self.volumeNode(node) is None]
        if volumeNode is None or not orphans or self.landmarkNode(volumeNode) is not None:
            return None
        node = next((node for node in orphans if LandmarkRecord(node).volumeFrame.isOf(volumeNode)), None)
        if node is not None:
            with self._changing(notify=False):
                node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
            if node in self._observers:
                self.observe(node, self._observers[node].onChanged)
        return node

    def detection(self, landmarkNode):
        """Return the detection (dictionary) as it was applied, or None if none can be read."""
        return copy.deepcopy(LandmarkRecord(landmarkNode).detection)

    def source(self, landmarkNode):
        """Return the volume and the detection (dictionary); raise BadInputError where one is gone or does not fit."""
        volumeNode, detection = self.volumeNode(landmarkNode), self.detection(landmarkNode)
        if volumeNode is None or volumeNode.GetImageData() is None:
            raise BadInputError(_("The volume of these landmarks is no longer in the scene: load it and detect again."))
        if detection is None:
            raise BadInputError(_("The detection of these landmarks cannot be read: detect again."))
        problem = LandmarkRecord(landmarkNode).volumeFrame.problem
        if problem:
            raise BadInputError(problem)
        return volumeNode, detection

    def problem(self, landmarkNode):
        """Return a sentence about what could not be read from an older, newer or damaged scene, or ""."""
        return LandmarkRecord(landmarkNode).problem

    def reviews(self, landmarkNode):
        """Return side to LandmarkReview, as the points are now."""
        self.repair(landmarkNode)
        record = LandmarkRecord(landmarkNode)
        confidence = ellipsoidDisplay(record)["confidence"]
        return {side: self._review(record, index, side, confidence) for index, side in enumerate(SIDES)}

    def rows(self, landmarkNode):
        """Return the LandmarkReviews in the order of the table: what needs to be looked at comes first."""
        reviews = self.reviews(landmarkNode)
        return [reviews[side] for side in sidesInOrder(reviews)]

    def accept(self, landmarkNode, side):
        """The prediction is right, also if it says absent. A point that was moved stays where it is, and moved."""
        self._decide(landmarkNode, side, lambda record: accepted(record.states[side], record.predicted(side)))

    def markMissing(self, landmarkNode, side):
        """There is no such landmark in the volume."""
        self._decide(landmarkNode, side, lambda record: State("missing"))

    def restorePrediction(self, landmarkNode, side):
        """Back to the prediction, unreviewed."""
        self._decide(landmarkNode, side, lambda record: State("unreviewed", record.predicted(side)))

    def place(self, landmarkNode, side, ras):
        """The landmark is at ``ras`` (3,), mm in the world."""
        local = fromWorld(landmarkNode, ras)
        self._decide(landmarkNode, side, lambda record: State("moved", record.fromLocal(local)))

    def display(self, landmarkNode):
        """Return how the ellipsoids are shown: visible, opacity, confidence and colorByStatus as a dictionary."""
        return ellipsoidDisplay(LandmarkRecord(landmarkNode))

    def setDisplay(self, landmarkNode, **changes):
        """Change how the ellipsoids are shown, as display() names it; what is not given stays. No undo step.

        A new confidence changes their size at once, from the stored covariance.
        """
        with self._changing():
            record = LandmarkRecord(landmarkNode)
            setEllipsoidDisplay(record, **changes)
            self._write(record)

    def jumpTo(self, landmarkNode, side):
        """Show the point, or the prediction where there is none, in all views; return False if there is neither."""
        review = self.reviews(landmarkNode)[side]
        ras = review.predictedRas if review.ras is None else review.ras
        if ras is not None:
            showPoint(self.scene, self.volumeNode(landmarkNode), ras)
        return ras is not None

    @property
    def canUndo(self):
        """Whether there is a step to take back."""
        return self._history.can(self._history.done)

    @property
    def canRedo(self):
        """Whether there is a step to do again."""
        return self._history.can(self._history.undone)

    def undo(self):
        """Take the last decision, drag or detection back; return the landmark node it was about, or None."""
        return self._travel(self._history.done, self._history.undone)

    def redo(self):
        """Do again what was undone; return the landmark node that it was about, or None."""
        return self._travel(self._history.undone, self._history.done)

    def forgetSteps(self, landmarkNode=None):
        """From here on nothing that was done before can be undone, but to other nodes than ``landmarkNode``, if given.

        Not in the scene's own way either.
        """
        self._history.forget(landmarkNode)
        self.scene.ClearUndoStack()
        self.scene.ClearRedoStack()

    def observe(self, landmarkNode, onChanged):
        """Call ``onChanged()`` after every change of points, decisions, volume or transforms, until unobserve().

        Meanwhile drags become decisions, and the node is repaired as repair() says. Also called when the node or its
        volume leaves the scene. A node has one such callback.
        """
        self.unobserve(landmarkNode)
        landmarkNode.SetUndoEnabled(True)
        self.scene.SetUndoOn()
        self._observers[landmarkNode] = LandmarkObserver(self, landmarkNode, onChanged)
        self.repair(landmarkNode)

    def unobserve(self, landmarkNode=None):
        """End observe() for one node, or for all."""
        for node in list(self._observers) if landmarkNode is None else [landmarkNode]:
            if node in self._observers:
                self._observers.pop(node).removeObservers()

    def repair(self, landmarkNode):
        """Take in what the user or another module did to the nodes; observe() does it by itself.

        A point elsewhere than the decision left it was moved or marked missing. Points deleted or without position
        come back, names and number are put right, and all follows the volume and its transform.
        """
        observer = self._observers.get(landmarkNode)
        if self.isChanging or not landmarkNode.GetScene() or (observer is not None and observer.isDragged):
            return
        with self._changing(notify=False):
            self.note = repairPoints(landmarkNode) or self.note
            record = LandmarkRecord(landmarkNode)
            frame, wasWarped = record.frame, record.volumeFrame.isWarped
            followVolume(record)
            if record.volumeFrame.isWarped == wasWarped and not isBeingHardened(record):
                states = {side: settledState(record, index, side, frame) for index, side in enumerate(SIDES)}
                if any(states[side] is not record.states[side] for side in SIDES):
                    self._history.add(landmarkNode, record.stored)
                    record.writeStates(states)
                    self.movedNode = landmarkNode
            self._write(record)
            self.note = record.volumeFrame.note or record.note or self.note

    def removeLeftovers(self):
        """Remove what belongs to landmark nodes that have left the scene."""
        removeOtherNodes(self.scene, self.landmarkNodes())
        removeEmptyFolders(self.scene)

    def _write(self, record):
        """Make points, ellipsoids and transforms what ``record`` says."""
        followVolume(record)
        chips = {}
        for index, side in enumerate(SIDES):
            state = record.states[side]
            local = None if state.point is None else record.toLocal(state.point)
            if isUnset(record.node, index) or not isSamePoint(local, localPoint(record.node, index)):
                setLocalPoint(record.node, index, local)
            review = self._review(record, index, side, ellipsoidDisplay(record)["confidence"])
            describePoint(record.node, index, review)
            chips[side] = review.chip
        newNodes = [*updateEllipsoids(record, chips), *updateForks(record, chips)]
        if newNodes and record.volumeNode is not None:
            fileBelowVolume(record.volumeNode, [record.node, *newNodes])

    def _review(self, record, index, side, confidence):
        landmark, predictedLps = record.predictions[side], record.predicted(side)
        local = localPoint(record.node, index)
        radii, volume = confidenceRadii(landmark, confidence)
        return LandmarkReview(
            side=side,
            status=landmark.status,
            decision=record.states[side].decision,
            reasons=list(landmark.reasons),
            presence=landmark.presence,
            predictedRas=None if predictedLps is None else toWorld(record.node, record.toLocal(predictedLps)),
            ras=None if local is None else toWorld(record.node, local),
            predictedLps=predictedLps,
            lps=None if local is None else record.fromLocal(local),
            radiiMm=radii,
            volumeMm3=volume,
            fork=landmark.fork,
            isDetected=record.isDetected,
            problem=pointProblem(record, local),
        )

    def _decide(self, landmarkNode, side, decide):
        self.repair(landmarkNode)
        record = LandmarkRecord(landmarkNode)
        before, after = record.states[side], decide(record)
        if before.decision == after.decision and isSamePoint(before.point, after.point):
            return
        with self._step():
            self._history.add(landmarkNode, record.stored)
            record.writeStates({**record.states, side: after})
            self._write(record)

    @contextmanager
    def _step(self):
        self.note = ""
        self.scene.SetUndoOn()
        self.scene.SaveStateForUndo()
        with self._changing():
            yield

    @contextmanager
    def _changing(self, notify=True):
        self._isWriting = True
        try:
            yield
        finally:
            self._isWriting = False
        if notify:
            for onChanged in dict.fromkeys(observer.onChanged for observer in self._observers.values()):
                onChanged()

    def _travel(self, steps, back):
        for node in self.landmarkNodes():
            self.repair(node)
        with self._changing():
            with ExitStack() as stack:  # who else watches sees decisions and points change as one
                for node in self.landmarkNodes():
                    stack.enter_context(NodeModify(node))
                landmarkNode = self._history.take(steps, back)
                if landmarkNode is not None and landmarkNode.GetScene() is not None:
                    self._write(LandmarkRecord(landmarkNode))
            for node in [node for node in self._observers if not self.scene.IsNodePresent(node)]:
                self.unobserve(node)
            self.removeLeftovers()
        return landmarkNode
