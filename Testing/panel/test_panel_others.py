"""What the panel says and shows where there is more than one volume, reader or scene."""

import pytest

from CarotidLandmarkLib.landmarks.corrections import latest_revisions
from Testing.host.skipping import missingPackages, skipModules

MISSING = missingPackages(slicer_core="slicer", PySide6_Essentials="PySide6")
pytest_pycollect_makemodule = skipModules(MISSING)

if not MISSING:
    from Testing.host.mrmlHost import slicer
    from Testing.host.pythonQtDrive import click, processEvents
    from Testing.host.samples import addCtVolume, sampleDetection
    from Testing.panel.panelHelp import deleteNode, openModule

    opened = pytest.fixture(openModule)


@pytest.fixture
def both(opened):
    """Landmarks of the first volume, and of another one, which is selected."""
    first = opened.detect(opened.volume, sampleDetection(rightStatus="found"))
    return first, opened.detect(addCtVolume("Other"), sampleDetection(rightStatus="found"))


def choose(opened, volumeNode):
    """Select a volume by the mouse."""
    opened.ui.volumeSelector.setCurrentNode(volumeNode)
    opened.ui.volumeSelector.nodeActivated.emit(volumeNode)
    processEvents()


def test_a_volume_that_is_chosen_is_shown_and_what_was_said_of_another_is_gone(opened, both):
    composite = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetBackgroundVolumeID(opened.ui.volumeSelector.currentNode().GetID())
    assert "Other" in opened.message
    choose(opened, opened.volume)
    assert composite.GetBackgroundVolumeID() == opened.volume.GetID()
    assert opened.message == ""


def test_a_result_says_which_volume_it_is_of(opened):
    other = addCtVolume("Other")
    opened.ui.volumeSelector.setCurrentNode(opened.volume)
    click(opened.ui.detectButton)
    choose(opened, other)
    opened.engine.finish(sampleDetection(rightStatus="found"))
    assert opened.message.startswith("“Neck”: Both bifurcations were found")


def test_a_drag_of_another_volume_s_point_is_said(opened, both):
    first, second = both
    for node, said in ((second, ""), (first, f"“{first.GetName()}” has changed, which belongs to another volume.")):
        opened.run.say("")
        x, y, z = node.GetNthControlPointPosition(0)
        node.SetNthControlPointPosition(0, x, y, z + 5)
        processEvents()
        assert opened.reviews(node)["left"].decision == "moved"
        assert opened.message == said


def test_undo_in_another_volume_of_the_same_name_is_said(opened):
    node = opened.detect(opened.volume)
    opened.detect(addCtVolume(opened.volume.GetName()))
    opened.logic.landmarkScene.accept(node, "left")
    click(opened.ui.undoButton)
    assert "belongs to another volume" in opened.message


def test_a_closed_scene_is_not_spoken_of(opened, both):
    slicer.mrmlScene.Clear(0)
    processEvents()
    assert opened.message == ""


@pytest.mark.parametrize("mine", ["QA", ""])
@pytest.mark.parametrize("clear", [True, False])
def test_a_colleague_s_scene_brings_no_reader_and_names_no_patient(opened, tmp_path, clear, mine):
    def be(initials):
        opened.ui.initialsEdit.setText(initials)
        opened.panel.onEdited("initials")
        opened.ui.folderEdit.currentPath = str(tmp_path / initials) if initials else ""
        processEvents()

    be("AB")
    opened.ui.anonymiseCheckBox.checked = False
    opened.detect(opened.volume)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    processEvents()
    be(mine)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": clear})
    processEvents()
    assert opened.panel.reader() == (str(tmp_path / mine) if mine else "", mine)
    assert opened.ui.anonymiseCheckBox.checked


def test_a_volume_that_is_loaded_again_has_its_decisions_again(opened, tmp_path):
    node = opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    side = opened.panel.landmarks.table.selectedSide()
    slicer.util.saveNode(opened.volume, str(tmp_path / "Neck.nrrd"))
    deleteNode(opened.volume)
    assert "has lost its volume" in opened.message and opened.rows() == []
    addCtVolume("Other", lps=(0.0, 0.0, 0.0))
    processEvents()
    assert opened.rows() == [], "the same voxels at another place"
    volume = slicer.util.loadVolume(str(tmp_path / "Neck.nrrd"))
    choose(opened, volume)
    assert opened.logic.landmarkScene.landmarkNode(volume) is node
    assert opened.reviews(node)[side].decision == "accepted" and len(opened.rows()) == 2
    before = opened.reviews(node)[side].ras
    volume.SetOrigin(*(volume.GetOrigin()[axis] + shift for axis, shift in enumerate((5.0, 0.0, 7.0))))
    processEvents()
    assert opened.reviews(node)[side].ras == pytest.approx(before + [5.0, 0.0, 7.0]), "its landmarks follow it"


def test_the_folder_is_not_gone_through_while_points_move(opened, tmp_path, monkeypatch):
    node = opened.detect(opened.volume)
    click(opened.ui.acceptButton)
    opened.ui.initialsEdit.setText("QA")
    opened.panel.onEdited("initials")
    opened.ui.folderEdit.currentPath = str(tmp_path)
    counted = []
    monkeypatch.setattr(
        opened.logic.exporter, "countCases", lambda folder: counted.append(folder) or len(latest_revisions(folder))
    )
    x, y, z = node.GetNthControlPointPosition(0)
    for step in range(5):
        node.SetNthControlPointPosition(0, x, y, z + step)
    assert counted == []
    click(opened.ui.exportButton)
    assert opened.ui.exportedLabel.text.startswith("1 case")
