"""The table of landmarks, the reader's decisions by buttons and keys, placing by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, clickCell, pressKey, processEvents, typeText
from Testing.host.samples import addCtVolume, sampleDetection
from Testing.panel.panelHelp import deleteNode, openModule

opened = pytest.fixture(openModule)


@pytest.fixture
def landmarks(opened):
    return opened.detect(opened.volume)


def decisions(opened, landmarks):
    return {side: review.decision for side, review in opened.reviews(landmarks).items()}


def test_rows_say_all_and_what_needs_review_comes_first(opened, landmarks):
    right, left = opened.rows()
    assert right[:3] == ["Right", "review", "29.0, 14.0, 46.0"]
    assert float(right[3]) == pytest.approx(max(opened.reviews(landmarks)["right"].radiiMm), abs=0.05)
    assert float(right[4]) == pytest.approx(opened.reviews(landmarks)["right"].volumeMm3, abs=0.5)
    assert right[5].startswith("The ellipsoid's largest radius is 7.5 mm")
    assert left[:3] == ["Left", "found", "-31.0, 12.0, 40.0"] and left[5] == ""
    assert opened.panel.landmarks.table.selectedSide() == "right"


def test_an_absent_landmark_has_no_numbers(opened):
    opened.detect(opened.volume, sampleDetection(right=None))
    right, _left = opened.rows()
    assert right[:5] == ["Right", "absent", "–", "–", "–"]
    assert opened.message == "Detected in 3.2 s; not every bifurcation was found."


def test_a_click_on_a_row_goes_there(opened, landmarks):
    slice_ = slicer.mrmlScene.AddNode(slicer.vtkMRMLSliceNode())
    clickCell(opened.ui.landmarkTable, 2, 2)
    assert opened.panel.landmarks.table.selectedSide() == "left"
    matrix = slice_.GetSliceToRAS()
    normal = np.array([matrix.GetElement(row, 2) for row in range(3)])
    origin = np.array([matrix.GetElement(row, 3) for row in range(3)])
    assert normal @ (opened.reviews(landmarks)["left"].ras - origin) == pytest.approx(0, abs=1e-3)
    clickCell(opened.ui.landmarkTable, 1, 0)
    assert opened.panel.landmarks.table.selectedSide() == "right"


def test_accept_missing_and_back_to_the_prediction(opened, landmarks):
    ui = opened.ui
    click(ui.acceptButton)
    assert decisions(opened, landmarks) == {"left": "unreviewed", "right": "accepted"}
    assert [row[1] for row in opened.rows()] == ["found", "accepted"]
    assert opened.panel.landmarks.table.selectedSide() == "right"
    assert not ui.acceptButton.enabled
    click(ui.missingButton)
    assert decisions(opened, landmarks)["right"] == "missing"
    assert opened.rows()[1][2] == "–" and not ui.missingButton.enabled
    click(ui.predictionButton)
    assert decisions(opened, landmarks)["right"] == "unreviewed"
    assert not ui.predictionButton.enabled and ui.acceptButton.enabled


def test_undo_and_redo(opened, landmarks):
    click(opened.ui.acceptButton)
    click(opened.ui.undoButton)
    assert decisions(opened, landmarks)["right"] == "unreviewed"
    assert opened.rows()[0][1] == "review"
    click(opened.ui.redoButton)
    assert decisions(opened, landmarks)["right"] == "accepted"
    assert opened.ui.undoButton.enabled and not opened.ui.redoButton.enabled
    opened.panel.landmarks.redo()
    assert opened.message == "There is nothing to redo."


def test_the_first_detection_is_taken_back_and_done_again(opened):
    opened.ui.confidenceSlider.value = 50
    landmarks = opened.detect(opened.volume)
    name, rows = landmarks.GetName(), opened.rows()
    click(opened.ui.undoButton)
    assert opened.rows() == [] and opened.ui.landmarksHint.visible
    assert opened.message == f"“{name}” was taken back; Redo brings it back."
    assert not opened.ui.undoButton.enabled and opened.ui.redoButton.enabled
    click(opened.ui.redoButton)
    assert opened.rows() == rows and opened.message == ""
    landmarks = opened.logic.landmarkScene.landmarkNode(opened.volume)
    landmarks.SetNthControlPointPositionWorld(0, 1.0, 2.0, 3.0)
    assert "moved" in [row[1] for row in opened.rows()]


def test_undo_in_another_volume_is_said(opened, landmarks):
    other = opened.detect(addCtVolume("Other"))
    click(opened.ui.acceptButton)
    opened.ui.volumeSelector.setCurrentNode(opened.volume)
    before = opened.rows()
    click(opened.ui.undoButton)
    assert opened.rows() == before and decisions(opened, other)["right"] == "unreviewed"
    assert opened.message == "“Other carotid bifurcations” has changed, which belongs to another volume."


def test_one_result_is_parsed_once_and_its_ellipsoids_are_built_once(opened, monkeypatch):
    from CarotidLandmarkSlicer import ellipsoids, landmarkRecord

    counts = {"from_dict": 0, "ellipsoid": 0, "ellipsoidPolyData": 0}

    def counting(name, function):
        def count(*arguments):
            counts[name] += 1
            return function(*arguments)

        return count

    monkeypatch.setattr(
        landmarkRecord,
        "Detection",
        SimpleNamespace(from_dict=counting("from_dict", landmarkRecord.Detection.from_dict)),
    )
    for name in ("ellipsoid", "ellipsoidPolyData"):
        monkeypatch.setattr(ellipsoids, name, counting(name, getattr(ellipsoids, name)))
    detection = sampleDetection()
    for landmark in detection["landmarks"]:
        landmark["covariance_mm2"][0][0] += 0.0123  # in no other test
    opened.detect(opened.volume, detection)
    click(opened.ui.acceptButton)
    assert counts == {"from_dict": 1, "ellipsoid": 2, "ellipsoidPolyData": 2}


def test_small_ellipsoids_have_a_size(opened):
    detection = sampleDetection()
    for landmark, variance in zip(detection["landmarks"], (0.0009, 1e-8)):
        landmark["covariance_mm2"] = np.diag([variance] * 3).tolist()
    opened.detect(opened.volume, detection)
    assert sorted((row[3], row[4]) for row in opened.rows()) == [("0.08", "< 0.01"), ("< 0.01", "< 0.01")]
    detection["landmarks"][0]["covariance_mm2"] = np.diag([0.01, 0.02, 0.03]).tolist()
    opened.detect(opened.volume, detection)
    assert ("0.43", "0.16") in [(row[3], row[4]) for row in opened.rows()]


def test_a_drag_shows_in_the_table(opened, landmarks):
    ras = opened.reviews(landmarks)["left"].ras + [0, 0, 3]
    landmarks.SetNthControlPointPositionWorld(0, ras)
    left = next(row for row in opened.rows() if row[0] == "Left")
    assert left[1] == "moved" and left[2] == "-31.0, 12.0, 43.0" and left[5] == "Moved by 3.0 mm."


def test_keys_step_through_the_rows_and_decide(opened, landmarks):
    table, ui = opened.panel.landmarks.table, opened.ui
    for key, side in (("N", "left"), ("N", "right"), ("P", "left"), ("P", "right")):
        pressKey(ui.detectButton, key)
        assert table.selectedSide() == side
    pressKey(ui.detectButton, "A")
    pressKey(ui.detectButton, "P")
    pressKey(ui.detectButton, "M")
    assert decisions(opened, landmarks) == {"left": "missing", "right": "accepted"}
    pressKey(ui.detectButton, "D")
    assert opened.run.busy
    pressKey(ui.detectButton, "D")
    assert not opened.run.cancelling


def test_keys_leave_what_is_typed_alone(opened, landmarks):
    typeText(opened.ui.initialsEdit, "DNPAM")
    assert opened.ui.initialsEdit.text == "DNPAM"
    assert decisions(opened, landmarks) == {"left": "unreviewed", "right": "unreviewed"}
    assert not opened.run.busy


def test_keys_work_from_a_field_of_numbers(opened, landmarks):
    opened.ui.advancedSection.collapsed = False
    spin = opened.ui.samplesSpin
    for field in (spin, slicer.util.findChild(opened.ui.confidenceSlider, "qt_spinbox_lineedit").parentWidget()):
        before = field.text
        pressKey(field, "P")
        assert opened.panel.landmarks.table.selectedSide() == "left"
        pressKey(field, "N")
        assert opened.panel.landmarks.table.selectedSide() == "right"
        assert field.text == before
    pressKey(spin, "A")
    assert decisions(opened, landmarks)["right"] == "accepted"
    spin.selectAll()
    pressKey(spin, "7")
    assert spin.value == 7


def test_keys_end_when_the_module_is_left(opened, landmarks):
    opened.module.exit()
    window = slicer.util.mainWindow()
    for key in "DNPAM":
        pressKey(window, key)
    assert not opened.run.busy
    assert decisions(opened, landmarks) == {"left": "unreviewed", "right": "unreviewed"}
    opened.enter()
    opened.enter()
    pressKey(window, "D")
    assert opened.run.busy


def test_keys_do_nothing_without_landmarks(opened):
    for key in "NPAM":
        pressKey(opened.ui.detectButton, key)
    assert opened.message == ""


def place(opened, ras):
    """What Slicer's views do with a click in place mode."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    node = slicer.mrmlScene.GetNodeByID(selection.GetActivePlaceNodeID())
    if ras is not None:
        node.AddControlPointWorld(ras)
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    processEvents()


