"""Cases of a worklist that are not as they should be, bare scans, the look of the list."""

import json

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.landmarks.reading import Reading
from CarotidLandmarkLib.worklist.worklist import FILTERS
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, processEvents, waitUntil
from Testing.host.samples import sampleDetection
from Testing.mrml.test_corrections_dicom import writeSeries
from Testing.panel.worklistHelp import (
    arrive,
    openBatch,
    openForWorklist,
    openList,
    order,
    pressNext,
    readyNext,
    rows,
    settle,
    writeBatch,
    writeScan,
)

opened = pytest.fixture(openForWorklist)
batch = pytest.fixture(openBatch)


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


def test_a_case_that_arrives_while_another_module_is_open_is_chosen_on_return(batch):
    first = order(batch)[0]
    readyNext(batch)
    batch.module.exit()
    batch.logic.worklist.step(1)
    batch.enter()
    assert batch.ui.volumeSelector.currentNode().GetName() == first and len(batch.rows()) == 2


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


def test_a_case_whose_file_is_gone_is_no_volume_of_the_user_s(opened, tmp_path):
    mine, node = opened.volume, opened.detect(opened.volume)
    results = writeBatch(tmp_path, 3, review=(0, 1, 2))
    (tmp_path / "scans" / "neck01.nrrd").unlink()
    openList(opened, results, tmp_path / "corrections")
    opened.panel.worklist.choose("neck01")
    processEvents()
    assert opened.logic.worklist.volumeNode is not mine
    waitUntil(lambda: "neck01" in opened.message, 60)
    pressNext(opened)
    arrive(opened, "neck02")
    assert all(slicer.mrmlScene.IsNodePresent(of) for of in (mine, node))


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


def test_a_report_goes_with_the_export_of_a_case_from_dicom(opened, tmp_path):
    pytest.importorskip("highdicom", reason="highdicom is not installed")
    from CarotidLandmarkLib.exchange.dicom_sr_reading import read_report

    writeSeries(tmp_path / "scans" / "one")
    openList(opened, tmp_path / "scans", tmp_path / "corrections")
    pressNext(opened)
    arrive(opened, "one")
    node = opened.panel.landmarks.landmarkNode
    opened.logic.landmarkScene.place(node, "left", [-31.0, 12.0, 40.0])
    opened.logic.landmarkScene.markMissing(node, "right")
    opened.ui.anonymiseCheckBox.checked = False
    opened.ui.reportCheckBox.checked = True
    click(opened.ui.exportButton)
    (file,) = (tmp_path / "corrections").rglob("*.sr.dcm")
    report = read_report(file)
    assert report.points["left"].position == pytest.approx([31.0, -12.0, 40.0], abs=1e-3)
    assert report.points["right"].position is None and report.reader == "QA"


@pytest.mark.parametrize("isMoved", [False, True])
def test_a_report_comes_back_to_a_case_whose_slices_were_made_anew(opened, tmp_path, isMoved):
    pytest.importorskip("highdicom", reason="highdicom is not installed")
    import pydicom
    from CarotidLandmarkSlicer.dicomReport import reportedPoints

    from CarotidLandmarkLib.exchange.dicom_source import read_source
    from CarotidLandmarkLib.exchange.dicom_sr import make_report

    writeSeries(tmp_path / "scans" / "one")
    files = sorted((tmp_path / "scans" / "one").iterdir())
    for number, file in enumerate(files):
        stored = pydicom.dcmread(file)
        x, y, z = stored.ImagePositionPatient
        stored.ImagePositionPatient = [x, y, z + 0.3 * (number % 2)]
        stored.save_as(file)
    openList(opened, tmp_path / "scans", tmp_path / "corrections")
    pressNext(opened)
    arrive(opened, "one")
    node = opened.logic.worklist.volumeNode
    assert "were interpolated" in opened.message
    told = Detection.from_dict(sampleDetection())
    readings = {"left": Reading("moved", np.array([31.0, -12.0, 40.0])), "right": Reading("missing")}
    (tmp_path / "one.sr.dcm").write_bytes(make_report(told, read_source(files), readings, "QA"))
    if isMoved:
        node.SetOrigin(1.0, 2.0, 3.0)
        with pytest.raises(BadInputError, match="does not lie where"):
            reportedPoints(tmp_path / "one.sr.dcm", node)
        return
    points, note = reportedPoints(tmp_path / "one.sr.dcm", node)
    assert points["left"].position == pytest.approx([31.0, -12.0, 40.0]) and note == ""


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


