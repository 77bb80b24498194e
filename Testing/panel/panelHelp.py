"""The module as the user has it, on an engine that the test lets answer."""

from Testing.host.mrmlHost import REPOSITORY, slicer
from Testing.host.pythonQtDrive import processEvents
from Testing.host.samples import addCtVolume
from Testing.panel.fakeRooms import InstantTransfer, ScriptedEngine, installed

MODULE = REPOSITORY / "CarotidLandmark" / "CarotidLandmark.py"


class OpenModule:
    """The loaded module; scripted: its engines, one for each time that it is loaded, do what the test says."""

    def __init__(self, host, monkeypatch, scripted=True):
        from CarotidLandmarkSlicer import engineProcess, installation, volumeTransfer

        self.host = host
        self.engines = []
        if scripted:
            monkeypatch.setattr(engineProcess, "EngineProcess", self._makeEngine)
            monkeypatch.setattr(volumeTransfer, "VolumeTransfer", InstantTransfer)
        for name, value in vars(installed()).items():
            monkeypatch.setattr(installation, name, value)
        self.module = host.loadModule(str(MODULE))

    def _makeEngine(self, program, arguments, environment, logPath):
        self.engines.append(ScriptedEngine(logPath))
        return self.engines[-1]

    @property
    def engine(self):
        return self.engines[-1] if self.engines else self.logic.engine

    @property
    def widget(self):
        return self.module.widget

    @property
    def logic(self):
        return self.widget.logic

    @property
    def run(self):
        return self.logic.run

    @property
    def panel(self):
        return self.widget.panel

    @property
    def ui(self):
        return self.panel.ui

    @property
    def message(self):
        return self.ui.messageLabel.text if self.ui.messageLabel.visible else ""

    def enter(self):
        self.module.enter(400, 1400)
        processEvents()

    def detect(self, volumeNode, detection=None, lumens=None):
        """Select the volume, detect and return the landmark node."""
        self.ui.volumeSelector.setCurrentNode(volumeNode)
        self.panel.onDetect()
        self.engine.finish(detection, lumens)
        processEvents()
        return self.logic.landmarkScene.landmarkNode(volumeNode)

    def reviews(self, landmarkNode):
        return self.logic.landmarkScene.reviews(landmarkNode)

    def rows(self):
        """The texts of the table, one list a landmark: side, chip, position, radius, volume, words."""
        table, rows = self.ui.landmarkTable, []
        for row in range(0, table.rowCount, 2):
            texts = [table.item(row, column).text() for column in range(5)]
            texts[1] = table.cellWidget(row, 1).text
            rows.append([*texts, table.item(row + 1, 0).text()])
        return rows


def openModule(qtHost, monkeypatch):
    """For a fixture: the module, entered, with one CT in the scene."""
    opened = OpenModule(qtHost, monkeypatch)
    opened.volume = addCtVolume("Neck")
    opened.enter()
    return opened


def deleteNode(node):
    slicer.mrmlScene.RemoveNode(node)
    processEvents()
