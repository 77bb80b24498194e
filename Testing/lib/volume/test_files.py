"""Volumes in single files: what each format may hold, and one sentence for each cause that refuses it."""

from __future__ import annotations

import gzip
import os
import struct
import sys

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.volume import memory
from CarotidLandmarkLib.volume.read import find_cases, read_volume

AFFINE = np.array([[-0.9, 0, 0, 30], [0, -0.8, 0, 20], [0, 0, 1.5, -70], [0, 0, 0, 1]])
NRRD = "NRRD0005\ntype: short\ndimension: 3\n{}sizes: 40 48 20\nendian: little\nencoding: raw\n\n"
MHA = "ObjectType = Image\nNDims = 3\nDimSize = 40 48 20\n{}ElementType = MET_SHORT\nElementDataFile = LOCAL\n"


def refused(path, *words, error=BadInputError, **options):
    with pytest.raises(error) as caught:
        read_volume(path, **options)
    sentence = str(caught.value)
    assert all(word in sentence for word in (path.name, *words)), sentence
    assert "\n" not in sentence and sentence.endswith(".") and sentence.count(": ") == 1
    return sentence


def save(image, path, **header):
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def without_spacing(folder, array):
    """Files of each format whose header gives no spacing."""
    for name, header in {
        "plain.nrrd": NRRD.format(""),
        "space.nrrd": NRRD.format("space: left-posterior-superior\nspace origin: (1,2,3)\n"),
        "nan.nrrd": NRRD.format("spacings: nan nan nan\n"),
        "plain.mha": MHA.format("Offset = 1 2 3\n"),
    }.items():
        (folder / name).write_bytes(header.encode() + array.tobytes())
        yield folder / name
    yield save(nibabel.Nifti1Image(array.T, None), folder / "units.nii")
    yield save(nibabel.Nifti2Image(array.T, None), folder / "units2.nii")
    for name in ("zero.nii", "zero.nii.gz"):
        path = save(nibabel.Nifti1Image(array.T, AFFINE), folder / "good.nii")
        content = bytearray(path.read_bytes())
        struct.pack_into("<3f", content, 80, 0, 0, 0)
        path.unlink()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        yield folder / name


@pytest.mark.parametrize("suffix", [".NRRD", ".MHA", ".NII", ".NII.GZ"])
def test_a_name_in_capitals_is_the_same(tmp_path, ct_like, suffix):
    path = tmp_path / f"case{suffix.lower()}"
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(path))
    volume = read_volume(path.rename(tmp_path / f"CASE{suffix}"), spacing=(1, 1, 1))
    assert (volume.array == ct_like).all()


def test_a_file_that_gives_no_spacing_is_read_only_with_one(tmp_path, ct_like):
    for path in without_spacing(tmp_path, ct_like):
        assert "--spacing" in refused(path, "spacing")
        volume = read_volume(path, spacing=(0.9, 0.8, 1.5))
        assert np.allclose(volume.grid.spacing, (0.9, 0.8, 1.5)) and (volume.array == ct_like).all()
        assert np.allclose(np.abs(volume.grid.direction), np.eye(3)), path
        assert any("0.9 x 0.8 x 1.5 mm" in warning for warning in volume.warnings)


def test_a_file_keeps_the_spacing_that_it_gives(tmp_path, ct_like):
    (tmp_path / "own.mha").write_bytes(MHA.format("ElementSize = 1 1 2\n").encode() + ct_like.tobytes())
    assert np.allclose(read_volume(tmp_path / "own.mha").grid.spacing, (1, 1, 2))
    volume = read_volume(tmp_path / "own.mha", spacing=[3, 3, 3])
    assert np.allclose(volume.grid.spacing, (1, 1, 2)) and "kept" in volume.warnings[-1]
    for wrong in ((0, 1, 1), (1, 1), (1, float("nan"), 1)):
        with pytest.raises(BadInputError, match="three numbers above 0"):
            read_volume(tmp_path / "own.mha", spacing=wrong)


AXES = "space directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (1,2,3)\n"