def test_placing_by_hand_is_one_undo_step(opened, landmarks):
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    click(opened.ui.placeButton)
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert opened.ui.placeButton.checked and "Right: click" in opened.message
    assert opened.reviews(landmarks)["right"].decision == "unreviewed"
    place(opened, [20.0, 10.0, 40.0])
    right = opened.reviews(landmarks)["right"]
    assert right.decision == "moved" and right.ras == pytest.approx([20, 10, 40])
    assert not opened.ui.placeButton.checked
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    click(opened.ui.undoButton)
    assert opened.reviews(landmarks)["right"].decision == "unreviewed"
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


@pytest.mark.parametrize("by", ["key", "click"])
def test_a_click_places_no_landmark_but_the_selected_one(opened, landmarks, by):
    click(opened.ui.placeButton)
    if by == "key":
        pressKey(opened.ui.landmarkTable, "N")
    else:
        clickCell(opened.ui.landmarkTable, 2, 0)
    assert opened.panel.landmarks.table.selectedSide() == "left"
    assert not opened.panel.landmarks.placing.active and not opened.ui.placeButton.checked
    assert opened.message == ""


def test_a_result_that_comes_while_a_point_is_placed_ends_that(opened, landmarks):
    click(opened.ui.detectButton)
    opened.panel.landmarks.table.select("left")
    click(opened.ui.placeButton)
    opened.engine.finish(sampleDetection())
    assert opened.panel.landmarks.table.selectedSide() == "right"
    assert not opened.panel.landmarks.placing.active and opened.message.startswith("Detected in")


