"""A scripted module is loaded, entered, left, reloaded and unloaded as in the application."""

import sys

import pytest

from Testing.host.pythonQtDrive import processEvents

MODULE = """
import qt
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin

calls = []


class Probe(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Probe")
        parent.categories = ["Vascular"]
        parent.dependencies = []
        parent.contributors = ["Nobody"]
        slicer.app.connect("startupCompleted()", lambda: slicer.probeCalls.append("startup"))


class ProbeWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = ProbeLogic()
        self.button = qt.QPushButton(_("Detect"))
        self.layout.addWidget(self.button)
        self.layout.addStretch(1)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onEndClose)
        slicer.probeCalls.append("setup")

    def onEndClose(self, caller, event):
        slicer.probeCalls.append("closed")

    def enter(self):
        slicer.probeCalls.append("enter")

    def exit(self):
        slicer.probeCalls.append("exit")

    def cleanup(self):
        self.removeObservers()
        slicer.probeCalls.append("cleanup")


class ProbeLogic(ScriptedLoadableModuleLogic):
    pass


class ProbeTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.setUp()
"""


@pytest.fixture
def probe(qtHost, tmp_path, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer, "probeCalls", [], raising=False)
    path = tmp_path / "Probe.py"
    path.write_text(MODULE)
    return qtHost.loadModule(path)


def test_the_life_of_a_module(qtHost, probe):
    import slicer

    qtHost.completeStartup()
    probe.enter()
    assert probe.panel.isEntered and probe.widget.button.visible
    slicer.mrmlScene.Clear(0)
    probe.exit()
    assert not probe.widget.button.visible
    probe.unload()
    slicer.mrmlScene.Clear(0)
    assert slicer.probeCalls == ["startup", "setup", "enter", "closed", "exit", "cleanup"]
    assert "Probe" not in sys.modules and not hasattr(slicer.modules, "probe")


def test_reload_cleans_up_and_makes_a_new_widget(qtHost, probe):
    import slicer

    probe.enter()
    first, panel = probe.widget, probe.panel
    probe.reload()
    processEvents()
    assert slicer.probeCalls == ["setup", "enter", "cleanup", "setup"]
    assert probe.widget is not first and probe.panel is panel and slicer.modules.ProbeWidget is probe.widget
    assert probe.widget.button.visible and not first.button.visible
    probe.unload()
    assert slicer.probeCalls[4:] == ["cleanup"]


def test_the_window_is_never_narrower_than_the_module_wants_to_be(probe):
    import slicer

    probe.enter(200, 400)
    window, button = slicer.util.mainWindow(), probe.widget.button
    assert window.width == 200
    button.setMinimumWidth(300)
    processEvents()
    assert 300 < window.width < 360
    button.setMinimumWidth(0)
    processEvents()
    assert window.width > 300


def test_slicer_finds_the_module(probe):
    import slicer

    assert slicer.modules.probe.title == "Probe" and slicer.modules.probe.categories == ("Vascular",)
    assert slicer.util.modulePath("Probe").endswith("Probe.py")
    assert slicer.util.getModule("Probe").name == "Probe"
    assert slicer.util.getModuleWidget("Probe") is probe.widget
    assert slicer.util.getModuleLogic("Probe") is probe.widget.logic
    assert probe.widget.resourcePath("UI/Probe.ui").endswith("Resources/UI/Probe.ui")
    assert slicer.util.mainWindow().className() == "QMainWindow"


def test_the_module_object_is_strict(probe):
    with pytest.raises(AttributeError):
        probe.module.parent.categorys = ["Vascular"]
    with pytest.raises(TypeError):
        probe.module.parent.categories = "Vascular"
    with pytest.raises(AttributeError):
        probe.module.parent.name = "Other"


def test_the_parameter_node_is_a_singleton(probe):
    import slicer

    logic = probe.panel and probe.widget.logic
    node = logic.getParameterNode()
    assert node is logic.getParameterNode() and node.GetAttribute("ModuleName") == "Probe"
    slicer.mrmlScene.Clear(0)
    assert logic.getParameterNode().GetScene() is slicer.mrmlScene


def test_an_unknown_application_signal_raises(qtHost):
    import slicer

    with pytest.raises(ValueError):
        slicer.app.connect("startupDone()", print)