@pytest.mark.parametrize(
    ("name", "fields", "oriented"),
    [
        ("case.nrrd", "space: left-posterior-superior\n" + AXES, True),
        ("case.nrrd", "space: RAS\n" + AXES, True),
        ("case.nrrd", "space: scanner-xyz\n" + AXES, False),
        ("case.nrrd", "space: 3D-right-handed\n" + AXES, False),
        ("case.nrrd", "space dimension: 3\n" + AXES, False),
        ("case.mha", "ElementSpacing = 1 1 2\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n", True),
        ("case.mha", "ElementSpacing = 1 1 2\n", False),
    ],
)
def test_axes_that_are_not_the_patients_are_a_warning(tmp_path, ct_like, name, fields, oriented):
    header = (NRRD if name.endswith("nrrd") else MHA).format(fields)
    (tmp_path / name).write_bytes(header.encode() + ct_like.tobytes())
    assert ("orientation" in " ".join(read_volume(tmp_path / name).warnings)) == (not oriented)


@pytest.mark.parametrize(
    ("name", "fields", "unit"),
    [
        ("case.nrrd", 'space: LPS\nspace units: "mm" "mm" "mm"\n' + AXES, "mm"),
        ("case.nrrd", 'space: LPS\nspace units: "cm" "cm" "cm"\n' + AXES, "cm"),
        ("case.nrrd", 'spacings: 1 1 2\nunits: "mm" "mm" "inch"\n', "inch"),
        ("case.mha", "ElementSpacing = 1 1 2\nDistanceUnits = mm\n", "mm"),
        ("case.mha", "ElementSpacing = 1 1 2\nDistanceUnits = cm\n", "cm"),
        ("case.mha", "ElementSpacing = 1 1 2\nDistanceUnits = ?\n", "mm"),
    ],
)
def test_lengths_are_mm_or_refused(tmp_path, ct_like, name, fields, unit):
    header = (NRRD if name.endswith("nrrd") else MHA).format(fields)
    (tmp_path / name).write_bytes(header.encode() + ct_like.tobytes())
    if unit == "mm":
        np.testing.assert_allclose(read_volume(tmp_path / name).grid.spacing, (1, 1, 2))
    else:
        refused(tmp_path / name, f"in {unit}:")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["case.nii", "case.nii.gz", "case.hdr"])
def test_both_versions_of_nifti_are_the_same_volume(tmp_path, ct_like, kind, name):
    pair = {nibabel.Nifti1Image: nibabel.Nifti1Pair, nibabel.Nifti2Image: nibabel.Nifti2Pair}[kind]
    image = (pair if name.endswith("hdr") else kind)(ct_like.T, AFFINE)
    volume = read_volume(save(image, tmp_path / name))
    assert (volume.array == ct_like).all() and volume.array.dtype == np.int16 and volume.warnings == []
    assert np.allclose(volume.grid.affine, np.diag([-1, -1, 1, 1]) @ AFFINE, atol=1e-5)
    if name.endswith("hdr"):
        assert find_cases(tmp_path) == [("case", tmp_path / name)]
        (tmp_path / "case.img").unlink()
        refused(tmp_path / name, "case.img", "missing")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize(
    ("sform", "qform", "read_by"),
    [(0, 0, None), (1, 0, "sform"), (0, 1, "qform"), (1, 2, "sform"), (2, 0, "sform"), (2, 1, "qform")],
)
def test_two_orientations_of_nifti_that_contradict_each_other(tmp_path, ct_like, kind, sform, qform, read_by):
    image = kind(ct_like.T, None)
    image.header.set_xyzt_units("mm")
    mirrored = np.diag([-1, 1, 1, 1]) @ AFFINE
    image.set_sform(AFFINE, sform)
    image.set_qform(mirrored, qform)
    volume = read_volume(save(image, tmp_path / "case.nii"))
    expected = {"sform": AFFINE, "qform": mirrored, None: np.diag([-0.9, -0.8, 1.5, 1])}[read_by]
    assert np.allclose(volume.grid.affine, np.diag([-1, -1, 1, 1]) @ expected, atol=1e-5)
    assert ("contradict" in " ".join(volume.warnings)) == bool(sform and qform)
    assert ("no orientation" in " ".join(volume.warnings)) == (read_by is None)


