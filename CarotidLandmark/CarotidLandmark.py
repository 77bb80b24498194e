"""The Slicer module CarotidLandmark: module, widget, logic, self test."""

import os
import sys
import tempfile

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class CarotidLandmark(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Carotid Landmark")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Vascular")]
        self.parent.dependencies = ["Markups", "Models", "SubjectHierarchy", "Volumes"]
        self.parent.contributors = ["CarotidLandmark contributors"]
        self.parent.helpText = _(
            "Finds both carotid bifurcations in a neck CT and says how sure it is of each. "
            "Choose a volume, click Detect, go through the landmarks, correct and export them."
        )
        self.parent.acknowledgementText = _(
            "The method follows Ma et al., ISBI 2020. For research use only, not for clinical use."
        )
        useLibrary()
        slicer.app.connect("startupCompleted()", registerSampleData)


def useLibrary():
    """Make CarotidLandmarkLib importable from a source checkout, where it lies beside this module's folder."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.path.isdir(os.path.join(root, "CarotidLandmarkLib")) and root not in sys.path:
        sys.path.append(root)


def registerSampleData():
    """Offer the phantom in the module Sample Data."""
    from CarotidLandmarkSlicer import sampleData

    sampleData.register()


class CarotidLandmarkWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Makes the panel, shows it while the module is open, and ends it."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = CarotidLandmarkLogic()
        from CarotidLandmarkSlicer.panel import Panel

        root = slicer.util.loadUI(self.resourcePath("UI/CarotidLandmark.ui"))
        self.layout.addWidget(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.panel = Panel(slicer.util.childWidgetVariables(root), self.logic, slicer.util.mainWindow() or root)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneReady)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneReady)
        self.enterAgain()  # after Reload

    def enter(self):
        self.panel.show(self.logic.parameterNode())

    def exit(self):
        self.panel.leave()

    def cleanup(self):
        if self.panel is not None:
            self.panel.leave()
            self.panel = None
            self.removeObservers()
            self.logic.close()

    def onReload(self):
        """Reload the rooms of the module with it."""
        for name in [name for name in sys.modules if name.startswith("CarotidLandmarkSlicer.")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event):
        self.panel.leave()

    def onSceneReady(self, caller, event):
        qt.QTimer.singleShot(0, self.enterAgain)  # the volume selector learns of loaded nodes after this event

    def enterAgain(self):
        if self.panel is not None and self.parent.isEntered:
            self.enter()


class CarotidLandmarkLogic(ScriptedLoadableModuleLogic, VTKObservationMixin):
    """Detection, review and export without a panel; a test can give other rooms than the real ones.

    run is what the engine is doing and what there is to say about it, landmarkScene the landmarks in the scene, forks
    their forks, exporter the corrections on disk, worklist the cases to go through. onDetected(landmarkNode) is called
    when a detection is in the scene, onLandmarksChanged() after any change of landmarks.
    """

    def __init__(self, landmarkScene=None, engine=None, transferVolume=None, installation=None, exporter=None):
        ScriptedLoadableModuleLogic.__init__(self)
        VTKObservationMixin.__init__(self)
        useLibrary()
        from CarotidLandmarkSlicer import installation as realInstallation
        from CarotidLandmarkSlicer.correctionsExport import CorrectionsExporter
        from CarotidLandmarkSlicer.engineChild import engineCommand
        from CarotidLandmarkSlicer.engineProcess import EngineProcess
        from CarotidLandmarkSlicer.forkScene import ForkScene
        from CarotidLandmarkSlicer.landmarkScene import LandmarkScene
        from CarotidLandmarkSlicer.landmarkWatch import LandmarkWatch
        from CarotidLandmarkSlicer.panelParameters import VOLUME
        from CarotidLandmarkSlicer.panelRun import EngineRun
        from CarotidLandmarkSlicer.volumeTransfer import VolumeTransfer
        from CarotidLandmarkSlicer.worklistRun import WorklistRun

        logPath = os.path.join(slicer.app.temporaryPath, "CarotidLandmark-engine.log")
        self.landmarkScene = landmarkScene or LandmarkScene(slicer.mrmlScene)
        self.forks = ForkScene(self.landmarkScene)
        self.engine = engine or EngineProcess(*engineCommand(), logPath)
        self.installation = installation or realInstallation
        self.exporter = exporter or CorrectionsExporter(self.landmarkScene)
        self.run = EngineRun(self.landmarkScene, self.engine, transferVolume or VolumeTransfer)
        self.run.onDetected = self._onDetected
        self.worklist = WorklistRun(self.landmarkScene, self.exporter, self.run.say)
        self.onDetected = lambda landmarkNode: None
        self.onLandmarksChanged = lambda: None
        self.watch = LandmarkWatch(
            self.landmarkScene,
            self.run,
            lambda: self.getParameterNode().GetNodeReference(VOLUME),
            lambda: self.onLandmarksChanged(),
        )
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.NodeRemovedEvent, self.onNodeRemoved)
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(scene, scene.EndUndoEvent, self.onSceneTravelled)
        self.addObserver(scene, scene.EndRedoEvent, self.onSceneTravelled)
        self.watch.takeIn()

    def close(self):
        """Stop the engine and let go of the scene; what was decided stays in it."""
        self.removeObservers()
        self.watch.letGo()
        self.onLandmarksChanged = lambda: None
        self.worklist.close()
        self.run.close()

    def startDetection(self, volumeNode, parameterNode):
        """Begin to detect in the volume; `run` tells how it goes, also if it cannot begin."""
        from CarotidLandmarkSlicer.panelParameters import detectionSettings, readParameters
        from CarotidLandmarkSlicer.panelWeights import readWeights, weightsInUse
        from CarotidLandmarkSlicer.volumeCheck import checkVolume

        from CarotidLandmarkLib.errors import CarotidLandmarkError

        if self.run.busy:
            return
        check = checkVolume(volumeNode)
        if not check.ok:
            self.run.say(check.text, failed=True)
            return
        if not self._hasEngine():
            return
        parameters = readParameters(parameterNode)
        try:
            if not parameterNode.HasParameter("weights"):
                weightsInUse()  # they are gone, and are not to be replaced by others without a choice
            readWeights(parameters.weights, parameters.weightsSha256)
        except CarotidLandmarkError as error:
            self.run.say(str(error), failed=True)
            return
        self.run.start(volumeNode, detectionSettings(parameters))

    def startPicture(self, landmarkNode, path):
        """Begin to draw the key image of landmarks as they stand into a .png file; `run` tells how it goes."""
        from CarotidLandmarkSlicer.keyImage import pictureRequest

        from CarotidLandmarkLib.errors import CarotidLandmarkError

        if self.run.busy or not self._hasEngine():
            return
        try:
            self.run.startPicture(*pictureRequest(self.landmarkScene, landmarkNode, path))
        except CarotidLandmarkError as error:
            self.run.say(str(error), failed=True)

    def _hasEngine(self):
        """Whether all that the engine needs is installed, now at the latest."""
        from CarotidLandmarkSlicer.panelInstallation import askForSource

        result = self.installation.install(askForSource)
        if not result.ok:
            self.run.say(result.reason, failed=True)
        return result.ok

    def describeEngine(self):
        """Have the engine tell of its devices and of the chosen weights, unless that needs an installation first."""
        from CarotidLandmarkSlicer.panelParameters import readParameters

        if not self.installation.missingPackages():
            self.engine.describe(readParameters(self.getParameterNode()).weights or None)

    def setParameter(self, parameterNode, name, value):
        """Store one of PanelParameters and let it work; weights are stored with the checksum that they have now."""
        from CarotidLandmarkSlicer.panelParameters import DISPLAY, READER, writeParameters
        from CarotidLandmarkSlicer.panelWeights import checksum

        changes = {name: value}
        if name == "weights":
            changes["weightsSha256"] = checksum(value)
        writeParameters(parameterNode, **changes)
        if name in READER:
            qt.QSettings().setValue(f"CarotidLandmark/{name}", value)
        if name in DISPLAY:
            self.applyDisplay()

    def parameterNode(self):
        """Return the module's parameter node; a new one has the volume that is shown and the last session's reader."""
        from CarotidLandmarkSlicer.panelParameters import VOLUME, readerHere, writeParameters
        from CarotidLandmarkSlicer.volumeCheck import firstVolume

        parameterNode = self.getParameterNode()
        if parameterNode.GetNodeReference(VOLUME) is None:
            first = firstVolume(slicer.mrmlScene)
            parameterNode.SetNodeReferenceID(VOLUME, first.GetID() if first else None)
        if not parameterNode.HasParameter("weights"):
            self._useInstalledWeights(parameterNode)
        writeParameters(parameterNode, **{k: v for k, v in readerHere().items() if not parameterNode.HasParameter(k)})
        return parameterNode

    def _useInstalledWeights(self, parameterNode):
        """Begin with the weights that were chosen by `carotid-landmark model use`."""
        from CarotidLandmarkSlicer.panelWeights import weightsInUse

        from CarotidLandmarkLib.errors import CarotidLandmarkError

        try:
            self.setParameter(parameterNode, "weights", weightsInUse())
        except CarotidLandmarkError as error:
            self.run.say(str(error), failed=True)

    def applyDisplay(self):
        """Show uncertainty and lumen of all landmarks in the scene as the parameters say."""
        from CarotidLandmarkSlicer.panelParameters import readParameters

        parameters = readParameters(self.getParameterNode())
        for landmarkNode in self.landmarkScene.landmarkNodes():
            self.landmarkScene.setDisplay(
                landmarkNode,
                visible=parameters.uncertaintyVisible,
                opacity=parameters.opacity,
                confidence=parameters.confidence,
                colorByStatus=parameters.colorByStatus,
            )
            self.forks.setDisplay(landmarkNode, parameters.lumenVisible, parameters.centrelinesVisible)

    def takeInLandmarks(self):
        """Watch and show landmarks that a detection, or undo and redo, has brought into the scene."""
        self.watch.takeIn()
        self.applyDisplay()

    def _onDetected(self, landmarkNode):
        self.takeInLandmarks()
        self.onDetected(landmarkNode)

    def onNodeRemoved(self, caller, event):
        self.run.cancelIfDeleted()

    def onSceneStartClose(self, caller, event):
        if self.run.busy:
            self.run.cancelForClosing()
        else:
            self.run.say("")
        self.watch.letGo()
        self.landmarkScene.forgetSteps()
        self.worklist.forgetCase()

    def onSceneTravelled(self, caller, event):
        """Slicer's own undo or redo, which the module's are not."""
        self.landmarkScene.removeLeftovers()
        self.takeInLandmarks()
        self.onLandmarksChanged()

    def onSceneEndImport(self, caller, event):
        from CarotidLandmarkSlicer.panelParameters import keepReader

        keepReader(self.getParameterNode())
        if self.watch.takeIn():  # they have undo switched on, and the states that are kept are of before they came
            slicer.mrmlScene.ClearUndoStack()
            slicer.mrmlScene.ClearRedoStack()


class CarotidLandmarkTest(ScriptedLoadableModuleTest):
    """Reload and Test in the application: sample data, detect, correct, export, close the scene."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_detectCorrectExport()

    def test_detectCorrectExport(self):
        from CarotidLandmarkSlicer.sampleData import loadPhantom

        volumeNode = loadPhantom()
        logic = CarotidLandmarkLogic()
        try:
            landmarkNode = self.detect(logic, volumeNode)
            landmarkScene = logic.landmarkScene
            predicted = landmarkScene.reviews(landmarkNode)["left"].ras
            landmarkScene.place(landmarkNode, "left", predicted + [3.0, 0.0, 0.0])
            self.assertAlmostEqual(landmarkScene.reviews(landmarkNode)["left"].displacementMm, 3.0, 3)
            landmarkScene.accept(landmarkNode, "right")
            with tempfile.TemporaryDirectory() as folder:
                logic.exporter.export(landmarkNode, folder, "test")
                self.assertEqual(logic.exporter.countCases(folder), 1)
            self.assertIs(self.detect(logic, volumeNode), landmarkNode)
            slicer.mrmlScene.Clear()
            self.assertEqual(landmarkScene.landmarkNodes(), [])
        finally:
            logic.close()
        self.delayDisplay("Test passed")

    def detect(self, logic, volumeNode):
        logic.startDetection(volumeNode, logic.parameterNode())
        while logic.run.busy:
            slicer.app.processEvents()
        self.assertFalse(logic.run.failed, logic.run.message)
        return logic.landmarkScene.landmarkNode(volumeNode)
