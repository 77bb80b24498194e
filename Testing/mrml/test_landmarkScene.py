import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from CarotidLandmarkSlicer.landmarkScene import LandmarkScene

from CarotidLandmarkLib.errors import BadInputError
from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, RIGHT_LPS, addCtVolume, sampleDetection


def pointsRas(node):
    return [np.array(node.GetNthControlPointPositionWorld(index)) for index in range(node.GetNumberOfControlPoints())]


def modelNodes():
    return slicer.util.getNodesByClass("vtkMRMLModelNode")


def test_lps_and_ras():
    np.testing.assert_array_equal(rasFromLps([1, 2, 3]), [-1, -2, 3])
    np.testing.assert_array_equal(rasFromLps(rasFromLps([[1, 2, 3], [4, 5, 6]])), [[1, 2, 3], [4, 5, 6]])


def test_a_detection_makes_two_points_where_it_says(landmarks, landmarkScene, volume):
    assert landmarks.GetName() == "CT carotid bifurcations"
    assert [landmarks.GetNthControlPointLabel(index) for index in range(2)] == ["L", "R"]
    np.testing.assert_allclose(pointsRas(landmarks), [[-31, 12, 40], [29, 14, 46]])
    assert landmarks.GetFixedNumberOfControlPoints()
    assert "found, presence 0.97, radii 4.0 x 2.9 x 2.0 mm" in landmarks.GetNthControlPointDescription(0)
    assert "look twice" in landmarks.GetNthControlPointDescription(1)
    assert landmarkScene.landmarkNode(volume) is landmarks
    assert landmarkScene.volumeNode(landmarks) is volume
    assert landmarkScene.detection(landmarks) == sampleDetection()


def test_reviews_of_a_fresh_detection(landmarks, landmarkScene):
    left, right = (landmarkScene.reviews(landmarks)[side] for side in ("left", "right"))
    assert (left.chip, left.status, left.decision, left.reasons) == ("found", "found", "unreviewed", [])
    assert (right.chip, right.decision, len(right.reasons)) == ("review", "unreviewed", 1)
    np.testing.assert_allclose(left.ras, rasFromLps(LEFT_LPS))
    np.testing.assert_allclose(left.predictedRas, left.ras)
    np.testing.assert_allclose(right.lps, RIGHT_LPS)
    assert left.displacementMm == 0
    assert left.presence == 0.97
    expected = sampleDetection()["landmarks"][0]
    np.testing.assert_allclose(left.radiiMm, expected["confidence_radii_mm"])
    assert left.volumeMm3 == pytest.approx(expected["confidence_volume_mm3"])


def test_an_absent_landmark_is_a_missing_point(landmarkScene, volume):
    node = landmarkScene.applyDetection(volume, sampleDetection(right=None))
    assert node.GetNthControlPointPositionStatus(1) == node.PositionMissing
    review = landmarkScene.reviews(node)["right"]
    assert (review.chip, review.ras, review.radiiMm, review.displacementMm) == ("absent", None, None, None)
    assert not landmarkScene.jumpTo(node, "right")
    landmarkScene.accept(node, "right")
    review = landmarkScene.reviews(node)["right"]
    assert (review.chip, review.ras) == ("accepted", None)


def test_both_absent(landmarkScene, volume):
    node = landmarkScene.applyDetection(volume, sampleDetection(left=None, right=None))
    assert node.GetNumberOfControlPoints() == 2
    assert all(node.GetNthControlPointPositionStatus(index) == node.PositionMissing for index in range(2))
    assert [review.chip for review in landmarkScene.rows(node)] == ["absent", "absent"]


def test_detecting_again_updates_the_same_nodes(landmarks, landmarkScene, volume, host):
    landmarkScene.accept(landmarks, "left")
    landmarkScene.place(landmarks, "right", [1, 2, 3])
    models, count = modelNodes(), host.scene.GetNumberOfNodes()
    again = landmarkScene.applyDetection(volume, sampleDetection(left=LEFT_LPS + 5, right=None))
    assert again is landmarks
    assert modelNodes() == models
    assert host.scene.GetNumberOfNodes() == count
    np.testing.assert_allclose(pointsRas(landmarks)[0], rasFromLps(LEFT_LPS + 5))
    reviews = landmarkScene.reviews(landmarks)
    assert (reviews["left"].chip, reviews["right"].chip) == ("found", "absent")


