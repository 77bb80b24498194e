"""The views of a fork: where they go, how they lie, and the way back."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from CarotidLandmarkSlicer.forkPlanes import forkPlanes
from CarotidLandmarkSlicer.forkScene import ForkScene
from CarotidLandmarkSlicer.forkViews import FIELD_OF_VIEW_MM
from CarotidLandmarkSlicer.landmarkScene import LandmarkScene

from Testing.host.forkSamples import AWAY, CARINA_LPS, forkDetection, sampleVessels
from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS
from Testing.mrml.test_transforms import addTransform, rotation

CARINA = rasFromLps(CARINA_LPS)
DIRECTIONS = {name: rasFromLps(away) / np.linalg.norm(away) for name, away in AWAY.items()}
ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
FORK_NORMAL = np.linalg.svd(np.array(list(DIRECTIONS.values())))[2][2]


@pytest.fixture
def landmarks(landmarkScene, volume):
    return landmarkScene.applyDetection(volume, *forkDetection())


def addViews(scene):
    """The three slice views and the camera as the application has them, each somewhere."""
    for number, (name, orientation) in enumerate(ORIENTATIONS.items()):
        node = scene.AddNewNodeByClass("vtkMRMLSliceNode", name)
        node.SetLayoutName(name)
        node.SetOrientation(orientation)
        node.SetFieldOfView(200 + 10 * number, 150, 1)
        node.JumpSliceByOffsetting(3.0 * number, 7, 5)
        node.SetXYZOrigin(4.0, number, 0)
        node.SetSliceVisible(True)
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetPosition(0, 500, 0)
    camera.SetFocalPoint(0, 0, 10)
    return camera


@pytest.fixture
def camera(host):
    return addViews(host.scene)


def sliceNode(name):
    return slicer.util.getNode(name)


def matrix(name):
    return slicer.util.arrayFromVTKMatrix(sliceNode(name).GetSliceToRAS())


def state():
    slices = [
        (
            matrix(name).round(6).tolist(),
            sliceNode(name).GetFieldOfView(),
            sliceNode(name).GetOrientation(),
            sliceNode(name).GetXYZOrigin(),
            sliceNode(name).GetSliceVisible(),
        )
        for name in ORIENTATIONS
    ]
    camera = slicer.util.getNodesByClass("vtkMRMLCameraNode")[0]
    return slices, camera.GetPosition(), camera.GetFocalPoint(), camera.GetViewUp()


def test_the_three_planes(camera, landmarks, forks):
    assert forks.show(landmarks, "left")
    cross, fork, along = (matrix(name) for name in ("Red", "Green", "Yellow"))
    assert abs(fork[:3, 2] @ FORK_NORMAL) > 0.99
    for name in AWAY:
        assert abs(fork[:3, 2] @ DIRECTIONS[name]) < 0.1
    assert abs(cross[:3, 2] @ DIRECTIONS["common"]) > 0.999
    assert along[:3, 1] @ DIRECTIONS["internal"] > 0.99
    assert abs(along[:3, 2] @ fork[:3, 2]) < 1e-6
    np.testing.assert_allclose([cross[:3, 3], fork[:3, 3]], [CARINA, CARINA], atol=1e-6)
    middle = rasFromLps(sampleVessels()["internal"][:15, :3])
    assert np.abs((middle - along[:3, 3]) @ along[:3, 2]).max() < 0.3, "the internal carotid lies in its plane"
    assert abs((CARINA - along[:3, 3]) @ along[:3, 1]) < 1e-6
    for matrix_ in (cross, fork, along):
        np.testing.assert_allclose(matrix_[:3, :3].T @ matrix_[:3, :3], np.eye(3), atol=1e-6)
        assert np.linalg.det(matrix_[:3, :3]) == pytest.approx(1)


def test_they_lie_as_a_radiologist_has_them(camera, landmarks, forks):
    forks.show(landmarks, "left")
    cross, fork, along = (matrix(name)[:3] for name in ("Red", "Green", "Yellow"))
    assert cross[0, 0] < -0.9, "the patient's left at the right"
    assert cross[1, 1] > 0.9, "the front above"
    assert fork[2, 1] > 0.9 and along[2, 1] > 0.8, "the head above"
    for upright in (fork, along):
        sideways = max(-upright[0, 0], -upright[1, 0], upright[0, 0], upright[1, 0])
        assert sideways in (-upright[0, 0], -upright[1, 0])
    for name in ORIENTATIONS:
        width, height, _ = sliceNode(name).GetFieldOfView()
        assert min(width, height) == pytest.approx(FIELD_OF_VIEW_MM)
        assert sliceNode(name).GetXYZOrigin() == (0, 0, 0)


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("axis", ["coronal", "sagittal"])
def test_upright_planes_have_left_or_back_at_the_right(axis, turn):
    aside = np.array([1.0, 0, 0]) if axis == "coronal" else np.array([0, 1.0, 0])
    heights = np.arange(20.0)[:, None]
    lines = {
        "common": heights * [0, 0, -1.0],
        "internal": heights * (turn * 0.4 * aside + [0, 0, 1.0]),
        "external": heights * (-turn * 0.4 * aside + [0, 0, 1.0]),
    }
    fork = forkPlanes(np.zeros(3), lines)["fork"]
    np.testing.assert_allclose(fork.right, -aside, atol=1e-6)
    np.testing.assert_allclose(fork.up, [0, 0, 1], atol=1e-6)


def test_the_camera_looks_at_the_fork(camera, landmarks, forks):
    forks.show(landmarks, "left")
    np.testing.assert_allclose(camera.GetFocalPoint(), CARINA, atol=1e-6)
    away = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    np.testing.assert_allclose(away / np.linalg.norm(away), matrix("Green")[:3, 2], atol=1e-6)
    assert not any(sliceNode(name).GetSliceVisible() for name in ORIENTATIONS)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_camera_stands_outside_where_the_other_side_would_be_in_the_way(side, camera, landmarkScene, volume, forks):
    vessels = {name: line.copy() for name, line in sampleVessels().items()}
    for name, line in vessels.items():
        line[:, :3] = CARINA_LPS + np.outer(np.arange(37.0), [0, AWAY[name][0], AWAY[name][2]])  # in a sagittal plane
    detection = forkDetection(vessels=vessels)[0]
    detection["landmarks"][1]["fork"] = detection["landmarks"][0]["fork"]
    landmarks = landmarkScene.applyDetection(volume, detection)
    assert forks.show(landmarks, side)
    away = camera.GetPosition()[0] - camera.GetFocalPoint()[0]
    assert away < -100 if side == "left" else away > 100


def test_in_3d_the_daughters_are_seen_apart_where_they_cross_in_the_fork_s_plane():
    vessels = {name: line[:, :3] - CARINA_LPS for name, line in sampleVessels().items()}
    straight = forkPlanes(np.zeros(3), vessels)
    np.testing.assert_array_equal(straight["space"].right, straight["fork"].right)
    toward = (vessels["external"] - vessels["internal"])[-1]
    toward /= np.linalg.norm(toward)
    normal = straight["fork"].toViewer
    height = np.arange(len(vessels["internal"]))[:, None]
    vessels["internal"] = vessels["internal"] + np.maximum(height - 12, 0) * (2.0 * toward + 1.6 * normal)
    planes = forkPlanes(np.zeros(3), vessels)

    def gap(plane):
        gaps = ((vessels["external"] - vessels["internal"]) @ plane.right)[9:30]
        return (np.sign(gaps[0]) * gaps).min()

    assert gap(planes["fork"]) < 0, "they cross"
    assert gap(planes["space"]) > 3
    assert planes["space"].up.tolist() == planes["fork"].up.tolist()
    assert planes["space"].toViewer @ planes["fork"].toViewer > 0.49


def test_the_way_back_restores_all(camera, landmarks, forks):
    before = state()
    assert not forks.isShown
    forks.show(landmarks, "left")
    forks.show(landmarks, "left")
    assert forks.isShown and state() != before
    forks.restoreViews()
    assert not forks.isShown
    slices, *rest = state()
    assert rest == list(before[1:])
    for now, then in zip(slices, before[0]):
        assert now[2:] == then[2:]
        np.testing.assert_allclose(now[0], then[0], atol=1e-6)
        np.testing.assert_allclose(now[1], then[1])
    assert [each[2] for each in slices] == list(ORIENTATIONS.values())


def test_the_way_back_into_a_view_of_another_shape(camera, landmarks, forks):
    before = sliceNode("Red").GetFieldOfView()
    forks.show(landmarks, "left")
    sliceNode("Red").SetFieldOfView(60, 120, 1)
    forks.restoreViews()
    assert sliceNode("Red").GetFieldOfView()[:2] == pytest.approx([min(before[:2]), 2 * min(before[:2])])


def test_the_way_back_is_saved_with_the_scene(camera, landmarks, forks, host, tmp_path):
    before = state()
    forks.show(landmarks, "left")
    path = str(tmp_path / "scene.mrb")
    assert slicer.util.saveScene(path)
    host.reset()
    slicer.util.loadScene(path)
    forks = ForkScene(LandmarkScene(host.scene))
    assert forks.isShown
    forks.restoreViews()
    np.testing.assert_allclose(matrix("Green"), before[0][1][0], atol=1e-4)
    assert sliceNode("Green").GetOrientation() == "Coronal"


def test_a_closed_scene_has_no_way_back(camera, landmarks, forks, host):
    forks.show(landmarks, "left")
    host.scene.Clear(0)
    assert not forks.isShown
    forks.restoreViews()


def test_the_carina_may_be_unknown(camera, landmarkScene, volume, forks):
    landmarks = landmarkScene.applyDetection(volume, *forkDetection(carina_lps_mm=None))
    assert forks.show(landmarks, "left")
    np.testing.assert_allclose(matrix("Green")[:3, 3], rasFromLps(LEFT_LPS), atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"vessels": None},
        {"vessels": sampleVessels(2)},
        {"vessels": {name: line[:1] for name, line in sampleVessels().items()}},
    ],
)
def test_without_vessels_nothing_turns(changes, camera, landmarkScene, volume, forks):
    landmarks = landmarkScene.applyDetection(volume, forkDetection(**changes)[0])
    before = state()
    assert not forks.show(landmarks, "left") and not forks.show(landmarks, "right")
    assert state() == before and not forks.isShown


def test_the_planes_follow_a_transform(camera, landmarks, landmarkScene, volume, forks):
    turned = rotation()
    volume.SetAndObserveTransformNodeID(addTransform(turned).GetID())
    landmarkScene.repair(landmarks)
    forks.show(landmarks, "left")
    np.testing.assert_allclose(matrix("Green")[:3, 3], turned[:3, :3] @ CARINA + turned[:3, 3], atol=1e-6)
    assert abs(matrix("Green")[:3, 2] @ turned[:3, :3] @ FORK_NORMAL) > 0.99


def test_a_kept_view_that_cannot_be_read_stays(camera, landmarks, forks):
    forks.show(landmarks, "left")
    sliceNode("Red").SetAttribute("CarotidLandmark.BeforeForkView", "{")
    shown = matrix("Red")
    forks.restoreViews()
    np.testing.assert_allclose(matrix("Red"), shown)
    assert sliceNode("Green").GetOrientation() == "Coronal"
