import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps

from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, addCtVolume, sampleDetection
from Testing.host.volumeChanges import SHIFT, addWarp, centre, crop


def snapshot(landmarkScene, node):
    reviews = landmarkScene.reviews(node)
    polyData = node.GetNodeReference("CarotidLandmark.Ellipsoid.left").GetPolyData()
    return [
        (review.decision, review.ras if review.ras is None else review.ras.tolist()) for review in reviews.values()
    ] + [polyData.GetNumberOfPoints(), polyData.GetBounds()]


STEPS = {
    "accept": lambda scene, node: scene.accept(node, "left"),
    "missing": lambda scene, node: scene.markMissing(node, "left"),
    "place": lambda scene, node: scene.place(node, "left", [1.0, 2.0, 3.0]),
    "detect": lambda scene, node: scene.applyDetection(scene.volumeNode(node), sampleDetection(left=LEFT_LPS - 4)),
}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_undone_and_redone_by_itself(step, landmarks, landmarkScene):
    landmarkScene.place(landmarks, "right", [9.0, 8.0, 7.0])
    before = snapshot(landmarkScene, landmarks)
    STEPS[step](landmarkScene, landmarks)
    after = snapshot(landmarkScene, landmarks)
    assert after != before
    assert landmarkScene.undo()
    assert snapshot(landmarkScene, landmarks) == before
    assert landmarkScene.redo()
    assert snapshot(landmarkScene, landmarks) == after
    assert not landmarkScene.redo()


def test_back_to_the_prediction_is_a_step(landmarks, landmarkScene):
    landmarkScene.place(landmarks, "left", [1.0, 2.0, 3.0])
    landmarkScene.restorePrediction(landmarks, "left")
    assert landmarkScene.undo()
    review = landmarkScene.reviews(landmarks)["left"]
    assert review.decision == "moved"
    np.testing.assert_allclose(review.ras, [1, 2, 3])


def test_undoing_the_first_detection_leaves_nothing_behind(landmarkScene, volume, host):
    landmarkScene.applyDetection(volume, sampleDetection())
    landmarkScene.accept(landmarkScene.landmarkNode(volume), "left")
    shown = landmarkScene.landmarkNode(volume).GetDisplayNode().GetTextScale()
    assert landmarkScene.undo() and landmarkScene.undo()
    assert landmarkScene.landmarkNode(volume) is None
    assert not slicer.util.getNodesByClass("vtkMRMLModelNode")
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsDisplayNode")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
    assert hierarchy.GetNumberOfItemChildren(hierarchy.GetItemByDataNode(volume)) == 0
    assert landmarkScene.redo() and landmarkScene.redo()
    node = landmarkScene.landmarkNode(volume)
    assert node.GetDisplayNode().GetTextScale() == shown
    assert len(slicer.util.getNodesByClass("vtkMRMLMarkupsDisplayNode")) == 1
    assert landmarkScene.reviews(node)["left"].chip == "accepted"
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 2
    hierarchy.GetItemChildren(hierarchy.GetItemByDataNode(volume), children := [])
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == children[0]


