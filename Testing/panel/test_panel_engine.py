"""The module with a real child process that fails: a sentence, the scene unharmed, Detect works again."""

import os
import sys

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, processEvents, waitUntil
from Testing.host.samples import addCtVolume
from Testing.panel.engineHelp import FAKE, childrenOf, isRunning, kill
from Testing.panel.panelHelp import OpenModule, deleteNode

PHASES = ["reading", "coarse search", "sampling"]


@pytest.fixture
def makeOpened(qtHost, monkeypatch):
    from CarotidLandmarkSlicer import engineChild

    made = []

    def make(fault="", phase="reading"):
        monkeypatch.setattr(
            engineChild, "engineCommand", lambda: (sys.executable, [FAKE, fault, phase], dict(os.environ))
        )
        opened = OpenModule(qtHost, monkeypatch, scripted=False)
        opened.volume = addCtVolume("Neck")
        opened.enter()
        made.append(opened)
        return opened

    yield make
    for opened in made:
        end(opened)


def end(opened):
    """End the application; nothing of it is left."""
    if "CarotidLandmark" in sys.modules:
        pids = childrenOf(opened.engine)
        opened.module.unload()
        assert not any(isRunning(pid) for pid in pids) and leftovers() == []


def begin(opened, phase=PHASES[0]):
    click(opened.ui.detectButton)
    waitUntil(lambda: opened.ui.stepLabel.text == phase, 10)


def leftovers():
    return [name for name in os.listdir(slicer.app.temporaryPath) if name.startswith("CarotidLandmark-volume-")]


def test_a_detection_from_click_to_table(makeOpened):
    opened = makeOpened()
    click(opened.ui.detectButton)
    waitUntil(lambda: not opened.run.busy, 10)
    assert [row[:2] for row in opened.rows()] == [["Left", "absent"], ["Right", "absent"]]
    landmarkNode = opened.logic.landmarkScene.landmarkNode(opened.volume)
    assert opened.logic.landmarkScene.detection(landmarkNode)["volume"]["path"] is None
    assert leftovers() == []


@pytest.mark.parametrize("phase", PHASES)
def test_a_killed_engine_is_a_sentence_and_detect_works_again(makeOpened, phase):
    opened = makeOpened("hold", phase)
    before = slicer.mrmlScene.GetNumberOfNodes()
    begin(opened, phase)
    for pid in childrenOf(opened.engine):
        kill(pid)
    waitUntil(lambda: not opened.run.busy, 10)
    assert opened.engine.logPath in opened.message and opened.run.failed
    assert slicer.mrmlScene.GetNumberOfNodes() == before and leftovers() == []
    assert opened.ui.engineLabel.text == "not running"
    opened.engine.arguments = [FAKE]
    click(opened.ui.detectButton)
    waitUntil(lambda: not opened.run.busy, 10)
    assert len(opened.rows()) == 2 and not opened.run.failed


@pytest.mark.parametrize("fault", ["crash", "garbage", "foreign", "error", "no start", "old version"])
def test_every_other_fault_is_a_sentence(makeOpened, fault):
    opened = makeOpened(fault)
    click(opened.ui.detectButton)
    waitUntil(lambda: not opened.run.busy, 10)
    assert opened.run.failed and " " in opened.message
    assert opened.logic.landmarkScene.landmarkNodes() == [] and leftovers() == []
    assert opened.ui.detectButton.enabled and opened.ui.detectButton.text == "Detect"


def test_out_of_gpu_memory_is_said(makeOpened):
    opened = makeOpened("full gpu")
    click(opened.ui.detectButton)
    waitUntil(lambda: not opened.run.busy, 10)
    assert "Computed on the CPU" in opened.message and len(opened.rows()) == 2


@pytest.mark.parametrize("fault", ["hold", "stubborn"])
def test_cancel_ends_and_detect_works_again(makeOpened, fault):
    opened = makeOpened(fault)
    begin(opened)
    click(opened.ui.detectButton)
    waitUntil(lambda: not opened.run.busy, 10)
    assert opened.message == "The detection was cancelled; nothing has changed."
    assert opened.logic.landmarkScene.landmarkNodes() == [] and leftovers() == []
    assert opened.ui.detectButton.enabled


@pytest.mark.parametrize("fault", ["hold", "late result"])
def test_the_volume_deleted_while_the_engine_works(makeOpened, fault):
    opened = makeOpened(fault)
    begin(opened)
    deleteNode(opened.volume)
    waitUntil(lambda: not opened.run.busy, 10)
    assert opened.message == "Neck was deleted, so its detection was dropped."
    assert opened.logic.landmarkScene.landmarkNodes() == [] and leftovers() == []


def test_the_scene_closed_while_the_engine_works(makeOpened):
    opened = makeOpened("hold")
    begin(opened)
    slicer.mrmlScene.Clear(0)
    waitUntil(lambda: not opened.run.busy, 10)
    assert opened.message == "The scene was closed, so the detection was dropped." and leftovers() == []


def test_reload_while_the_engine_works_leaves_no_process(makeOpened):
    opened = makeOpened("hold")
    begin(opened)
    pids = childrenOf(opened.engine)
    opened.module.reload()
    processEvents()
    assert pids and not any(isRunning(pid) for pid in pids) and leftovers() == []
    assert not opened.run.busy and opened.ui.detectButton.enabled


def test_the_application_ends_while_the_engine_works(makeOpened):
    opened = makeOpened("stubborn")
    begin(opened)
    assert childrenOf(opened.engine) and leftovers() != []
    end(opened)