def test_a_quaternion_without_a_hand(tmp_path, ct_like):
    image = nibabel.Nifti2Image(ct_like.T, None)
    image.set_qform(AFFINE, 1)
    path = save(image, tmp_path / "case.nii")
    content = bytearray(path.read_bytes())
    assert struct.unpack_from("<d", content, 104) == (1.0,)
    struct.pack_into("<d", content, 104, 0.0)
    path.write_bytes(content)
    assert np.allclose(read_volume(path).grid.spacing, (0.9, 0.8, 1.5))


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_scale_units_and_a_trailing_axis_of_nifti(tmp_path, ct_like, kind):
    image = kind(ct_like.T, AFFINE / [[1000], [1000], [1000], [1]])
    image.header.set_xyzt_units("meter")
    nibabel.save(image, tmp_path / "metres.nii")
    assert np.allclose(read_volume(tmp_path / "metres.nii").grid.spacing, (0.9, 0.8, 1.5))
    image = kind((ct_like.T + 24) // 2, AFFINE)
    path = save(image, tmp_path / "scaled.nii")
    content = bytearray(path.read_bytes())
    struct.pack_into(*(("<2d", content, 176) if kind is nibabel.Nifti2Image else ("<2f", content, 112)), 2, -24)
    path.write_bytes(content)
    assert np.abs(read_volume(path).array - ct_like).max() <= 1
    volume = read_volume(save(kind(ct_like.T[..., None], AFFINE), tmp_path / "frame.nii"))
    assert (volume.array == ct_like).all()


def test_nifti_that_is_no_volume_of_hu(tmp_path, ct_like):
    for kind, name in ((nibabel.Nifti1Image, "a.nii"), (nibabel.Nifti2Image, "b.nii.gz")):
        sheared = AFFINE + [[0, 0, 0.05, 0], [0] * 4, [0] * 4, [0] * 4]
        refused(save(kind(ct_like.T, sheared), tmp_path / name), "right angles")
        refused(save(kind(np.stack([ct_like.T] * 2, -1), AFFINE), tmp_path / name), "4 dimensions")
        refused(save(kind(ct_like.T.astype(np.complex64), AFFINE), tmp_path / name), "type 32")
        colour = np.zeros(ct_like.T.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
        refused(save(kind(colour, AFFINE), tmp_path / name), "colour")
    nibabel.save(nibabel.AnalyzeImage(ct_like.T, np.diag([1, 1, 2, 1])), tmp_path / "old.hdr")
    refused(tmp_path / "old.hdr", "Analyze", "NIfTI")
    path = save(nibabel.Nifti2Image(ct_like.T, AFFINE), tmp_path / "cut.nii")
    path.write_bytes(path.read_bytes()[:-10])
    refused(path, "cut off")


def test_a_header_without_its_data(tmp_path, ct_like):
    for name, header in {
        "a.nhdr": NRRD.format("spacings: 1 1 1\n").replace("\n\n", "\ndata file: gone.raw\n"),
        "b.nhdr": NRRD.format("spacings: 1 1 1\n").replace("\n\n", "\ndata file: LIST\ngone.raw\n"),
        "c.nhdr": NRRD.format("spacings: 1 1 1\n").replace("\n\n", "\ndata file: go%02d.raw 1 20 1\n"),
        "d.mhd": MHA.format("ElementSpacing = 1 1 1\n").replace("LOCAL", "gone.raw"),
        "e.mhd": MHA.format("ElementSpacing = 1 1 1\n").replace("LOCAL", "LIST\ngone.raw"),
        "f.mhd": MHA.format("ElementSpacing = 1 1 1\n").replace("LOCAL", "go%02d.raw 1 20 1"),
    }.items():
        (tmp_path / name).write_text(header)
        refused(tmp_path / name, "go01.raw" if "%" in header else "gone.raw", "missing")
    for number, plane in enumerate(ct_like, start=1):
        (tmp_path / f"go{number:02d}.raw").write_bytes(plane.tobytes())
    for name in ("c.nhdr", "f.mhd"):
        first = read_volume(tmp_path / name)
        assert (first.array == ct_like).all()
    (tmp_path / "go20.raw").write_bytes(ct_like[0].tobytes())
    assert read_volume(tmp_path / "f.mhd").sha256 != first.sha256


def test_axes_and_types_of_nrrd_and_metaimage(tmp_path, ct_like):
    list_axis = (
        "NRRD0005\ntype: short\ndimension: 4\nspace: left-posterior-superior\nsizes: {} 40 48 20\n"
        "space directions: none (1,0,0) (0,1,0) (0,0,2)\nkinds: {} domain domain domain\n"
        "endian: little\nencoding: raw\n\n"
    )
    for kind in ("list", "vector", "scalar"):
        path = tmp_path / f"{kind}.nrrd"
        path.write_bytes(list_axis.format(1, kind).encode() + ct_like.tobytes())
        volume = read_volume(path)
        assert (volume.array == ct_like).all() and np.allclose(volume.grid.spacing, (1, 1, 2))
    path.write_bytes(list_axis.format(3, "list").encode() + np.repeat(ct_like[..., None], 3, -1).tobytes())
    refused(path, "3 components")
    sitk.WriteImage(sitk.GetImageFromArray(ct_like.astype(np.complex64)), str(tmp_path / "complex.mha"))
    refused(tmp_path / "complex.mha")
    for name, header in {
        "flat.mha": MHA.replace("NDims = 3", "NDims = 2").replace("40 48 20", "40 48"),
        "time.mha": MHA.replace("NDims = 3", "NDims = 4").replace("40 48 20", "40 48 10 2"),
    }.items():
        (tmp_path / name).write_bytes(header.format("ElementSpacing = 1 1 1\n").encode() + ct_like.tobytes())
        refused(tmp_path / name, "dimensions")
    (tmp_path / "type.mha").write_bytes(MHA.format("").replace("SHORT", "FOO").encode() + ct_like.tobytes())
    refused(tmp_path / "type.mha", spacing=(1, 1, 1))


def test_a_file_with_the_suffix_of_another_format(tmp_path, ct_like):
    written = {}
    for suffix in (".nrrd", ".mha", ".nii", ".nii.gz"):
        sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(tmp_path / f"good{suffix}"))
        written[suffix] = (tmp_path / f"good{suffix}").read_bytes()
    for suffix, content in written.items():
        for other in set(written) - {suffix}:
            (tmp_path / f"case{other}").write_bytes(content)
            if {suffix, other} == {".nii", ".nii.gz"}:
                refused(tmp_path / f"case{other}", "packed")
            else:
                kind = {".nrrd": "NRRD", ".mha": "MetaImage"}.get(suffix, "NIfTI")
                refused(tmp_path / f"case{other}", f"is {kind} by its content")
    (tmp_path / "case.mha").write_bytes(gzip.compress(written[".mha"]))
    refused(tmp_path / "case.mha", "packed")
    (tmp_path / "slice.nii").write_bytes(bytes(128) + b"DICM" + bytes(400))
    refused(tmp_path / "slice.nii", "DICOM")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_giant_is_refused_from_its_header(tmp_path, monkeypatch, suffix):
    header = (NRRD if suffix == ".nrrd" else MHA).replace("40 48 20", "10000 10000 10000")
    spacing = "spacings: 0.2 0.2 0.2\n" if suffix == ".nrrd" else "ElementSpacing = 0.2 0.2 0.2\n"
    (tmp_path / f"giant{suffix}").write_text(header.format(spacing))
    monkeypatch.setattr(memory, "available_memory", lambda: 8 << 30)
    refused(tmp_path / f"giant{suffix}", "3725.3 GB", "8.0 GB", error=CannotRunError)


def test_what_is_no_file(tmp_path):
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.nrrd")
    for path in (tmp_path / "pipe.nrrd", os.devnull, "", "x" * 300 + ".nrrd", "a\0b.nrrd", "é" * 140 + ".nrrd"):
        for read in (read_volume, find_cases):
            with pytest.raises(BadInputError, match=r"^[^\n]+: [^\n]+\.$"):
                read(path)


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u202f", "\u200b", "é", "患者", "\U0001f600", "\t"])
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha", ".nhdr"])
def test_names_are_any_text(tmp_path, ct_like, space, suffix):
    path = tmp_path / f"a{space}b" / f"Scan{space}1{suffix}"
    path.parent.mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(path))
    assert (read_volume(path).array == ct_like).all()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are no UTF-8")
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_names_that_are_no_utf8_are_refused_and_do_not_end_the_process(tmp_path, ct_like, suffix):
    sitk.WriteImage(sitk.GetImageFromArray(ct_like), str(tmp_path / f"good{suffix}"))
    path = os.fsencode(tmp_path) + b"/pat\xe9" + suffix.encode()
    os.rename(tmp_path / f"good{suffix}", path)
    with pytest.raises(BadInputError, match=r"pat\\xe9.* no UTF-8 text: rename it"):
        read_volume(os.fsdecode(path))
