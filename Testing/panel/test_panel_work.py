"""The upper part of the panel: volume line, Detect or Cancel, progress, messages."""

from types import SimpleNamespace

import numpy as np
import pytest

from Testing.host.mrmlHost import slicer, vtk
from Testing.host.pythonQtDrive import click, processEvents
from Testing.host.samples import LEFT_LPS, addCtVolume, sampleDetection
from Testing.host.views import SliceView
from Testing.host.volumeChanges import centre, crop
from Testing.mrml.test_transforms import addTransform, rotation
from Testing.panel.fakeRooms import InstantTransfer
from Testing.panel.panelHelp import openModule

opened = pytest.fixture(openModule)


def test_the_volume_in_view_is_preset_and_described(opened):
    assert opened.ui.volumeSelector.currentNode() is opened.volume
    assert opened.ui.volumeLabel.text.startswith("CT, 60 × 50 × 40, 2 × 2 × 2 mm, 80 mm tall.")
    assert opened.ui.detectButton.enabled
    opened.module.exit()
    other = addCtVolume("Other")
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(other.GetID())
    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetSingletonNode("CarotidLandmark", "vtkMRMLScriptedModuleNode"))
    opened.enter()
    assert opened.ui.volumeSelector.currentNode() is other


def test_the_first_volume_loaded_while_the_panel_is_open_is_taken(opened):
    slicer.mrmlScene.Clear(0)
    processEvents()
    assert opened.ui.volumeSelector.currentNode() is None
    first = addCtVolume("First")
    addCtVolume("Second")
    processEvents()
    assert opened.ui.volumeSelector.currentNode() is first and opened.ui.detectButton.enabled


def test_detect_is_disabled_with_the_reason_in_its_tool_tip(opened):
    opened.ui.volumeSelector.setCurrentNode(None)
    assert not opened.ui.detectButton.enabled
    assert opened.ui.volumeLabel.text == opened.ui.detectButton.toolTip == "Choose a CT of the neck."
    opened.ui.volumeSelector.setCurrentNode(opened.volume)
    assert opened.ui.detectButton.enabled
    assert "D" in opened.ui.detectButton.toolTip


def test_the_volume_line_follows_the_volume(opened):
    array = slicer.util.arrayFromVolume(opened.volume)
    array[:] = 7
    slicer.util.arrayFromVolumeModified(opened.volume)
    assert not opened.ui.detectButton.enabled
    assert opened.ui.detectButton.toolTip == opened.ui.volumeLabel.text != ""


