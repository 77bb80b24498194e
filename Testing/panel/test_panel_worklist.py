"""The worklist in the panel: next and previous by key, read ahead, two readers, kill and resume, bad cases."""

import json
import os

import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import NESTED_LAYOUTS, click, clickCell, pressKey, processEvents, waitUntil
from Testing.panel.panelHelp import OpenModule, openModule
from Testing.panel.worklistHelp import arrive, openList, rows, withoutProcesses, writeBatch, writeScan


@pytest.fixture
def opened(qtHost, monkeypatch):
    withoutProcesses(monkeypatch)
    return openModule(qtHost, monkeypatch)


@pytest.fixture
def batch(opened, tmp_path):
    """Four cases, of which neck01 and neck02 are in doubt, and one of the others is for audit."""
    opened.corrections = tmp_path / "corrections"
    opened.source = writeBatch(tmp_path, 4, review=(1, 2))
    openList(opened, opened.source, opened.corrections)
    return opened


def order(opened):
    return [row.case.name for row in opened.logic.worklist.worklist.rows("todo")]


def pressNext(opened, key="Ctrl+N"):
    pressKey(opened.ui.worklistTable, key)


def acceptBoth(opened):
    for _side in range(2):
        click(opened.ui.acceptButton)
        pressKey(opened.ui.landmarkTable, "N")


def readyNext(opened):
    """Wait until the next case has been read ahead; return its name."""
    run = opened.logic.worklist
    waitUntil(lambda: any(read.isReady for read in run._ahead._reads.values()), 60)
    return next(read.case.name for read in run._ahead._reads.values() if read.isReady)


def volumes():
    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


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
    acceptBoth(batch)
    click(batch.ui.exportButton)
    pressNext(batch)
    arrive(batch, second)
    acceptBoth(batch)
    click(batch.ui.exportButton)
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


def test_a_volume_goes_before_its_display_since_views_would_look_for_a_window_over_all_its_voxels(batch):
    import vtk

    first, second, _third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    left = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onRemoved(caller, event, node):
        left.append(node.GetClassName())

    tag = slicer.mrmlScene.AddObserver(slicer.mrmlScene.NodeRemovedEvent, onRemoved)
    pressNext(batch)
    arrive(batch, second)
    slicer.mrmlScene.RemoveObserver(tag)
    assert left.index("vtkMRMLScalarVolumeNode") < left.index("vtkMRMLScalarVolumeDisplayNode")


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


def test_a_case_that_arrives_while_another_module_is_open_is_chosen_on_return(batch):
    first = order(batch)[0]
    readyNext(batch)
    batch.module.exit()
    batch.logic.worklist.step(1)
    batch.enter()
    assert batch.ui.volumeSelector.currentNode().GetName() == first and len(batch.rows()) == 2


def test_after_a_kill_the_list_goes_on_where_it_was(batch, qtHost, monkeypatch):
    first, second, third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    click(batch.ui.exportButton)
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
    batch.logic.exporter.onExported = lambda node: None  # killed before anything else was written
    click(batch.ui.exportButton)
    openList(batch, batch.source, batch.corrections)
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 1 by you.")


