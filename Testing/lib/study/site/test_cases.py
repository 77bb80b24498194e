"""What speaks against a site's cases is said before anything runs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import SIDES, LandmarkSet
from CarotidLandmarkLib.model.weights import read_weights
from CarotidLandmarkLib.study.patients import fingerprint, same_patients
from CarotidLandmarkLib.study.site.cases import read_site
from CarotidLandmarkLib.volume.ct import write_volume
from CarotidLandmarkLib.volume.read import read_volume


def test_a_sound_site_says_nothing(site_folder, capsys):
    folder, _ = site_folder(6)
    site = read_site(folder, {"sha256": "a"})
    assert site.useful == 6 and not site.warnings and len(set(site.patients.values())) == 6
    assert site.digest == read_site(folder, {}).digest
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", [-3.4e38, -1e10, 1e10])
def test_voxels_that_are_no_hu_are_no_hindrance(value):
    array = np.random.default_rng(0).normal(40, 60, (6, 5, 4)).astype(np.float32)
    whole = fingerprint(array)
    array[0, 0, 0] = value
    assert fingerprint(array) != whole and fingerprint(array) == fingerprint(array[:, ::-1])


@pytest.mark.parametrize("count", [1, 4, 5])
def test_too_few_patients_are_refused_with_the_number_needed(site_folder, count):
    folder, _ = site_folder(count)
    with pytest.raises(BadInputError, match=rf"of {count} patient\(s\).* 6 patients are needed .* 8 to train on"):
        read_site(folder, {})


def test_landmarks_that_are_all_missing_teach_nothing(site_folder):
    folder, _ = site_folder(7, changed={f"p{n:02d}": dict.fromkeys(SIDES) for n in range(7)})
    with pytest.raises(BadInputError, match=r"of 0 patient\(s\) in 7 case"):
        read_site(folder, {})


def test_scans_of_one_patient_count_once_and_are_judged_together(site_folder, monkeypatch):
    folder, _ = site_folder(8)
    ids = {f"p{n:02d}": "same" if n < 3 else f"{n}" for n in range(8)}

    def read(path, series=None, **more):
        volume = read_volume(path, series, **more)
        volume.patient = ids[path.stem]
        return volume

    monkeypatch.setattr("CarotidLandmarkLib.study.cases.read_volume", read)
    site = read_site(folder, {})
    assert site.useful == 6 and len({site.folds(3)[f"p{n:02d}"] for n in range(3)}) == 1
    assert "p00, p01, p02" in site.warnings[0]
    ids.update(dict.fromkeys(ids, "same"))
    with pytest.raises(BadInputError, match=r"of 1 patient\(s\) in 8 case.*of 8 scans the PatientID is the same"):
        read_site(folder, {})


def test_the_same_voxels_twice_are_refused_also_in_another_orientation(site_folder):
    folder, _ = site_folder(7)
    volume = read_volume(folder / "p01.nrrd")
    volume.array = np.ascontiguousarray(volume.array[::-1])
    write_volume(volume, folder / "p00.nrrd")
    with pytest.raises(BadInputError, match="p00 and p01 show the same voxels"):
        read_site(folder, {})


def test_patients_are_joined_by_way_of_a_third_case():
    marks = {"a": ["voxels 1", "ID 1"], "b": ["voxels 2", "ID 2"], "c": ["voxels 2", "ID 1"], "d": ["voxels 3"]}
    patients = same_patients(marks)
    assert patients["a"] == patients["b"] == patients["c"] != patients["d"]


def test_voxels_tell_themselves_whatever_their_type():
    array = np.random.default_rng(0).integers(-1024, 3000, (5, 6, 7)).astype(np.int16)
    assert fingerprint(array) == fingerprint(array.transpose(2, 0, 1)) == fingerprint(array.astype(np.float32))
    other = array.copy()
    other[0, 0, 0] += 1
    assert fingerprint(other) != fingerprint(array)


@pytest.mark.parametrize(
    ("about", "own"),
    [
        ({"split": "test", "seed": 20007}, True),
        ({"split": "val", "seed": 1419}, True),
        ({"split": "test", "seed": 90000}, False),
        ({"split": "train", "seed": "7"}, False),
        ([], False),
    ],
)
def test_phantoms_that_the_weights_were_made_with_or_measured_on_are_refused(site_folder, about, own):
    folder, _ = site_folder(6)
    (folder / "p03.phantom.json").write_text(json.dumps(about))
    package = read_weights(None).header
    stage = {key: value for key, value in package["training"].items() if key != "stages"}
    trained = {"name": "mine", "training": {"steps": 1, "stages": [{**stage, "minutes": 1.0}]}}
    of_a_site = {"name": "mine-site", "site": {"base": {"name": package["name"]}}}
    for header in (package, trained, of_a_site):
        if own:
            with pytest.raises(BadInputError, match="leave out p03"):
                read_site(folder, header)
        else:
            assert read_site(folder, header).useful == 6
    assert read_site(folder, {"name": "mine", "training": {"steps": 1}}).useful == 6, "of weights of another descent"


def test_cases_that_weights_of_a_site_have_learned_from_are_refused(site_folder):
    folder, _ = site_folder(6)
    volume = read_volume(folder / "p02.nrrd")
    marks = volume.sha256, fingerprint(volume.array)
    for header in ({"site": {"volumes": [marks[0]]}}, *({"volumes": [mark]} for mark in marks)):
        with pytest.raises(BadInputError, match="judge themselves: leave out p02"):
            read_site(folder, header)


def test_swapped_sides_and_ras_are_named_first(site_folder):
    folder, _ = site_folder(6)
    points = {"left": np.array([-28.0, 4.0, -6.0]), "right": np.array([25.0, 0.0, 3.0])}
    write_markups(folder / "p04.mrk.json", LandmarkSet(points))
    with pytest.raises(BadInputError, match="p04: .*sides swapped, or RAS read as LPS"):
        read_site(folder, {})


def test_corrections_are_checked_and_readers_who_did_not_look_are_named(export, tmp_path):
    names = [f"case{n}" for n in range(11)]
    for name in names:
        export(name, "AB", "accepted", "accepted")
    site = read_site(tmp_path / "c", {"sha256": "a" * 64})
    assert len(site.warnings) == 1 and "AB left 22 of 22 landmarks exactly" in site.warnings[0]
    other = read_site(tmp_path / "c", {"sha256": "b" * 64})
    assert "11 of 11 cases were read with the answers of another model" in other.warnings[-1]
    revision = tmp_path / "c" / "case3" / "r001"
    told = json.loads((revision / "correction.json").read_text())
    told["landmarks"][0]["displacement_mm"] = 4.0
    (revision / "correction.json").write_text(json.dumps(told))
    with pytest.raises(BadInputError, match="1 thing.s. to mend .*case3/r001: .*edited by hand"):
        read_site(tmp_path / "c", {})
    export("case3", "AB", "accepted", "accepted")  # a new revision puts it right
    assert read_site(tmp_path / "c", {}).useful == 11


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (lambda r: (r / "volume.nrrd").unlink(), "volume"),
        (lambda r: (r / "volume.nrrd").write_bytes((r / "volume.nrrd").read_bytes()[:-50]), "volume"),
        (lambda r: (r / "correction.json").write_text("{"), "correction.json"),
        (lambda r: _edit(r, schema="carotid-landmark/correction/2"), "a newer version wrote it"),
        (lambda r: _edit(r, volume={"path": "volume.nrrd", "sha256": "0" * 64}), "not the file that was corrected"),
        (lambda r: _third_point(r), "point"),
    ],
)
def test_damaged_corrections_are_sentences(export, tmp_path, harm, sentence):
    for n in range(6):
        export(f"case{n}", "AB", [0.3, 0, 1], [0, 0.2, 1])
    harm(tmp_path / "c" / "case2" / "r001")
    with pytest.raises(BadInputError, match=rf"case2.*{sentence}|{sentence}.*case2"):
        read_site(tmp_path / "c", {})


def _edit(revision, **changes):
    file = revision / "correction.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _third_point(revision):
    file = revision / "correction.mrk.json"
    told = json.loads(file.read_text())
    points = told["markups"][0]["controlPoints"]
    points.append({**points[0], "id": "3"})
    file.write_text(json.dumps(told))


def test_the_folds_and_the_digest_follow_names_and_points(site_folder):
    folder, _ = site_folder(6)
    before = read_site(folder, {})
    shutil.move(folder / "p00.nrrd", folder / "q00.nrrd")
    shutil.move(folder / "p00.mrk.json", folder / "q00.mrk.json")
    assert read_site(folder, {}).digest != before.digest
