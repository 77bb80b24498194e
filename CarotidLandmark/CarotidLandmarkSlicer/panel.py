"""The whole panel: its parts, what the parameter node says, and which volume is selected."""

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from CarotidLandmarkLib.errors import CarotidLandmarkError

from .panelAdvanced import AdvancedPanel
from .panelBindings import bindParameters
from .panelCorrections import CorrectionsPanel
from .panelFork import ForkPanel
from .panelKeyImage import KeyImagePanel
from .panelLandmarks import LandmarkPanel
from .panelParameters import VOLUME, readParameters
from .panelShortcuts import FieldFilter, Shortcuts
from .panelWeights import readWeights
from .panelWork import WorkPanel
from .panelWorklist import WorklistPanel
from .views import showVolume
from .volumeCheck import checkVolume


class Panel(VTKObservationMixin):
    """Shows what the logic is doing and passes on what the user wants. window is where the keys are caught.

    Between leave() and show() it neither reads nor changes the scene but for the detection under way.
    """

    def __init__(self, ui, logic, window):
        VTKObservationMixin.__init__(self)
        self.ui = ui
        self.logic = logic
        self.parameterNode = None
        self.work = WorkPanel(ui, logic.run)
        self.landmarks = LandmarkPanel(
            ui, logic.landmarkScene, logic.run.say, self.onTravelled, lambda side: self.forks.follow(side), window
        )
        self.forks = ForkPanel(ui, logic.forks, logic.run.say, self.landmarks.table.selectedSide)
        self.keyImage = KeyImagePanel(ui, logic.landmarkScene, logic.run, logic.startPicture)
        self.corrections = CorrectionsPanel(ui, logic.exporter, logic.run.say)
        self.advanced = AdvancedPanel(ui, logic.engine, lambda: self.onEdited("weights"))
        self.worklist = WorklistPanel(ui, logic.worklist, self.reader, self.corrections.exportCorrections)
        self.isShowing = False
        self.bindings = bindParameters(ui)
        for name, binding in self.bindings.items():
            binding.sender.connect(binding.signal, lambda value, name=name: self.onEdited(name))
        ui.detectButton.connect("clicked()", self.onDetect)
        ui.volumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onVolumeSelected)
        ui.volumeSelector.connect("nodeActivated(vtkMRMLNode*)", self.onVolumeChosen)
        ui.volumeSelector.connect("nodeAdded(vtkMRMLNode*)", self.onVolumeAdded)
        ui.advancedSection.connect("contentsCollapsed(bool)", self.onAdvancedCollapsed)
        keys = {
            "D": self.onDetectKey,
            "N": lambda: self.landmarks.step(1),
            "P": lambda: self.landmarks.step(-1),
            "A": self.landmarks.accept,
            "M": self.landmarks.markMissing,
            "F": self.forks.toggleView,
            "Ctrl+N": lambda: self.worklist.step(1),
            "Ctrl+P": lambda: self.worklist.step(-1),
        }
        self.shortcuts = Shortcuts(window, keys)
        self.fieldFilter = FieldFilter(ui.CarotidLandmark, keys)
        logic.run.onChanged = self.updateWork
        logic.onDetected = self.onDetected
        logic.worklist.onOpened = self.onCaseOpened
        logic.onLandmarksChanged = self.updateLandmarks
        self.updateWork()

    def show(self, parameterNode):
        """Show and change the parameters on that node, and listen to the keys."""
        self.leave()
        self.parameterNode = parameterNode
        self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self.updateParameters)
        self.shortcuts.install()
        self.updateParameters()
        self.onVolumeSelected(self.ui.volumeSelector.currentNode())  # which leave() has let go of
        self.updateWork()
        self.onAdvancedCollapsed(self.ui.advancedSection.collapsed)

    def leave(self):
        """Let go of keys, scene and mouse."""
        self.shortcuts.remove()
        self.landmarks.show(None, [])
        self.forks.show(None, [])
        self.keyImage.show(None, [])
        self.removeObservers()
        self.parameterNode = None

    def updateParameters(self, caller=None, event=None):
        """Show the parameters as the scene has them."""
        parameters = readParameters(self.parameterNode)
        self.isShowing = True
        for name, binding in self.bindings.items():
            if binding.read() != getattr(parameters, name):
                binding.write(getattr(parameters, name))
        self.isShowing = False
        self.ui.volumeSelector.setCurrentNode(self.parameterNode.GetNodeReference(VOLUME))

    def updateVolume(self, caller=None, event=None):
        """Show whether the selected volume fits, and its landmarks."""
        volumeNode = self.ui.volumeSelector.currentNode()
        self.work.showVolume(checkVolume(volumeNode))
        adopted = self.logic.landmarkScene.adopt(volumeNode)
        if adopted is not None:
            self.logic.run.say(_("“{name}” has its volume again.").format(name=adopted.GetName()))
        self.updateLandmarks()

    def updateLandmarks(self):
        """Show the landmarks of the selected volume."""
        if self.parameterNode is not None:
            landmarkScene = self.logic.landmarkScene
            landmarkNode = landmarkScene.landmarkNode(self.ui.volumeSelector.currentNode())
            rows = [] if landmarkNode is None else landmarkScene.rows(landmarkNode)
            self.landmarks.show(landmarkNode, rows)
            self.forks.show(landmarkNode, rows)
            self.keyImage.show(landmarkNode, rows)
            self.corrections.show(landmarkNode, rows)

    def updateWork(self):
        """Show what the logic is doing."""
        self.work.update()
        self.keyImage.update()
        self.advanced.update()

    def updateCard(self):
        """Show what the chosen weights say of themselves, or why they cannot be used; return whether they can."""
        parameters = readParameters(self.parameterNode)
        self.advanced.showModels(parameters.weights)
        try:
            self.advanced.showCard(readWeights(parameters.weights, parameters.weightsSha256))
        except CarotidLandmarkError as error:
            self.advanced.showProblem(str(error))
            return False
        return True

    def onVolumeSelected(self, volumeNode):
        """Another volume was selected, by the user or since the one before has left the scene."""
        self.removeObservers(self.updateVolume)
        if self.parameterNode is None:
            return
        self.parameterNode.SetNodeReferenceID(VOLUME, volumeNode.GetID() if volumeNode else None)
        if volumeNode is not None:
            self.addObserver(volumeNode, vtk.vtkCommand.ModifiedEvent, self.updateVolume)
            self.addObserver(volumeNode, volumeNode.ImageDataModifiedEvent, self.updateVolume)
            self.addObserver(volumeNode, volumeNode.TransformModifiedEvent, self.updateVolume)
        self.updateVolume()

    def onVolumeChosen(self, volumeNode):
        """The user has chosen a volume: what they decide is about what they see."""
        if volumeNode is not None:
            showVolume(slicer.mrmlScene, volumeNode)
        if not self.logic.run.busy:
            self.logic.run.say("")

    def onVolumeAdded(self, volumeNode):
        """Take the first volume that is loaded while the panel is open."""
        if self.ui.volumeSelector.currentNode() is None and not slicer.mrmlScene.IsImporting():
            self.ui.volumeSelector.setCurrentNode(volumeNode)

    def onEdited(self, name):
        """Store what the user has changed and show what it means."""
        if self.parameterNode is None or self.isShowing:
            return
        self.logic.setParameter(self.parameterNode, name, self.bindings[name].read())
        if name in ("correctionsFolder", "initials", "anonymise"):
            self.corrections.update()
        elif name == "weights" and self.updateCard():
            self.logic.describeEngine()

    def onDetect(self):
        """Detect, or cancel the detection under way."""
        if self.logic.run.busy:
            self.logic.run.cancel()
        elif self.parameterNode is not None:
            self.landmarks.placing.stop()
            self.logic.startDetection(self.ui.volumeSelector.currentNode(), self.parameterNode)

    def onDetectKey(self):
        """Detect, but never cancel."""
        if self.ui.detectButton.enabled and not self.logic.run.busy:
            self.onDetect()

    def onDetected(self, landmarkNode):
        """Go to what needs to be looked at first."""
        self.updateLandmarks()
        if landmarkNode is self.landmarks.landmarkNode:
            self.landmarks.showFirst()

    def onCaseOpened(self, volumeNode, landmarkNode):
        """Show a case of the worklist, and go to what needs to be looked at first."""
        self.logic.parameterNode().SetNodeReferenceID(VOLUME, volumeNode.GetID())
        self.logic.takeInLandmarks()
        if self.parameterNode is not None:
            self.ui.volumeSelector.setCurrentNode(volumeNode)
            self.onDetected(landmarkNode)

    def reader(self):
        """Return the folder of the corrections and the reader's initials."""
        return self.ui.folderEdit.currentPath.strip(), self.ui.initialsEdit.text.strip()

    def onTravelled(self):
        """Show what undo or redo has brought and taken."""
        self.logic.takeInLandmarks()
        self.updateLandmarks()

    def onAdvancedCollapsed(self, collapsed):
        """Look for what the section shows only once it is open."""
        if not collapsed and self.parameterNode is not None:
            self.updateCard()
            self.logic.describeEngine()