def test_other_initials_are_another_reader(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    acceptBoth(batch)
    click(batch.ui.exportButton)
    batch.ui.initialsEdit.setText("AB")
    pressNext(batch)
    waitUntil(lambda: not batch.logic.worklist.isReading, 60)
    assert batch.ui.worklistLabel.text.startswith("1 of 3 done, 0 by you.")


def test_cases_that_cannot_be_opened_say_so_in_their_row(opened, tmp_path):
    results = writeBatch(tmp_path, 3, review=(0, 1, 2))
    scans = tmp_path / "scans"
    (scans / "neck00.nrrd").unlink()
    whole = (scans / "neck01.nrrd").read_bytes()
    (scans / "neck01.nrrd").write_bytes(whole[: len(whole) // 2])
    writeScan(results / "mr.nrrd", 9, low=0)
    openList(opened, results, tmp_path / "corrections")
    assert rows(opened)["neck00"][0].startswith("'neck00.nrrd' is not there")
    waitUntil(lambda: "still be under way" in rows(opened)["neck01"][0], 60)
    pressNext(opened)
    arrive(opened, "neck02")
    waitUntil(lambda: "Hounsfield" in rows(opened)["mr"][0], 60)
    pressNext(opened)
    assert "No other case" in opened.message and opened.logic.worklist.volumeNode is not None
    (scans / "neck01.nrrd").write_bytes(whole)  # the copy has ended
    table, names = opened.ui.worklistTable, list(rows(opened))
    table.setCurrentCell(names.index("neck01"), 0)
    opened.panel.worklist.choose("neck01")
    arrive(opened, "neck01")
    assert "not the one that the result is of" not in opened.message


def test_a_full_disk_is_no_fault_of_the_cases(batch, monkeypatch):
    from CarotidLandmarkLib.errors import CannotRunError
    from CarotidLandmarkLib.worklist import child

    first, second, _third = order(batch)
    pressNext(batch)
    arrive(batch, first)
    readyNext(batch)
    asked = []

    def refuse(volume, *_):
        asked.append(volume)
        raise CannotRunError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(child, "make_ready", refuse)
        pressNext(batch)
        waitUntil(lambda: asked)
        processEvents()
        assert batch.message == "The disk is full." and batch.run.failed
        assert len(asked) == 1 and not any("disk" in text for row in rows(batch).values() for text in row)
        assert batch.logic.worklist.volumeNode.GetName() == second
    pressNext(batch)
    arrive(batch, order(batch)[2])


def test_a_bare_scan_is_placed_by_hand(opened, tmp_path):
    writeScan(tmp_path / "scans" / "bare.nrrd", 0)
    openList(opened, tmp_path / "scans", tmp_path / "corrections")
    pressNext(opened)
    arrive(opened, "bare")
    assert [row[1] for row in opened.rows()] == ["not detected", "not detected"]
    assert "place the point by hand" in opened.rows()[0][5] and not opened.ui.acceptButton.enabled
    assert opened.engine.requests == []
    node = opened.panel.landmarks.landmarkNode
    opened.logic.landmarkScene.place(node, "left", [-31.0, 12.0, 40.0])
    opened.logic.landmarkScene.markMissing(node, "right")
    click(opened.ui.exportButton)
    (file,) = (tmp_path / "corrections").rglob("correction.json")
    told = json.loads(file.read_text())
    assert told["model"]["name"] is None and [of["decision"] for of in told["landmarks"]] == ["moved", "missing"]
    assert "bare" not in file.read_text()


def test_a_result_of_another_volume_is_not_shown(opened, tmp_path):
    results = writeBatch(tmp_path, 1, review=(0,))
    writeScan(tmp_path / "scans" / "neck00.nrrd", 5)
    openList(opened, results, tmp_path / "corrections")
    pressNext(opened)
    arrive(opened, "neck00")
    assert "not the one that the result is of" in opened.message
    assert [row[1] for row in opened.rows()] == ["not detected", "not detected"]


def test_a_closed_scene_leaves_the_list(batch):
    first = order(batch)[0]
    pressNext(batch)
    arrive(batch, first)
    slicer.mrmlScene.Clear(0)
    waitUntil(lambda: batch.panel.parameterNode is not None)
    batch.ui.folderEdit.currentPath = str(batch.corrections)
    batch.ui.initialsEdit.setText("QA")
    assert batch.logic.worklist.volumeNode is None
    pressNext(batch)
    arrive(batch, first)


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
    acceptBoth(batch)
    click(batch.ui.exportButton)
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


@pytest.mark.parametrize("width", [300, 400, 800])
def test_nothing_is_cut_off_and_the_panel_is_no_wider(batch, width):
    settle()
    name = order(batch)[1]
    batch.logic.worklist.worklist.problems[name] = "'/a/long/path/to/a/volume/that/is/gone.nrrd' is not there. " * 4
    batch.module.enter(width, 1400)
    batch.panel.worklist.update()
    settle()
    ui, table = batch.ui, batch.ui.worklistTable
    for button in (ui.openFolderButton, ui.openTableButton, ui.nextCaseButton, ui.previousCaseButton):
        assert button.width >= button.minimumSizeHint.width()
    assert ui.worklistLabel.height >= ui.worklistLabel.heightForWidth(ui.worklistLabel.width) - 1
    assert slicer.util.mainWindow().width <= max(width, 351)
    assert table.horizontalHeader().length() <= table.viewport().width
    number = list(rows(batch)).index(name)
    place = sum(table.columnWidth(column) for column in (1, 2, 3)) - 8
    words = table.fontMetrics().boundingRect(0, 0, place, 0, 0x1000, table.item(number, 1).text())
    assert words.height() <= table.rowHeight(number)
    for column in (2, 3):
        title = table.horizontalHeaderItem(column).text()
        assert table.fontMetrics().horizontalAdvance(title) < table.columnWidth(column)


def settle():
    for _level in range(2 * NESTED_LAYOUTS):
        processEvents()
