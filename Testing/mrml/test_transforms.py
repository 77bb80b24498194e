import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from vtk.util.numpy_support import vtk_to_numpy

from Testing.host.mrmlHost import slicer
from Testing.host.samples import LEFT_LPS, addCtVolume, sampleDetection


def rotation(degrees=30.0, shift=(10.0, -20.0, 5.0)):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[:3, :3] = [[1, 0, 0], [0, cos, -sin], [0, sin, cos]]
    matrix[:3, 3] = shift
    return matrix


def addTransform(matrix):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    slicer.util.updateTransformMatrixFromArray(node, matrix)
    return node


def moved(matrix, ras):
    return matrix[:3, :3] @ ras + matrix[:3, 3]


def ellipsoidCenter(landmarks):
    model = landmarks.GetNodeReference("CarotidLandmark.Ellipsoid.left")
    points = vtk_to_numpy(model.GetPolyData().GetPoints().GetData())
    world = [0.0, 0.0, 0.0]
    model.TransformPointToWorld((points.min(axis=0) + points.max(axis=0)) / 2, world)
    return world


def assertIsAt(landmarkScene, landmarks, ras, chip="found"):
    review = landmarkScene.reviews(landmarks)["left"]
    assert review.chip == chip
    np.testing.assert_allclose(review.ras, ras, atol=1e-6)
    return review


def test_a_volume_under_a_transform(landmarkScene, volume):
    matrix = rotation()
    volume.SetAndObserveTransformNodeID(addTransform(matrix).GetID())
    landmarks = landmarkScene.applyDetection(volume, sampleDetection())
    expected = moved(matrix, rasFromLps(LEFT_LPS))
    review = assertIsAt(landmarkScene, landmarks, expected)
    np.testing.assert_allclose(review.predictedRas, expected)
    np.testing.assert_allclose(review.lps, LEFT_LPS)
    np.testing.assert_allclose(ellipsoidCenter(landmarks), expected, atol=1e-4)
    landmarkScene.place(landmarks, "left", expected + [0, 0, 2])
    review = assertIsAt(landmarkScene, landmarks, expected + [0, 0, 2], "moved")
    assert review.displacementMm == pytest.approx(2)
    shift = np.linalg.inv(matrix[:3, :3]) @ [0, 0, 2]
    np.testing.assert_allclose(review.lps, LEFT_LPS + rasFromLps(shift))


@pytest.mark.parametrize("observed", [True, False])
def test_what_happens_to_the_transform_afterwards(observed, landmarks, landmarkScene, volume):
    changes = []
    if observed:
        landmarkScene.observe(landmarks, lambda: changes.append(1))
    start = rasFromLps(LEFT_LPS)
    node = addTransform(rotation())
    volume.SetAndObserveTransformNodeID(node.GetID())
    assertIsAt(landmarkScene, landmarks, moved(rotation(), start))
    slicer.util.updateTransformMatrixFromArray(node, rotation(-40))
    assertIsAt(landmarkScene, landmarks, moved(rotation(-40), start))
    np.testing.assert_allclose(ellipsoidCenter(landmarks), moved(rotation(-40), start), atol=1e-4)
    volume.SetAndObserveTransformNodeID(addTransform(rotation(5)).GetID())
    assertIsAt(landmarkScene, landmarks, moved(rotation(5), start))
    volume.SetAndObserveTransformNodeID(None)
    assertIsAt(landmarkScene, landmarks, start)
    assert bool(changes) == observed


@pytest.mark.parametrize("together", ["volume", "landmarks first", "volume first"])
@pytest.mark.parametrize("observed", [True, False])
def test_hardening_the_transform_keeps_everything_in_place(observed, together, landmarks, landmarkScene, volume):
    landmarkScene.place(landmarks, "right", [20.0, 14.0, 46.0])
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    if observed:
        landmarkScene.observe(landmarks, lambda: None)
    before = landmarkScene.reviews(landmarks)
    for node in {"volume": [volume], "landmarks first": [landmarks, volume]}.get(together, [volume, landmarks]):
        node.HardenTransform()
    after = landmarkScene.reviews(landmarks)
    assert volume.GetTransformNodeID() is None
    for side in ("left", "right"):
        assert after[side].chip == before[side].chip
        np.testing.assert_allclose(after[side].ras, before[side].ras, atol=1e-6)
        np.testing.assert_allclose(after[side].predictedRas, before[side].predictedRas, atol=1e-6)
        np.testing.assert_allclose(after[side].lps, before[side].lps, atol=1e-6)
    np.testing.assert_allclose(ellipsoidCenter(landmarks), after["left"].predictedRas, atol=1e-4)
    landmarkScene.applyDetection(volume, sampleDetection())
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS))


def test_a_mirrored_volume(landmarkScene):
    volume = addCtVolume("LAS")
    ijkToRas = slicer.util.vtkMatrixFromArray(np.diag([-2.0, 2.0, 2.0, 1.0]))
    volume.SetIJKToRASMatrix(ijkToRas)
    landmarks = landmarkScene.applyDetection(volume, sampleDetection())
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS))


def test_undo_follows_the_volume_s_transform_of_now(landmarks, landmarkScene, volume):
    landmarkScene.place(landmarks, "left", [0.0, 0.0, 0.0])
    volume.SetAndObserveTransformNodeID(addTransform(rotation()).GetID())
    landmarkScene.undo()
    assertIsAt(landmarkScene, landmarks, moved(rotation(), rasFromLps(LEFT_LPS)))


def test_a_deleted_transform(landmarks, landmarkScene, volume, host):
    node = addTransform(rotation())
    volume.SetAndObserveTransformNodeID(node.GetID())
    landmarkScene.observe(landmarks, lambda: None)
    host.scene.RemoveNode(node)
    assertIsAt(landmarkScene, landmarks, rasFromLps(LEFT_LPS))
