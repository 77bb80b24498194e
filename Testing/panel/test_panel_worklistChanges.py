"""What changes while a case of the worklist is open: the reader, the folder, the list, the volume, the decisions."""

import json

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, pressKey, processEvents, typeText, waitUntil
from Testing.panel.panelHelp import deleteNode
from Testing.panel.worklistHelp import (
    InstantRequest,
    acceptBoth,
    arrive,
    exportBoth,
    openBatch,
    openForWorklist,
    openList,
    order,
    pressNext,
    volumes,
    writeBatch,
)

opened = pytest.fixture(openForWorklist)
batch = pytest.fixture(openBatch)


def test_other_initials_before_export_are_those_that_the_case_counts_for(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    batch.ui.initialsEdit.clear()
    typeText(batch.ui.initialsEdit, "AB")
    click(batch.ui.exportButton)
    assert batch.message.startswith("The corrections were written to")
    waitUntil(lambda: not batch.logic.worklist.isReading, 60)
    run = batch.logic.worklist
    assert run.worklist.reader == "AB" and run.name == first and run.worklist.row(first).state == "done"
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 1 by you.")
    openList(batch, batch.source, batch.corrections, "QA")
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 0 by you.")


def test_a_list_that_cannot_be_read_again_is_not_gone_on_with_under_other_initials(batch):
    first = order(batch)[0]
    away = batch.source.with_name("away")
    batch.source.rename(away)  # as a share that is gone for a moment
    batch.ui.initialsEdit.clear()
    typeText(batch.ui.initialsEdit, "AB")
    run = batch.logic.worklist
    for _again in range(2):
        pressNext(batch)
        waitUntil(lambda: not run.isReading, 60)
        assert batch.run.failed and run.worklist.reader == "QA" and not run.name
    away.rename(batch.source)
    pressNext(batch)
    waitUntil(lambda: not run.isReading, 60)
    assert run.worklist.reader == "AB"
    pressNext(batch)
    arrive(batch, first)


def test_another_folder_before_export_is_the_one_that_the_list_goes_on_with(batch, tmp_path):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    batch.ui.folderEdit.currentPath = str(tmp_path / "elsewhere")
    click(batch.ui.exportButton)
    waitUntil(lambda: not batch.logic.worklist.isReading, 60)
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 1 by you.")
    openList(batch, batch.source, batch.corrections)
    assert batch.ui.worklistLabel.text.startswith("0 of 3 done, 0 by you.")


def test_a_list_with_another_case_of_the_same_name_has_none_open(batch, tmp_path):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    before = batch.logic.worklist.volumeNode
    click(batch.ui.acceptButton)
    other = writeBatch(tmp_path / "other", 4, review=(1, 2), firstSeed=100)
    openList(batch, other, batch.corrections)
    run = batch.logic.worklist
    assert run.name == "" and run.worklist.row(first).case.key != before.GetAttribute("CarotidLandmark.Case")
    batch.host.dialogs.answer("Discard")
    batch.panel.worklist.choose(first)
    waitUntil(lambda: run.volumeNode not in (None, before), 60)
    assert first in batch.host.dialogs.shown[-1].text
    assert run.volumeNode.GetAttribute("CarotidLandmark.Case") == run.worklist.row(first).case.key
    assert not slicer.mrmlScene.IsNodePresent(before)


def test_the_open_case_stays_open_when_its_list_is_opened_again(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    openList(batch, batch.source, batch.corrections, "AB")
    assert batch.logic.worklist.name == first


def test_a_case_whose_volume_was_deleted_is_not_closed_without_a_question(batch):
    first, second, _third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    run = batch.logic.worklist
    deleteNode(run.volumeNode)
    batch.host.dialogs.answer("Cancel")
    pressNext(batch)
    assert run.isUnsaved() and len(batch.logic.landmarkScene.landmarkNodes()) == 1
    assert "was deleted" in batch.host.dialogs.shown[-1].text and first in batch.host.dialogs.shown[-1].text
    batch.host.dialogs.answer("Discard")
    pressNext(batch)
    arrive(batch, second)
    assert batch.logic.landmarkScene.landmarkNodes() == [run.landmarkNode]
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 2


def test_a_case_whose_volume_was_deleted_can_be_opened_again(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    before = batch.logic.worklist.volumeNode
    deleteNode(before)
    batch.panel.worklist.choose(first)
    waitUntil(lambda: batch.logic.worklist.volumeNode not in (None, before), 60)
    assert len(batch.logic.landmarkScene.landmarkNodes()) == 1


def test_save_exports_the_open_case_also_while_another_volume_is_selected(batch):
    first, second, _third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    batch.ui.volumeSelector.setCurrentNode(batch.volume)
    batch.host.dialogs.answer("Save")
    pressNext(batch)
    arrive(batch, second)
    (path,) = batch.corrections.rglob("correction.json")
    assert json.loads(path.read_text())["worklist"] == batch.logic.worklist.worklist.row(first).case.key


def test_decisions_taken_back_after_the_export_are_asked_about(batch):
    first, second, third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    exportBoth(batch)
    for _side in range(2):
        click(batch.ui.predictionButton)
        pressKey(batch.ui.landmarkTable, "N")
    assert batch.ui.exportedLabel.text.startswith("What was exported before still holds your decisions")
    batch.host.dialogs.answer("Cancel")
    pressNext(batch)
    assert batch.logic.worklist.name == first and "taken back" in batch.host.dialogs.shown[-1].text
    click(batch.ui.missingButton)
    click(batch.ui.exportButton)
    pressNext(batch)
    arrive(batch, second)
    pressNext(batch)
    arrive(batch, third)


@pytest.fixture
def held(opened, tmp_path, monkeypatch):
    """A batch whose first case is on its way, until it is let go."""
    answers, answer = [], InstantRequest._answer

    def hold(self, request):
        if request["command"] == "read":
            answers.append((self, request))
        else:
            answer(self, request)

    def letGo():
        monkeypatch.setattr(InstantRequest, "_answer", answer)
        for request, words in answers:
            answer(request, words)
        processEvents()

    monkeypatch.setattr(InstantRequest, "_answer", hold)
    batch = openBatch(opened, tmp_path)
    pressNext(batch)
    assert batch.logic.worklist.coming is not None
    return batch, letGo


def test_a_case_on_its_way_does_not_arrive_in_a_closed_scene(held):
    batch, letGo = held
    slicer.mrmlScene.Clear(0)
    letGo()
    assert volumes() == [] and batch.logic.worklist.coming is None
    pressNext(batch)
    arrive(batch, order(batch)[0])


def test_a_case_that_was_stopped_by_another_list_that_cannot_be_read_comes_next(held, tmp_path):
    batch, letGo = held
    first = order(batch)[0]
    (tmp_path / "empty").mkdir()
    batch.host.dialogs.answer(str(tmp_path / "empty"))
    click(batch.ui.openFolderButton)
    waitUntil(lambda: not batch.logic.worklist.isReading, 60)
    letGo()
    assert batch.logic.worklist.volumeNode is None
    pressNext(batch)
    arrive(batch, first)


def test_a_list_on_its_way_gives_way_to_another(opened, tmp_path, monkeypatch):
    answer = InstantRequest._answer
    monkeypatch.setattr(InstantRequest, "_answer", lambda self, request: None)
    openList(opened, writeBatch(tmp_path / "slow", 1), tmp_path / "corrections", wait=False)
    processEvents()
    assert opened.logic.worklist.isReading
    pressKey(opened.ui.initialsEdit, "Ctrl+N")
    assert "is not there yet" in opened.message
    monkeypatch.setattr(InstantRequest, "_answer", answer)
    openList(opened, writeBatch(tmp_path / "other", 2), tmp_path / "corrections")
    assert len(opened.logic.worklist.worklist.rows("all")) == 2


def test_a_case_of_a_loaded_scene_is_taken_over_with_its_decisions(batch, tmp_path):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    pressNext(batch)
    arrive(batch, first)
    assert volumes().count(first) == 1 and "was in the scene already" in batch.message
    assert [row[1] for row in batch.rows()] == ["accepted", "accepted"]
    assert batch.logic.worklist.isUnsaved()


def test_a_case_that_comes_and_goes_leaves_the_steps_of_other_volumes(batch):
    node = batch.detect(batch.volume)
    pressNext(batch)
    arrive(batch, order(batch)[0])
    batch.logic.landmarkScene.accept(node, "left")
    pressNext(batch)
    arrive(batch, order(batch)[1])
    click(batch.ui.undoButton)
    assert batch.reviews(node)["left"].decision == "unreviewed"


def test_a_case_without_landmarks_opens_again(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    deleteNode(batch.logic.worklist.landmarkNode)
    batch.panel.worklist.choose(first)
    arrive(batch, first)
    assert len(batch.rows()) == 2
