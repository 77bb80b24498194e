"""What a folder, a table and results give as a worklist, and what is said of cases that are not as they should be."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, write_detection
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import read_volume
from CarotidLandmarkLib.worklist import volumes
from CarotidLandmarkLib.worklist.cases import fingerprint, no_detection, read_list
from CarotidLandmarkLib.worklist.child import answer
from CarotidLandmarkLib.worklist.marks import Mark
from CarotidLandmarkLib.worklist.worklist import Worklist


def write_scan(path: Path, seed: int = 0) -> Path:
    array = np.random.default_rng(seed).normal(40, 60, (20, 30, 40)).astype(np.int16)
    array[:, :5] = -1000
    write_volume(CTVolume(array, Grid.axis_aligned((0, 0, 0), (40, 30, 20), (2.0, 2.0, 2.0))), path)
    return path


def write_result(
    folder: Path,
    name: str,
    volume: object,
    left: str = "found",
    right: str = "found",
    series: str | None = None,
    sha256: str | None = "0" * 64,
) -> None:
    folder.mkdir(exist_ok=True)
    landmarks = [
        LandmarkDetection(side, status, position_lps_mm=None if status == "absent" else np.zeros(3))
        for side, status in (("left", left), ("right", right))
    ]
    told = {"path": str(volume), "sha256": sha256, "series_uid": series}
    write_detection(folder / f"{name}.detection.json", Detection(name, told, {}, {}, landmarks))


@pytest.fixture
def scans(tmp_path) -> Path:
    for number in range(3):
        write_scan(tmp_path / "scans" / f"neck{number}.nrrd", number)
    return tmp_path / "scans"


def test_a_folder_of_scans(scans):
    cases = read_list(scans)
    assert [case.name for case in cases] == ["neck0", "neck1", "neck2"]
    assert len({case.key for case in cases}) == 3 and all(case.statuses == {} == case.statuses for case in cases)
    detection = no_detection(cases[0])
    assert [of.status for of in detection.landmarks] == ["absent", "absent"]
    assert Detection.from_dict(json.loads(json.dumps(detection.to_dict()))) == detection


def test_corrections_among_the_scans_are_no_scans(scans):
    revision = scans / "corrections" / "case-1" / "r001"
    write_scan(revision / "volume.nrrd", 7)
    (revision / "correction.json").write_text("{}")
    assert [case.name for case in read_list(scans)] == ["neck0", "neck1", "neck2"]


def test_a_key_is_that_of_the_content_wherever_it_lies(scans, tmp_path):
    before = {case.key for case in read_list(scans)}
    moved = scans.rename(tmp_path / "elsewhere")
    (moved / "neck1.nrrd").rename(moved / "other name.nrrd")
    os.utime(moved / "neck0.nrrd", (1, 1))
    assert {case.key for case in read_list(moved)} == before
    folder = tmp_path / "dicom"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.dcm").write_bytes(bytes([number]) * 10)
    key = fingerprint(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == key
    (folder / "3.dcm").write_bytes(b"more")
    assert fingerprint(folder) != key


def test_volumes_that_differ_in_their_middle_alone_have_other_keys(tmp_path):
    for name, value in (("a", 0), ("b", 1)):
        voxels = bytearray(1 << 20)
        voxels[len(voxels) // 2 + 9] = value
        (tmp_path / name).write_bytes(voxels)
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr", ".hdr"])
def test_headers_that_are_alike_have_the_keys_of_their_voxels(tmp_path, suffix):
    voxels = np.random.default_rng(0).normal(40, 60, (2, 20, 30, 40)).astype(np.int16)
    for name, array in zip("abc", (*voxels, voxels[0])):
        (tmp_path / name).mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name / f"ct{suffix}"))
    cases = read_list(tmp_path)
    assert [case.name for case in cases] == ["a", "b", "c"] and not any(case.problem for case in cases)
    assert cases[0].key == cases[2].key != cases[1].key
    worklist = Worklist(cases, [Mark(cases[1].key, "QA", 2)], "QA")
    assert [row.state for row in worklist.rows()] == ["todo", "done", "todo"]


def test_a_header_whose_voxels_are_gone_is_said_and_a_damaged_one_is_left_to_whoever_opens_it(tmp_path):
    for name in ("gone", "odd"):
        sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(tmp_path / f"{name}.mhd"))
    (tmp_path / "gone.raw").unlink()
    (tmp_path / "odd.hdr").write_bytes(b"\0" * 348)
    cases = {case.name: case for case in read_list(tmp_path)}
    assert cases["gone"].key is None
    assert cases["gone"].problem == f"'{tmp_path / 'gone.raw'}' is not there: was it moved or renamed?"
    assert all(case.key and not case.problem for name, case in cases.items() if name != "gone") and len(cases) == 3


@pytest.mark.parametrize("pattern", ["50% dose slice%03d.raw 1 12 1", "p%s%03d.raw 1 12 1", "100%slice%d.raw 1 12 1"])
def test_a_header_with_a_pattern_that_cannot_be_is_a_case_that_cannot_be_opened(tmp_path, pattern):
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(tmp_path / "odd.mhd"))
    sitk.WriteImage(sitk.Image(4, 4, 4, sitk.sitkInt16), str(tmp_path / "sound.nrrd"))
    text = (tmp_path / "odd.mhd").read_text()
    (tmp_path / "odd.mhd").write_text(text.replace("odd.raw", pattern))
    odd, sound = sorted(read_list(tmp_path), key=lambda case: case.name)
    assert "is not there" in odd.problem and not sound.problem
    with pytest.raises(BadInputError, match="data, .* are missing"):
        read_volume(tmp_path / "odd.mhd")


def test_the_key_of_a_volume_in_one_file_is_that_of_the_lists_in_use(tmp_path):
    (tmp_path / "ct.nrrd").write_bytes(b"NRRD0004\nencoding: raw\n\n" + bytes(range(256)))
    assert fingerprint(tmp_path / "ct.nrrd") == "f59a53a0aba2f1c1"
    (tmp_path / "dicom").mkdir()
    for number in range(2):
        (tmp_path / "dicom" / f"{number}.dcm").write_bytes(bytes([number]) * 10)
    assert fingerprint(tmp_path / "dicom") == "4298f4e34957682d"


def test_links_to_nothing_change_no_key_and_hide_no_change(tmp_path):
    (tmp_path / "1.dcm").write_bytes(bytes(10))
    key, state = fingerprint(tmp_path), volumes._state(tmp_path)
    (tmp_path / "README").symlink_to("nowhere")
    assert fingerprint(tmp_path) == key and volumes._state(tmp_path) == state is not None
    (tmp_path / "1.dcm").unlink()
    with pytest.raises(FileNotFoundError):
        fingerprint(tmp_path)


@pytest.mark.parametrize("sha256", ["0" * 64, None])
def test_series_in_one_folder_are_cases_of_their_own(tmp_path, sha256):
    study = tmp_path / "study"
    study.mkdir()
    for name in ("CT.a.1", "CT.a.2", "CT.b.1"):
        (study / name).write_bytes(name.encode() * 100)
    for series in ("1.2", "1.3"):
        write_result(tmp_path / "results", series, study, series=series, sha256=sha256)
    one, two = read_list(tmp_path / "results")
    assert one.key and two.key and one.key != two.key
    assert Worklist([one, two], [Mark(one.key, "QA", 2)], "QA").progress()[0] == 1


def test_the_key_of_a_series_stays_while_results_and_other_series_come_and_changes_with_its_voxels(tmp_path):
    study, results = tmp_path / "study", tmp_path / "results"
    study.mkdir()
    (study / "CT.a").write_bytes(b"a" * 100)
    write_result(results, "a", study, series="1.2")
    (case,) = read_list(results)
    bare = fingerprint(study)
    for name in ("a.sr.dcm", "a.detection.json", "a.mrk.json", "detections.csv", "a.png"):
        (study / name).write_bytes(b"told")
    assert fingerprint(study) == bare
    (study / "CT.b").write_bytes(b"b" * 100)
    assert read_list(results) == [case]
    write_result(results, "a", study, series="1.2", sha256="1" * 64)
    assert read_list(results)[0].key != case.key


def test_a_table_of_volumes_is_read_as_people_save_it(scans, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(
        "Case;Volume;Space\nfirst;scans/neck2.nrrd;LPS\n;scans/neck0.nrrd;\n;scans/neck0.nrrd;\n;gone.nrrd;\nno;;LPS\n"
    )
    cases = read_list(table)
    assert [case.name for case in cases] == ["first", "gone", "neck0"]
    assert cases[0].volume == str(scans / "neck2.nrrd") and not cases[0].problem
    assert cases[1].problem == f"'{tmp_path / 'gone.nrrd'}' is not there: was it moved or renamed?"
    table.write_text("a,b\n1,2\n")
    with pytest.raises(BadInputError, match="none of the columns volume"):
        read_list(table)


def test_results_with_what_failed_and_what_was_not_detected(scans, tmp_path):
    results = tmp_path / "results"
    write_result(results, "a", scans / "neck0.nrrd", right="review")
    write_result(results, "b", "scans/neck1.nrrd")  # told from another folder
    write_result(results, "gone", "/nowhere/x.nrrd")
    (results / "cut.detection.json").write_text('{"schema"')
    with open(results / "detections.csv", "w", newline="") as file:
        table = csv.DictWriter(file, ("case", "path", "side", "status", "presence", "error"))
        table.writeheader()
        for side in ("left", "right"):
            table.writerow(
                {"case": "mr", "path": scans / "neck2.nrrd", "side": side, "status": "error", "error": "No CT."}
            )
    cases = {case.name: case for case in read_list(results)}
    assert list(cases) == ["a", "b", "cut", "gone", "mr"]
    assert cases["a"].statuses == {"left": "found", "right": "review"} and cases["a"].volume == str(
        scans / "neck0.nrrd"
    )
    assert cases["b"].volume == str(scans / "neck1.nrrd")
    assert "is not JSON" in cases["cut"].problem and "is not there" in cases["gone"].problem
    assert cases["mr"].problem == "No CT." and cases["mr"].volume == str(scans / "neck2.nrrd")
    assert read_list(results / "detections.csv") == list(cases.values())
    part = (results / "detections.csv").rename(results / "detections-1of2.csv")
    assert read_list(results) == read_list(part) == list(cases.values())
    (results / "detections.csv").write_bytes(part.read_bytes())
    with pytest.raises(BadInputError, match="give the folder with those results"):
        read_list(part.rename(tmp_path / "renamed.csv"))
    (results / "detections.csv").write_bytes(b"case;path\xff\n")
    assert "cannot be read" in {case.name: case for case in read_list(results)}["detections.csv"].problem
    write_result(scans, "neck0", scans / "neck0.nrrd")
    assert [(case.name, bool(case.statuses)) for case in read_list(scans)] == [
        ("neck0", True),
        ("neck1", False),
        ("neck2", False),
    ]


def write_dicom(path: Path, kind: str) -> None:
    uid = f"1.2.840.10008.5.1.4.1.1.{kind}".encode()
    path.write_bytes(bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 2, b"UI", len(uid)) + uid)


def test_reports_beside_results_are_no_case_and_images_are(scans, tmp_path):
    results = tmp_path / "results"
    for number in range(2):
        write_result(results, f"neck{number}", scans / f"neck{number}.nrrd")
        write_dicom(results / f"neck{number}.sr.dcm", "88.34")
    assert [case.name for case in read_list(results)] == ["neck0", "neck1"]
    assert Worklist(read_list(results), [], "QA").progress()[2] == 1
    write_dicom(results / "slice", "2")
    assert [case.name for case in read_list(results)] == ["neck0", "neck1", "results"]


def test_what_holds_nothing_is_a_sentence(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "nowhere.csv"):
        with pytest.raises(BadInputError):
            read_list(path)


def test_a_volume_is_made_ready_as_it_is(scans, tmp_path):
    (tmp_path / "ready").mkdir()
    told = volumes.make_ready(scans / "neck0.nrrd", tmp_path / "ready", sha256="0" * 64)
    before, voxels = read_volume(scans / "neck0.nrrd"), np.fromfile(told["file"], told["type"])
    assert np.array_equal(before.array, voxels.reshape(told["size"][::-1]))
    assert np.array_equal(before.grid.affine, told["affine"])
    assert told["changed"] is True and told["warnings"] == []
    assert volumes.make_ready(scans / "neck0.nrrd", tmp_path / "ready", sha256=before.sha256)["changed"] is False


def test_a_volume_that_is_being_written_is_said_to_be(scans, tmp_path, monkeypatch):
    path = scans / "neck0.nrrd"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match="cut off or damaged.*still be under way"):
        volumes.make_ready(path, tmp_path)
    os.utime(path, (1, 1))
    with pytest.raises(BadInputError) as old:
        volumes.make_ready(path, tmp_path)
    assert "under way" not in str(old.value)
    path.write_bytes(whole)

    def read(*_):
        path.write_bytes(whole + b"more")
        return read_volume(scans / "neck1.nrrd")

    monkeypatch.setattr(volumes, "read_volume", read)
    with pytest.raises(BadInputError, match="changed while it was read.*still be under way"):
        volumes.make_ready(path, tmp_path)


def test_another_modality_is_a_sentence(tmp_path):
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 900, (20, 30, 40)).astype(np.int16))
    sitk.WriteImage(image, str(tmp_path / "mr.nrrd"))
    request = {"command": "read", "volume": str(tmp_path / "mr.nrrd"), "folder": str(tmp_path)}
    assert "Hounsfield" in answer({**request, "series": None, "sha256": None})["problem"]


def test_nothing_is_needed_that_slicer_does_not_bring(scans, tmp_path):
    request = {"command": "read", "volume": str(scans / "neck0.nrrd"), "folder": str(tmp_path), "series": None}
    image = sitk.ReadImage(str(scans / "neck1.nrrd"))
    sitk.WriteImage(image, str(scans / "neck1.nii"))
    code = (
        "import sys, json\n"
        "sys.modules.update(dict.fromkeys(('psutil', 'nibabel', 'safetensors', 'openvino', 'torch')))\n"
        "from CarotidLandmarkLib.worklist.child import answer; request = json.loads(sys.argv[1])\n"
        "told = answer(request), answer({**request, 'volume': request['volume'].replace('0.nrrd', '1.nii')})\n"
        "print(json.dumps([*told, answer({'command': 'list', 'source': sys.argv[2], 'corrections': sys.argv[2]})]))"
    )
    command = [sys.executable, "-c", code, json.dumps({**request, "sha256": None}), str(scans)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    read, nifti, told = json.loads(done.stdout)
    assert read["size"] == [40, 30, 20] and len(told["cases"]) == 4
    assert "needs nibabel" in nifti["problem"]


def test_the_child_answers_with_one_line(scans, tmp_path):
    def ask(**request):
        command = [sys.executable, "-m", "CarotidLandmarkLib.worklist.child", json.dumps(request)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return json.loads(done.stdout.splitlines()[-1])

    told = ask(command="list", source=str(scans), corrections=str(tmp_path))
    assert [case["name"] for case in told["cases"]] == ["neck0", "neck1", "neck2"] and told["marks"] == []
    assert "nowhere" in ask(command="list", source="/nowhere", corrections=str(tmp_path))["problem"]