@pytest.mark.parametrize("kind", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_other_kinds_of_volumes_are_not_offered(opened, kind):
    node = slicer.mrmlScene.AddNewNodeByClass(kind, "other")
    opened.ui.volumeSelector.setCurrentNode(node)
    assert opened.ui.volumeSelector.currentNode() is not node


def test_detect_becomes_cancel_with_the_step_in_words(opened):
    ui = opened.ui
    assert ui.detectButton.text == "Detect" and not ui.progressPanel.visible
    click(ui.detectButton)
    assert ui.detectButton.text == "Cancel" and ui.progressPanel.visible
    opened.engine.progress("left, 0.5 mm, sample 12 of 50", 0.25)
    assert ui.stepLabel.text == "left, 0.5 mm, sample 12 of 50"
    assert ui.progressBar.value == 250 and ui.progressBar.maximum == 1000
    opened.engine.finish()
    assert ui.detectButton.text == "Detect" and ui.detectButton.enabled and not ui.progressPanel.visible
    assert opened.message == "Detected in 3.2 s; look at what is marked review before you use it."


def test_the_settings_go_to_the_engine(opened):
    opened.ui.samplesSpin.value = 7
    opened.ui.seedSpin.value = 3
    opened.ui.confidenceSlider.value = 80
    click(opened.ui.detectButton)
    assert opened.engine.requests == [
        {
            "path": "/volume.nrrd",
            "temporary": True,
            "case": "Neck",
            "samples": 7,
            "seed": 3,
            "confidence": 0.8,
            "device": "auto",
            "weights": None,
            "fork": True,
        }
    ]


def test_cancel_leaves_the_scene_as_it_was(opened):
    before = slicer.mrmlScene.GetNumberOfNodes()
    click(opened.ui.detectButton)
    click(opened.ui.detectButton)
    assert not opened.ui.detectButton.enabled and opened.ui.stepLabel.text == "cancelling"
    opened.engine.onProgress("still there", 0.5)
    assert opened.ui.stepLabel.text == "cancelling"
    opened.engine.finish()
    assert opened.message == "The detection was cancelled; nothing has changed."
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert opened.logic.landmarkScene.landmarkNodes() == []
    click(opened.ui.detectButton)
    opened.engine.finish()
    assert opened.logic.landmarkScene.landmarkNode(opened.volume) is not None


def test_an_error_is_a_sentence_and_detect_works_again(opened):
    click(opened.ui.detectButton)
    opened.engine.fail("The engine has crashed; its log is at /tmp/log.")
    assert opened.message == "The engine has crashed; its log is at /tmp/log."
    assert opened.run.failed
    assert opened.logic.landmarkScene.landmarkNodes() == []
    click(opened.ui.detectButton)
    assert opened.message == ""
    opened.engine.finish()
    assert opened.logic.landmarkScene.landmarkNode(opened.volume) is not None


def test_what_the_engine_notes_and_warns_of_is_said(opened):
    opened.engine.note = "Computed on the CPU."
    detection = {**sampleDetection(rightStatus="found"), "warnings": ["The scan is short."]}
    opened.detect(opened.volume, detection)
    assert opened.message == "Both bifurcations were found in 3.2 s. Computed on the CPU. The scan is short."


def test_a_result_that_is_no_detection_is_a_sentence(opened):
    click(opened.ui.detectButton)
    opened.engine.finish({"schema": "other", "volume": {}})
    assert "no detection" in opened.message and opened.run.failed
    assert not opened.run.busy


def test_detecting_again_tells_how_to_get_decisions_back(opened):
    landmarkNode = opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    opened.detect(opened.volume)
    assert opened.message.endswith("Undo brings the earlier decisions back.")
    assert opened.reviews(landmarkNode)["right"].decision == "unreviewed"
    click(opened.ui.undoButton)
    assert opened.reviews(landmarkNode)["right"].decision == "accepted"


def test_two_volumes_in_turn(opened):
    other = addCtVolume("Other")
    click(opened.ui.detectButton)
    opened.engine.progress("coarse search", 0.1)
    opened.ui.volumeSelector.setCurrentNode(other)
    assert opened.ui.detectButton.text == "Cancel"
    assert opened.ui.stepLabel.text == "Neck: coarse search"
    opened.engine.finish()
    landmarkScene = opened.logic.landmarkScene
    assert landmarkScene.landmarkNode(opened.volume) and landmarkScene.landmarkNode(other) is None
    assert opened.ui.landmarksHint.visible
    click(opened.ui.detectButton)
    opened.engine.finish()
    assert landmarkScene.landmarkNode(other) not in (None, landmarkScene.landmarkNode(opened.volume))
    assert len(landmarkScene.landmarkNodes()) == 2


def harden(volume):
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    volume.HardenTransform()


@pytest.mark.parametrize("change", [harden, centre])
def test_a_volume_put_elsewhere_while_the_engine_works_takes_its_landmarks_along(opened, change):
    click(opened.ui.detectButton)
    change(opened.volume)
    processEvents()
    opened.engine.finish()
    review = opened.reviews(opened.logic.landmarkScene.landmarkNode(opened.volume))["left"]
    opened.volume.GetRASToIJKMatrix(rasToIjk := vtk.vtkMatrix4x4())
    index = rasToIjk.MultiplyPoint([*review.ras, 1])[:3]
    np.testing.assert_allclose(index, (LEFT_LPS - [-60, -60, 0]) / 2, atol=1e-6)
    assert opened.message.startswith("Detected in 3.2 s")


def replaceVoxels(volume):
    slicer.util.arrayFromVolume(volume)[:] = 7
    slicer.util.arrayFromVolumeModified(volume)


@pytest.mark.parametrize("change", [replaceVoxels, crop])
def test_a_volume_with_other_voxels_than_the_engine_was_given_gets_no_landmarks(opened, change):
    click(opened.ui.detectButton)
    change(opened.volume)
    opened.engine.finish()
    assert opened.message.startswith("“Neck” was changed meanwhile") and opened.run.failed
    assert opened.logic.landmarkScene.landmarkNodes() == [] and not opened.run.busy


def test_a_volume_that_changes_while_it_is_handed_over_is_not_sent(opened, monkeypatch):
    monkeypatch.setattr(InstantTransfer, "isHeld", True)
    click(opened.ui.detectButton)
    centre(opened.volume)
    opened.run._transfer.onWritten("/volume.nrrd")
    assert opened.message.startswith("“Neck” was changed meanwhile")
    assert opened.engine.requests == [] and not opened.run.busy


def test_looking_at_a_volume_while_the_engine_works_changes_nothing(opened):
    view = SliceView(SimpleNamespace(applicationLogic=slicer.app.applicationLogic(), scene=slicer.mrmlScene), "Red")
    click(opened.ui.detectButton)
    view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(opened.volume.GetID())
    view.render()
    opened.volume.GetDisplayNode().SetAutoWindowLevel(False)
    opened.volume.GetDisplayNode().SetWindowLevel(300, 40)
    view.render()
    opened.volume.GetImageData().GetScalarRange()
    opened.engine.finish()
    view.close()
    assert opened.logic.landmarkScene.landmarkNode(opened.volume) is not None
