"""The key image in the panel: when it can be saved, where to, what the engine is told, how it ends."""

import os
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.landmarks.reading import Reading
from Testing.host.forkSamples import forkDetection
from Testing.host.mrmlHost import slicer
from Testing.host.pythonQtDrive import click, pressKey, processEvents
from Testing.host.samples import LEFT_LPS, addCtVolume, sampleDetection
from Testing.panel.panelHelp import deleteNode, openModule

opened = pytest.fixture(openModule)


@pytest.fixture
def landmarks(opened):
    return opened.detect(opened.volume, *forkDetection())


def save(opened, path):
    """Click the button and choose the path; return the engine's request, None where there is none."""
    opened.host.dialogs.answer(str(path))
    click(opened.ui.keyImageButton)
    return opened.engine.request


def test_the_button_says_why_it_waits(opened):
    button = opened.ui.keyImageButton
    assert not button.enabled and button.toolTip == "Detect first."
    click(opened.ui.detectButton)
    assert not button.enabled and button.toolTip == "A detection is under way."
    opened.engine.finish(sampleDetection(None, None))
    assert not button.enabled and "on neither side" in button.toolTip
    landmarks = opened.detect(opened.volume, sampleDetection())
    assert button.enabled and "PNG" in button.toolTip
    for side in ("left", "right"):
        opened.logic.landmarkScene.markMissing(landmarks, side)
    assert not button.enabled
    opened.logic.landmarkScene.place(landmarks, "left", [1.0, 2.0, 3.0])
    assert button.enabled
    deleteNode(landmarks)
    assert not button.enabled and button.toolTip == "Detect first."


def test_one_click_saves_what_the_reader_has_made_of_it(opened, landmarks, tmp_path):
    scene, path = opened.logic.landmarkScene, tmp_path / "mine.png"
    scene.place(landmarks, "left", [-30.0, 11.0, 44.0])
    scene.markMissing(landmarks, "right")
    request = save(opened, path)
    assert request["output"] == str(path) and request["path"] == "/volume.nrrd" and request["temporary"]
    readings = {side: Reading.from_dict(values) for side, values in request["readings"].items()}
    assert (readings["left"].decision, readings["right"].decision) == ("moved", "missing")
    np.testing.assert_allclose(readings["left"].position_lps_mm, [30.0, -11.0, 44.0])
    assert readings["right"].position_lps_mm is None
    detection = Detection.from_dict(request["detection"])
    np.testing.assert_allclose(detection.landmark("left").position_lps_mm, LEFT_LPS)
    assert detection.landmark("left").fork.check == "verified"
    assert opened.engine.commands == ["detect", "picture"]
    before = slicer.mrmlScene.GetNumberOfNodes()
    opened.engine.finishPicture()
    assert opened.message == f"The key image was written to {path}." and not opened.run.failed
    assert slicer.mrmlScene.GetNumberOfNodes() == before and not opened.run.busy
    assert opened.reviews(landmarks)["left"].decision == "moved"


def test_by_the_keyboard(opened, landmarks, tmp_path):
    opened.host.dialogs.answer(str(tmp_path / "mine.png"))
    pressKey(opened.ui.keyImageButton, "Space")
    assert opened.engine.request["output"] == str(tmp_path / "mine.png")


def test_the_picture_has_the_name_that_the_volume_has_now_and_the_ellipsoid_that_is_shown(opened, landmarks, tmp_path):
    opened.volume.SetName("case 7")
    opened.ui.confidenceSlider.value = 50
    detection = save(opened, tmp_path / "mine.png")["detection"]
    assert detection["case"] == "case 7" and detection["settings"]["confidence"] == 0.5
    shown = [list(review.radiiMm) for review in opened.reviews(landmarks).values()]
    assert [landmark["confidence_radii_mm"] for landmark in detection["landmarks"]] == shown
    assert opened.logic.landmarkScene.detection(landmarks)["settings"]["confidence"] == 0.9


def test_the_dialog_begins_at_home_then_where_the_last_one_went_with_the_volume_s_name(opened, landmarks, tmp_path):
    save(opened, tmp_path / "mine.png")
    assert opened.host.dialogs.shown[-1].text == os.path.join(os.path.expanduser("~"), "Neck key image.png")
    opened.engine.finishPicture()
    opened.volume.SetName('CT: neck/"left" *')
    save(opened, "")
    assert opened.host.dialogs.shown[-1].text == str(tmp_path / "CT_ neck_left_ _ key image.png")
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    save(opened, "")
    assert opened.host.dialogs.shown[-1].text.startswith(os.path.expanduser("~"))


