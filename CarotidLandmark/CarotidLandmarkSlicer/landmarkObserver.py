"""Watches a landmark node and its volume, so that what happens to them becomes decisions and repairs."""

import vtk


class LandmarkObserver:
    """Until stop(), lets ``landmarkScene`` repair the node after every change and calls ``onChanged()`` then.

    During a drag the node is left alone; ``isDragged`` says so.
    """

    def __init__(self, landmarkScene, landmarkNode, onChanged):
        self.onChanged = onChanged
        self.isDragged = False
        self._landmarkScene = landmarkScene
        self._node = landmarkNode
        self._observations = []
        scene, volumeNode = landmarkScene.scene, landmarkScene.volumeNode(landmarkNode)
        for event in (
            vtk.vtkCommand.ModifiedEvent,
            landmarkNode.PointModifiedEvent,
            landmarkNode.PointAddedEvent,
            landmarkNode.PointRemovedEvent,
            landmarkNode.TransformModifiedEvent,
        ):
            self._add(landmarkNode, event, self._onModified)
        self._add(landmarkNode, landmarkNode.PointStartInteractionEvent, self._onDragStarted)
        self._add(landmarkNode, landmarkNode.PointEndInteractionEvent, self._onDragEnded)
        self._add(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        if volumeNode is not None:
            self._add(volumeNode, vtk.vtkCommand.ModifiedEvent, self._onModified)
            self._add(volumeNode, volumeNode.TransformModifiedEvent, self._onModified)

    def stop(self):
        """End watching."""
        for caller, tag in self._observations:
            caller.RemoveObserver(tag)
        self._observations = []

    def _add(self, caller, event, react):
        self._observations.append((caller, caller.AddObserver(event, react)))

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
