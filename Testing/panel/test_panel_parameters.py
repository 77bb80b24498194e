"""What the user chooses: to the parameter node, to the ellipsoids, and back from the scene."""

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, processEvents, typeText
from Testing.panel.panelHelp import openModule

from CarotidLandmarkSlicer.panelParameters import PanelParameters, readParameters, writeParameters  # isort: skip (the host puts it on the path)

opened = pytest.fixture(openModule)

EDITS = {
    "device": ("deviceCombo", "currentIndex", 1, "cpu"),
    "samples": ("samplesSpin", "value", 12, 12),
    "seed": ("seedSpin", "value", 4, 4),
    "uncertaintyVisible": ("uncertaintyCheckBox", "checked", False, False),
    "opacity": ("opacitySlider", "value", 60, 0.6),
    "confidence": ("confidenceSlider", "value", 99, 0.99),
    "colorByStatus": ("colorCheckBox", "checked", False, False),
    "correctionsFolder": ("folderEdit", "currentPath", "/tmp", "/tmp"),
    "anonymise": ("anonymiseCheckBox", "checked", False, False),
    "copyVolume": ("copyVolumeCheckBox", "checked", True, True),
    "dicomReport": ("reportCheckBox", "checked", True, True),
    "fork": ("forkCheckBox", "checked", False, False),
    "lumenVisible": ("lumenCheckBox", "checked", False, False),
    "centrelinesVisible": ("centrelinesCheckBox", "checked", False, False),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_stored_and_shown_again(opened, name):
    widgetName, attribute, shown, stored = EDITS[name]
    widget = getattr(opened.ui, widgetName)
    setattr(widget, attribute, shown)
    parameterNode = opened.logic.getParameterNode()
    assert getattr(readParameters(parameterNode), name) == stored
    writeParameters(parameterNode, **{name: getattr(PanelParameters(), name)})
    assert getattr(widget, attribute) != shown
    writeParameters(parameterNode, **{name: stored})
    assert getattr(widget, attribute) == shown


def test_anonymise_is_on_by_default(opened):
    assert opened.ui.anonymiseCheckBox.checked
    assert not opened.ui.copyVolumeCheckBox.enabled and not opened.ui.reportCheckBox.enabled
    opened.ui.anonymiseCheckBox.checked = False
    assert opened.ui.copyVolumeCheckBox.enabled and opened.ui.reportCheckBox.enabled


def test_every_parameter_survives_the_scene(opened):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters = PanelParameters("cuda:1", 3, 5, "/w", "ab", False, 0.5, 0.6, False, "/f", "XY", False, True, True)
    parameters.fork = parameters.lumenVisible = parameters.centrelinesVisible = False
    writeParameters(node, **vars(parameters))
    assert readParameters(node) == parameters


@pytest.mark.parametrize(
    ("name", "text"),
    [("samples", "many"), ("samples", "0"), ("seed", "-1"), ("confidence", "2"), ("opacity", "nan"), ("anonymise", "")],
)
def test_nonsense_in_the_scene_is_the_default(opened, name, text):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    node.SetParameter(name, text)
    assert readParameters(node) == PanelParameters()


def test_a_device_of_another_computer_is_kept(opened):
    writeParameters(opened.logic.getParameterNode(), device="cuda:3")
    assert opened.ui.deviceCombo.currentText == "cuda:3"
    opened.engine.onDescription(
        [{"device": "cuda:0", "text": "A GPU"}, {"device": "cpu", "text": "CPU, 2 threads"}], {}
    )
    assert opened.ui.deviceCombo.currentText == "cuda:3"
    assert [opened.ui.deviceCombo.itemText(i) for i in range(3)] == ["Automatic", "A GPU", "CPU, 2 threads"]


def test_confidence_rescales_at_once_without_the_engine(opened):
    landmarkNode = opened.detect(opened.volume)
    radius, volume = (float(opened.rows()[0][column]) for column in (3, 4))
    opened.ui.confidenceSlider.value = 50
    assert float(opened.rows()[0][3]) < 0.7 * radius and float(opened.rows()[0][4]) < 0.4 * volume
    display = opened.logic.landmarkScene.display(landmarkNode)
    assert display["confidence"] == 0.5
    opened.ui.opacitySlider.value = 80
    click(opened.ui.uncertaintyCheckBox, 8, 8)
    click(opened.ui.colorCheckBox, 8, 8)
    display = opened.logic.landmarkScene.display(landmarkNode)
    assert (display["visible"], display["opacity"], display["colorByStatus"]) == (False, 0.8, False)
    assert len(opened.engine.requests) == 1


def test_a_detection_is_shown_as_chosen_before(opened):
    opened.ui.confidenceSlider.value = 50
    opened.ui.opacitySlider.value = 10
    display = opened.logic.landmarkScene.display(opened.detect(opened.volume))
    assert (display["confidence"], display["opacity"]) == (0.5, 0.1)


def test_the_reader_is_remembered_in_the_next_scene(opened):
    typeText(opened.ui.initialsEdit, "QA")
    opened.ui.folderEdit.currentPath = "/tmp"
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.RemoveNode(opened.logic.getParameterNode())
    opened.enter()
    processEvents()
    assert (opened.ui.initialsEdit.text, opened.ui.folderEdit.currentPath) == ("QA", "/tmp")