@pytest.mark.parametrize(("name", "expected"), [(" . ", "Carotid"), ("", "Carotid"), ("n" * 300, "n" * 80)])
def test_every_name_makes_a_file_name(opened, name, expected):
    from CarotidLandmarkSlicer.panelKeyImage import fileName

    assert fileName(name) == f"{expected} key image.png"


def test_a_dialog_that_was_cancelled_changes_nothing(opened, landmarks):
    before = opened.message
    assert save(opened, "") is None and opened.message == before


def test_the_ending_is_added_and_the_file_that_stands_there_then_is_asked_about(opened, landmarks, tmp_path):
    (tmp_path / "mine.png").write_text("somebody's")
    opened.host.dialogs.answer(str(tmp_path / "mine"), "Cancel")
    click(opened.ui.keyImageButton)
    assert opened.engine.request is None and str(tmp_path / "mine.png") in opened.host.dialogs.shown[-1].text
    opened.host.dialogs.answer(str(tmp_path / "mine"), "OK")
    click(opened.ui.keyImageButton)
    assert opened.engine.request["output"] == str(tmp_path / "mine.png")
    opened.engine.finishPicture()
    assert save(opened, tmp_path / "other")["output"] == str(tmp_path / "other.png")


def test_while_it_is_drawn_the_panel_says_so_and_can_cancel(opened, landmarks, tmp_path):
    save(opened, tmp_path / "mine.png")
    ui = opened.ui
    assert not ui.keyImageButton.enabled and ui.keyImageButton.toolTip == "A key image is being drawn."
    opened.engine.progress("drawing the key image", 0.5)
    assert ui.progressPanel.visible and ui.stepLabel.text == "drawing the key image"
    assert ui.detectButton.text == "Cancel"
    click(ui.detectButton)
    opened.engine.finishPicture()
    assert opened.message == "The key image was cancelled." and ui.keyImageButton.enabled
    assert ui.detectButton.text == "Detect"


def test_a_failure_is_a_sentence_and_the_next_one_works(opened, landmarks, tmp_path):
    save(opened, tmp_path / "mine.png")
    opened.engine.fail("There is no picture, since Pillow cannot be used (no PIL): pip install pillow.")
    assert opened.run.failed and opened.message.endswith("pip install pillow.")
    save(opened, tmp_path / "mine.png")
    opened.engine.finishPicture()
    assert not opened.run.failed and "was written" in opened.message


def test_a_volume_that_was_hardened_since_is_refused_in_words(opened, landmarks, tmp_path):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[0, 3] = 20.0
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    opened.volume.SetAndObserveTransformNodeID(transform.GetID())
    processEvents()
    assert save(opened, tmp_path / "mine.png") is not None, "what is only shown elsewhere is drawn"
    opened.engine.finishPicture()
    opened.volume.HardenTransform()
    processEvents()
    assert save(opened, tmp_path / "mine.png") is None
    assert opened.run.failed and "was transformed after the detection" in opened.message


def test_a_point_outside_of_the_volume_is_not_drawn(opened, landmarks, tmp_path):
    opened.logic.landmarkScene.place(landmarks, "left", [500.0, 0.0, 0.0])
    opened.host.dialogs.answer(str(tmp_path / "a.png"))
    click(opened.ui.keyImageButton)
    assert opened.message.startswith("L: The point lies outside") and not opened.run.busy


def test_what_ends_a_detection_ends_a_picture(opened, landmarks, tmp_path):
    save(opened, tmp_path / "mine.png")
    deleteNode(opened.volume)
    opened.engine.finishPicture()
    assert opened.message == "Neck was deleted, so its key image was dropped."
    opened.detect(addCtVolume("Other"), *forkDetection())
    save(opened, tmp_path / "mine.png")
    slicer.mrmlScene.Clear(0)
    opened.engine.finishPicture()
    assert opened.message == "The scene was closed, so the key image was dropped."


def test_without_what_the_engine_needs_the_reason_is_said(opened, landmarks, tmp_path):
    from Testing.panel.fakeRooms import installed

    opened.logic.installation = installed(False, "Detection needs openvino.")
    assert save(opened, tmp_path / "mine.png") is None
    assert opened.run.failed and opened.message == "Detection needs openvino."


def test_it_stays_offered_after_save_and_reload(opened, landmarks, tmp_path):
    opened.logic.landmarkScene.accept(landmarks, "left")
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    processEvents()
    assert not opened.ui.keyImageButton.enabled
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    processEvents()
    request = save(opened, Path(tmp_path, "mine.png"))
    assert request["readings"]["left"]["decision"] == "accepted"
