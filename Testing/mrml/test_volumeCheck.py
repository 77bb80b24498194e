import numpy as np
import pytest
from CarotidLandmarkSlicer.volumeCheck import checkVolume

from Testing.host.mrmlHost import slicer, vtk
from Testing.host.samples import addCtVolume


def addVolume(array, spacing=2.0, className="vtkMRMLScalarVolumeNode"):
    return slicer.util.addVolumeFromArray(array, np.diag([-spacing, -spacing, spacing, 1.0]), "Scan", className)


def soft(shape=(60, 50, 40), low=-1000):
    array = np.random.default_rng(0).normal(40, 60, shape).astype(np.int16)
    array[:, :9] = low
    return array


def assertRefused(node, *words):
    check = checkVolume(node)
    assert not check.ok
    for word in ("Scan", *words):
        assert word in check.text
    assert check.text.endswith(".")


def test_a_neck_ct(host):
    check = checkVolume(addVolume(soft((150, 50, 40)), 1.5))
    assert check.ok
    assert check.text == "CT, 40 × 50 × 150, 1.5 × 1.5 × 1.5 mm, 225 mm tall."


def test_the_height_is_along_the_patient(host):
    node = addVolume(soft((40, 150, 50)))
    node.SetIJKToRASDirections(0, 0, 1, 1, 0, 0, 0, 1, 0)
    assert "300 mm tall" in checkVolume(node).text


def test_a_short_one_has_a_hint(host):
    check = checkVolume(addVolume(soft((30, 60, 60))))
    assert check.ok
    assert "both bifurcations may not be in view" in check.text


def test_coarse_slices_have_a_hint(host):
    node = addVolume(soft())
    node.SetSpacing(1, 1, 5)
    assert checkVolume(node).ok
    assert "coarse" in checkVolume(node).text


def test_none(host):
    check = checkVolume(None)
    assert not check.ok
    assert "Choose" in check.text


def test_a_label_map(host):
    assertRefused(addVolume(soft(), className="vtkMRMLLabelMapVolumeNode"), "label map")


def test_a_segmentation_in_a_scalar_volume(host):
    labels = np.zeros((60, 50, 40), np.uint8)
    labels[20:30] = 3
    assertRefused(addVolume(labels), "segmentation")


def test_rgb(host):
    array = np.random.default_rng(0).integers(0, 255, (20, 20, 20, 3)).astype(np.uint8)
    assertRefused(addVolume(array, className="vtkMRMLVectorVolumeNode"), "colour")


def test_several_components_in_a_scalar_volume(host):
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan")
    image = vtk.vtkImageData()
    image.SetDimensions(20, 20, 20)
    image.AllocateScalars(vtk.VTK_SHORT, 2)
    node.SetAndObserveImageData(image)
    assertRefused(node, "several values")


def test_a_frame_of_a_sequence(host):
    node = addVolume(soft())
    sequence = host.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "4D")
    sequence.SetDataNodeAtValue(node, "0")
    sequence.SetDataNodeAtValue(node, "1")
    browser = host.scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "4D browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.AddProxyNode(node, sequence, False)
    assertRefused(node, "sequence")


def test_an_empty_volume(host):
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan")
    assertRefused(node, "empty")
    node.SetAndObserveImageData(vtk.vtkImageData())
    assertRefused(node, "empty")


@pytest.mark.parametrize("slices", [1, 3])
def test_too_few_slices(host, slices):
    assertRefused(addVolume(soft((slices, 50, 40))), "slices")


def test_no_spacing(host):
    node = addVolume(soft())
    node.SetSpacing(1, 1, 0)
    assertRefused(node, "spacing")


def test_spacing_in_metres(host):
    assertRefused(addVolume(soft(), spacing=0.001), "metres")


def test_an_mr_by_its_header(host):
    node = addVolume(soft())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(host.scene)
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), "DICOM.Modality", "MR")
    assertRefused(node, "MR", "DICOM")
    hierarchy.SetItemAttribute(hierarchy.GetItemByDataNode(node), "DICOM.Modality", "CT")
    assert checkVolume(node).ok


def test_an_mr_by_its_values(host):
    array = np.random.default_rng(0).gamma(2, 150, (40, 50, 60)).astype(np.int16)
    assertRefused(addVolume(array), "not Hounsfield units")


def test_one_value_everywhere(host):
    assertRefused(addVolume(np.zeros((40, 50, 60), np.int16)), "same value")


def test_nan(host):
    assertRefused(addVolume(np.full((40, 50, 60), np.nan, np.float32)), "NaN")


def test_hu_plus_1024_has_a_hint(host):
    array = soft().astype(np.int16) + 1024
    array[:, :9] = 24
    check = checkVolume(addVolume(array))
    assert check.ok
    assert "HU + 1024" in check.text


def test_transforms(host):
    node = addVolume(soft())
    linear = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    node.SetAndObserveTransformNodeID(linear.GetID())
    assert checkVolume(node).ok
    warp = host.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp")
    warp.SetAndObserveTransformFromParent(vtk.vtkThinPlateSplineTransform())
    linear.SetAndObserveTransformNodeID(warp.GetID())
    assertRefused(node, "non-linear")


def test_the_sample_of_the_other_tests(host):
    assert checkVolume(addCtVolume()).ok
