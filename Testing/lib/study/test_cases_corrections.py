"""Exported corrections as a data set."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.study.corrections.check import check
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid

TRUTH = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    grid = Grid.axis_aligned([0, 0, 0], (40, 30, 20), 2.0)
    volume = CTVolume(np.random.default_rng(0).normal(40, 200, grid.shape).astype(np.int16), grid)
    write_volume(volume, path := tmp_path_factory.mktemp("stored") / "a.nrrd", compress=False)
    return path


@pytest.fixture
def correct(tmp_path, stored):
    """Export a correction to tmp_path; the prediction is 3 mm off on either side."""

    def correct(case, left, right, copied=True):
        predicted = {side: point + [0, 0, 3.0] for side, point in TRUTH.items()}
        decisions = {"left": left, "right": right}
        corrected = {side: TRUTH[side] if made == "moved" else predicted[side] for side, made in decisions.items()}
        correction = Correction(
            case=case,
            reader="AB",
            statuses={"left": "found", "right": "review"},
            decisions=decisions,
            prediction=LandmarkSet(predicted),
            corrected=LandmarkSet(corrected),
            anonymised=copied,
            volume={} if copied else {"path": str(tmp_path / "elsewhere.nrrd"), "sha256": "0" * 64},
        )
        copy = (lambda path: shutil.copy(stored, path)) if copied else None
        return write_correction(tmp_path / "corrections", correction, copy)

    return correct


def test_exported_corrections_are_a_data_set_as_they_stand(tmp_path, correct):
    correct("case-a", "accepted", "accepted")
    newest = correct("case-a", "moved", "accepted")
    correct("case-b", "missing", "moved")
    one, two = read_cases(tmp_path / "corrections")
    assert (one.name, two.name) == ("case-a", "case-b")
    assert one.volume == newest.parent / "r001" / "volume.nrrd"
    assert one.points["left"] == pytest.approx(TRUTH["left"], abs=1e-6)
    assert one.points["right"] == pytest.approx(TRUTH["right"] + [0, 0, 3], abs=1e-6)
    assert two.points["left"] is None and two.points["right"] == pytest.approx(TRUTH["right"], abs=1e-6)
    assert one.unreviewed == two.unreviewed == ()


def test_an_unreviewed_side_is_unknown_and_not_missing(tmp_path, correct, capsys):
    correct("case-a", "unreviewed", "moved")
    correct("case-b", "unreviewed", "missing")
    (case,) = read_cases(tmp_path / "corrections")
    assert case.name == "case-a" and case.unreviewed == ("left",)
    assert "case-b: left out" in capsys.readouterr().err


def test_corrections_whose_volume_changed_or_that_are_damaged_are_listed(tmp_path, correct, stored):
    shutil.copy(stored, tmp_path / "elsewhere.nrrd")
    correct("changed", "accepted", "accepted", copied=False)
    (correct("damaged", "accepted", "accepted") / "correction.json").write_text("{")
    (correct("gone", "accepted", "accepted") / "volume.nrrd").unlink()
    with pytest.raises(BadInputError) as caught:
        read_cases(tmp_path / "corrections")
    text = str(caught.value)
    for name, what in (("changed", "another sha256"), ("damaged", "no correction"), ("gone", "does not exist")):
        assert any(name in line and what in line for line in text.splitlines()), text


def test_a_copy_of_a_case_kept_by_hand_is_no_second_case(tmp_path, correct, capsys):
    correct("case-a", "accepted", "accepted")
    home = tmp_path / "corrections" / "case-a"
    shutil.copytree(home, home.with_name("case-a - Copy"))
    with pytest.raises(BadInputError, match="case-a - Copy: It is of case-a"):
        read_cases(home.parent)
    assert [case.name for case in read_cases(home.parent, {})] == ["case-a"]


def test_points_beside_corrections_are_named_when_they_are_left_out(tmp_path, correct, stored, capsys):
    correct("case-a", "moved", "moved")
    shutil.copy(stored, tmp_path / "corrections" / "x.nrrd")
    write_markups(tmp_path / "corrections" / "x.mrk.json", LandmarkSet(TRUTH))
    assert [case.name for case in read_cases(tmp_path / "corrections")] == ["case-a"]
    assert "left out are x.mrk.json" in capsys.readouterr().err


def test_folders_of_points_beside_corrections_are_named_too(tmp_path, correct, capsys):
    folder = correct("case-a", "moved", "moved").parents[1]
    (folder / "more" / "inner").mkdir(parents=True)
    write_markups(folder / "more" / "inner" / "x.mrk.json", LandmarkSet(TRUTH))
    assert [case.name for case in read_cases(folder)] == ["case-a"]
    assert "left out are more: keep them" in capsys.readouterr().err
    assert [problem.where for problem in check(folder)] == ["more"]


def test_a_first_export_that_is_under_way_is_no_folder_of_points(tmp_path, correct, capsys):
    folder = correct("case-a", "moved", "moved").parents[1]
    (folder / "case-b" / ".0123.part").mkdir(parents=True)
    write_markups(folder / "case-b" / ".0123.part" / "x.mrk.json", LandmarkSet(TRUTH))
    assert [case.name for case in read_cases(folder)] == ["case-a"]
    assert "left out" not in capsys.readouterr().err


def test_a_case_that_may_not_be_looked_into_is_said(tmp_path, correct, monkeypatch):
    correct("case-a", "moved", "moved")
    correct("case-b", "moved", "moved")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: may(path, mode) and not str(path).endswith("case-b"))
    with pytest.raises(BadInputError, match="case-b may not be looked into"):
        read_cases(tmp_path / "corrections")
    failed = {}
    assert [case.name for case in read_cases(tmp_path / "corrections", failed)] == ["case-a"] and "case-b" in failed
