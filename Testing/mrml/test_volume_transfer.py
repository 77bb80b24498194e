"""Volumes of Slicer as the engine reads them: voxels and geometry, and no file left behind."""

import os
import shutil
import stat
import time

import numpy as np
import pytest
import slicer
import vtk

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.volume.read import read_volume
from Testing.host.pythonQt import installQtHost
from Testing.host.pythonQtDrive import processEvents, waitUntil


@pytest.fixture
def transfer(host):
    """The module under test, in an application with a GUI."""
    qtHost = installQtHost()
    from CarotidLandmarkSlicer import volumeTransfer

    yield volumeTransfer
    qtHost.check()


def addVolume(ijkToRas=None, dtype="int16", shape=(40, 50, 60)):
    """A volume (k, j, i) of random HU, air at its border."""
    array = np.random.default_rng(0).integers(-1000, 2000, shape)
    array[0] = -1000
    array = array.astype(dtype)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Neck of nobody")
    slicer.util.updateVolumeFromArray(node, array)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix() if ijkToRas is None else ijkToRas))
    return node


def matrix(signs=(1, 1, 1), order=(0, 1, 2), angle=0.0, spacing=(0.71, 0.83, 1.25)):
    """IJK to RAS with axes flipped, swapped, then rotated by `angle` (rad) around R and S."""
    rotation = np.eye(3)
    for i, j in ((1, 2), (0, 1)):
        turn = np.eye(3)
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        rotation = turn @ rotation
    result = np.eye(4)
    result[:3, :3] = rotation @ (np.eye(3) * signs)[:, order] * spacing
    result[:3, 3] = [12.3456789012345, -7.1, 1 / 3]
    return result


GEOMETRIES = {
    "RAS": matrix(),
    "LPS": matrix((-1, -1, 1)),
    "LAS, left-handed": matrix((-1, 1, 1)),
    "RAI, left-handed": matrix((1, 1, -1)),
    "sagittal": matrix((1, -1, -1), (1, 2, 0)),
    "oblique": matrix(angle=0.4),
    "oblique, left-handed": matrix((-1, 1, 1), angle=-0.7),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_engine_reads_each_voxel_at_its_place(transfer, tmp_path, name):
    node = addVolume(GEOMETRIES[name])
    volume = read_volume(transfer.writeVolume(node, str(tmp_path)))
    assert volume.array.dtype == np.int16 and volume.warnings == []
    np.testing.assert_array_equal(volume.array, slicer.util.arrayFromVolume(node))
    ijk = np.array([[0, 0, 0], [59, 0, 0], [0, 49, 0], [0, 0, 39], [17.5, 3.2, 8.1]])
    ras = (np.c_[ijk, np.ones(5)] @ GEOMETRIES[name].T)[:, :3]
    np.testing.assert_allclose(volume.grid.index_to_world(ijk), ras * [-1, -1, 1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64", "uint16", "int8"])
def test_voxels_keep_their_type(transfer, tmp_path, dtype):
    node = addVolume(dtype=dtype)
    path = transfer.writeVolume(node, str(tmp_path))
    again = slicer.util.loadVolume(path)
    array = slicer.util.arrayFromVolume(again)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, slicer.util.arrayFromVolume(node))


def test_a_parent_transform_is_left_out(transfer, tmp_path):
    node = addVolume()
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix(angle=0.2)))
    alone = read_volume(transfer.writeVolume(node, str(tmp_path))).grid.affine
    node.SetAndObserveTransformNodeID(parent.GetID())
    np.testing.assert_array_equal(read_volume(transfer.writeVolume(node, str(tmp_path))).grid.affine, alone)


def test_the_same_volume_is_the_same_file(transfer, tmp_path):
    first = read_volume(transfer.writeVolume(addVolume(), str(tmp_path))).sha256
    assert read_volume(transfer.writeVolume(addVolume(), str(tmp_path))).sha256 == first
    assert read_volume(transfer.writeVolume(addVolume(matrix(angle=0.1)), str(tmp_path))).sha256 != first


def test_what_is_no_scalar_volume_is_refused(transfer, tmp_path):
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    colour = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colour")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(image)
    for node in (empty, colour):
        with pytest.raises(BadInputError, match=node.GetName()):
            transfer.writeVolume(node, str(tmp_path))


def test_a_full_disk_is_told_before_and_while_writing(transfer, tmp_path, monkeypatch):
    node = addVolume()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage._replace(free=100 << 20))
    transfer.writeVolume(node, str(tmp_path))
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage._replace(free=1 << 20))
    with pytest.raises(CannotRunError, match="has 1 MB free"):
        transfer.writeVolume(node, str(tmp_path))
    monkeypatch.undo()
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    os.remove(tmp_path / "volume.nrrd")
    os.symlink("/dev/full", tmp_path / "volume.nrrd")
    with pytest.raises(CannotRunError, match="No space left"):
        transfer.writeVolume(node, str(tmp_path))


