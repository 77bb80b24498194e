import json

import numpy as np
import pytest
from CarotidLandmarkSlicer.landmarkScene import LandmarkScene

from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, addCtVolume, sampleDetection


def reviewed(landmarkScene, landmarks):
    landmarkScene.place(landmarks, "left", [-30.0, 15.0, 41.5])
    landmarkScene.markMissing(landmarks, "right")
    landmarkScene.setDisplay(landmarks, opacity=0.6, confidence=0.8, colorByStatus=False)


def saveAndLoad(path, host):
    assert slicer.util.saveScene(str(path))
    host.reset()
    slicer.util.loadScene(str(path if path.suffix == ".mrb" else path / f"{path.name}.mrml"))
    landmarkScene = LandmarkScene(host.scene)
    (node,) = landmarkScene.landmarkNodes()
    return landmarkScene, node


def chips(landmarkScene, node):
    return [review.chip for review in landmarkScene.reviews(node).values()]


@pytest.mark.parametrize("name", ["scene.mrb", "folder"])
def test_a_saved_scene_restores_everything(name, landmarks, landmarkScene, host, tmp_path):
    reviewed(landmarkScene, landmarks)
    before = landmarkScene.reviews(landmarks)
    loadedScene, node = saveAndLoad(tmp_path / name, host)
    volume = slicer.util.getNode("CT")
    assert loadedScene.landmarkNode(volume) is node
    assert loadedScene.problem(node) == ""
    assert loadedScene.detection(node) == sampleDetection()
    after = loadedScene.reviews(node)
    assert [review.chip for review in after.values()] == ["moved", "missing"]
    for side in ("left", "right"):
        assert vars(after[side]).keys() == vars(before[side]).keys()
        np.testing.assert_equal(vars(after[side]), vars(before[side]))
    shown = {"visible": True, "opacity": 0.6, "confidence": 0.8, "colorByStatus": False}
    assert loadedScene.display(node) == pytest.approx(shown)
    assert node.GetFixedNumberOfControlPoints()
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    assert {node.GetNodeReference(f"CarotidLandmark.Ellipsoid.{side}") for side in ("left", "right")} == set(models)
    loadedScene.restorePrediction(node, "right")
    assert loadedScene.undo()
    assert chips(loadedScene, node) == ["moved", "missing"]
    count = host.scene.GetNumberOfNodes()
    assert loadedScene.applyDetection(volume, sampleDetection()) is node
    assert host.scene.GetNumberOfNodes() == count


def test_a_scene_saved_without_its_data_keeps_points_and_ellipsoids(landmarks, landmarkScene, host, tmp_path):
    landmarkScene.place(landmarks, "left", [-30.0, 15.0, 41.5])
    path = str(tmp_path / "scene.mrml")
    assert slicer.util.saveScene(path)
    host.reset()
    slicer.util.loadScene(path)
    loadedScene = LandmarkScene(host.scene)
    (node,) = loadedScene.landmarkNodes()
    reviews = loadedScene.reviews(node)
    assert [review.chip for review in reviews.values()] == ["moved", "review"]
    np.testing.assert_allclose(reviews["left"].ras, [-30, 15, 41.5])
    assert node.GetNodeReference("CarotidLandmark.Ellipsoid.left").GetPolyData().GetNumberOfPoints() > 0
    assert loadedScene.note == ""


def test_a_scene_added_to_another_keeps_both_apart(landmarks, landmarkScene, host, tmp_path):
    reviewed(landmarkScene, landmarks)
    path = str(tmp_path / "scene.mrb")
    slicer.util.saveScene(path)
    host.reset()
    fresh = LandmarkScene(host.scene)
    other = addCtVolume("Other")
    otherLandmarks = fresh.applyDetection(other, sampleDetection(left=LEFT_LPS + 5))
    slicer.util.loadScene(path, {"clear": False})
    assert fresh.landmarkNode(other) is otherLandmarks
    node = fresh.landmarkNode(slicer.util.getNode("CT"))
    assert node is not otherLandmarks
    assert chips(fresh, node) == ["moved", "missing"]
    assert chips(fresh, otherLandmarks) == ["found", "review"]
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 4


def test_an_older_version_is_read_as_far_as_it_goes(landmarks, landmarkScene):
    landmarkScene.place(landmarks, "left", [-30.0, 15.0, 41.5])
    for name in ("Version", "Review", "Frame"):
        landmarks.RemoveAttribute(f"CarotidLandmark.{name}")
    assert "older version" in landmarkScene.problem(landmarks)
    reviews = landmarkScene.reviews(landmarks)
    assert [review.chip for review in reviews.values()] == ["moved", "review"]
    np.testing.assert_allclose(reviews["left"].ras, [-30, 15, 41.5])


def test_a_newer_version_is_read_as_far_as_it_goes(landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    landmarks.SetAttribute("CarotidLandmark.Version", "2")
    assert "newer version" in landmarkScene.problem(landmarks)
    assert chips(landmarkScene, landmarks) == ["accepted", "review"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": "carotid-landmark/detection/9"}'])
def test_an_unreadable_detection_keeps_the_points(text, landmarks, landmarkScene, volume):
    landmarkScene.place(landmarks, "left", [-30.0, 15.0, 41.5])
    landmarks.SetAttribute("CarotidLandmark.Detection", text)
    assert "detect again" in landmarkScene.problem(landmarks)
    assert landmarkScene.detection(landmarks) is None
    reviews = landmarkScene.reviews(landmarks)
    assert reviews["left"].chip == "moved"
    np.testing.assert_allclose(reviews["right"].ras, [29, 14, 46])
    landmarkScene.markMissing(landmarks, "right")
    landmarkScene.restorePrediction(landmarks, "left")
    assert chips(landmarkScene, landmarks) == ["absent", "missing"]
    assert landmarkScene.applyDetection(volume, sampleDetection()) is landmarks
    assert landmarkScene.problem(landmarks) == ""


@pytest.mark.parametrize("text", ["", "{", '{"left": {"decision": "maybe", "position_lps_mm": null}}'])
def test_an_unreadable_review_starts_anew(text, landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    landmarks.SetAttribute("CarotidLandmark.Review", text)
    assert "decisions stored with" in landmarkScene.problem(landmarks)
    assert chips(landmarkScene, landmarks) == ["found", "review"]
    assert "decisions stored with" in landmarkScene.note
    landmarkScene.accept(landmarks, "left")
    assert landmarkScene.problem(landmarks) == ""


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", json.dumps(np.zeros((2, 4, 4)).tolist())])
def test_an_unreadable_frame_counts_as_the_volume_s(text, landmarks, landmarkScene):
    landmarks.SetAttribute("CarotidLandmark.Frame", text)
    assert chips(landmarkScene, landmarks) == ["found", "review"]
    np.testing.assert_allclose(landmarkScene.reviews(landmarks)["left"].lps, LEFT_LPS)


@pytest.mark.parametrize("text", ["", "abc", "nan", "0", "1", "1.5"])
def test_an_unreadable_confidence_is_the_default(text, landmarks, landmarkScene):
    before = landmarkScene.reviews(landmarks)["left"].radiiMm
    landmarkScene.setDisplay(landmarks, confidence=0.5)
    for side in ("left", "right"):
        landmarks.GetNodeReference(f"CarotidLandmark.Ellipsoid.{side}").SetAttribute("CarotidLandmark.Confidence", text)
    np.testing.assert_allclose(landmarkScene.reviews(landmarks)["left"].radiiMm, before)
    landmarkScene.accept(landmarks, "left")
