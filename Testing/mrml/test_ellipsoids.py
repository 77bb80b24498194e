import numpy as np
import pytest
from CarotidLandmarkSlicer.ellipsoids import COLORS, ellipsoidPolyData
from vtk.util.numpy_support import vtk_to_numpy

from CarotidLandmarkLib.landmarks.detection import ellipsoid
from Testing.host.mrmlHost import slicer, vtk
from Testing.host.samples import LEFT_COVARIANCE, LEFT_LPS, sampleDetection


def models(landmarks):
    return [landmarks.GetNodeReference(f"CarotidLandmark.Ellipsoid.{side}") for side in ("left", "right")]


def vertices(polyData):
    return vtk_to_numpy(polyData.GetPoints().GetData())


def meshVolume(polyData):
    mass = vtk.vtkMassProperties()
    mass.SetInputData(polyData)
    return mass.GetVolume()


def signedVolume(polyData):
    triangles = vtk_to_numpy(polyData.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    a, b, c = vertices(polyData)[triangles].transpose(1, 0, 2)
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6


def openEdges(polyData):
    edges = vtk.vtkFeatureEdges()
    edges.SetInputData(polyData)
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.Update()
    return edges.GetOutput().GetNumberOfCells()


def assertIsEllipsoid(polyData, covarianceRas, centerRas, confidence):
    radii, axes, volume = ellipsoid(covarianceRas, confidence)
    away = vertices(polyData) - centerRas
    distances = np.sqrt(np.einsum("ij,jk,ik->i", away, np.linalg.inv(covarianceRas), away))
    np.testing.assert_allclose(distances, distances[0], rtol=1e-4)
    for radius, axis in zip(radii, axes):
        assert np.abs(away @ axis).max() == pytest.approx(radius, rel=1e-4)
    assert meshVolume(polyData) == pytest.approx(volume, rel=0.01)


@pytest.mark.parametrize("mirror", [1, -1])
def test_the_surface_is_closed_and_faces_outwards(mirror):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    halfAxes = mirror * rotation * np.linalg.det(rotation) * [6.0, 3.0, 0.5]
    polyData = ellipsoidPolyData(np.array([100.0, -50.0, 20.0]), halfAxes)
    assert openEdges(polyData) == 0
    assert signedVolume(polyData) > 0
    assert meshVolume(polyData) == pytest.approx(4 / 3 * np.pi * 9, rel=0.01)
    away = vertices(polyData) - [100, -50, 20]
    normals = vtk_to_numpy(polyData.GetPointData().GetNormals())
    assert np.einsum("ij,ij->i", normals, away).min() > 0
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-5)
    gradient = away @ np.linalg.inv(halfAxes @ halfAxes.T)
    np.testing.assert_allclose(normals, gradient / np.linalg.norm(gradient, axis=1, keepdims=True), atol=1e-5)


def test_radii_axes_and_place(landmarks):
    flip = np.diag([-1, -1, 1])
    assertIsEllipsoid(models(landmarks)[0].GetPolyData(), flip @ LEFT_COVARIANCE @ flip, flip @ LEFT_LPS, 0.9)


def test_another_confidence_changes_the_size_at_once(landmarks, landmarkScene):
    flip = np.diag([-1, -1, 1])
    for confidence in (0.5, 0.99):
        landmarkScene.setDisplay(landmarks, confidence=confidence)
        polyData = models(landmarks)[0].GetPolyData()
        assertIsEllipsoid(polyData, flip @ LEFT_COVARIANCE @ flip, flip @ LEFT_LPS, confidence)
        review = landmarkScene.reviews(landmarks)["left"]
        np.testing.assert_allclose(review.radiiMm, ellipsoid(LEFT_COVARIANCE, confidence)[0])
        assert f"{review.radiiMm[0]:.1f}" in landmarks.GetNthControlPointDescription(0)
    assert landmarkScene.display(landmarks)["confidence"] == 0.99


