from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import write_fcsv, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.train.datasets import read_dataset
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
