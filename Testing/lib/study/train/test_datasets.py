from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.files import write_fcsv, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.train.datasets import read_dataset
from CarotidLandmarkLib.volume.ct import write_volume


@pytest.fixture
def add(tmp_path, volume):
    def add(name, points, writer=write_markups):
        write_volume(volume, tmp_path / f"{name}.nrrd", compress=False)
        if points is not None:
            suffix = ".mrk.json" if writer is write_markups else ".fcsv"
            writer(tmp_path / f"{name}{suffix}", LandmarkSet(points))

    return add


def test_a_folder_of_volumes_and_points_is_a_data_set(tmp_path, add, truth):
    add("a", truth)
    add("b", {"left": truth["left"], "right": None}, write_fcsv)
    one, two = read_dataset(tmp_path)
    assert (one.name, two.name) == ("a", "b")
    assert one.points["left"] == pytest.approx(truth["left"], abs=1e-6)
    assert two.points["right"] is None


def test_a_table_is_a_data_set_in_either_space(tmp_path, add, truth):
    add("a", None)
    left, right = truth["left"], truth["right"]
    table = tmp_path / "points.csv"
    table.write_text(
        "volume,side,x,y,z,space\n"
        f"a.nrrd,left,{left[0]},{left[1]},{left[2]},LPS\n"
        f"a.nrrd,right,{-right[0]},{-right[1]},{right[2]},RAS\n"
    )
    (sample,) = read_dataset(table)
    for side, point in truth.items():
        assert sample.points[side] == pytest.approx(point)


def test_everything_wrong_is_listed_at_once(tmp_path, add, truth):
    add("missing", None)
    add("swapped", {"left": truth["right"], "right": truth["left"]})
    add("outside", {"left": truth["left"] + [0, 0, 500], "right": truth["right"]})
    add("metres", {side: p / 1000 for side, p in truth.items()})
    add("good", truth)
    (tmp_path / "broken.nrrd").write_text("no volume")
    write_markups(tmp_path / "broken.mrk.json", LandmarkSet(truth))
    (tmp_path / "unreadable.mrk.json").write_text("{")
    add("unreadable", None)
    with pytest.raises(BadInputError) as caught:
        read_dataset(tmp_path)
    text = str(caught.value)
    for name, what in (
        ("missing", "missing.mrk.json"),
        ("swapped", "sides swapped"),
        ("outside", "mm outside"),
        ("metres", "units millimetres"),
        ("broken", "broken.nrrd"),
        ("unreadable", "unreadable.mrk.json"),
    ):
        assert any(name in line and what in line for line in text.splitlines()), (name, text)
    assert "good" not in text.replace(str(tmp_path), "")


def test_a_stray_point_gets_a_hint_at_the_mistake(tmp_path, volume, truth):
    moved = {side: p + np.array([60.0, 70, 0]) for side, p in truth.items()}
    grid = volume.grid
    shifted = type(grid)(grid.size, grid.spacing, grid.origin + [60.0, 70, 0], grid.direction)
    write_volume(type(volume)(volume.array, shifted), tmp_path / "a.nrrd", compress=False)
    write_markups(tmp_path / "a.mrk.json", LandmarkSet({side: p * [-1, -1, 1] for side, p in moved.items()}))
    with pytest.raises(BadInputError, match="in RAS"):
        read_dataset(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(BadInputError):
        read_dataset(tmp_path)


@pytest.fixture
def correct(tmp_path, volume, truth):
    """Export a correction of `volume` to tmp_path; the prediction is 3 mm off on either side."""

    def correct(case, left, right, copied=True):
        predicted = {side: point + [0, 0, 3.0] for side, point in truth.items()}
        corrected = {
            side: truth[side] if side_made == "moved" else predicted[side]
            for side, side_made in (("left", left), ("right", right))
        }
        correction = Correction(
            case=case,
            reader="AB",
            statuses={"left": "found", "right": "review"},
            decisions={"left": left, "right": right},
            prediction=LandmarkSet(predicted),
            corrected=LandmarkSet(corrected),
            anonymised=copied,
            volume={} if copied else {"path": str(tmp_path / "elsewhere.nrrd"), "sha256": "0" * 64},
        )
        folder = tmp_path / "corrections"
        copy = (lambda path: write_volume(volume, path, compress=False)) if copied else None
        return write_correction(folder, correction, copy)

    return correct


def test_exported_corrections_are_a_data_set_as_they_stand(tmp_path, correct, truth):
    correct("case-a", "accepted", "accepted")
    newest = correct("case-a", "moved", "accepted")
    correct("case-b", "missing", "moved")
    one, two = read_dataset(tmp_path / "corrections")
    assert (one.name, two.name) == ("case-a-r002", "case-b-r001")
    assert one.volume == newest.parent / "r001" / "volume.nrrd"
    assert one.points["left"] == pytest.approx(truth["left"], abs=1e-6)
    assert one.points["right"] == pytest.approx(truth["right"] + [0, 0, 3], abs=1e-6)
    assert two.points["left"] is None and two.points["right"] == pytest.approx(truth["right"], abs=1e-6)
    assert one.unreviewed == two.unreviewed == ()


def test_an_unreviewed_side_is_unknown_and_not_missing(tmp_path, correct, capsys):
    correct("case-a", "unreviewed", "moved")
    correct("case-b", "unreviewed", "missing")
    (sample,) = read_dataset(tmp_path / "corrections")
    assert sample.name == "case-a-r001" and sample.unreviewed == ("left",)
    assert "case-b-r001: left out" in capsys.readouterr().err


def test_corrections_whose_volume_changed_or_that_are_damaged_are_listed(tmp_path, correct, volume):
    write_volume(volume, tmp_path / "elsewhere.nrrd", compress=False)
    correct("changed", "accepted", "accepted", copied=False)
    (correct("damaged", "accepted", "accepted") / "correction.json").write_text("{")
    (correct("gone", "accepted", "accepted") / "volume.nrrd").unlink()
    with pytest.raises(BadInputError) as caught:
        read_dataset(tmp_path / "corrections")
    for name, what in (("changed", "another sha256"), ("damaged", "no correction"), ("gone", "does not exist")):
        assert any(name in line and what in line for line in str(caught.value).splitlines()), caught.value