def test_a_decision_that_changes_nothing_is_no_step(landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.accept(landmarks, "left")
    landmarkScene.restorePrediction(landmarks, "right")
    landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"


def test_the_scene_s_own_steps_without_a_change_are_passed_over(landmarks, landmarkScene, host):
    landmarkScene.accept(landmarks, "left")
    for _ in range(3):  # what clicks on a point leave
        host.scene.SaveStateForUndo()
    assert landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"
    assert landmarkScene.redo()
    assert landmarkScene.reviews(landmarks)["left"].chip == "accepted"


def test_the_display_is_not_undone(landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.setDisplay(landmarks, confidence=0.5, opacity=0.9)
    landmarkScene.undo()
    shown = landmarkScene.display(landmarks)
    assert (shown["confidence"], shown["opacity"]) == (0.5, 0.9)


def test_slicer_s_own_undo_is_taken_in(landmarks, landmarkScene, host):
    changes = []
    landmarkScene.observe(landmarks, lambda: changes.append(1))
    landmarkScene.place(landmarks, "left", [1.0, 2.0, 3.0])
    host.scene.Undo()
    review = landmarkScene.reviews(landmarks)["left"]
    assert review.decision == "unreviewed"
    np.testing.assert_allclose(review.ras, rasFromLps(LEFT_LPS))


def test_the_volume_is_no_part_of_undo(landmarks, landmarkScene, volume):
    landmarkScene.accept(landmarks, "left")
    volume.SetName("renamed")
    slicer.util.arrayFromVolume(volume)[:] = 7
    landmarkScene.undo()
    assert volume.GetName() == "renamed"
    assert slicer.util.arrayFromVolume(volume).max() == 7


def look(host, times=30):
    """Leave what zooming and panning a slice view leaves: a state of the scene each time."""
    for _ in range(times):
        host.scene.SaveStateForUndo()


def test_looking_around_takes_no_step_away(landmarks, landmarkScene, host):
    landmarkScene.accept(landmarks, "left")
    accepted = snapshot(landmarkScene, landmarks)
    landmarkScene.applyDetection(landmarkScene.volumeNode(landmarks), sampleDetection(left=LEFT_LPS - 4))
    look(host)
    assert landmarkScene.canUndo and landmarkScene.undo()
    assert snapshot(landmarkScene, landmarks) == accepted
    look(host)
    assert landmarkScene.canRedo and landmarkScene.redo()
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"
    for _ in range(3):
        look(host)
        assert landmarkScene.undo()
    assert landmarkScene.landmarkNodes() == [] and not landmarkScene.canUndo
    look(host)
    for _ in range(3):
        assert landmarkScene.redo()
    assert not landmarkScene.canRedo


def test_a_first_detection_done_again_is_whole_at_once(landmarks, landmarkScene):
    landmarks.SetName("mine")
    landmarkScene.undo()
    node = landmarkScene.redo()
    assert landmarkScene.landmarkNodes() == [node] and node.GetName() == "mine"
    assert [node.GetNthControlPointLabel(index) for index in range(node.GetNumberOfControlPoints())] == ["L", "R"]
    np.testing.assert_allclose(node.GetNthControlPointPosition(0), rasFromLps(LEFT_LPS))


def test_what_is_undone_goes_with_the_next_decision(landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.undo()
    landmarkScene.markMissing(landmarks, "right")
    assert not landmarkScene.canRedo and not landmarkScene.redo()


def test_slicer_s_own_undo_leaves_the_steps_before(landmarks, landmarkScene, host):
    landmarkScene.observe(landmarks, lambda: None)
    landmarkScene.accept(landmarks, "left")
    landmarkScene.accept(landmarks, "right")
    host.scene.Undo()
    assert landmarkScene.undo()
    assert [review.chip for review in landmarkScene.reviews(landmarks).values()] == ["found", "review"]


def test_what_slicer_s_own_undo_brought_back_is_not_done_again(landmarks, landmarkScene, volume, host):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.undo()
    landmarkScene.undo()
    host.scene.Undo()
    assert len(landmarkScene.landmarkNodes()) == 1
    landmarkScene.redo()
    assert len(landmarkScene.landmarkNodes()) == 1


def test_a_decision_about_landmarks_without_their_volume_is_a_step(landmarks, landmarkScene, volume, host):
    landmarkScene.forgetSteps()
    host.scene.RemoveNode(volume)
    landmarkScene.accept(landmarks, "left")
    assert landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"


def test_steps_of_what_the_user_deleted_are_none(landmarks, landmarkScene, volume, host):
    landmarkScene.accept(landmarks, "left")
    host.scene.RemoveNode(landmarks)
    assert not landmarkScene.canUndo and not landmarkScene.undo()
    again = landmarkScene.applyDetection(volume, sampleDetection())
    assert landmarkScene.undo() is again
    host.scene.RemoveNode(volume)
    assert not landmarkScene.canRedo and not landmarkScene.redo()


def test_steps_forgotten(landmarks, landmarkScene, host):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.accept(landmarks, "right")
    landmarkScene.undo()
    landmarkScene.forgetSteps()
    assert not landmarkScene.canUndo and not landmarkScene.canRedo and host.scene.GetNumberOfUndoLevels() == 0


def test_steps_of_one_node_are_forgotten(landmarks, landmarkScene):
    other = landmarkScene.applyDetection(addCtVolume("Other"), sampleDetection())
    landmarkScene.accept(landmarks, "left")
    landmarkScene.accept(other, "left")
    landmarkScene.forgetSteps(other)
    assert landmarkScene.undo() is landmarks
    assert landmarkScene.reviews(other)["left"].decision == "accepted"


def test_steps_of_two_volumes_in_turn(landmarks, landmarkScene):
    other = landmarkScene.applyDetection(addCtVolume("Other"), sampleDetection())
    landmarkScene.accept(landmarks, "left")
    landmarkScene.accept(other, "left")
    assert [landmarkScene.undo() for _ in range(3)] == [other, landmarks, other]
    assert landmarkScene.landmarkNodes() == [landmarks]
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"


@pytest.mark.parametrize("watched", [True, False])
def test_undo_follows_a_volume_that_was_put_elsewhere_and_cropped(watched, landmarks, landmarkScene, volume):
    if watched:
        landmarkScene.observe(landmarks, lambda: None)
    start = rasFromLps(LEFT_LPS)
    landmarkScene.place(landmarks, "left", start + [0, 0, 3])
    landmarkScene.applyDetection(volume, sampleDetection(left=LEFT_LPS - 4))
    for change in (crop, centre, crop, centre):
        change(volume)
        landmarkScene.repair(landmarks)
    landmarkScene.undo()
    review = landmarkScene.reviews(landmarks)["left"]
    assert (review.decision, review.displacementMm) == ("moved", pytest.approx(3))
    np.testing.assert_allclose(review.ras, start + [0, 0, 3] + 2 * SHIFT, atol=1e-6)
    landmarkScene.redo()
    review = landmarkScene.reviews(landmarks)["left"]
    np.testing.assert_allclose(review.ras, rasFromLps(LEFT_LPS - 4) + 2 * SHIFT, atol=1e-6)


def test_undo_does_not_make_up_for_a_warp(landmarks, landmarkScene, volume):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.accept(landmarks, "right")
    volume.SetAndObserveTransformNodeID(addWarp().GetID())
    landmarkScene.repair(landmarks)
    volume.HardenTransform()
    landmarkScene.undo()
    assert "was warped" in landmarkScene.problem(landmarks)
    landmarkScene.applyDetection(volume, sampleDetection())
    assert landmarkScene.problem(landmarks) == ""
    landmarkScene.undo()
    assert "was warped" in landmarkScene.problem(landmarks)
    landmarkScene.redo()
    assert landmarkScene.problem(landmarks) == ""


def test_the_export_is_not_undone(exporter, landmarks, landmarkScene, tmp_path):
    from CarotidLandmarkSlicer.landmarkRecord import LandmarkRecord

    landmarkScene.accept(landmarks, "left")
    exporter.export(landmarks, str(tmp_path), "AB")
    landmarkScene.undo()
    assert not LandmarkRecord(landmarks).isExported
    landmarkScene.redo()
    assert LandmarkRecord(landmarks).isExported
