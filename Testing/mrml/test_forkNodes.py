"""Lumen, middle lines, seeds and box: they follow the detection, undo, transforms and the scene's files."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from CarotidLandmarkSlicer.forkNodes import LUMEN_ROLES, ROI_MARGIN_MM, ROI_ROLE, SEED_ROLES, VESSEL_ROLES
from CarotidLandmarkSlicer.landmarkScene import LandmarkScene
from vtk.util.numpy_support import vtk_to_numpy

from Testing.host.forkSamples import CARINA_LPS, RADII, forkDetection, sampleVessels
from Testing.host.mrmlHost import slicer, vtk
from Testing.host.samples import addCtVolume, sampleDetection
from Testing.mrml.test_transforms import addTransform, rotation

CARINA = rasFromLps(CARINA_LPS)


@pytest.fixture
def landmarks(landmarkScene, volume):
    return landmarkScene.applyDetection(volume, *forkDetection())


def lumen(landmarks, side="left"):
    return landmarks.GetNodeReference(LUMEN_ROLES[side])


def curve(landmarks, name, side="left"):
    return landmarks.GetNodeReference(VESSEL_ROLES[side, name])


def worldPoints(model):
    points = vtk_to_numpy(model.GetPolyData().GetPoints().GetData()).astype(float)
    matrix = np.eye(4)
    if model.GetParentTransformNode():
        matrix = slicer.util.arrayFromTransformMatrix(model.GetParentTransformNode(), toWorld=True)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def assertIsSurface(model, expected):
    """Its points lie on the tubes around the lines ``expected`` (name to (n, 3) world RAS)."""
    points = worldPoints(model)
    away = [np.linalg.norm(points[:, None] - line, axis=2).min(axis=1) - RADII[name] for name, line in expected.items()]
    assert np.percentile(np.abs(np.min(away, axis=0)), 95) < 0.45


def tubes():
    return {name: rasFromLps(line[:, :3]) for name, line in sampleVessels().items()}


def test_the_lumen_is_a_closed_smooth_surface_with_normals_outwards(landmarks):
    model = lumen(landmarks)
    assertIsSurface(model, tubes())
    polyData = model.GetPolyData()
    edges = vtk.vtkFeatureEdges()
    edges.SetInputData(polyData)
    edges.FeatureEdgesOff()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0
    mass = vtk.vtkMassProperties()
    mass.SetInputData(polyData)
    tube = sum(np.pi * RADII[name] ** 2 * np.linalg.norm(line[-1] - line[0]) for name, line in tubes().items())
    assert mass.GetVolume() == pytest.approx(tube, rel=0.15)
    points, normals = worldPoints(model), vtk_to_numpy(polyData.GetPointData().GetNormals())
    low = (points[:, 2] > CARINA[2] - 25) & (points[:, 2] < CARINA[2] - 15)
    axis = tubes()["common"][20]
    assert ((points[low] - axis)[:, :2] * normals[low][:, :2]).sum(axis=1).min() > 0
    cell = polyData.GetCell(0).GetPoints()
    a, b, c = (np.array(cell.GetPoint(index)) for index in range(3))
    assert np.cross(b - a, c - a) @ normals[polyData.GetCell(0).GetPointId(0)] > 0


def test_the_middle_lines_are_curves_with_radii(landmarks):
    for name, line in tubes().items():
        node = curve(landmarks, name)
        points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
        np.testing.assert_allclose(points, line, atol=1e-6)
        values = vtk_to_numpy(node.GetMeasurement("Radius").GetControlPointValues())
        assert values == pytest.approx(RADII[name], abs=1e-6) and len(values) == len(line)
        display = node.GetDisplayNode()
        assert node.GetLocked() and not display.GetVisibility2D() and display.GetVisibility3D()


def test_the_side_without_a_fork_has_no_nodes(landmarks):
    assert lumen(landmarks, "right") is None and curve(landmarks, "common", "right") is None


def test_they_lie_in_the_folder_of_the_landmarks(landmarks, forks, volume, host):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(landmarks))
    assert hierarchy.GetItemParent(folder) == hierarchy.GetItemByDataNode(volume)
    nodes = [lumen(landmarks), *forks.makeSeeds(landmarks, "left"), forks.makeRoi(landmarks)]
    nodes += [curve(landmarks, name) for name in RADII]
    assert {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in nodes} == {folder}


def test_a_missing_landmark_shows_no_fork(landmarks, landmarkScene):
    landmarkScene.markMissing(landmarks, "left")
    assert lumen(landmarks).GetPolyData().GetNumberOfPoints() == 0
    assert curve(landmarks, "internal").GetNumberOfControlPoints() == 0
    landmarkScene.undo()
    assertIsSurface(lumen(landmarks), tubes())
    assert curve(landmarks, "internal").GetNumberOfControlPoints() == 37


def test_undo_and_redo_of_a_detection(landmarks, landmarkScene, volume, forks):
    forks.makeSeeds(landmarks, "left")
    landmarkScene.applyDetection(volume, sampleDetection())
    model = lumen(landmarks)
    assert model.GetPolyData().GetNumberOfPoints() == 0
    assert landmarks.GetNodeReference(SEED_ROLES["left"]).GetNumberOfControlPoints() == 0
    landmarkScene.undo()
    assert lumen(landmarks) is model
    assertIsSurface(model, tubes())
    assert landmarks.GetNodeReference(SEED_ROLES["left"]).GetNumberOfControlPoints() == 3
    landmarkScene.redo()
    assert model.GetPolyData().GetNumberOfPoints() == 0


def test_undo_of_the_first_detection_takes_all_away(landmarkScene, volume, forks):
    landmarks = landmarkScene.applyDetection(volume, *forkDetection())
    forks.makeSeeds(landmarks, "left")
    forks.makeRoi(landmarks)
    landmarkScene.undo()
    assert slicer.util.getNodesByClass("vtkMRMLModelNode") == slicer.util.getNodesByClass("vtkMRMLMarkupsNode") == []
    for name in ("Model", "MarkupsROI"):
        assert slicer.util.getNodesByClass(f"vtkMRML{name}DisplayNode") == []
    landmarkScene.redo()
    assertIsSurface(lumen(landmarkScene.landmarkNode(volume)), tubes())


def test_undo_of_a_decision_keeps_what_was_made_since(landmarks, landmarkScene, forks):
    landmarkScene.accept(landmarks, "left")
    nodes = [forks.makeSeeds(landmarks, "left")[0], forks.makeRoi(landmarks)]
    landmarkScene.undo()
    assert [landmarks.GetNodeReference(role) for role in (SEED_ROLES["left"], ROI_ROLE)] == nodes
    assert forks.makeSeeds(landmarks, "left")[0] is nodes[0]


def test_an_undo_to_before_the_forks_empties_them(landmarkScene, volume):
    landmarks = landmarkScene.applyDetection(volume, sampleDetection())
    landmarkScene.applyDetection(volume, *forkDetection())
    model = lumen(landmarks)
    landmarkScene.undo()
    assert model.GetPolyData().GetNumberOfPoints() == 0
    landmarkScene.redo()
    assert lumen(landmarks) is model and model.GetPolyData().GetNumberOfPoints() > 0
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 3


def test_they_go_with_the_landmark_node(landmarks, landmarkScene, forks, host):
    other = landmarkScene.applyDetection(addCtVolume("Other"), *forkDetection())
    forks.makeSeeds(landmarks, "left")
    forks.makeRoi(landmarks)
    for node in (landmarks, other):
        landmarkScene.observe(node, lambda: None)
    host.scene.RemoveNode(landmarks)
    assert set(slicer.util.getNodesByClass("vtkMRMLMarkupsCurveNode")) == {curve(other, name) for name in RADII}
    assert slicer.util.getNodesByClass("vtkMRMLMarkupsROINode") == []
    assert slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") == [other]
    assert lumen(other) in slicer.util.getNodesByClass("vtkMRMLModelNode")
    assert len(slicer.util.getNodesByClass("vtkMRMLModelNode")) == 3


def test_seeds_as_extract_centerline_takes_them(landmarks, forks):
    seeds, model = forks.makeSeeds(landmarks, "left")
    assert model is lumen(landmarks)
    labels = [seeds.GetNthControlPointLabel(index) for index in range(3)]
    assert labels == ["L CCA", "L ICA", "L ECA"]
    assert [seeds.GetNthControlPointSelected(index) for index in range(3)] == [False, True, True]
    for index, name in enumerate(RADII):
        away = np.linalg.norm(np.array(seeds.GetNthControlPointPositionWorld(index)) - tubes()[name], axis=1)
        assert away.min() < 1e-3 and away.argmin() >= 20
    seeds.SetNthControlPointPosition(1, 0.0, 0.0, 0.0)
    assert forks.makeSeeds(landmarks, "left")[0] is seeds
    assert tuple(seeds.GetNthControlPointPosition(1)) == (0, 0, 0), "what the user moved stays"
    assert forks.hasSeeds(landmarks, "left") and not forks.hasSeeds(landmarks, "right")


def test_the_box_holds_the_vessels_with_a_margin(landmarks, forks):
    roi = forks.makeRoi(landmarks)
    bounds = [0.0] * 6
    roi.GetRASBounds(bounds)
    points = np.concatenate(list(tubes().values()))
    np.testing.assert_allclose(bounds[::2], points.min(axis=0) - ROI_MARGIN_MM, atol=1e-6)
    np.testing.assert_allclose(bounds[1::2], points.max(axis=0) + ROI_MARGIN_MM, atol=1e-6)


def test_the_box_crops(landmarks, forks, volume, host):
    parameters = host.scene.AddNewNodeByClass("vtkMRMLCropVolumeParametersNode")
    parameters.SetInputVolumeNodeID(volume.GetID())
    parameters.SetROINodeID(forks.makeRoi(landmarks).GetID())
    parameters.SetVoxelBased(True)
    assert host.logics["CropVolume"].Apply(parameters) == 0
    cropped = host.scene.GetNodeByID(parameters.GetOutputVolumeNodeID())
    assert 0 < cropped.GetImageData().GetNumberOfPoints() < volume.GetImageData().GetNumberOfPoints() / 3


@pytest.mark.parametrize("when", ["before", "afterwards", "hardened"])
def test_they_follow_a_transform(when, landmarkScene, volume, forks):
    matrix = rotation()
    transform = addTransform(matrix)
    if when == "before":
        volume.SetAndObserveTransformNodeID(transform.GetID())
    landmarks = landmarkScene.applyDetection(volume, *forkDetection())
    landmarkScene.observe(landmarks, lambda: None)
    seeds, _ = forks.makeSeeds(landmarks, "left")
    if when != "before":
        volume.SetAndObserveTransformNodeID(transform.GetID())
    if when == "hardened":
        volume.HardenTransform()
    moved = {name: line @ matrix[:3, :3].T + matrix[:3, 3] for name, line in tubes().items()}
    assertIsSurface(lumen(landmarks), moved)
    points = slicer.util.arrayFromMarkupsControlPoints(curve(landmarks, "internal"), world=True)
    np.testing.assert_allclose(points, moved["internal"], atol=1e-4)
    away = np.linalg.norm(np.array(seeds.GetNthControlPointPositionWorld(0)) - moved["common"], axis=1)
    assert away.min() < 1e-3


@pytest.mark.parametrize("name", ["scene.mrb", "scene.mrml"])
def test_a_saved_scene_has_them_again(name, landmarks, landmarkScene, forks, host, tmp_path):
    forks.makeSeeds(landmarks, "left")
    forks.makeRoi(landmarks)
    forks.setDisplay(landmarks, False, True)
    detection = landmarkScene.detection(landmarks)
    path = str(tmp_path / name)
    assert slicer.util.saveScene(path)
    host.reset()
    slicer.util.loadScene(path)
    loadedScene = LandmarkScene(host.scene)
    (node,) = loadedScene.landmarkNodes()
    loadedScene.reviews(node)
    assert loadedScene.detection(node) == detection
    assertIsSurface(lumen(node), tubes())
    assert not lumen(node).GetDisplayNode().GetVisibility()
    points = slicer.util.arrayFromMarkupsControlPoints(curve(node, "external"), world=True)
    np.testing.assert_allclose(points, tubes()["external"], atol=1e-4)
    values = vtk_to_numpy(curve(node, "external").GetMeasurement("Radius").GetControlPointValues())
    np.testing.assert_allclose(np.reshape(values, (len(points), -1))[:, 0], RADII["external"], atol=1e-6)
    seeds = node.GetNodeReference(SEED_ROLES["left"])
    assert [seeds.GetNthControlPointSelected(index) for index in range(3)] == [False, True, True]
    assert node.GetNodeReference(ROI_ROLE).GetSize()[2] > 60
    count = host.scene.GetNumberOfNodes()
    loadedScene.applyDetection(slicer.util.getNode("CT"), *forkDetection())
    assert host.scene.GetNumberOfNodes() == count
    loadedScene.restorePrediction(node, "left")
    host.scene.RemoveNode(node)
    loadedScene.removeLeftovers()
    assert slicer.util.getNodesByClass("vtkMRMLModelNode") == slicer.util.getNodesByClass("vtkMRMLMarkupsNode") == []


@pytest.mark.parametrize("text", ["{", "[]", '{"left": 3}', '{"left": {"size": [1, 1, 1]}}'])
def test_a_lumen_that_cannot_be_read_is_not_there(text, landmarks, landmarkScene):
    landmarks.SetAttribute("CarotidLandmark.Lumens", text)
    landmarkScene.reviews(landmarks)
    assert lumen(landmarks).GetPolyData().GetNumberOfPoints() == 0
    assert curve(landmarks, "common").GetNumberOfControlPoints() == 37


def test_a_fork_without_its_lumen_has_middle_lines(landmarkScene, volume):
    landmarks = landmarkScene.applyDetection(volume, forkDetection()[0])
    assert lumen(landmarks) is None and curve(landmarks, "common").GetNumberOfControlPoints() == 37
