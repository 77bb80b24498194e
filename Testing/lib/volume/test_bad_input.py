from __future__ import annotations

import gzip
import struct
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.volume import memory
from CarotidLandmarkLib.volume.read import read_volume


@pytest.fixture
def write(tmp_path):
    def write_image(array, name="case.nrrd", spacing=(1.0, 1.0, 1.0), vector=False):
        image = sitk.GetImageFromArray(array, isVector=vector)
        if image.GetDimension() == 3:
            image.SetSpacing(spacing)
        sitk.WriteImage(image, str(tmp_path / name), useCompression=name.endswith("nrrd"))
        return tmp_path / name

    return write_image


def refused(path, *words, error=BadInputError, capfd=None):
    with pytest.raises(error) as caught:
        read_volume(path)
    sentence = str(caught.value)
    assert all(word in sentence for word in (path.name, *words)), sentence
    assert "\n" not in sentence and sentence.endswith(".") and sentence.count(": ") == 1
    if capfd is not None:
        assert capfd.readouterr() == ("", "")


def test_missing_path(tmp_path):
    refused(tmp_path / "nothing.nrrd", "does not exist")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha", ".nhdr", ".mhd"])
def test_empty_file_and_text(tmp_path, capfd, suffix):
    (tmp_path / f"empty{suffix}").touch()
    refused(tmp_path / f"empty{suffix}", "empty", capfd=capfd)
    (tmp_path / f"text{suffix}").write_text("This is no image.\n" * 40)
    refused(tmp_path / f"text{suffix}", "not what its name says", capfd=capfd)


def test_unknown_suffix(tmp_path):
    (tmp_path / "case.pdf").write_text("x")
    refused(tmp_path / "case.pdf", ".nrrd")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keep", [0.1, 0.6, 0.999])
def test_truncated(tmp_path, ct_like, capfd, suffix, compressed, keep):
    path = tmp_path / f"case{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(path), useCompression=compressed)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    refused(path, "cut off", capfd=capfd)


def test_truncated_detached_data(write, ct_like, capfd):
    for name in ("case.nhdr", "other.mhd"):
        path = write(ct_like, name)
        found = next(p for p in path.parent.iterdir() if p.stem.split(".")[0] == path.stem and p != path)
        found.write_bytes(found.read_bytes()[:-4000])
        refused(path, "cut off", capfd=capfd)


def test_gzip_in_several_members_is_not_taken_for_truncated(write, ct_like):
    path = write(ct_like, "case.nii")
    content = path.read_bytes()
    packed = path.with_suffix(".nii.gz")
    packed.write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]))
    assert (read_volume(packed).array == ct_like).all()


def test_dimensions_and_components(write, ct_like):
    refused(write(ct_like[10], "flat.mha"), "2 dimensions")
    refused(write(np.stack([ct_like, ct_like]), "time.nrrd"), "4 dimensions")
    colour = np.repeat(ct_like[..., None] % 255, 3, axis=-1).astype(np.uint8)
    refused(write(colour, "colour.nrrd", vector=True), "3 components")


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 3])
def test_few_slices(write, ct_like, axis, count):
    refused(write(np.take(ct_like, range(count), axis=axis)), "slices")


@pytest.mark.parametrize("value", [0.0, float("nan"), -1.0])
def test_nifti_spacing(write, ct_like, capfd, value):
    path = write(ct_like, "case.nii")
    content = bytearray(path.read_bytes())
    struct.pack_into("<f", content, 88, value)
    path.write_bytes(content)
    refused(path, "spacing", capfd=capfd)


@pytest.mark.parametrize("value", [b"0", b"nan"])
def test_nrrd_and_mha_spacing(write, ct_like, capfd, value):
    for name, old in (("case.nrrd", b"(0,0,1)"), ("case.mha", b"ElementSpacing = 1 1 1")):
        path = write(ct_like, name)
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, old.replace(b"1)", value + b")").replace(b"1 1 1", b"1 1 " + value)))
        refused(path, "spacing", capfd=capfd)
    header = f"NRRD0004\ntype: int16\ndimension: 3\nsizes: 40 48 20\nspacings: 1 1 {value.decode()}\n"
    path.with_name("plain.nrrd").write_bytes(header.encode() + b"endian: little\nencoding: raw\n\n" + ct_like.tobytes())
    refused(path.with_name("plain.nrrd"), "spacing", capfd=capfd)