def test_a_case_that_goes_takes_along_where_it_was_saved(batch):
    pressNext(batch)
    arrive(batch, order(batch)[0])
    nodes = [batch.logic.worklist.volumeNode, batch.panel.landmarks.landmarkNode]
    kinds = ["vtkMRMLVolumeArchetypeStorageNode", "vtkMRMLMarkupsJsonStorageNode"]
    for node, kind in zip(nodes, kinds):
        storage = slicer.mrmlScene.AddNewNodeByClass(kind)
        storage.SetFileName("/patients/Roe.nrrd")
        node.SetAndObserveStorageNodeID(storage.GetID())
    pressNext(batch)
    arrive(batch, order(batch)[1])
    assert [slicer.mrmlScene.GetNumberOfNodesByClass(kind) for kind in kinds] == [0, 0]


def test_only_rows_that_change_are_written_again(batch):
    table, names = batch.ui.worklistTable, order(batch)
    batch.ui.worklistFilterCombo.setCurrentIndex(2)
    shown = list(rows(batch))
    places = [shown.index(name) for name in names]
    for place in places:
        table.item(place, 3).setText("as it was")  # to know it again

    def spans():
        return [table.columnSpan(place, 0) for place in places]

    batch.panel.worklist.update()
    assert [rows(batch)[name][2] for name in names] == ["as it was"] * 3
    run = batch.logic.worklist
    run.worklist.problems[names[1]] = "It is gone."
    batch.panel.worklist.update()
    assert rows(batch)[names[1]] == ["It is gone.", "", ""] and spans() == [1, 4, 1]
    assert rows(batch)[names[0]][2] == rows(batch)[names[2]][2] == "as it was"
    run.worklist.problems[names[1]] = ""
    batch.panel.worklist.update()
    assert rows(batch)[names[1]][0] in ("review", "audit") and spans() == [1, 1, 1]
    run.resumeAt = names[2]
    batch.panel.worklist.update()
    assert [table.item(place, 0).font().bold() for place in places] == [False, False, True]
    assert rows(batch)[names[0]][2] == "as it was" and rows(batch)[names[2]][2] == ""
    for number in (4, 2):  # fewer rows, and all of them again
        batch.ui.worklistFilterCombo.setCurrentIndex(number)
    assert list(rows(batch)) == shown


@pytest.mark.parametrize("many", [0, 50])
def test_a_row_that_goes_takes_nothing_of_the_others_with_it(batch, monkeypatch, many):
    from CarotidLandmarkSlicer import worklistTable

    from CarotidLandmarkLib.worklist.marks import Mark

    monkeypatch.setattr(worklistTable, "MANY_ROWS", many)  # 0: all rows are made anew
    table, run = batch.ui.worklistTable, batch.logic.worklist
    first, second, third = order(batch)
    run.worklist.problems[second] = "It is gone."
    batch.panel.worklist.update()
    table.item(2, 3).setText("as it was")
    run.worklist.take_in([Mark(run.worklist.row(first).case.key, "AB", 2)])
    batch.panel.worklist.update()
    assert list(rows(batch)) == [second, third] and [table.columnSpan(row, 0) for row in range(2)] == [4, 1]
    assert rows(batch)[third][2] == ("as it was" if many else "")
    run.worklist.problems[second] = ""
    batch.panel.worklist.update()
    assert [table.columnSpan(row, 0) for row in range(2)] == [1, 1]


def test_a_result_that_cannot_be_read_is_named_without_its_folders(opened, tmp_path):
    results = writeBatch(tmp_path, 2)
    (results / "neck01.detection.json").write_text("{")
    openList(opened, results, tmp_path / "corrections")
    opened.ui.worklistFilterCombo.setCurrentIndex(FILTERS.index("all"))
    said = rows(opened)["neck01"][0]
    assert said.startswith("neck01.detection.json is not JSON") and str(tmp_path) not in said
    number = list(rows(opened)).index("neck01")
    assert str(results) in opened.ui.worklistTable.item(number, 0).toolTip()


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
    place = sum(table.columnWidth(column) for column in range(4)) - 8
    words = table.fontMetrics().boundingRect(0, 0, place, 0, 0x1000, table.item(number, 0).text())
    assert words.height() <= table.rowHeight(number)
    for column in (2, 3):
        title = table.horizontalHeaderItem(column).text()
        assert table.fontMetrics().horizontalAdvance(title) < table.columnWidth(column)
