"""Watches a landmark node and its volume, so that what happens to them becomes decisions and repairs."""

import vtk
from slicer.util import VTKObservationMixin


class LandmarkObserver(VTKObservationMixin):
    """Lets ``landmarkScene`` repair the node after every change, then calls ``onChanged()``, until removeObservers().

    During a drag the node is left alone; ``isDragged`` says so.
    """

    def __init__(self, landmarkScene, landmarkNode, onChanged):
        VTKObservationMixin.__init__(self)
        self.onChanged = onChanged
        self.isDragged = False
        self._landmarkScene = landmarkScene
        self._node = landmarkNode
        scene, volumeNode = landmarkScene.scene, landmarkScene.volumeNode(landmarkNode)
        for event in (
            vtk.vtkCommand.ModifiedEvent,
            landmarkNode.PointModifiedEvent,
            landmarkNode.PointAddedEvent,
            landmarkNode.PointRemovedEvent,
            landmarkNode.TransformModifiedEvent,
        ):
            self.addObserver(landmarkNode, event, self._onModified)
        self.addObserver(landmarkNode, landmarkNode.PointStartInteractionEvent, self._onDragStarted)
        self.addObserver(landmarkNode, landmarkNode.PointEndInteractionEvent, self._onDragEnded)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        if volumeNode is not None:
            self.addObserver(volumeNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self.addObserver(volumeNode, volumeNode.TransformModifiedEvent, self._onModified)

    def _onModified(self, caller=None, event=None):
        if not self._landmarkScene.isChanging:
            self._landmarkScene.repair(self._node)
            self.onChanged()

    def _onDragStarted(self, caller, event):
        self.isDragged = True

    def _onDragEnded(self, caller, event):
        self.isDragged = False
        self._onModified()

    def _onNodeRemoved(self, caller, event):
        if self._landmarkScene.isChanging:
            return
        if not self._landmarkScene.scene.IsNodePresent(self._node):
            self._landmarkScene.unobserve(self._node)
            self._landmarkScene.removeLeftovers()
            self.onChanged()
        elif self._landmarkScene.volumeNode(self._node) is None:
            self.onChanged()
