"""The module's logic without a panel, its rooms given by the test."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from Testing.host.mrmlHost import REPOSITORY, slicer
from Testing.host.samples import addCtVolume
from Testing.panel.fakeRooms import InstantTransfer, ScriptedEngine, installed
from Testing.panel.panelHelp import MODULE, deleteNode


@pytest.fixture
def makeLogic(qtHost):
    logics = []
    module = qtHost.loadModule(str(MODULE))

    def make(**rooms):
        rooms = {"engine": ScriptedEngine(), "installation": installed(), "transferVolume": InstantTransfer, **rooms}
        logics.append(sys.modules[module.name].CarotidLandmarkLogic(**rooms))
        return logics[-1]

    yield make
    for logic in logics:
        logic.close()


def test_detect_review_and_export_without_a_panel(makeLogic, tmp_path):
    volume, logic = addCtVolume("Neck"), makeLogic()
    found = []
    logic.onDetected = found.append
    logic.startDetection(volume, logic.parameterNode())
    assert logic.run.busy and logic.engine.request["path"] == "/volume.nrrd"
    logic.engine.finish()
    assert not logic.run.busy and found == [logic.landmarkScene.landmarkNode(volume)]
    assert logic.landmarkScene.detection(found[0])["volume"]["path"] == "/data/neck.nrrd"
    logic.landmarkScene.accept(found[0], "left")
    logic.exporter.export(found[0], str(tmp_path), "QA")
    assert logic.exporter.countCases(str(tmp_path)) == 1


def test_a_second_start_while_busy_is_ignored(makeLogic):
    volume, logic = addCtVolume("Neck"), makeLogic()
    logic.startDetection(volume, logic.parameterNode())
    logic.startDetection(addCtVolume("Other"), logic.parameterNode())
    assert len(logic.engine.requests) == 1 and logic.run.volumeNode is volume


def test_a_volume_that_does_not_fit_is_refused_in_words(makeLogic):
    logic = makeLogic()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    for volume in (None, node):
        logic.startDetection(volume, logic.parameterNode())
        assert logic.run.failed and logic.run.message.endswith(".")
    assert logic.engine.requests == []


def test_an_installation_that_failed_leaves_its_reason(makeLogic):
    logic = makeLogic(installation=installed(False, "openvino was not installed, since you declined."))
    logic.startDetection(addCtVolume("Neck"), logic.parameterNode())
    assert logic.run.message == "openvino was not installed, since you declined." and logic.run.failed
    assert not logic.run.busy and logic.engine.requests == []
    assert logic.engine.described == []


def test_the_question_of_the_installation_is_asked_once(makeLogic, qtHost):
    asked = []

    def install(ask):
        asked.append(ask("openvino, 59 MB. Install?"))
        return SimpleNamespace(ok=asked[-1] is not None, reason="declined")

    logic = makeLogic(installation=SimpleNamespace(install=install, missingPackages=lambda: ["openvino"]))
    for answer, busy in (("Cancel", False), ("Download", True)):
        qtHost.dialogs.answer(answer)
        logic.startDetection(addCtVolume("Neck"), logic.parameterNode())
        assert logic.run.busy == busy
    assert asked == [None, ""]
    assert "openvino, 59 MB" in qtHost.dialogs.shown[0].text


def test_the_volume_deleted_without_a_panel(makeLogic):
    volume, logic = addCtVolume("Neck"), makeLogic()
    logic.startDetection(volume, logic.parameterNode())
    deleteNode(volume)
    logic.engine.finish()
    assert logic.run.message == "Neck was deleted, so its detection was dropped."


def test_cancelled_before_the_volume_is_written(makeLogic, monkeypatch):
    volume, logic = addCtVolume("Neck"), makeLogic()
    monkeypatch.setattr(InstantTransfer, "isHeld", True)
    logic.startDetection(volume, logic.parameterNode())
    assert logic.run.busy and logic.run.text == "handing over the volume"
    transfer = logic.run._transfer
    logic.run.cancel()
    assert not logic.run.busy and transfer.isRemoved and logic.engine.requests == []
    assert logic.run.message == "The detection was cancelled; nothing has changed."


def test_a_volume_that_cannot_be_written_is_said(makeLogic, monkeypatch):
    logic = makeLogic()
    monkeypatch.setattr(InstantTransfer, "problem", "The disk is full.")
    logic.startDetection(addCtVolume("Neck"), logic.parameterNode())
    assert logic.run.message == "The disk is full." and logic.run.failed and not logic.run.busy


def test_detect_again_updates_the_same_node(makeLogic):
    volume, logic = addCtVolume("Neck"), makeLogic()
    nodes = set()
    for _ in range(2):
        logic.startDetection(volume, logic.parameterNode())
        logic.engine.finish()
        nodes.add(logic.landmarkScene.landmarkNode(volume).GetID())
        count = slicer.mrmlScene.GetNumberOfNodes()
    assert len(nodes) == 1 and slicer.mrmlScene.GetNumberOfNodes() == count


def test_no_room_is_imported_that_needs_torch():
    script = (
        "import sys\n"
        "from Testing.host.pythonQt import installQtHost\n"
        "installQtHost().loadModule(sys.argv[1]).enter()\n"
        "print(sorted({'torch', 'safetensors', 'CarotidLandmarkSlicer.engineProcess'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script, str(MODULE)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "['CarotidLandmarkSlicer.engineProcess']"


def test_closing_stops_the_engine_in_the_middle(makeLogic):
    volume, logic = addCtVolume("Neck"), makeLogic()
    logic.startDetection(volume, logic.parameterNode())
    logic.close()
    assert logic.engine.stopped == 1 and logic.Observations == [] and not logic.run.busy


def test_sample_data_is_offered_when_the_application_has_started(makeLogic, qtHost, monkeypatch):
    from CarotidLandmarkSlicer import sampleData

    offered = []
    monkeypatch.setattr(sampleData, "register", lambda: offered.append(True))
    qtHost.completeStartup()
    assert offered
