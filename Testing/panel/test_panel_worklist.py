"""The worklist in the panel: next and previous by key, read ahead, questions, two readers, kill and resume."""

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, clickCell, pressKey, processEvents, waitUntil
from Testing.panel.panelHelp import OpenModule
from Testing.panel.worklistHelp import (
    acceptBoth,
    arrive,
    exportBoth,
    openBatch,
    openForWorklist,
    openList,
    order,
    pressNext,
    readyNext,
    rows,
    volumes,
)

opened = pytest.fixture(openForWorklist)
batch = pytest.fixture(openBatch)


def test_without_folder_and_initials_it_is_said(opened, tmp_path):
    opened.ui.worklistSection.collapsed = False
    processEvents()
    opened.host.dialogs.answer(str(tmp_path))
    click(opened.ui.openFolderButton)
    assert opened.run.failed and "give your initials" in opened.message
    pressKey(opened.ui.initialsEdit, "Ctrl+N")
    assert "Open a list" in opened.message


def test_the_list_says_what_comes_first_and_why(batch):
    shown = rows(batch)
    assert len(shown) == 3 and [text[0] for text in shown.values()].count("review") == 2
    assert [text[0] for text in shown.values()].count("audit") == 1
    assert batch.ui.worklistLabel.text.startswith("0 of 3 done, 0 by you. Next (Ctrl+N) opens")
    batch.ui.worklistFilterCombo.setCurrentIndex(2)
    assert len(rows(batch)) == 4 and list(rows(batch).values())[-1][0] == "sure"


def test_next_shows_the_case_with_its_result_and_reads_the_following_ahead(batch):
    first, second, _third = order(batch)
    assert readyNext(batch) == first
    pressNext(batch)
    assert batch.logic.worklist.volumeNode.GetName() == first  # at once: it was there
    assert volumes() == ["Neck", first]
    node = batch.logic.worklist.volumeNode
    assert batch.ui.volumeSelector.currentNode() is node
    assert node.GetDisplayNode().GetWindow() == 900 and not node.GetDisplayNode().GetAutoWindowLevel()
    assert [row[1] for row in batch.rows()] in (["review", "found"], ["found", "found"])
    assert readyNext(batch) == second
    pressNext(batch)
    assert volumes() == ["Neck", second]  # what was loaded otherwise stays
    landmarks = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    assert len(landmarks) == 1 and batch.message == ""
    assert not batch.ui.undoButton.enabled  # nothing of the case before comes back
    pressNext(batch, "Ctrl+P")
    arrive(batch, first)


def test_what_is_not_exported_is_asked_about(batch):
    first, second, third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    click(batch.ui.acceptButton)
    batch.host.dialogs.answer("Cancel")
    pressNext(batch)
    assert batch.logic.worklist.volumeNode.GetName() == first and batch.host.dialogs.shown[-1].kind == "message"
    batch.host.dialogs.answer("Discard")
    pressNext(batch)
    arrive(batch, second)
    assert not batch.corrections.glob("case*/*") or not list(batch.corrections.glob("case*/*"))
    acceptBoth(batch)
    batch.host.dialogs.answer("Save")
    pressNext(batch)
    arrive(batch, third)
    assert len(list(batch.corrections.glob("case*/r001/correction.json"))) == 1
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 1 by you.")
    batch.ui.worklistFilterCombo.setCurrentIndex(5)
    assert rows(batch)[second][1:] == ["done", "QA"]


def test_an_export_that_fails_closes_nothing(batch, monkeypatch):
    pressNext(batch)
    arrive(batch, order(batch)[0])
    click(batch.ui.acceptButton)
    batch.ui.folderEdit.blockSignals(True)
    monkeypatch.setattr(batch.logic.exporter, "export", _refuse)
    batch.host.dialogs.answer("Save")
    pressNext(batch)
    assert batch.run.failed and "full" in batch.message
    assert batch.logic.worklist.volumeNode.GetName() == order(batch)[0]


def _refuse(*_, **__):
    raise OSError(28, "the disk is full")


