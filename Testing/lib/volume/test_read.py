from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.volume import ct
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import find_cases, read_volume, state_of


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
def test_written_and_read_again_in_any_orientation(tmp_path, ct_like, direction, suffix):
    grid = Grid(ct_like.shape[::-1], (0.71, 0.83, 1.27), (-12.3, 45.6, -78.9), direction)
    path = tmp_path / f"case{suffix}"
    write_volume(CTVolume(ct_like, grid), path)
    volume = read_volume(path)
    assert volume.array.dtype == np.int16 and (volume.array == ct_like).all() and volume.warnings == []
    assert np.allclose(volume.grid.affine, grid.affine, atol=1e-4)  # NIfTI stores single precision
    assert volume.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert volume.path == str(path) and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd", ".hdr"])
def test_other_data_beside_a_header_are_another_state(tmp_path, ct_like, suffix):
    path = tmp_path / f"case{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(tmp_path / ("case.img" if suffix == ".hdr" else path.name)))
    before = state_of(path)
    assert state_of(path) == before
    (data,) = (file for file in tmp_path.iterdir() if file != path)
    os.utime(data, times=(1e9, 1e9))
    assert state_of(path) != before


def test_the_state_of_a_folder_is_that_of_all_its_files(tmp_path, monkeypatch):
    for name in ("S1/a", "S2/b"):
        (tmp_path / "pat" / name).parent.mkdir(parents=True)
        (tmp_path / "pat" / name).write_bytes(b"x")
    above = os.stat(tmp_path / "pat")
    seen = [state_of(tmp_path / "pat")]

    def is_new():
        os.utime(tmp_path / "pat", ns=(above.st_atime_ns, above.st_mtime_ns))  # which tells nothing of what lies below
        seen.append(state_of(tmp_path / "pat"))
        return len(set(seen)) == len(seen)

    assert not is_new()
    seen.pop()
    (tmp_path / "pat" / "S2" / "c").write_bytes(b"x")  # more arrives
    assert is_new()
    (tmp_path / "pat" / "S1" / "a").write_bytes(b"xy")  # overwritten in place
    assert is_new()
    os.utime(tmp_path / "pat" / "S1" / "a", times=(1e9, 1e9))
    assert is_new()
    (tmp_path / "pat" / "S1" / "a").rename(tmp_path / "pat" / "S1" / "d")
    assert is_new()
    (tmp_path / "pat" / "out").mkdir()
    for name in ("pat.detection.json", "out/pat.mrk.json", "detections.csv", "pat.png", "pat.sr.dcm"):
        (tmp_path / "pat" / name).touch()
    assert not is_new(), "results in the folder itself"
    seen.pop()
    monkeypatch.chdir(tmp_path)
    assert state_of(Path("pat")) == seen[-1] and len(seen[-1]) == 32
    (tmp_path / "pat").rename(tmp_path / "tap")
    assert state_of(tmp_path / "tap") not in seen


def test_what_is_not_there_or_is_damaged_has_a_state_too(tmp_path):
    (tmp_path / "a.nhdr").write_bytes(b"NRRD0004\ndata file: a\0b\n")
    (tmp_path / "b.hdr").write_bytes(b"x")
    assert len({state_of(tmp_path / name) for name in ("a.nhdr", "b.hdr", "none.nrrd")}) == 3


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_header_with_its_data_beside_it(tmp_path, ct_like, suffix):
    path = tmp_path / f"case{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(path))
    volume = read_volume(path)
    assert (volume.array == ct_like).all()
    data = next(p for p in tmp_path.iterdir() if p != path)
    data.write_bytes(data.read_bytes()[:-2] + b"\0\0")
    assert read_volume(path).sha256 != volume.sha256


@pytest.mark.parametrize(
    "stored, expected",
    [("float32", "float32"), ("float64", "float32"), ("int32", "int16"), ("int16", "int16"), ("int64", "int16")],
)
def test_number_types(tmp_path, ct_like, stored, expected):
    sitk.WriteImage(sitk.GetImageFromArray(ct_like.astype(stored)), str(tmp_path / "case.nrrd"))
    volume = read_volume(tmp_path / "case.nrrd")
    assert volume.array.dtype == expected and (volume.array == ct_like).all()


def test_big_whole_numbers_do_not_wrap(tmp_path, ct_like):
    array = ct_like.astype(np.int32)
    array[0, 0, 0] = 40000
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "case.mha"))
    assert read_volume(tmp_path / "case.mha").array[0, 0, 0] == 40000


def test_a_missing_orientation_is_a_warning(tmp_path, ct_like):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(ct_like.T, None)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "case.nii")
    (tmp_path / "case.nrrd").write_bytes(
        b"NRRD0004\ntype: int16\ndimension: 3\nsizes: 40 48 20\nspacings: 1 1 2\nendian: little\nencoding: raw\n\n"
        + ct_like.tobytes()
    )
    for name in ("case.nii", "case.nrrd"):
        assert "orientation" in " ".join(read_volume(tmp_path / name).warnings)


def test_coarse_slices_are_a_warning(tmp_path, ct_like):
    grid = Grid(ct_like.shape[::-1], (1, 1, 5), (0, 0, 0), np.eye(3))
    write_volume(CTVolume(ct_like, grid), tmp_path / "case.nrrd")
    assert "5 mm" in " ".join(read_volume(tmp_path / "case.nrrd").warnings)


def test_writing_leaves_nothing_behind_when_it_fails(tmp_path, ct_like, monkeypatch):
    volume = CTVolume(ct_like, Grid(ct_like.shape[::-1], (1, 1, 1), (0, 0, 0), np.eye(3)))
    with pytest.raises(BadInputError):
        write_volume(volume, tmp_path / "case.xyz")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotRunError):
        write_volume(volume, tmp_path / "file" / "case.nrrd")

    def full(*_):
        raise OSError(28, "No space left on device")

    write = sitk.WriteImage
    with monkeypatch.context() as patch:
        patch.setattr(sitk, "WriteImage", lambda image, name, **_: (write(image, name), os.truncate(name, 5000)))
        with pytest.raises(CannotRunError, match="full"):
            write_volume(volume, tmp_path / "case.nii")
    monkeypatch.setattr(ct.os, "replace", full)
    with pytest.raises(CannotRunError):
        write_volume(volume, tmp_path / "case.nrrd")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_cases_of_a_folder(tmp_path, ct_like):
    names = [
        "b.nii.gz",
        "a.nrrd",
        "a.mha",
        "A.nii",
        "c.seg.nrrd",
        "c_mask.nii.gz",
        "c.mrk.json",
        ".hidden.nrrd",
        "c.mhd",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty folder").mkdir()
    cases = find_cases(tmp_path)
    assert [path.name for _, path in cases] == ["A.nii", "a.mha", "a.nrrd", "b.nii.gz", "c.mhd"]
    assert [name for name, _ in cases] == ["A", "a-2", "a-3", "b", "c"]
    assert find_cases(tmp_path / "b.nii.gz") == [("b", tmp_path / "b.nii.gz")]


def test_a_path_without_cases_is_bad_input(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "missing"):
        with pytest.raises(BadInputError, match=path.name):
            find_cases(path)
