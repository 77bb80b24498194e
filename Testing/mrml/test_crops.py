"""Volumes that are given other voxels at another place: cropped or resampled into themselves."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from CarotidLandmarkSlicer.landmarkScene import LandmarkScene

from CarotidLandmarkLib.errors import BadInputError
from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, RIGHT_LPS, addCtVolume, sampleDetection
from Testing.host.volumeChanges import SHIFT, addLocalWarp, addWarp, centre, crop, imageOf
from Testing.mrml.correctionsHelp import DRAGGED
from Testing.mrml.test_transforms import addTransform, assertIsAt, ellipsoidCenter, moved, rotation


def cropByReading(volume, emptied, imageFirst, size):
    """Crop as a storage node reads other voxels into a volume: one after the other, and by its kind in either order."""
    origin = np.add(volume.GetOrigin(), SHIFT)
    image = imageOf(volume, size, SHIFT)
    if emptied:
        volume.SetAndObserveImageData(None)
    steps = [lambda: volume.SetAndObserveImageData(image), lambda: volume.SetOrigin(*origin)]
    for step in steps if imageFirst else steps[::-1]:
        step()


@pytest.fixture(params=["watched", "not watched"])
def accepted(request, landmarks, landmarkScene):
    """Landmarks with the left one accepted and the right one moved."""
    landmarkScene.accept(landmarks, "left")
    landmarkScene.place(landmarks, "right", rasFromLps(RIGHT_LPS) + [0, 0, 4])
    if request.param == "watched":
        landmarkScene.observe(landmarks, lambda: None)
    return landmarks


def assertNothingMoved(landmarkScene, landmarks):
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS), "accepted")
    right = landmarkScene.reviews(landmarks)["right"]
    np.testing.assert_allclose(right.ras, rasFromLps(RIGHT_LPS) + [0, 0, 4], atol=1e-6)
    np.testing.assert_allclose(right.predictedRas, rasFromLps(RIGHT_LPS), atol=1e-6)
    np.testing.assert_allclose(ellipsoidCenter(landmarks), rasFromLps(LEFT_LPS), atol=1e-4)


def test_a_volume_cropped_in_place_keeps_its_landmarks_where_they_are(accepted, landmarkScene, volume):
    crop(volume)
    assertNothingMoved(landmarkScene, accepted)
    assert "cropped or resampled" in landmarkScene.note
    crop(volume)
    assertNothingMoved(landmarkScene, accepted)


@pytest.mark.parametrize(
    "emptied, imageFirst, size",
    [
        (True, True, (40, 30, 20)),
        (True, True, (60, 50, 40)),
        (True, False, (40, 30, 20)),
        (True, False, (60, 50, 40)),
        (False, True, (40, 30, 20)),
    ],
)
def test_a_volume_that_is_read_anew_in_another_geometry(emptied, imageFirst, size, accepted, landmarkScene, volume):
    cropByReading(volume, emptied, imageFirst, size)
    assertNothingMoved(landmarkScene, accepted)
    centre(volume)
    assertIsAt(landmarkScene, accepted, rasFromLps(LEFT_LPS) + SHIFT, "accepted")


def test_a_volume_under_a_transform_is_cropped_and_then_hardened(accepted, landmarkScene, volume):
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    assertIsAt(landmarkScene, accepted, moved(rotation(), rasFromLps(LEFT_LPS)), "accepted")
    volume.SetAndObserveImageData(imageOf(volume))  # a filter that writes into its input
    crop(volume)
    assertIsAt(landmarkScene, accepted, moved(rotation(), rasFromLps(LEFT_LPS)), "accepted")
    volume.HardenTransform()
    assertIsAt(landmarkScene, accepted, moved(rotation(), rasFromLps(LEFT_LPS)), "accepted")


def test_a_filtered_volume_is_hardened(accepted, landmarkScene, volume):
    volume.SetAndObserveImageData(imageOf(volume))
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    landmarkScene.repair(accepted)
    volume.HardenTransform()
    assertIsAt(landmarkScene, accepted, moved(rotation(), rasFromLps(LEFT_LPS)), "accepted")


@pytest.mark.parametrize("together", [True, False])
def test_a_volume_that_was_trimmed_at_its_end_is_hardened(together, accepted, landmarkScene, volume):
    """The first voxel stays where it was, and with it the geometry."""
    crop(volume, (1, 11, 30), (120, 100, 62))
    landmarkScene.repair(accepted)
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    landmarkScene.repair(accepted)
    for node in (volume, accepted) if together else (volume,):
        node.HardenTransform()
    assertIsAt(landmarkScene, accepted, moved(rotation(), rasFromLps(LEFT_LPS)), "accepted")
    centre(volume)
    assertIsAt(landmarkScene, accepted, moved(rotation(), rasFromLps(LEFT_LPS)) + SHIFT, "accepted")


def test_a_volume_that_is_read_again_is_put_elsewhere(landmarkScene, host, tmp_path):
    path = str(tmp_path / "CT.nrrd")
    slicer.util.saveNode(addCtVolume(), path)
    volume = slicer.util.loadVolume(path)
    landmarks = landmarkScene.applyDetection(volume, sampleDetection())
    landmarkScene.observe(landmarks, lambda: None)
    assert volume.GetStorageNode().ReadData(volume)
    centre(volume)
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS) + SHIFT)


def test_a_filtered_volume_is_put_elsewhere(accepted, landmarkScene, volume):
    volume.SetAndObserveImageData(imageOf(volume))
    landmarkScene.repair(accepted)
    centre(volume)
    assertIsAt(landmarkScene, accepted, rasFromLps(LEFT_LPS) + SHIFT, "accepted")


def test_landmarks_still_go_along_with_a_volume_that_is_put_elsewhere(accepted, landmarkScene, volume):
    crop(volume)
    landmarkScene.repair(accepted)
    centre(volume)
    assertIsAt(landmarkScene, accepted, rasFromLps(LEFT_LPS) + SHIFT, "accepted")


@pytest.fixture
def reloaded(landmarks, landmarkScene, host, tmp_path):
    """Scene and landmarks, of a file, with the left one accepted."""
    landmarkScene.accept(landmarks, "left")
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.reset()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    landmarkScene = LandmarkScene(host.scene)
    yield landmarkScene, *landmarkScene.landmarkNodes()
    landmarkScene.unobserve()


@pytest.mark.parametrize("openedFirst", [True, False])
def test_a_volume_of_a_loaded_scene_is_put_elsewhere(reloaded, openedFirst):
    landmarkScene, landmarks = reloaded
    if openedFirst:
        landmarkScene.observe(landmarks, lambda: None)
    centre(slicer.util.getNode("CT"))
    landmarkScene.observe(landmarks, lambda: None)
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS) + SHIFT, "accepted")
    assert landmarkScene.note == ""


def test_volume_and_landmarks_of_a_loaded_scene_are_hardened_together(reloaded):
    landmarkScene, landmarks = reloaded
    volume = slicer.util.getNode("CT")
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    landmarks.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    for node in (volume, landmarks):
        node.HardenTransform()
    landmarkScene.observe(landmarks, lambda: None)
    assertIsAt(landmarkScene, landmarks, moved(rotation(), rasFromLps(LEFT_LPS)), "accepted")


@pytest.mark.parametrize("then", ["nothing", "transform", "centre"])
def test_a_drag_before_the_module_is_opened_counts(reloaded, then):
    landmarkScene, landmarks = reloaded
    volume, at = slicer.util.getNode("CT"), rasFromLps(LEFT_LPS) + [0, 0, 5]
    landmarks.SetNthControlPointPosition(0, *at)
    if then == "transform":
        volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
        at = moved(rotation(), at)
    if then == "centre":
        centre(volume)
        at += SHIFT
    landmarkScene.observe(landmarks, lambda: None)
    assertIsAt(landmarkScene, landmarks, at, "moved")
    assert landmarkScene.reviews(landmarks)["left"].displacementMm == pytest.approx(5)


def test_a_cropped_volume_is_exported_with_its_points(exporter, landmarks, landmarkScene, volume, tmp_path):
    from CarotidLandmarkLib.landmarks.corrections import read_correction

    landmarkScene.accept(landmarks, "right")
    landmarkScene.place(landmarks, "left", rasFromLps(DRAGGED))
    crop(volume)
    correction = read_correction(exporter.export(landmarks, str(tmp_path), "AB"))
    assert correction.truth().points["left"] == pytest.approx(DRAGGED, abs=0.01)
    assert correction.truth().points["right"] == pytest.approx(RIGHT_LPS, abs=0.01)
    assert landmarkScene.applyDetection(volume, sampleDetection()) is landmarks
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS))


@pytest.mark.parametrize("warp", [addWarp, addLocalWarp])
def test_points_of_a_warped_volume_are_not_exported_until_it_is_detected_in_again(
    warp, exporter, accepted, landmarkScene, volume, tmp_path
):
    volume.SetAndObserveTransformNodeID(warp().GetID())
    landmarkScene.repair(accepted)
    volume.HardenTransform()
    landmarkScene.repair(accepted)
    assert all("was warped" in review.problem for review in landmarkScene.reviews(accepted).values())
    assert "was warped" in landmarkScene.note and landmarkScene.note == landmarkScene.problem(accepted)
    with pytest.raises(BadInputError, match="detect again"):
        exporter.export(accepted, str(tmp_path), "AB")
    assert list(tmp_path.iterdir()) == []
    landmarkScene.applyDetection(volume, sampleDetection())
    assert landmarkScene.problem(accepted) == ""
    landmarkScene.accept(accepted, "left")
    exporter.export(accepted, str(tmp_path), "AB")


def test_a_scene_whose_volume_is_under_a_warp_is_loaded_as_it_was(landmarks, landmarkScene, volume, host, tmp_path):
    volume.SetAndObserveTransformNodeID(addWarp().GetID())
    before = landmarkScene.reviews(landmarks)["left"].ras
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.reset()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    landmarkScene = LandmarkScene(host.scene)
    (node,) = landmarkScene.landmarkNodes()
    assertIsAt(landmarkScene, node, before)
    assert landmarkScene.problem(node) == ""


def test_points_of_a_warped_volume_say_so_in_a_loaded_scene(landmarks, landmarkScene, volume, host, tmp_path):
    volume.SetAndObserveTransformNodeID(addWarp().GetID())
    landmarkScene.repair(landmarks)
    volume.HardenTransform()
    landmarkScene.repair(landmarks)
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    host.reset()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    landmarkScene = LandmarkScene(host.scene)
    (node,) = landmarkScene.landmarkNodes()
    assert "was warped" in landmarkScene.problem(node)