def test_after_an_export_nothing_is_asked_and_what_is_changed_then_is(batch):
    first, second, third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    exportBoth(batch)
    pressNext(batch)
    arrive(batch, second)
    exportBoth(batch)
    click(batch.ui.missingButton)
    batch.host.dialogs.answer("Discard")
    pressNext(batch)
    arrive(batch, third)


def test_another_reader_sees_what_is_done_and_open(batch, tmp_path):
    from CarotidLandmarkLib.worklist.marks import Session

    first, second, third = order(batch)
    cases = {place.case.name: place.case for place in batch.logic.worklist.worklist.places}
    other = Session(batch.corrections, "AB")
    other.enter(cases[second].key)
    pressNext(batch)
    arrive(batch, first)
    pressNext(batch)
    arrive(batch, third)  # the second is open elsewhere
    assert rows(batch)[second][1:] == ["open", "AB"]
    other.exported(cases[second].key, 2)
    other.enter(None)
    batch.logic.worklist._onBeat()
    assert second not in rows(batch) and "1 of 3 done, 0 by you" in batch.ui.worklistLabel.text
    batch.ui.worklistFilterCombo.setCurrentIndex(1)
    assert rows(batch)[second][1:] == ["done", "AB"]  # a second reading is possible


def test_two_who_open_the_same_case_in_the_same_moment_are_told(batch):
    from CarotidLandmarkLib.worklist.marks import Session

    first = order(batch)[0]
    key = batch.logic.worklist.worklist.row(first).case.key
    readyNext(batch)
    other, follow = Session(batch.corrections, "AB"), batch.logic.worklist._keepPlace
    batch.logic.worklist._keepPlace = lambda key: (follow(key), other.enter(key))
    pressNext(batch)
    assert batch.message == "AB has this case open as well." and rows(batch)[first][1:] == ["open", "AB"]
    assert key in batch.logic.worklist.worklist.claims


def test_who_opens_a_case_twice_under_the_same_initials_is_told(batch):
    from CarotidLandmarkLib.worklist.marks import Session

    first, second, _third = order(batch)
    again = Session(batch.corrections, "QA")
    again.enter(batch.logic.worklist.worklist.row(first).case.key)
    pressNext(batch)
    arrive(batch, first)
    assert batch.message.startswith("This case is open in another session under your initials") and not batch.run.failed
    pressNext(batch)
    arrive(batch, second)
    assert batch.message == ""


def test_after_a_kill_the_list_goes_on_where_it_was(batch, qtHost, monkeypatch):
    first, second, third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    exportBoth(batch)
    pressNext(batch)
    arrive(batch, second)
    files = {path: path.read_bytes() for path in batch.corrections.rglob("*") if path.is_file()}
    qtHost.reset()
    for path in batch.corrections.rglob("*.json"):
        if path not in files:
            path.unlink()
    for path, data in files.items():  # as they were at the kill
        path.write_bytes(data)
    slicer.mrmlScene.Clear(0)
    again = OpenModule(qtHost, monkeypatch)
    again.enter()
    openList(again, batch.source, batch.corrections)
    assert again.ui.worklistLabel.text == f"1 of 3 done, 1 by you. Next (Ctrl+N) opens {second}."
    pressNext(again)
    arrive(again, second)
    pressNext(again)
    arrive(again, third)


def test_what_was_exported_in_the_moment_of_the_kill_is_done(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    batch.logic.exporter.onExported = lambda *told: None  # killed before anything else was written
    click(batch.ui.exportButton)
    openList(batch, batch.source, batch.corrections)
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 1 by you.")


def test_other_initials_are_another_reader(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    exportBoth(batch)
    batch.ui.initialsEdit.setText("AB")
    pressNext(batch)
    waitUntil(lambda: not batch.logic.worklist.isReading, 60)
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 0 by you.")


def test_a_double_click_opens_that_case(batch):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    from Testing.host.pythonQtProxy import alive

    last = order(batch)[-1]
    clickCell(batch.ui.worklistTable, 2, 0)
    view = alive(batch.ui.worklistTable)
    place = view.visualRect(view.model().index(2, 0)).center()
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
    arrive(batch, last)
