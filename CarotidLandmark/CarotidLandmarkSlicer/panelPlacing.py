"""Placing one landmark with the mouse, by Slicer's own place mode."""

import qt
import slicer
from slicer.util import VTKObservationMixin


class PointPlacing(VTKObservationMixin):
    """Lets the user click one point; it goes to onPlaced(side, ras), or nowhere if placing is ended by stop().

    The click places into a helper node of its own, so that the landmark keeps its position until there is a new one
    and placing is a single undo step. onEnded() is called after either end, onGivenUp() after the user's right button.
    """

    def __init__(self, onPlaced, onEnded, onGivenUp):
        VTKObservationMixin.__init__(self)
        self.onPlaced = onPlaced
        self.onEnded = onEnded
        self.onGivenUp = onGivenUp
        self.side = None
        self.helper = None

    @property
    def active(self):
        """True between start() and the end of placing."""
        return self.helper is not None

    def start(self, side, label):
        """Wait for a click in any view; label is shown at the mouse."""
        self.stop()
        self.side = side
        self.helper = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", label)
        self.helper.SetHideFromEditors(True)
        self.helper.SetSaveWithScene(False)
        self.helper.SetUndoEnabled(False)
        self.helper.SetMaximumNumberOfControlPoints(1)
        self.helper.SetControlPointLabelFormat(label)
        self.helper.CreateDefaultDisplayNodes()
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(self.helper.GetID())
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)
        self.addObserver(interaction, interaction.InteractionModeChangedEvent, self._onModeChanged)

    def stop(self):
        """End placing; what was not clicked yet is not placed."""
        if not self.active:
            return
        self.removeObservers()
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if interaction.GetCurrentInteractionMode() == interaction.Place:
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        for node in (self.helper.GetDisplayNode(), self.helper):
            if node is not None and slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
        self.helper = None
        self.onEnded()

    def _onModeChanged(self, interaction, event):
        if interaction.GetCurrentInteractionMode() != interaction.Place:
            qt.QTimer.singleShot(0, self._finish)  # the click is still being worked off, and with it the helper node

    def _finish(self):
        if not self.active:
            return
        ras = None
        if self.helper.GetNumberOfDefinedControlPoints() > 0:
            ras = [0.0, 0.0, 0.0]
            self.helper.GetNthControlPointPositionWorld(0, ras)
        side = self.side
        self.stop()
        if ras is None:
            self.onGivenUp()
        else:
            self.onPlaced(side, ras)
