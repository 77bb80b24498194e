"""DICOM files that are wrong in one way: each is one sentence, or a warning, and never anything else."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import warnings

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError, CarotidLandmarkError
from CarotidLandmarkLib.volume import dicom, headers, read
from CarotidLandmarkLib.volume.headers import decode
from CarotidLandmarkLib.volume.read import find_cases, read_volume
from Testing.lib.volume import dicom_series
from Testing.lib.volume.dicom_series import is_the_ramp, pydicom, stack, write_series, write_slice

from pydicom.dataelem import RawDataElement  # isort: skip (without pydicom all of this is skipped)
from pydicom.tag import Tag  # isort: skip
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian  # isort: skip

JPEG_XL, HTJ2K, UNKNOWN = (f"1.2.840.10008.1.2.4.{end}" for end in (110, 201, 999))
INPUTS = 80  # of each kind below


def store(path, keyword, value):
    """Put the bytes `value` into a file, whatever the standard thinks of them."""
    ds = pydicom.dcmread(path)
    tag = Tag(keyword)
    value += b" " * (len(value) % 2)
    ds[tag] = RawDataElement(tag, pydicom.datadict.dictionary_VR(tag), len(value), value, 0, False, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(path)


def sentence(path, series=None):
    with pytest.raises(BadInputError) as caught:
        read_volume(path, series)
    text = str(caught.value)
    assert text.isprintable() and text.endswith("."), text
    return text


@pytest.fixture
def folder(tmp_path):
    return write_series(tmp_path / "case", stack(np.arange(8.0)))


@pytest.mark.parametrize(
    "keyword, value",
    [
        ("ImageOrientationPatient", b"0\\0\\0\\0\\0\\0"),
        ("ImageOrientationPatient", b"1\\0\\0\\1\\0\\0"),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\1"),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\1e9\\0"),
        ("ImagePositionPatient", b"-56,0\\-48,0\\2,0"),
        ("ImagePositionPatient", b"-56.0\\\\2.0"),
        ("ImagePositionPatient", b"nan\\-48\\2"),
        ("ImagePositionPatient", b"1e999\\-48\\2"),
        ("ImagePositionPatient", b"here\n\x07\\-48\\2"),
        ("PixelSpacing", b"1,5\\1,0"),
        ("PixelSpacing", b"0\\0"),
        ("PixelSpacing", b"1.5\\-1"),
        ("PixelSpacing", b"1_0\\1"),
        ("RescaleSlope", b"1,5"),
        ("RescaleSlope", b"0"),
        ("RescaleIntercept", b"-1024,0"),
        ("RescaleIntercept", b"none"),
    ],
)
def test_values_that_give_no_place_or_no_hu(folder, keyword, value):
    file = sorted(folder.iterdir())[3]
    store(file, keyword, value)
    text = sentence(folder)
    assert keyword in text and file.name in text


@pytest.mark.parametrize("keyword", ["InstanceNumber", "AcquisitionNumber"])
@pytest.mark.parametrize("value", [b"IM7", b"1e999", b"", b"1,5"])
def test_values_that_only_break_ties(folder, keyword, value):
    for file in folder.iterdir():
        store(file, keyword, value)
    assert len(read_volume(folder).array) == 8


def test_inverted_pixels(folder):
    for file in folder.iterdir():
        store(file, "PhotometricInterpretation", b"MONOCHROME1")
    assert "MONOCHROME1" in sentence(folder)


def test_a_scout_beside_another_modality_is_no_ct(tmp_path):
    write_slice(tmp_path / "scout.dcm", (0, 0, 0), series="1.2.1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_slice(tmp_path / "mr.dcm", (0, 0, 0), series="1.2.2", modality="MR")
    assert "holds only scouts" in sentence(tmp_path)


@pytest.mark.parametrize("syntax, name", [(JPEG_XL, "JPEG XL"), (HTJ2K, HTJ2K), (UNKNOWN, UNKNOWN)])
def test_a_compression_that_cannot_be_read(folder, capfd, syntax, name):
    for file in folder.iterdir():
        ds = pydicom.dcmread(file)
        ds.file_meta.TransferSyntaxUID = HTJ2K
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x0a" + b"\0" * 100])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.save_as(file, implicit_vr=False, little_endian=True, enforce_file_format=True)
        file.write_bytes(file.read_bytes().replace(HTJ2K.encode(), syntax.encode()))
    assert name in sentence(folder) and "cut off" not in sentence(folder)
    assert capfd.readouterr() == ("", "")


def test_a_series_uid_for_each_slice(folder):
    for k, file in enumerate(folder.iterdir()):
        store(file, "SeriesInstanceUID", b"1.2.3.%d" % k)
    assert "series UID for each" in sentence(folder) and "8 CT slices" in sentence(folder)


@pytest.mark.parametrize("size", [0.3, 0.6, 0.99])
def test_a_cut_off_image_of_another_series(folder, size):
    write_slice(folder / "a scout", (0, 0, 0), series="1.8", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    content = (folder / "a scout").read_bytes()
    (folder / "a scout").write_bytes(content[: int(len(content) * size)])
    assert len(read_volume(folder).array) == 8
    assert read_volume(folder, series="1.2.3").warnings == []


@pytest.mark.parametrize("size", [0.4, 0.6, 0.99])
def test_a_cut_off_image_of_the_series(folder, size):
    file = sorted(folder.iterdir())[3]
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * size)])
    assert "cut off" in sentence(folder) and file.name in sentence(folder)


@pytest.mark.parametrize("name", ["{}.dcm", "IM{:04}", "1.2.840.{}", "{:04x}af-00", "x{}.IMA"])
@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"\0" * 5000, None, "link"], ids=["empty", "cut", "zeros", "closed", "link"]
)
def test_files_without_content_among_the_slices(tmp_path, monkeypatch, name, content):
    folder = tmp_path / "case"
    write_series(folder, stack(np.arange(12.0)))
    files = [file.rename(folder / name.format(k)) for k, file in enumerate(sorted(folder.iterdir()))]
    for other in ("notes.txt", "INDEX", "Makefile"):
        (folder / other).touch()
    (folder / "deeper").mkdir()
    (folder / "deeper" / files[0].name).touch()
    assert read_volume(folder).warnings == []
    if content is None:
        monkeypatch.setitem(headers.__dict__, "open", closed(files[8:]))
    for file in files[8:]:
        if content == "link":
            file.unlink()
            file.symlink_to("nowhere")
        else:
            file.write_bytes(file.read_bytes() if content is None else content)
    text = sentence(folder)
    assert text.startswith(f"4 of 12 files in '{folder}' are empty, cut off or cannot be opened, '")
    if content is not None:
        monkeypatch.chdir(folder)
        assert sentence(".") == text.replace(str(folder), ".")
    assert any(f"'{file.name}' first" in text for file in files[8:])


@pytest.mark.parametrize("step", ["_add", "parallel", "require_memory"])
def test_a_slice_that_goes_away_while_it_is_read(folder, monkeypatch, step):
    file, real = sorted(folder.iterdir())[5], getattr(dicom, step)

    def go(*given):
        told = real(*given)
        file.unlink(missing_ok=True)
        return told

    monkeypatch.setattr(dicom, step, go)
    assert sentence(folder) == f"'{file}' went away or cannot be read (No such file or directory): copy it again."


def test_a_volume_file_that_goes_away_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"NRRD0004\n")
    monkeypatch.setattr(read, "read_file", lambda path, spacing: path.with_name("gone").read_bytes())
    assert f"'{tmp_path / 'gone'}' went away or cannot be read" in sentence(path)


def closed(files):
    """An `open` that may not open these."""

    def opening(path, *mode):
        if path in files:
            raise PermissionError(13, "Permission denied")
        return open(path, *mode)

    return opening


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are always Unicode here")
def test_a_name_that_is_no_utf8(folder):
    names = [os.fsencode(file) for file in sorted(folder.iterdir())]
    os.rename(names[3], names[3] + b"\xe9")
    assert "UTF-8" in sentence(folder) and "\\xe9" in sentence(folder)
    store(os.fsdecode(names[3] + b"\xe9"), "SeriesInstanceUID", b"1.9")
    assert read_volume(folder, series="1.2.3").series_uid == "1.2.3"  # that file is of another series
    os.rename(os.fsencode(folder), os.fsencode(folder) + b"\xfc")
    ((name, path),) = find_cases(folder.parent)
    assert name == "case\\udcfc" and "UTF-8" in sentence(path)


@pytest.mark.parametrize("name", ["Scan\u00a01", "患者\u3000太郎", "a\u202fb", "a\u200bb", "a\u0301", "😀", "%d\"';"])
def test_names_of_any_text_are_read(folder, name):
    folder = folder.rename(folder.with_name(name))
    for k, file in enumerate(folder.iterdir()):
        file.rename(file.with_name(f"{name}{k}"))
    assert find_cases(folder) == [(name, folder)] and len(read_volume(folder).array) == 8


def test_a_moved_field_of_view_is_no_gantry_tilt(tmp_path):
    positions = stack(np.arange(12.0))
    positions[6:, 0] += 5
    volume = read_volume(write_series(tmp_path / "moved", positions))
    assert volume.warnings == ["The field of view moves by up to 5.0 mm between slices: corrected by shifting them."]
    assert is_the_ramp(volume) > 0.5
    positions[6:, 0] += 500
    assert "505 mm apart in slices 6 and 7 of 12" in sentence(write_series(tmp_path / "far", positions))


@pytest.mark.parametrize(
    "charset, text, codec",
    [
        ("ISO_IR 100", "Hals größe", "latin-1"),
        ("ISO_IR 101", "szyja kość", "iso8859-2"),
        ("ISO_IR 144", "Шея", "iso8859-5"),
        ("ISO_IR 192", "頸部 größe", "utf-8"),
        ("ISO_IR 13", "ｶﾗﾀ", "shift_jis"),
        ("GB18030", "颈部", "gb18030"),
        ("\\ISO 2022 IR 87", "Neck 頸部", "iso2022_jp"),
        ("\\ISO 2022 IR 149", "경부", "euc_kr"),
        ("", "größe", "latin-1"),
        ("", "größe", "utf-8"),
        ("ISO_IR 999", "größe", "latin-1"),
        ("unicode_escape", "\\ud800", "ascii"),
    ],
)
def test_texts_by_their_character_set(charset, text, codec):
    stored = text.encode(codec)
    stored = b"\x1b$)C" + stored if codec == "euc_kr" else stored
    assert decode(stored.decode("utf-8", "surrogateescape"), charset) == text


def test_the_description_in_a_warning_is_text(folder):
    write_series(folder, stack(np.arange(12.0)), series="1.9", SpecificCharacterSet="ISO_IR 100")
    for file in folder.glob("1.9*"):
        store(file, "SeriesDescription", "Hals\ngröße".encode("latin-1"))
    assert "'Hals größe' (1.9)" in read_volume(folder).warnings[0]


@contextlib.contextmanager
def little_memory():
    """Half a gigabyte more than now: GDCM takes as much as a damaged length asks for, which takes seconds to fill."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    try:
        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        pytest.skip("needs Linux")
    resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def spoil(content, pixels, rng):
    """`content` cut off, or before its last `pixels` bytes with flipped bits, other bytes, more or less bytes."""
    spoilt = bytearray(content)
    kind = rng.randrange(4)
    if kind == 0:
        return spoilt[: rng.randrange(1, len(spoilt))]
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(132, len(content) - pixels)
        if kind == 1:
            spoilt[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            spoilt[at] = rng.choice([0, 255, *b", \\0-", rng.randrange(256)])
        else:
            spoilt[at : at + rng.choice([1, 2, 8])] = rng.randbytes(rng.choice([0, 1, 8]))
    return spoilt


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("enhanced", [False, True])
def test_whatever_a_file_holds(tmp_path, monkeypatch, capfd, syntax, enhanced):
    from Testing.lib.volume.test_dicom_enhanced import write_enhanced

    monkeypatch.setattr(dicom_series, "SIZE", (16, 16))
    positions = stack(np.arange(5.0) * 3)
    if enhanced:
        folder = write_enhanced(tmp_path / "case" / "one", positions, syntax=syntax)
    else:
        folder = write_series(tmp_path / "case", positions, syntax=syntax)
    file = sorted(folder.iterdir())[0]
    content, rng = file.read_bytes(), random.Random(1)
    read = 0
    with little_memory():
        for _ in range(INPUTS):
            file.write_bytes(spoil(content, 512, rng))
            try:
                find_cases(folder)
                volume = read_volume(folder)
                assert all(warning.isprintable() for warning in volume.warnings) and volume.series_uid.isprintable()
                read += 1
            except CarotidLandmarkError as error:
                assert str(error).isprintable() and str(error).endswith(".")
    assert 0 < read < INPUTS and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("frames", [{}, {"NumberOfFrames": 1}])
def test_a_picture_in_the_series_needs_no_pydicom(folder, monkeypatch, frames):
    write_slice(
        folder / "dose.dcm", (0, 0, 0), sop="1.2.840.10008.5.1.4.1.1.7", ImageType=["DERIVED", "OTHER"], **frames
    )
    ds = pydicom.dcmread(folder / "dose.dcm")
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del ds[keyword]
    ds.save_as(folder / "dose.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    volume = read_volume(folder)
    assert len(volume.array) == 8 and volume.warnings == []


def test_enhanced_ct_without_pydicom(tmp_path, monkeypatch):
    from Testing.lib.volume.test_dicom_enhanced import write_enhanced

    folder = write_enhanced(tmp_path / "case" / "one", stack(np.arange(10.0)), series="1.5")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(CannotRunError, match=r"carotid-landmark\[dicom\]"):
        read_volume(folder)
    monkeypatch.undo()
    write_series(folder, stack(np.arange(6.0)), series="1.6")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert read_volume(folder).series_uid == "1.6"  # which does not need it