def test_the_first_confidence_is_that_of_the_detection(landmarkScene, volume):
    node = landmarkScene.applyDetection(volume, sampleDetection(confidence=0.75))
    assert landmarkScene.display(node)["confidence"] == 0.75


def test_visibility_and_opacity(landmarks, landmarkScene):
    landmarkScene.setDisplay(landmarks, visible=False, opacity=0.7)
    for model in models(landmarks):
        assert not model.GetDisplayNode().GetVisibility()
        assert model.GetDisplayNode().GetOpacity() == 0.7
    landmarkScene.accept(landmarks, "left")
    shown = landmarkScene.display(landmarks)
    assert shown == {"visible": False, "opacity": 0.7, "confidence": 0.9, "colorByStatus": True}
    landmarkScene.setDisplay(landmarks, visible=True)
    assert all(model.GetDisplayNode().GetVisibility() for model in models(landmarks))


def test_colour_by_status(landmarks, landmarkScene):
    left, right = (model.GetDisplayNode() for model in models(landmarks))
    assert (left.GetColor(), right.GetColor()) == (COLORS["found"], COLORS["review"])
    landmarkScene.accept(landmarks, "right")
    assert right.GetColor() == COLORS["accepted"]
    landmarkScene.setDisplay(landmarks, colorByStatus=False)
    assert left.GetColor() == right.GetColor()
    landmarkScene.setDisplay(landmarks, colorByStatus=True)
    assert right.GetColor() == COLORS["accepted"]


def test_outlines_in_slices(landmarks):
    for model in models(landmarks):
        assert model.GetDisplayNode().GetVisibility2D()
        assert 0 < model.GetDisplayNode().GetOpacity() < 1


def test_nothing_is_shown_where_nothing_was_found_or_is(landmarkScene, volume):
    node = landmarkScene.applyDetection(volume, sampleDetection(right=None))
    left, right = models(node)
    assert right.GetPolyData().GetNumberOfPoints() == 0
    landmarkScene.markMissing(node, "left")
    assert left.GetPolyData().GetNumberOfPoints() == 0
    landmarkScene.restorePrediction(node, "left")
    assert left.GetPolyData().GetNumberOfPoints() > 0


def test_an_ellipsoid_stays_at_the_prediction_when_the_point_moves(landmarks, landmarkScene):
    before = vertices(models(landmarks)[0].GetPolyData()).copy()
    landmarkScene.place(landmarks, "left", [0, 0, 0])
    np.testing.assert_array_equal(vertices(models(landmarks)[0].GetPolyData()), before)
    assert models(landmarks)[0].GetDisplayNode().GetColor() == COLORS["moved"]


def test_a_deleted_ellipsoid_comes_back(landmarks, landmarkScene, host):
    host.scene.RemoveNode(models(landmarks)[0])
    landmarkScene.accept(landmarks, "right")
    assert models(landmarks)[0].GetPolyData().GetNumberOfPoints() > 0


def test_a_prediction_without_covariance_has_no_ellipsoid(landmarkScene, volume):
    detection = sampleDetection()
    for name in ("covariance_mm2", "confidence_radii_mm", "confidence_axes_lps", "confidence_volume_mm3"):
        detection["landmarks"][0][name] = None
    node = landmarkScene.applyDetection(volume, detection)
    assert models(node)[0].GetPolyData().GetNumberOfPoints() == 0
    review = landmarkScene.reviews(node)["left"]
    assert (review.radiiMm, review.volumeMm3, review.chip) == (None, None, "found")


def test_a_certain_prediction_has_a_tiny_ellipsoid(landmarkScene, volume):
    detection = sampleDetection()
    detection["landmarks"][0]["covariance_mm2"] = np.zeros((3, 3)).tolist()
    polyData = models(landmarkScene.applyDetection(volume, detection))[0].GetPolyData()
    assert np.isfinite(vertices(polyData)).all()
    assert isinstance(models(landmarkScene.landmarkNode(volume))[0], slicer.vtkMRMLModelNode)
