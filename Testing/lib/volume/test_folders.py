"""Trees of folders, and the cases that they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.headers import TAGS
from CarotidLandmarkLib.volume.read import find_cases, read_volume
from CarotidLandmarkLib.volume.series import Series
from Testing.lib.volume.dicom_series import header, pixels, stack, write_series, write_slice

REPORT, SCREENSHOT = "1.2.840.10008.5.1.4.1.1.88.67", "1.2.840.10008.5.1.4.1.1.7"


def series(folder, count=6, **kinds):
    folder.mkdir(parents=True)
    return write_series(folder, stack(np.arange(float(count))), **kinds)


def study(folder, patient, uid):
    """Two series of an examination, each in a folder of its own."""
    for k, count in ((1, 5), (2, 8)):
        series(folder / f"SER{k}", count, patient=patient, series=f"{uid}.{k}", StudyInstanceUID=uid)
    return folder


def report(path, sop=REPORT, **tags):
    """A DICOM file without an image: a dose report, or what stands at the root of a disc."""
    ds = header(sop, modality="SR", patient="A")
    for key, value in tags.items():
        setattr(ds, key, value)
    ds.save_as(path, enforce_file_format=True)


def names(root):
    return [(name, str(path.relative_to(root))) for name, path in find_cases(root)]


def test_patients_and_studies_are_cases(tmp_path):
    root = tmp_path / "disc"
    study(root / "PAT1" / "STD1", "A", "1.1")
    study(root / "PAT1" / "STD2", "A", "1.2")
    study(root / "PAT2" / "STD1", "B", "1.3")
    expected = [("PAT1-STD1", "PAT1/STD1"), ("PAT1-STD2", "PAT1/STD2"), ("PAT2", "PAT2")]
    assert names(root) == expected
    report(root / "DICOMDIR", "1.2.840.10008.1.3.10")
    report(root / "dose")
    (root / "README.TXT").write_text("made by a workstation")
    assert names(root) == expected
    write_slice(root / "screenshot", (0, 0, 0), sop=SCREENSHOT, StudyInstanceUID="1.9", ImageType=["DERIVED"])
    assert names(root) == expected
    assert read_volume(root / "PAT1" / "STD1").series_uid == "1.1.2"


def test_reports_beside_volumes_are_no_case_and_do_not_hide_them(tmp_path):
    (tmp_path / "cases").mkdir()
    report(tmp_path / "cases" / "a.sr.dcm", "1.2.840.10008.5.1.4.1.1.88.34")
    (tmp_path / "cases" / "b.nrrd").write_bytes(b"x")
    assert names(tmp_path / "cases") == [("b", "b.nrrd")]
    (tmp_path / "cases" / "b.nrrd").unlink()
    assert names(tmp_path / "cases") == [("cases", ".")]


def test_the_series_folders_of_one_study_are_one_case(tmp_path):
    root = study(tmp_path / "exam", "A", "1.1")
    (root / "SER1" / "converted.nii.gz").write_bytes(b"x")
    report(root / "DICOMDIR", "1.2.840.10008.1.3.10")
    report(tmp_path / "exam" / "SER1" / "dose", StudyInstanceUID="1.1")
    assert names(root) == [("exam", ".")] and read_volume(root).series_uid == "1.1.2"
    assert names(tmp_path) == [("exam", "exam")]
    series(root / "SER3", patient="B", series="1.9")  # of somebody else: nothing above it is one examination
    assert [name for name, _ in names(root)] == ["SER1", "SER2", "SER3"]


def test_copies_of_a_series_are_cases_of_their_own(tmp_path):
    series(tmp_path / "first"), series(tmp_path / "second")
    assert [name for name, _ in names(tmp_path)] == ["first", "second"]


def test_a_dicom_file_keeps_the_dots_of_its_uid(tmp_path):
    for name in ("1.2.840.7", "1.2.840.7.dcm"):
        write_slice(tmp_path / name, (0, 0, 0))
        assert find_cases(tmp_path / name) == [("1.2.840.7", tmp_path / name)]


def test_folders_without_an_image(tmp_path):
    report(tmp_path / "dose")
    assert names(tmp_path) == [(tmp_path.name, ".")]
    with pytest.raises(BadInputError, match="No DICOM image"):
        read_volume(tmp_path)
    series(tmp_path / "mr", sop="1.2.840.10008.5.1.4.1.1.4", modality="MR")
    assert names(tmp_path) == [("mr", "mr")]


@pytest.mark.parametrize("ct", ["", ".1", ".2"])
def test_an_image_is_no_ct_because_its_class_begins_alike(tmp_path, ct):
    series(tmp_path / "all", sop="1.2.840.10008.5.1.4.1.1.20", modality="NM")
    series(tmp_path / "all" / "b", sop=f"1.2.840.10008.5.1.4.1.1.2{ct}")
    assert names(tmp_path / "all") == [("b", "b")]


def test_volumes_in_folders_have_the_names_of_their_folders(tmp_path):
    for name in (
        "s0001/ct.nii.gz",
        "s0001/segmentations/carotid.nii.gz",
        "s0002/ct.nii.gz",
        "s0002/ct.seg.nrrd",
        "imagesTr/a/b/x.nrrd",
        "labelsTr/x.nrrd",
        "two/ct.nrrd",
        "two/pet.nrrd",
        "top.nrrd",
        ".cache/ct.nrrd",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    series(tmp_path / "dicom" / "1")
    (tmp_path / "dicom" / "converted.nii.gz").write_bytes(b"x")  # of that case, not another
    assert [name for name, _ in names(tmp_path)] == [
        "dicom",
        "imagesTr-a-b",
        "s0001",
        "s0002",
        "top",
        "two-ct",
        "two-pet",
    ]
    assert names(tmp_path / "s0001") == [("ct", "ct.nii.gz")]


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path, monkeypatch):
    series(tmp_path / "open")
    series(tmp_path / "closed")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: may(path, mode) and not str(path).endswith("closed"))
    assert names(tmp_path) == [("closed", "closed"), ("open", "open")]
    with pytest.raises(BadInputError, match="permissions"):
        read_volume(tmp_path / "closed")


def test_a_folder_that_cannot_be_listed_although_it_may_be_is_a_case_that_fails(tmp_path, monkeypatch):
    for name in ("a", "b"):
        series(tmp_path / name)
    (tmp_path / "closed").mkdir()
    real = Path.iterdir

    def iterdir(folder):
        if folder.name == "closed":
            raise PermissionError(1, "Operation not permitted")
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert names(tmp_path) == [("a", "a"), ("b", "b"), ("closed", "closed")]
    for read in (find_cases, read_volume):
        with pytest.raises(BadInputError, match="permissions"):
            read(tmp_path / "closed")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")
def test_links_and_pipes(tmp_path):
    store, root = tmp_path / "store", tmp_path / "cases"
    series(store / "far", patient="B", series="1.1")
    root.mkdir()
    series(root / "near", series="1.2")
    for name, target in (("a link", store / "far"), ("again", store / "far"), ("0", root / "near"), ("up", tmp_path)):
        (root / name).symlink_to(target)
    (root / "near" / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.nrrd")
    os.mkfifo(root / "near" / "pipe")
    (found, (name, path)) = sorted(find_cases(root), key=lambda case: case[0] != "near")
    assert found == ("near", root / "near") and path.resolve() == store / "far" and name in ("a link", "again")
    assert len(read_volume(root / "near").array) == 6
    for pipe in (root / "pipe.nrrd", "/dev/null"):
        for read in (find_cases, read_volume):
            with pytest.raises(BadInputError, match="neither a file nor a folder"):
                read(pipe)


def test_links_to_nothing_with_the_names_of_volumes_are_cases_that_fail_and_others_are_none(tmp_path):
    for name in ("a.nrrd", "b.nii.gz", "c.seg.nrrd", "notes.txt", ".#a.nrrd", ".hidden.nrrd", "a.sr.dcm", "one.dcm"):
        (tmp_path / name).symlink_to(tmp_path / "annex" / name)
    (tmp_path / "loop.mha").symlink_to("loop.mha")
    (tmp_path / "folder").symlink_to("nowhere")
    (tmp_path / "whole.nrrd").write_bytes(b"x")
    assert [name for name, _ in names(tmp_path)] == ["a", "b", "loop", "whole"]
    for file, says in (("a.nrrd", "is a link to what is not there"), ("loop.mha", "cannot be opened")):
        with pytest.raises(BadInputError, match=f"{file}' {says}"):
            read_volume(tmp_path / file)


def test_series_whose_slices_are_all_links_to_nothing_are_cases_that_fail(tmp_path):
    series(tmp_path / "here")
    for name in ("gone", "here"):
        for k in range(5):
            (tmp_path / name / "deeper").mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "deeper" / f"{k}.dcm").symlink_to("nowhere")
    assert names(tmp_path) == [("gone-deeper", "gone/deeper"), ("here", "here")]
    with pytest.raises(BadInputError, match="5 of 5 files in .* cannot be opened, '0.dcm' first: copy the series"):
        read_volume(tmp_path / "gone" / "deeper")
    (tmp_path / "gone" / "deeper" / "converted.nrrd").write_bytes(b"x")
    assert names(tmp_path) == [("gone-deeper", "gone/deeper/converted.nrrd"), ("here", "here")]
    for k in range(5):
        (tmp_path / "here" / f"other{k}.dcm").symlink_to("nowhere")
        (tmp_path / f"{k}.dcm").symlink_to("nowhere")
    assert names(tmp_path / "here") == [("here", ".")]
    assert [name for name, _ in names(tmp_path)] == ["gone-deeper", "here"], "what is above a case is none"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other limits")
def test_what_lies_deeper_than_a_path_may_be_long_is_a_case_that_fails(tmp_path, monkeypatch):
    (tmp_path / "whole.nrrd").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for _ in range(21):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    with open("ct.nrrd", "wb") as file:
        file.write(b"x")
    monkeypatch.chdir(tmp_path)
    deep, (name, _) = find_cases(tmp_path)
    assert name == "whole" and 4096 <= len(os.fspath(deep[1])) < 4400
    with pytest.raises(BadInputError, match="File name too long"):
        read_volume(deep[1])


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is in use cannot be deleted here")
@pytest.mark.parametrize("path", [".", "..", "./"])
def test_a_current_folder_that_was_deleted_is_a_sentence(tmp_path, monkeypatch, path):
    home = tmp_path / "gone"
    home.mkdir()
    monkeypatch.chdir(home)
    home.rmdir()
    for read in (find_cases, read_volume):
        with pytest.raises(BadInputError, match="current folder, which was deleted|does not exist"):
            read(path)


@pytest.mark.parametrize("path", ["", "x" * 300, "a/" * 3000, "a\0b", "file.nrrd/below"])
def test_paths_that_lead_nowhere(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.nrrd").write_bytes(b"x")
    for read in (find_cases, read_volume):
        with pytest.raises(BadInputError, match="empty" if not path else "exist|cannot be opened"):
            read(path)


CTA = {"SeriesDescription": "CTA neck 0.75 Bv36", "ConvolutionKernel": "Bv36d", "ContrastBolusAgent": "Iomeron"}


def stacked(folder, uid, depths, repeats=1, **tags):
    for time in range(repeats):
        for k, position in enumerate(stack(np.asarray(depths, dtype=float))):
            image = pixels(position, (1, 0, 0, 0, 1, 0)) + time
            write_slice(folder / f"{uid}-{k}-{time}", position, image=image, series=uid, AcquisitionNumber=time, **tags)


@pytest.mark.parametrize(
    "other, why",
    [
        ({"depths": np.arange(4) * 2, "repeats": 6, "SeriesDescription": "CTA perfusion arterial"}, "covers most"),
        ({"depths": np.arange(20) * 0.4, "SeriesDescription": "CTA arterial"}, "covers most"),  # a stretch, very thin
        ({"depths": np.arange(5) * 3, "SeriesDescription": "CTA arterial"}, "covers most"),  # all, but coarse
        ({"depths": np.arange(24) * 0.5, "SeriesDescription": "CTA neck", "ConvolutionKernel": "Br64f"}, "described"),
        ({"depths": np.arange(24) * 0.5, "SeriesDescription": "Knochen 0.5", "ContrastBolusAgent": "x"}, "described"),
        ({"depths": np.arange(24) * 0.5, "SeriesDescription": "neck venous delay"}, "described"),
        ({"depths": np.arange(24) * 0.5, "SeriesDescription": "neck native"}, "described"),
        ({"depths": np.arange(24) * 0.5, "SeriesDescription": "CT NECK W/O CONTRAST 1.0"}, "described"),
        ({"depths": np.arange(11), **CTA}, "most slices"),
    ],
)
def test_the_series_that_shows_most_of_an_arterial_neck(tmp_path, other, why):
    stacked(tmp_path, "1.5", np.arange(12), **CTA)
    stacked(tmp_path, "1.4", **other)
    volume = read_volume(tmp_path)
    assert volume.series_uid == "1.5" and len(volume.array) == 12
    (warning,) = [warning for warning in volume.warnings if "CT series" in warning]
    assert warning.startswith("2 CT series in the folder: read 'CTA neck 0.75 Bv36' (1.5), 12 places 1 mm apart")
    assert why in warning and "(1.4)" in warning
    assert not any("CT series" in warning for warning in read_volume(tmp_path, series="1.5").warnings)


@pytest.mark.parametrize(
    ("text", "likeness"),
    [
        *((text, -1) for text in ("NECK W/O CONTRAST", "neck wo", "NECK_PRE_1.0", "Hals C- 1.0", "NECK UNENHANCED")),
        *((text, 2) for text in ("CTA C-SPINE", "CTA pre-op", "CTA PREOP", "neck prep", "CTA Worms", "CTA c-2")),
        *((text, 2) for text in ("NECK W/WO CONTRAST", "CTA NECK W WO", "neck w and w/o contrast", "neck W & WO")),
        *((text, 2) for text in ("C+", "CT NECK W CONTRAST", "CTA NECK 1.0 B26f")),
    ],
)
def test_descriptions_of_scans_without_contrast(text, likeness):
    tags = {**dict.fromkeys(TAGS, ""), "description": text}
    assert Series("1.2", tags).likeness() == likeness


def test_that_nothing_tells_two_series_apart_is_said(tmp_path):
    for uid in ("1.5", "1.4"):
        stacked(tmp_path, uid, np.arange(12))
    (warning,) = read_volume(tmp_path).warnings
    assert "(1.4), 12 places 1 mm apart, though 2 cover as much and nothing tells it from the next one" in warning
    stacked(tmp_path, "1.3", np.arange(12), SeriesDescription="Hals nativ")
    assert "though 3 cover as much" in read_volume(tmp_path).warnings[0]


def test_a_series_that_cannot_be_read_is_named(tmp_path):
    stacked(tmp_path, "1.5", np.arange(8))
    stacked(tmp_path, "1.6", np.arange(20), PixelSpacing=[0, 0])
    volume = read_volume(tmp_path)
    assert volume.series_uid == "1.5" and "(1.6) has only images that cannot be read" in volume.warnings[0]
    with pytest.raises(BadInputError, match="PixelSpacing"):
        read_volume(tmp_path, series="1.6")