def test_placing_where_the_prediction_is_absent(opened):
    landmarks = opened.detect(opened.volume, sampleDetection(right=None))
    click(opened.ui.placeButton)
    place(opened, [20.0, 10.0, 40.0])
    assert opened.reviews(landmarks)["right"].decision == "moved"
    right = next(row for row in opened.rows() if row[0] == "Right")
    assert right[1] == "moved" and right[5].startswith("Placed by hand.")


def test_placing_that_is_given_up_changes_nothing(opened, landmarks):
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    for giveUp in (lambda: place(opened, None), lambda: click(opened.ui.placeButton), opened.module.exit):
        opened.enter()
        opened.panel.landmarks.table.select("right")
        click(opened.ui.placeButton)
        giveUp()
        assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
        assert opened.reviews(landmarks)["right"].decision == "unreviewed"
        assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_escape_ends_placing_and_nothing_else(opened, landmarks):
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    window = slicer.util.mainWindow()
    click(opened.ui.placeButton)
    pressKey(window, "Esc")
    assert not opened.panel.landmarks.placing.active and opened.message == ""
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    interaction.SetCurrentInteractionMode(interaction.Place)
    pressKey(window, "Esc")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert opened.panel.landmarks.escape.installed == []


def test_the_node_deleted_while_a_point_is_placed(opened, landmarks):
    click(opened.ui.placeButton)
    deleteNode(landmarks)
    assert not opened.panel.landmarks.placing.active
    assert opened.ui.landmarksHint.visible and not opened.ui.landmarkTable.visible
    assert opened.message == "Neck carotid bifurcations was deleted; Detect makes it again."
    click(opened.ui.detectButton)
    opened.engine.finish()
    assert len(opened.rows()) == 2


@pytest.mark.parametrize("fault", ["third", "deleted", "renamed"])
def test_broken_points_are_put_back_with_a_sentence(opened, landmarks, fault):
    with slicer.util.NodeModify(landmarks):
        landmarks.SetFixedNumberOfControlPoints(False)
        if fault == "third":
            landmarks.AddControlPoint([0.0, 0.0, 0.0], "X")
        elif fault == "deleted":
            landmarks.RemoveNthControlPoint(0)
        else:
            landmarks.SetNthControlPointLabel(0, "carotid")
    processEvents()
    assert [landmarks.GetNthControlPointLabel(i) for i in range(landmarks.GetNumberOfControlPoints())] == ["L", "R"]
    assert "the two points L and R" in opened.message
    assert len(opened.rows()) == 2


def test_a_point_outside_of_the_volume_says_so(opened):
    node = opened.detect(opened.volume)
    opened.logic.landmarkScene.place(node, "left", [500.0, 0.0, 0.0])
    (words,) = [row[-1] for row in opened.rows() if row[0] == "Left"]
    assert words.startswith("The point lies outside of the volume") and "Moved by" in words


def test_slicer_s_own_undo_and_redo_show_in_the_table(opened):
    opened.detect(opened.volume)
    detected = opened.rows()
    click(opened.ui.acceptButton)
    accepted = opened.rows()
    scene = slicer.mrmlScene
    for travel, rows in ((scene.Undo, detected), (scene.Undo, []), (scene.Redo, detected), (scene.Redo, accepted)):
        travel()
        processEvents()
        assert opened.rows() == rows
        assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == (2 if rows else 0)