def test_spacing_in_other_units(write, ct_like):
    refused(write(ct_like, spacing=(0.0005, 0.0005, 0.001)), "metres")
    refused(write(ct_like, spacing=(0.05, 0.05, 0.08)), "centimetres")
    refused(write(ct_like, spacing=(500, 500, 1000)), "not in mm")


def test_sheared_axes(write, ct_like):
    path = write(ct_like)
    path.write_bytes(path.read_bytes().replace(b"(0,0,1)", b"(0,0.3,1)"))
    refused(path, "right angles")


def test_not_finite(write, ct_like):
    array = ct_like.astype(np.float32)
    array[3:6] = np.nan
    refused(write(array), "NaN")
    array = ct_like.astype(np.float32)
    array[3, 4, 5], array[3, 4, 6] = np.nan, np.inf
    volume = read_volume(write(array))
    assert "2 voxels" in " ".join(volume.warnings) and np.isfinite(volume.array).all()
    assert volume.array[3, 4, 5] == volume.array[3, 4, 6] == -1024


def test_constant(write, ct_like):
    refused(write(np.full_like(ct_like, -1000)), "same value")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_segmentation(write, ct_like, dtype):
    refused(write(np.digitize(ct_like, (-500, 0, 300)).astype(dtype)), "segmentation")
    refused(write((np.digitize(ct_like, (-500, 0, 300)) * 60).astype(dtype)), "segmentation")


def test_screenshot_and_rescaled(write, ct_like):
    window = np.clip((ct_like + 200 + np.random.default_rng(0).normal(0, 100, ct_like.shape)) / 800, 0, 1)
    refused(write((window * 255).astype(np.uint8)), "8-bit")
    refused(write(window.astype(np.float32)), "Hounsfield")


def test_an_mr_like_volume_is_refused(write, ct_like):
    rng = np.random.default_rng(0)
    magnitude = np.abs(np.where(ct_like > -500, 600, 0) + rng.normal(0, 150, ct_like.shape))
    refused(write(magnitude.astype(np.int16)), "Hounsfield")


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
@pytest.mark.parametrize("offset", [1024, 1000])
def test_hu_with_an_offset_are_repaired(write, ct_like, offset, dtype):
    volume = read_volume(write(np.clip(ct_like.astype(np.int32) + offset, 0, None).astype(dtype)))
    assert f"HU + {offset}" in " ".join(volume.warnings)
    assert np.abs(volume.array - np.clip(ct_like, -offset, None)).max() == 0


def test_a_volume_beyond_the_memory_is_refused_from_its_header(tmp_path, ct_like, monkeypatch):
    path = tmp_path / "giant.nrrd"
    path.write_bytes(
        b"NRRD0004\ntype: int16\ndimension: 3\nspace: left-posterior-superior\nsizes: 2048 2048 2000\n"
        b"space directions: (0.2,0,0) (0,0.2,0) (0,0,0.2)\nendian: little\nencoding: gzip\nspace origin: (0,0,0)\n\nx"
    )
    monkeypatch.setattr(memory, "available_memory", lambda: 8 << 30)
    refused(path, "31.2 GB", "8.0 GB", error=CannotRunError)


def test_nothing_of_itk_reaches_stderr(tmp_path, ct_like):
    path = tmp_path / "case.mha"
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(path))
    path.write_bytes(path.read_bytes()[:-100])
    code = (
        "import sys\nfrom CarotidLandmarkLib.volume.read import read_volume\n"
        "try:\n    read_volume(sys.argv[1])\nexcept Exception as error:\n    print(error, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "cut off" in done.stderr
