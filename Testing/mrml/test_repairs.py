"""What users and other modules do to the nodes, watched or not."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from CarotidLandmarkSlicer.landmarkScene import LandmarkScene

from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, RIGHT_LPS, addCtVolume, sampleDetection


@pytest.fixture(params=["watched", "not watched"])
def changes(request, landmarks, landmarkScene):
    """The calls of onChanged, None if nobody watches; a failure in a callback fails the test."""
    if request.param == "not watched":
        return None
    calls = []
    landmarkScene.observe(landmarks, lambda: calls.append(landmarkScene.reviews(landmarks)))
    return calls


def assertWhole(landmarks, landmarkScene):
    reviews = landmarkScene.reviews(landmarks)
    assert [landmarks.GetNthControlPointLabel(index) for index in range(landmarks.GetNumberOfControlPoints())] == [
        "L",
        "R",
    ]
    assert landmarks.GetFixedNumberOfControlPoints()
    return reviews


def wasTold(changes):
    return changes is None or len(changes) > 0


def test_a_point_moved_by_another_module(changes, landmarks, landmarkScene):
    landmarks.SetNthControlPointPosition(0, -31, 12, 43)
    reviews = assertWhole(landmarks, landmarkScene)
    assert [review.chip for review in reviews.values()] == ["moved", "review"]
    assert reviews["left"].displacementMm == pytest.approx(3)
    assert wasTold(changes)
    landmarkScene.repair(landmarks)
    assert landmarkScene.detection(landmarks) == sampleDetection()


def test_an_accepted_point_that_moves_is_moved(changes, landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    landmarks.SetNthControlPointPosition(0, 0, 0, 0)
    assert landmarkScene.reviews(landmarks)["left"].chip == "moved"


def test_a_point_marked_missing_by_another_module(changes, landmarks, landmarkScene):
    landmarks.SetNthControlPointPositionMissing(0)
    assert landmarkScene.reviews(landmarks)["left"].chip == "missing"
    assert wasTold(changes)


def test_an_unset_point_comes_back(changes, landmarks, landmarkScene):
    landmarks.UnsetNthControlPointPosition(0)
    review = assertWhole(landmarks, landmarkScene)["left"]
    assert review.chip == "found"
    np.testing.assert_allclose(review.lps, LEFT_LPS)


def test_points_are_locked_against_deletion(landmarks):
    assert landmarks.GetFixedNumberOfControlPoints()


def test_a_deleted_point_comes_back_where_it_was(changes, landmarks, landmarkScene):
    landmarkScene.place(landmarks, "left", [1.0, 2.0, 3.0])
    landmarks.SetFixedNumberOfControlPoints(False)
    landmarks.RemoveNthControlPoint(0)
    reviews = assertWhole(landmarks, landmarkScene)
    assert [review.chip for review in reviews.values()] == ["moved", "review"]
    np.testing.assert_allclose(reviews["left"].ras, [1, 2, 3])
    np.testing.assert_allclose(reviews["right"].lps, RIGHT_LPS)
    assert "the two points L and R" in landmarkScene.note
    assert "presence" in landmarks.GetNthControlPointDescription(1)


def test_all_points_deleted(changes, landmarks, landmarkScene):
    landmarks.SetFixedNumberOfControlPoints(False)
    landmarks.RemoveAllControlPoints()
    reviews = assertWhole(landmarks, landmarkScene)
    np.testing.assert_allclose(reviews["left"].lps, LEFT_LPS)
    np.testing.assert_allclose(reviews["right"].lps, RIGHT_LPS)


def test_renamed_points_get_their_names_back(changes, landmarks, landmarkScene):
    landmarks.SetNthControlPointLabel(0, "carotid")
    landmarks.SetNthControlPointLabel(1, "")
    reviews = assertWhole(landmarks, landmarkScene)
    assert [review.chip for review in reviews.values()] == ["found", "review"]
    np.testing.assert_allclose(reviews["left"].lps, LEFT_LPS)
    assert landmarkScene.note


def test_a_third_point_goes(changes, landmarks, landmarkScene):
    landmarks.SetFixedNumberOfControlPoints(False)
    landmarks.AddControlPoint(0, 0, 0, "F-3")
    reviews = assertWhole(landmarks, landmarkScene)
    assert [review.chip for review in reviews.values()] == ["found", "review"]
    assert "the two points L and R" in landmarkScene.note


def test_a_point_deleted_and_a_new_one_added(changes, landmarks, landmarkScene):
    wasModifying = landmarks.StartModify()
    landmarks.SetFixedNumberOfControlPoints(False)
    landmarks.RemoveNthControlPoint(0)
    landmarks.AddControlPoint(5, 6, 7, "F-1")
    landmarks.EndModify(wasModifying)
    reviews = assertWhole(landmarks, landmarkScene)
    assert [review.chip for review in reviews.values()] == ["moved", "review"]
    np.testing.assert_allclose(reviews["left"].ras, [5, 6, 7])
    np.testing.assert_allclose(reviews["right"].lps, RIGHT_LPS)


def test_the_note_goes_with_the_next_decision(landmarks, landmarkScene):
    landmarks.SetNthControlPointLabel(0, "carotid")
    landmarkScene.accept(landmarks, "left")
    assert landmarkScene.note == ""


def test_the_fiducial_node_deleted(changes, landmarks, landmarkScene, volume, host):
    host.scene.RemoveNode(landmarks)
    assert landmarkScene.landmarkNode(volume) is None
    again = landmarkScene.applyDetection(volume, sampleDetection())
    assert again is not landmarks
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 2
    assert wasTold(changes)


def test_deleting_the_watched_fiducial_node_takes_its_ellipsoids_along(landmarks, landmarkScene, host):
    calls = []
    landmarkScene.observe(landmarks, lambda: calls.append(landmarkScene.landmarkNodes()))
    host.scene.RemoveNode(landmarks)
    assert calls == [[]]
    assert not slicer.util.getNodesByClass("vtkMRMLModelNode")
    assert not slicer.util.getNodesByClass("vtkMRMLModelDisplayNode")


def test_a_deleted_fiducial_node_still_answers(changes, landmarks, landmarkScene, host):
    host.scene.RemoveNode(landmarks)
    assert landmarkScene.reviews(landmarks)["left"].status == "found"


def test_the_volume_deleted(changes, landmarks, landmarkScene, volume, host):
    landmarkScene.place(landmarks, "left", [1.0, 2.0, 3.0])
    host.scene.RemoveNode(volume)
    assert landmarkScene.volumeNode(landmarks) is None
    reviews = assertWhole(landmarks, landmarkScene)
    assert [review.chip for review in reviews.values()] == ["moved", "review"]
    np.testing.assert_allclose(reviews["left"].ras, [1, 2, 3])
    landmarkScene.accept(landmarks, "right")
    assert landmarkScene.reviews(landmarks)["right"].chip == "accepted"
    assert landmarkScene.jumpTo(landmarks, "right")
    assert wasTold(changes)
    assert landmarkScene.landmarkNode(addCtVolume("Other")) is None


def test_the_volume_deleted_while_under_a_hardened_transform(landmarks, landmarkScene, volume, host):
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    slicer.util.updateTransformMatrixFromArray(
        transform, np.array([[1, 0, 0, 7], [0, 1, 0, 8], [0, 0, 1, 9], [0, 0, 0, 1.0]])
    )
    landmarkScene.observe(landmarks, lambda: None)
    volume.SetAndObserveTransformNodeID(transform.GetID())
    volume.HardenTransform()
    host.scene.RemoveNode(volume)
    landmarkScene.markMissing(landmarks, "left")
    landmarkScene.restorePrediction(landmarks, "left")
    np.testing.assert_allclose(landmarkScene.reviews(landmarks)["left"].ras, rasFromLps(LEFT_LPS) + [7, 8, 9])


def test_the_scene_closed(changes, landmarkScene, host):
    host.scene.Clear(0)
    assert landmarkScene.landmarkNodes() == []
    assert not landmarkScene.undo()
    volume = addCtVolume("Next")
    landmarks = landmarkScene.applyDetection(volume, sampleDetection())
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"


def test_watching_ends(landmarks, landmarkScene):
    calls = []
    landmarkScene.observe(landmarks, lambda: calls.append(1))
    landmarkScene.accept(landmarks, "left")
    assert len(calls) == 1
    landmarkScene.unobserve(landmarks)
    landmarkScene.unobserve(landmarks)
    landmarkScene.markMissing(landmarks, "left")
    landmarks.SetNthControlPointPosition(1, 0, 0, 0)
    assert len(calls) == 1


def test_watching_twice_counts_once(landmarks, landmarkScene):
    calls = []
    for _ in range(2):
        landmarkScene.observe(landmarks, lambda: calls.append(1))
    landmarkScene.accept(landmarks, "left")
    assert len(calls) == 1


def test_a_second_watcher_from_a_reloaded_module_gets_on_with_the_first(landmarks, landmarkScene, host):
    landmarkScene.observe(landmarks, lambda: None)
    reloaded = LandmarkScene(host.scene)
    reloaded.observe(landmarks, lambda: None)
    reloaded.place(landmarks, "left", [1.0, 2.0, 3.0])
    landmarks.SetNthControlPointLabel(0, "x")
    assert [scene.reviews(landmarks)["left"].chip for scene in (landmarkScene, reloaded)] == ["moved", "moved"]
    assert reloaded.undo()
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"
    reloaded.unobserve()


def test_a_drag_becomes_one_decision_at_its_end(landmarks, landmarkScene):
    calls = []
    landmarkScene.observe(landmarks, lambda: calls.append(landmarkScene.reviews(landmarks)["left"]))
    landmarks.InvokeCustomModifiedEvent(landmarks.PointStartInteractionEvent)
    landmarks.SetNthControlPointPosition(0, -31, 12, 42)
    assert (calls[-1].decision, calls[-1].displacementMm) == ("unreviewed", pytest.approx(2))
    landmarks.SetNthControlPointPosition(0, -31, 12, 43)
    landmarks.InvokeCustomModifiedEvent(landmarks.PointEndInteractionEvent)
    assert (calls[-1].decision, calls[-1].displacementMm) == ("moved", pytest.approx(3))


def test_one_watcher_of_two_nodes_is_told_once(landmarks, landmarkScene):
    calls = []

    def onChanged():
        calls.append(1)

    landmarkScene.observe(landmarks, onChanged)
    landmarkScene.observe(landmarkScene.applyDetection(addCtVolume("Other"), sampleDetection()), onChanged)
    calls.clear()
    landmarkScene.accept(landmarks, "left")
    assert len(calls) == 1


@pytest.mark.parametrize("watched", [True, False])
def test_the_user_s_copy_of_an_ellipsoid_stays(watched, landmarks, landmarkScene, volume, host, tmp_path):
    if watched:
        landmarkScene.observe(landmarks, lambda: None)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
    item = hierarchy.GetItemByDataNode(landmarks.GetNodeReference("CarotidLandmark.Ellipsoid.left"))
    copyItem = slicer.vtkSlicerSubjectHierarchyModuleLogic.CloneSubjectHierarchyItem(hierarchy, item, "mine")
    mine = hierarchy.GetItemDataNode(copyItem)
    landmarkScene.applyDetection(volume, sampleDetection())
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 3
    host.scene.RemoveNode(landmarks)
    landmarkScene.removeLeftovers()
    assert slicer.util.getNodesByClass("vtkMRMLModelNode") == [mine]


def test_the_ellipsoids_of_an_added_scene_go_with_its_landmarks(landmarks, landmarkScene, volume, host, tmp_path):
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"), {"clear": False})
    added = next(node for node in landmarkScene.landmarkNodes() if node is not landmarks)
    landmarkScene.repair(added)
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 4
    host.scene.RemoveNode(added)
    landmarkScene.removeLeftovers()
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 2
