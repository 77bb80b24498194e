import numpy as np
import pytest
from CarotidLandmarkSlicer.views import CAMERA_DISTANCE_MM, FIELD_OF_VIEW_MM, LEVEL_HU, WINDOW_HU

from Testing.host.mrmlHost import slicer
from Testing.host.samples import addCtVolume


@pytest.fixture
def views(host):
    slices = []
    for name, fieldOfView in (("Red", (300, 200, 1)), ("Green", (200, 300, 1)), ("Yellow", (60, 90, 1))):
        node = slicer.vtkMRMLSliceNode()
        node.SetName(name)
        node.SetLayoutName(name)
        host.scene.AddNode(node)
        node.SetOrientation({"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}[name])
        node.SetFieldOfView(*fieldOfView)
        slices.append(node)
        host.scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
    return slices


def center(sliceNode):
    return [sliceNode.GetSliceToRAS().GetElement(row, 3) for row in range(3)]


def test_all_slices_go_there(views, landmarks, landmarkScene):
    for side, ras in (("left", [-31, 12, 40]), ("right", [29, 14, 46])):
        assert landmarkScene.jumpTo(landmarks, side)
        for node in views:
            np.testing.assert_allclose(center(node), ras)


def test_the_zoom_suits(views, landmarks, landmarkScene):
    landmarkScene.jumpTo(landmarks, "left")
    red, green, yellow = (node.GetFieldOfView()[:2] for node in views)
    assert min(red) == min(green) == pytest.approx(FIELD_OF_VIEW_MM)
    assert red[0] / red[1] == pytest.approx(1.5)
    assert yellow == (60, 90)


def test_the_window_suits_until_the_user_sets_one(views, landmarks, landmarkScene, volume):
    landmarkScene.jumpTo(landmarks, "left")
    display = volume.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (WINDOW_HU, LEVEL_HU)
    display.SetWindowLevel(300, 40)
    landmarkScene.jumpTo(landmarks, "right")
    assert (display.GetWindow(), display.GetLevel()) == (300, 40)


def test_the_volume_comes_into_view(views, landmarks, landmarkScene, volume):
    other = addCtVolume("Other")
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    composites[0].SetBackgroundVolumeID(other.GetID())
    composites[1].SetBackgroundVolumeID(other.GetID())
    composites[1].SetForegroundVolumeID(volume.GetID())
    composites[1].SetForegroundOpacity(0.5)
    composites[2].SetForegroundVolumeID(volume.GetID())
    composites[2].SetForegroundOpacity(0)  # as it is until the user fades it in
    landmarkScene.jumpTo(landmarks, "left")
    shown = [composite.GetBackgroundVolumeID() for composite in composites]
    assert shown == [volume.GetID(), other.GetID(), volume.GetID()]


def test_the_camera_aims_there_from_where_it_was(views, landmarks, landmarkScene, host):
    camera = host.scene.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetPosition(0, 500, 0)
    camera.SetFocalPoint(0, 0, 0)
    landmarkScene.jumpTo(landmarks, "left")
    np.testing.assert_allclose(camera.GetFocalPoint(), [-31, 12, 40])
    np.testing.assert_allclose(camera.GetPosition(), [-31, 12 + CAMERA_DISTANCE_MM, 40])


def test_a_missing_point_is_shown_where_it_was_predicted(views, landmarks, landmarkScene):
    landmarkScene.markMissing(landmarks, "left")
    assert landmarkScene.jumpTo(landmarks, "left")
    np.testing.assert_allclose(center(views[0]), [-31, 12, 40])


def test_without_views_nothing_fails(landmarks, landmarkScene):
    assert landmarkScene.jumpTo(landmarks, "left")