class Outcome:
    def __init__(self):
        self.written, self.failed = [], []

    def of(self, run):
        run.start(self.written.append, self.failed.append)
        return self


def test_a_volume_is_written_from_the_event_loop_and_removed(transfer, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "SLAB_BYTES", 20_000)
    node = addVolume()
    run = transfer.VolumeTransfer(node, str(tmp_path))
    outcome = Outcome().of(run)
    assert outcome.written == [] and os.listdir(tmp_path) == []
    waitUntil(lambda: outcome.written)
    (path,) = outcome.written
    assert path == run.path and os.path.getsize(path) > 60 * 50 * 40 * 2
    np.testing.assert_array_equal(read_volume(path).array, slicer.util.arrayFromVolume(node))
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "nobody" not in path
    run.remove()
    assert os.listdir(tmp_path) == []
    run.remove()
    assert outcome.failed == [] and len(outcome.written) == 1


def test_one_slab_at_a_time(transfer, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "SLAB_BYTES", 6000)
    sizes = []
    path = str(tmp_path / "volume.nrrd")
    for fraction in transfer._slabs(addVolume(), path):
        sizes.append((os.path.getsize(path), fraction))
    assert len(sizes) == 40 and sizes[-1][1] == 1.0
    assert set(np.diff([size for size, _ in sizes])) == {6000}


def test_removed_in_the_middle(transfer, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "SLAB_BYTES", 6000)
    run = transfer.VolumeTransfer(addVolume(), str(tmp_path))
    outcome = Outcome().of(run)
    run._writeSlab()
    assert 0 < os.path.getsize(run.path) < 60 * 50 * 40 * 2
    run.remove()
    assert os.listdir(tmp_path) == []
    time.sleep(0.05)
    processEvents()
    assert outcome.written == outcome.failed == []


def test_the_volume_may_leave_the_scene_meanwhile(transfer, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "SLAB_BYTES", 6000)
    node = addVolume()
    array = slicer.util.arrayFromVolume(node).copy()
    run = transfer.VolumeTransfer(node, str(tmp_path))
    outcome = Outcome().of(run)
    run._writeSlab()
    assert 0 < os.path.getsize(run.path) < 60 * 50 * 40 * 2
    slicer.mrmlScene.RemoveNode(node)
    node.SetAndObserveImageData(None)
    del node
    waitUntil(lambda: outcome.written)
    np.testing.assert_array_equal(read_volume(run.path).array, array)
    run.remove()


def test_a_folder_that_cannot_be_written_to_is_told_with_a_sentence(transfer, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("nowhere", "file"):
        outcome = Outcome().of(transfer.VolumeTransfer(addVolume(), str(tmp_path / folder)))
        waitUntil(lambda outcome=outcome: outcome.failed)
        assert len(outcome.failed) == 1 and "temporary folder" in outcome.failed[0] and outcome.written == []


def test_a_full_disk_leaves_no_half_of_a_volume(transfer, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage._replace(free=1 << 20))
    outcome = Outcome().of(transfer.VolumeTransfer(addVolume(), str(tmp_path)))
    waitUntil(lambda: outcome.failed)
    assert "MB free" in outcome.failed[0] and os.listdir(tmp_path) == []


def test_what_a_killed_application_left_is_removed_by_the_next(transfer, tmp_path):
    for name, age in (("old", 2), ("young", 0)):
        folder = tmp_path / (transfer.FOLDER_PREFIX + name)
        folder.mkdir()
        (folder / "volume.nrrd").write_text("a patient")
        then = time.time() - age * transfer.STALE_S
        os.utime(folder, (then, then))
    (tmp_path / "other").mkdir()
    os.utime(tmp_path / "other", (0, 0))
    outcome = Outcome().of(run := transfer.VolumeTransfer(addVolume(), str(tmp_path)))
    waitUntil(lambda: outcome.written)
    run.remove()
    assert sorted(os.listdir(tmp_path)) == [transfer.FOLDER_PREFIX + "young", "other"]


def test_a_transfer_knows_where_the_volume_came_from(transfer, tmp_path):
    node = addVolume()
    assert transfer.VolumeTransfer(node).reference == {"path": None, "series_uid": None}
    path = str(tmp_path / "neck.nrrd")
    slicer.util.saveNode(node, path)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    hierarchy.SetItemUID(item, "DICOM", "1.2.840.1")
    run = transfer.VolumeTransfer(node)
    assert run.reference == {"path": path, "series_uid": "1.2.840.1"}
