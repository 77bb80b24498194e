"""What the reader can take back and do again. The scene's own undo forgets it: each zoom and pan is a state there."""

from dataclasses import dataclass
from typing import Any, Optional

import vtk

from .landmarkPoints import addLandmarkNode, removeLandmarkNode, repairPoints
from .landmarkRecord import LandmarkRecord


@dataclass
class _Subject:
    """The landmark node that steps are of; another one once its first detection was undone and done again."""

    node: Any
    volume: vtk.vtkWeakReference
    isTakenBack: bool = False


@dataclass
class _Step:
    """``state``: what to store on the node (LandmarkRecord.stored) to take the step, None to remove the node."""

    subject: _Subject
    state: Optional[dict]


class LandmarkHistory:
    """The last MOST steps in a LandmarkScene; each is of one landmark node, and leaves all else as it is."""

    MOST = 200

    def __init__(self, landmarkScene):
        self.landmarkScene = landmarkScene
        self.done = []
        self.undone = []

    def add(self, landmarkNode, before):
        """Something was detected or decided; ``before`` is what the record had stored, None where there was no node."""
        known = (step.subject for step in reversed(self.done) if step.subject.node is landmarkNode)
        self.done.append(_Step(next(known, None) or self._subject(landmarkNode), before))
        del self.done[: -self.MOST]
        self.undone.clear()

    def forget(self, landmarkNode=None):
        """Forget the steps of one node, or all."""
        for steps in (self.done, self.undone):
            steps[:] = [step for step in steps if landmarkNode is not None and step.subject.node is not landmarkNode]

    def can(self, steps):
        """Whether there is a step of ``steps`` (``done`` or ``undone``) that would change anything."""
        return any(self._isDue(step) for step in reversed(steps))

    def take(self, steps, back):
        """Take the last step of ``steps`` that changes anything and put the way back from it onto ``back``.

        Returns the node, which may have left the scene with it, or None if there is no such step.
        """
        while steps:
            step = steps.pop()
            if self._isDue(step):
                back.append(_Step(step.subject, self._state(step.subject)))
                self._take(step)
                return step.subject.node
        return None

    def _take(self, step):
        subject = step.subject
        if step.state is None:
            removeLandmarkNode(subject.node)
        elif subject.isTakenBack:
            name = subject.node.GetName()
            subject.node = addLandmarkNode(subject.volume.Get())
            subject.node.SetName(name)
            repairPoints(subject.node)
            LandmarkRecord(subject.node).restore(step.state, subject.volume.Get())
        else:
            LandmarkRecord(subject.node).restore(step.state)
        subject.isTakenBack = step.state is None

    def _isDue(self, step):
        subject, scene = step.subject, self.landmarkScene.scene
        if scene.IsNodePresent(subject.node):
            return step.state is None or not LandmarkRecord.isSame(subject.node, step.state)
        volumeNode = subject.volume.Get()
        isThere = volumeNode is not None and bool(scene.IsNodePresent(volumeNode))
        return subject.isTakenBack and isThere and self.landmarkScene.landmarkNode(volumeNode) is None

    def _state(self, subject):
        return None if subject.isTakenBack else LandmarkRecord(subject.node).stored

    def _subject(self, landmarkNode):
        volume = vtk.vtkWeakReference()
        volume.Set(LandmarkRecord(landmarkNode).volumeNode)
        return _Subject(landmarkNode, volume)