def test_two_volumes_in_turn_have_their_own_nodes(landmarks, landmarkScene, volume):
    other = addCtVolume("Other")
    otherLandmarks = landmarkScene.applyDetection(other, sampleDetection(left=LEFT_LPS + 9))
    assert otherLandmarks is not landmarks
    assert landmarkScene.landmarkNode(volume) is landmarks
    assert landmarkScene.landmarkNode(other) is otherLandmarks
    landmarkScene.accept(otherLandmarks, "left")
    assert landmarkScene.reviews(landmarks)["left"].chip == "found"
    assert landmarkScene.applyDetection(volume, sampleDetection()) is landmarks
    assert landmarkScene.reviews(otherLandmarks)["left"].chip == "accepted"
    assert len(modelNodes()) == 4


def test_a_renamed_volume_keeps_its_landmarks(landmarks, landmarkScene, volume):
    volume.SetName("another name")
    assert landmarkScene.applyDetection(volume, sampleDetection()) is landmarks


def test_no_volume_has_no_landmarks(landmarks, landmarkScene):
    assert landmarkScene.landmarkNode(None) is None
    assert landmarkScene.landmarkNode(addCtVolume("Other")) is None


def test_other_fiducials_are_not_ours(landmarkScene, volume, host):
    node = host.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "CT carotid bifurcations")
    node.SetNodeReferenceID("CarotidLandmark.Volume", volume.GetID())
    assert landmarkScene.landmarkNode(volume) is None


def test_what_is_no_detection_is_refused_and_changes_nothing(landmarkScene, volume, host):
    count = host.scene.GetNumberOfNodes()
    for nonsense in ({}, {"schema": "carotid-landmark/detection/2"}, None, {**sampleDetection(), "landmarks": []}):
        with pytest.raises(BadInputError):
            landmarkScene.applyDetection(volume, nonsense)
    assert host.scene.GetNumberOfNodes() == count
    assert not landmarkScene.undo()


def test_accept(landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "right")
    review = landmarkScene.reviews(landmarks)["right"]
    assert (review.chip, review.displacementMm) == ("accepted", 0)


def test_missing_and_back(landmarks, landmarkScene):
    landmarkScene.markMissing(landmarks, "left")
    review = landmarkScene.reviews(landmarks)["left"]
    assert (review.chip, review.ras, review.displacementMm) == ("missing", None, None)
    assert landmarks.GetNthControlPointPositionStatus(0) == landmarks.PositionMissing
    np.testing.assert_allclose(review.predictedLps, LEFT_LPS)
    landmarkScene.restorePrediction(landmarks, "left")
    review = landmarkScene.reviews(landmarks)["left"]
    assert review.chip == "found"
    np.testing.assert_allclose(review.lps, LEFT_LPS)


def test_place(landmarks, landmarkScene):
    landmarkScene.place(landmarks, "left", rasFromLps(LEFT_LPS) + [0, 3, 4])
    review = landmarkScene.reviews(landmarks)["left"]
    assert review.chip == "moved"
    assert review.displacementMm == pytest.approx(5)
    np.testing.assert_allclose(review.predictedLps, LEFT_LPS)
    assert landmarkScene.detection(landmarks) == sampleDetection()
    landmarkScene.accept(landmarks, "left")
    assert landmarkScene.reviews(landmarks)["left"].displacementMm == pytest.approx(5)


def test_place_where_nothing_was_predicted(landmarkScene, volume):
    node = landmarkScene.applyDetection(volume, sampleDetection(right=None))
    landmarkScene.place(node, "right", [20, 14, 46])
    review = landmarkScene.reviews(node)["right"]
    assert (review.chip, review.displacementMm) == ("moved", None)
    np.testing.assert_allclose(review.ras, [20, 14, 46])
    landmarkScene.restorePrediction(node, "right")
    assert landmarkScene.reviews(node)["right"].chip == "absent"


def test_rows_that_need_review_come_first(landmarks, landmarkScene):
    assert [review.side for review in landmarkScene.rows(landmarks)] == ["right", "left"]
    landmarkScene.accept(landmarks, "right")
    assert [review.side for review in landmarkScene.rows(landmarks)] == ["left", "right"]


def test_all_nodes_are_in_one_folder_below_the_volume(landmarks, landmarkScene, volume, host):
    landmarkScene.applyDetection(volume, sampleDetection())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
    children = []
    hierarchy.GetItemChildren(hierarchy.GetItemByDataNode(volume), children)
    assert len(children) == 1
    inFolder = []
    hierarchy.GetItemChildren(children[0], inFolder)
    assert {hierarchy.GetItemDataNode(item) for item in inFolder} == {landmarks, *modelNodes()}


def test_a_second_scene_object_knows_the_same_nodes(landmarks, landmarkScene, volume, host):
    landmarkScene.markMissing(landmarks, "left")
    reloaded = LandmarkScene(host.scene)
    assert reloaded.landmarkNode(volume) is landmarks
    assert reloaded.reviews(landmarks)["left"].chip == "missing"
