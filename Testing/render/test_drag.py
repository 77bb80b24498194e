"""Points placed and dragged with mouse events, as a user does."""

import numpy as np
import pytest

from Testing.host.mrmlHost import slicer

PIXELS_PER_MM = 5  # 400 pixels show 80 mm


@pytest.fixture
def red(slices, landmarks, landmarkScene):
    """The axial view at the left landmark, which is watched."""
    landmarkScene.observe(landmarks, lambda: None)
    landmarkScene.jumpTo(landmarks, "left")
    slices["Red"].render()
    return slices["Red"]


def at(view, landmarkScene, landmarks, side="left"):
    display, distance = view.worldToDisplay(landmarkScene.reviews(landmarks)[side].ras)
    assert distance == pytest.approx(0, abs=1e-6)
    return display


def test_drag_by_three_millimetres(red, landmarks, landmarkScene):
    before = landmarkScene.reviews(landmarks)
    start = at(red, landmarkScene, landmarks)
    red.drag(start, start + [3 * PIXELS_PER_MM, 0])
    after = landmarkScene.reviews(landmarks)
    np.testing.assert_allclose(after["left"].ras - before["left"].ras, [-3, 0, 0], atol=1e-6)
    assert (after["left"].decision, after["left"].displacementMm) == ("moved", pytest.approx(3, abs=1e-6))
    np.testing.assert_array_equal(after["left"].predictedRas, before["left"].predictedRas)
    assert after["right"].decision == "unreviewed"
    assert landmarkScene.undo()
    restored = landmarkScene.reviews(landmarks)["left"]
    assert restored.decision == "unreviewed"
    np.testing.assert_allclose(restored.ras, before["left"].ras)
    assert landmarkScene.redo()
    assert landmarkScene.reviews(landmarks)["left"].displacementMm == pytest.approx(3, abs=1e-6)


def test_drag_under_a_transform(red, landmarks, landmarkScene, host):
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.diag([0.0, 0.0, 1.0, 1.0])
    matrix[0, 1], matrix[1, 0], matrix[2, 3] = -1, 1, 25
    slicer.util.updateTransformMatrixFromArray(transform, matrix)
    landmarkScene.volumeNode(landmarks).SetAndObserveTransformNodeID(transform.GetID())
    landmarkScene.jumpTo(landmarks, "left")
    start = at(red, landmarkScene, landmarks)
    red.drag(start, start + [0, 3 * PIXELS_PER_MM])
    review = landmarkScene.reviews(landmarks)["left"]
    assert (review.decision, review.displacementMm) == ("moved", pytest.approx(3, abs=1e-6))
    np.testing.assert_allclose(review.ras - review.predictedRas, [0, 3, 0], atol=1e-6)


def test_two_drags_are_two_steps(red, landmarks, landmarkScene):
    for shift in ([10, 0], [0, 20]):
        start = at(red, landmarkScene, landmarks)
        red.drag(start, start + shift)
    assert landmarkScene.reviews(landmarks)["left"].displacementMm == pytest.approx(np.hypot(2, 4), abs=1e-6)
    landmarkScene.undo()
    review = landmarkScene.reviews(landmarks)["left"]
    assert (review.decision, review.displacementMm) == ("moved", pytest.approx(2, abs=1e-6))
    landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].decision == "unreviewed"


def test_a_click_moves_nothing_and_is_no_step(red, landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    red.click(*at(red, landmarkScene, landmarks))
    assert landmarkScene.reviews(landmarks)["left"].decision == "accepted"
    assert landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].decision == "unreviewed"


def test_dragging_beside_a_point_leaves_it(red, landmarks, landmarkScene):
    red.drag([100, 100], [150, 150])
    assert landmarkScene.reviews(landmarks)["left"].decision == "unreviewed"


def test_the_delete_key_deletes_no_point(red, landmarks, landmarkScene):
    x, y = at(red, landmarkScene, landmarks)
    red.mouseMove(x, y)
    red.interactor.SetEventInformation(round(x), round(y), 0, 0, "\x7f", 0, "Delete")
    red.interactor.InvokeEvent("KeyPressEvent")
    assert landmarks.GetNumberOfControlPoints() == 2
    assert landmarkScene.reviews(landmarks)["left"].decision == "unreviewed"


def test_place_by_a_click(red, landmarks, landmarkScene, host):
    landmarkScene.markMissing(landmarks, "left")
    placed = host.scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "L")
    placed.CreateDefaultDisplayNodes()
    host.selectionNode.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
    host.selectionNode.SetActivePlaceNodeID(placed.GetID())
    host.interactionNode.SetCurrentInteractionMode(host.interactionNode.Place)
    red.render()
    red.click(250, 200)
    assert host.interactionNode.GetCurrentInteractionMode() != host.interactionNode.Place
    landmarkScene.place(landmarks, "left", placed.GetNthControlPointPositionWorld(0))
    host.scene.RemoveNode(placed)
    review = landmarkScene.reviews(landmarks)["left"]
    np.testing.assert_allclose(review.ras - review.predictedRas, [-50 / PIXELS_PER_MM, 0, 0], atol=1e-6)
    assert landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].decision == "missing"


def test_drag_in_three_dimensions_stays_in_the_view_plane(threeD, landmarks, landmarkScene):
    landmarkScene.observe(landmarks, lambda: None)
    threeD.cameraNode.SetPosition(0, 500, 0)
    landmarkScene.jumpTo(landmarks, "left")
    threeD.render()
    start = threeD.worldToDisplay(landmarkScene.reviews(landmarks)["left"].ras)
    threeD.drag(start, start + [6, 6])
    review = landmarkScene.reviews(landmarks)["left"]
    assert review.decision == "moved"
    shift = review.ras - review.predictedRas
    away = np.subtract(threeD.cameraNode.GetPosition(), threeD.cameraNode.GetFocalPoint())
    assert shift @ away / np.linalg.norm(away) == pytest.approx(0, abs=0.1)
    assert 1 < np.linalg.norm(shift) < 5
    assert landmarkScene.undo()
    assert landmarkScene.reviews(landmarks)["left"].decision == "unreviewed"
