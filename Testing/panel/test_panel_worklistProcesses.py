"""How the volumes of a worklist are read: by children, ahead, and what they leave behind."""

import os

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import waitUntil
from Testing.panel.panelHelp import openModule
from Testing.panel.worklistHelp import (
    arrive,
    exportBoth,
    openBatch,
    openForWorklist,
    openList,
    order,
    pressNext,
    readyNext,
    writeBatch,
)

opened = pytest.fixture(openForWorklist)
batch = pytest.fixture(openBatch)


def test_nothing_is_left_in_the_temporary_folder(batch):
    pressNext(batch)
    arrive(batch, order(batch)[0])
    readyNext(batch)
    left = [name for name in os.listdir(slicer.app.temporaryPath) if name.startswith("CarotidLandmark-volume-")]
    assert left == []


def test_an_installation_is_not_needed(batch, monkeypatch):
    from CarotidLandmarkSlicer import installation

    monkeypatch.setattr(installation, "install", lambda ask: pytest.fail("nothing is to be installed"))
    pressNext(batch)
    arrive(batch, order(batch)[0])
    exportBoth(batch)
    assert not batch.run.failed


def test_with_real_processes(qtHost, monkeypatch, tmp_path):
    """Read by a child and taken over in slabs; a case that is left before it was read ends its child."""
    from CarotidLandmarkSlicer import worklistChild

    monkeypatch.setattr(worklistChild, "SLAB_BYTES", 30_000)
    opened = openModule(qtHost, monkeypatch)
    openList(opened, writeBatch(tmp_path, 2, review=(0, 1)), tmp_path / "corrections")
    pressNext(opened)
    pressNext(opened)
    arrive(opened, "neck01")
    voxels = slicer.util.arrayFromVolume(opened.logic.worklist.volumeNode)
    assert voxels.shape == (40, 50, 60) and voxels[0, 0, 0] == -1000 and abs(voxels[:, 10:].mean() - 40) < 2
    opened.logic.worklist._ahead.stop()
    left = [name for name in os.listdir(slicer.app.temporaryPath) if name.startswith("CarotidLandmark-volume-")]
    assert left == []


def test_a_child_that_cannot_be_started_or_breaks_off_is_a_sentence(opened, monkeypatch, tmp_path):
    from CarotidLandmarkSlicer import worklistChild

    monkeypatch.undo()
    answers = []
    for number, program in enumerate(("/nowhere/python", "/bin/false")):
        monkeypatch.setattr(worklistChild, "engineCommand", lambda program=program: (program, [], {}))
        request = worklistChild.ChildRequest({"command": "list"}, answers.append)
        waitUntil(lambda number=number: len(answers) > number, 30)
        request.stop()
    assert "install the application again" in answers[0]["problem"]
    assert "the log says why" in answers[1]["problem"]


def test_a_case_of_which_no_child_starts_ahead_is_tried_again(batch, monkeypatch):
    from CarotidLandmarkSlicer import worklistChild

    class NeverStarts:
        def __init__(self, request, onAnswer):
            onAnswer({"problem": "It cannot be started.", "here": True})

    first, second, _third = order(batch)
    real = worklistChild.ChildRequest
    with monkeypatch.context() as patched:
        starts = lambda request, *more: (NeverStarts if second in request["volume"] else real)(request, *more)  # noqa: E731
        patched.setattr(worklistChild, "ChildRequest", starts)
        pressNext(batch)
        arrive(batch, first)
        assert "It cannot be started." in batch.message
    pressNext(batch)
    arrive(batch, second)
