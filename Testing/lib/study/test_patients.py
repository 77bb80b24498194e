"""Cases of one patient, and cases that weights know already."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.model.weights import read_weights
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.study.patients import known_cases, members, same_patients, say_known
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import read_volume

POINTS = LandmarkSet({"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])})


@pytest.fixture
def folder(tmp_path):
    """Volumes a0, a1, b0, b1, ... of which those of a letter show the same, in files that differ."""
    grid = Grid.axis_aligned([0, 0, 0], (40, 30, 20), 2.0)
    for number, letter in enumerate("abcdefghijkl"):
        array = np.random.default_rng(number).normal(40, 200, grid.shape).astype(np.int16)
        for copy, suffix in enumerate((".nrrd", ".nii.gz")):
            write_volume(CTVolume(array, grid), tmp_path / f"{letter}{copy}{suffix}")
            write_markups(tmp_path / f"{letter}{copy}.mrk.json", POINTS)
    return tmp_path


def test_the_same_voxels_in_two_files_are_said(folder, capsys):
    cases = read_cases(folder)
    assert len({case.sha256 for case in cases}) == 24 and len({case.voxels for case in cases}) == 12
    assert "a0 and a1 show the same voxels and count 2 times" in capsys.readouterr().err


def training_data(folder, out):
    """The names of the cases that are trained on, and of those held out."""
    from CarotidLandmarkLib.study.methods import get
    from CarotidLandmarkLib.study.train.data import TrainingData
    from CarotidLandmarkLib.study.train.loop import Options

    method = get("default")
    data = TrainingData(Options(out, data=folder, workers=0), method.config, method.recipe, "cpu")
    (train, _), (held, _) = data.stores[0], data.validation[0]
    return [[case.name for case in store.recipe.samples] for store in (train, held)], data


@pytest.mark.torch
def test_who_is_held_out_is_not_trained_on_in_another_scan(folder, tmp_path):
    (train, held), data = training_data(folder, tmp_path / "run")
    assert len(held) == 2 and not {name[0] for name in train} & {name[0] for name in held}
    assert len(data.volumes) == 24 + 12, "of files and of voxels"


@pytest.mark.torch
def test_scans_of_one_patient_are_held_out_from_each_other(folder, tmp_path, monkeypatch, capsys):
    ids = {letter: f"{number // 3}" for number, letter in enumerate("abcdefghijkl")}

    def read(path, series=None, **more):
        volume = read_volume(path, series, **more)
        volume.patient = ids[path.name[0]]
        return volume

    monkeypatch.setattr("CarotidLandmarkLib.study.cases.read_volume", read)
    (train, held), _ = training_data(folder, tmp_path / "run")
    assert len(held) == 6 and not {ids[name[0]] for name in train} & {ids[name[0]] for name in held}
    assert "of one patient" not in capsys.readouterr().err
    ids.update(dict.fromkeys("abcdefghi", "anonymous"), j="j", k="k", l="l")
    (train, held), _ = training_data(folder, tmp_path / "run")
    assert len(train) == 22 and held[0][0] == held[1][0] and held[0][0] in "jkl"
    assert "18 of 24 cases are of one patient, by DICOM's patient ID or by their voxels.\n" in capsys.readouterr().err
    ids.update(dict.fromkeys(ids, "the only one"))
    (train, held), _ = training_data(folder, tmp_path / "run")
    assert len(train) == 22 and not set(train) & set(held)
    assert "it is validated on other scans of whom it is trained on" in capsys.readouterr().err


@pytest.mark.torch
@pytest.mark.parametrize(
    ("here", "known", "trained", "kept"),
    [
        (16, 305, True, True),
        (24, 305, True, False),
        (24, 305, False, True),
        (400, 305, False, False),
        (24, 0, False, False),
    ],
)
def test_a_calibration_that_rests_on_more_is_kept(monkeypatch, here, known, trained, kept):
    from CarotidLandmarkLib.model.config import ModelConfig
    from CarotidLandmarkLib.study.train import files

    model = SimpleNamespace(config=ModelConfig(covariance_scale=(1.0,) * 4))
    data = SimpleNamespace(validation=[None] * (here + 10), validation_cases=lambda: None)
    monkeypatch.setattr(files, "calibrate", lambda model, cases, seed: ((2.0,) * 4, here))  # ten have no landmark
    start = {"calibration": {"cases": known, "kept_from_start": False, "whole_scans": True}}
    told = files.calibrated(model, data, SimpleNamespace(scales=(), seed=0), [start], trained)
    assert told == {"cases": known if kept else here, "kept_from_start": kept}
    assert model.config.covariance_scale == ((1.0,) * 4 if kept else (2.0,) * 4)


def test_who_judges_is_told_which_cases_weights_have_learned_from(folder, capsys):
    package = read_weights(None).header
    cases = read_cases(folder)
    (folder / "b0.phantom.json").write_text(json.dumps({"split": "val", "seed": 7}))
    (folder / "c0.phantom.json").write_text(json.dumps({"split": "test", "seed": 20007}))
    capsys.readouterr()
    say_known(cases, {**package, "volumes": [cases[0].voxels]})
    assert capsys.readouterr().err.rstrip().endswith("better there than on others: a0, a1, b0.")
    assert known_cases(cases, package) == ["b0", "c0"]
    say_known(cases, {"name": "mine"})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "header",
    [
        {"training": {"stages": None}},
        {"training": {"stages": ["pre-trained elsewhere"]}},
        {"training": "long ago"},
        {"site": {"base": "default"}},
        {"site": "here", "volumes": "all"},
        {"name": "default", "training": {"steps": 3}},  # a run into a folder of this name
    ],
)
def test_weights_that_say_little_of_their_past_know_no_phantom(header, folder):
    (folder / "b0.phantom.json").write_text(json.dumps({"split": "val", "seed": 7}))
    assert known_cases(read_cases(folder), header) == []


def test_a_hundred_thousand_cases_are_told_apart_and_together():
    marks = {f"{number}": [f"of {number // 2}", f"own {number}"] for number in range(100_000)}
    patients = same_patients({**marks, "both": ["of 0", "of 1"]})
    of_patient = members(patients)
    assert len(of_patient) == 49_999 and of_patient[patients["both"]] == ["0", "1", "2", "3", "both"]
