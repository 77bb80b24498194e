"""Data sets: what is read as truth, what is not, and that training and evaluation read the same."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.case import Settings, detect_case
from CarotidLandmarkLib.detect.results import write_case
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import write_detection
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.volume.ct import CTVolume, hash_files, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import read_volume

TRUTH = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}
GRID = Grid.axis_aligned([0, 0, 0], (40, 30, 20), 2.0)
LEFT_ONLY = {"left": TRUTH["left"], "right": None}
FCSV = "# CoordinateSystem = LPS\n# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"


@pytest.fixture(scope="module")
def volume():
    return CTVolume(np.random.default_rng(0).normal(40, 200, GRID.shape).astype(np.int16), GRID)


@pytest.fixture(scope="module")
def stored(volume, tmp_path_factory):
    write_volume(volume, path := tmp_path_factory.mktemp("stored") / "a.nrrd", compress=False)
    return path


@pytest.fixture
def add(stored, tmp_path):
    """Put a volume, and its points as .mrk.json, into tmp_path."""

    def add(name, points=None, descriptions=None):
        path = Path(shutil.copy(stored, tmp_path / f"{name}.nrrd"))
        if points is not None:
            write_markups(tmp_path / f"{name}.mrk.json", LandmarkSet(points), descriptions)
        return path

    return add


def fcsv(path, *rows):
    lines = [f"{k},{x},{y},{z},0,0,0,1,1,1,0,{label},," for k, (label, (x, y, z)) in enumerate(rows, start=1)]
    path.write_text(FCSV + "\n".join(lines) + "\n")


def problems(path):
    with pytest.raises(BadInputError) as caught:
        read_cases(path)
    return str(caught.value)


def test_a_folder_of_volumes_and_points_is_a_data_set(tmp_path, add):
    file = add("a", TRUTH)
    add("b", LEFT_ONLY)
    add("c")
    fcsv(tmp_path / "c.fcsv", ("L", TRUTH["left"]), ("R", TRUTH["right"]))
    one, two, three = read_cases(tmp_path)
    assert (one.name, two.name, three.name) == ("a", "b", "c")
    assert one.volume == file and one.sha256 == hash_files([file])
    assert one.grid.size == GRID.size and one.grid.origin == pytest.approx(GRID.origin)
    assert one.points["left"] == pytest.approx(TRUTH["left"]) and three.points["right"] == pytest.approx(TRUTH["right"])
    assert two.points["right"] is None
    assert one.unreviewed == two.unreviewed == three.unreviewed == (), "marked as missing is reviewed"


def test_a_table_is_a_data_set_in_either_space(tmp_path, add):
    add("a")
    (x, y, z), right = TRUTH["left"], TRUTH["right"]
    table = tmp_path / "points.csv"
    table.write_text(
        f"volume,side,x,y,z,space\na.nrrd,left,{x},{y},{z},LPS\na.nrrd,right,{-right[0]},{-right[1]},{right[2]},RAS\n"
    )
    (case,) = read_cases(table)
    assert case.name == "a"
    for side, point in TRUTH.items():
        assert case.points[side] == pytest.approx(point)


def test_names_keep_their_dots_and_any_text(tmp_path, add):
    names = ["1.3.6.1.4.1.99999.5.7", "1.3.6.1.4.1.99999.5.8", "Scan\u00a01", "患者\u3000太郎"]
    for name in names:
        add(name, TRUTH)
    assert [case.name for case in read_cases(tmp_path)] == names
    x, y, z = TRUTH["left"]
    table = tmp_path / "truth.csv"
    rows = [f"{name}.nrrd,left,{x},{y},{z},LPS" for name in names]
    table.write_text("\n".join(["volume,side,x,y,z,space", *rows]), encoding="utf-8")
    assert [case.name for case in read_cases(table)] == names
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / f"{names[0]}.nrrd", tmp_path / "other")
    table.write_text("\n".join(["volume,side,x,y,z,space", rows[0], f"other/{rows[0]}"]), encoding="utf-8")
    assert [case.name for case in read_cases(table)] == [names[0], f"{names[0]}-2"]


def test_one_annotated_side_leaves_the_other_unreviewed_and_says_so(tmp_path, add, capsys):
    for name in "abc":
        add(name)
    fcsv(tmp_path / "a.fcsv", ("L", TRUTH["left"]))
    write_markups(tmp_path / "b.mrk.json", LandmarkSet(LEFT_ONLY))
    text = (tmp_path / "b.mrk.json").read_text()
    (tmp_path / "b.mrk.json").write_text(text.replace('"missing"', '"undefined"'))
    write_markups(tmp_path / "c.mrk.json", LandmarkSet(LEFT_ONLY))
    one, two, three = read_cases(tmp_path)
    assert one.unreviewed == two.unreviewed == ("right",) and three.unreviewed == ()
    said = capsys.readouterr().err
    assert "Only one side is annotated in 2 case(s): a, b." in said and "mark its point as missing" in said
    x, y, z = TRUTH["left"]
    rows = [f"a.nrrd,left,{x},{y},{z},LPS", f"b.nrrd,left,{x},{y},{z},LPS", "b.nrrd,right,,,,"]
    (tmp_path / "t.csv").write_text("\n".join(["volume,side,x,y,z,space", *rows]))
    one, two = read_cases(tmp_path / "t.csv")
    assert one.unreviewed == ("right",) and two.unreviewed == ()
    assert "in 1 case(s): a." in capsys.readouterr().err


def test_a_side_marked_missing_beside_one_unreviewed_is_left_out(tmp_path, add, capsys):
    add("a", TRUTH)
    add("b")
    (tmp_path / "b.fcsv").write_text(FCSV + "1,0,0,0,0,0,0,1,1,1,0,R,,,3,0\n")
    assert [case.name for case in read_cases(tmp_path)] == ["a"]
    assert "b: left out" in capsys.readouterr().err


def test_everything_wrong_is_listed_at_once(tmp_path, add):
    add("missing")
    add("swapped", {"left": TRUTH["right"], "right": TRUTH["left"]})
    add("outside", {"left": TRUTH["left"] + [0, 0, 500], "right": TRUTH["right"]})
    add("metres", {side: p / 1000 for side, p in TRUTH.items()})
    add("good", TRUTH)
    add("broken", TRUTH).write_text("no volume")
    add("unreadable")
    (tmp_path / "unreadable.mrk.json").write_text("{")
    add("nested")
    (tmp_path / "nested.mrk.json").write_text("[" * 100_000)
    add("roi")
    roi = {"type": "ROI", "controlPoints": [{"label": "R-1", "position": [0, 0, 0]}]}
    (tmp_path / "roi.mrk.json").write_text(json.dumps({"markups": [roi]}))
    add("folder")
    (tmp_path / "folder.mrk.json").mkdir()
    add("pipe")
    os.mkfifo(tmp_path / "pipe.mrk.json")
    add("undefined", TRUTH)
    text = (tmp_path / "undefined.mrk.json").read_text()
    (tmp_path / "undefined.mrk.json").write_text(text.replace('"defined"', '"undefined"'))
    wrong = {
        "missing": "put missing.mrk.json beside missing.nrrd",
        "swapped": "sides swapped",
        "outside": "mm outside",
        "metres": "units millimetres",
        "broken": "broken.nrrd",
        "unreadable": "unreadable.mrk.json",
        "nested": "no Slicer markups file",
        "roi": "'ROI', which is no landmark",
        "folder": "a folder, no file",
        "pipe": "a pipe or device, no file",
        "undefined": "no point that is placed or marked as missing",
    }
    text = problems(tmp_path)
    for name, what in wrong.items():
        assert re.search(rf"[:;] {name}: [^;]*{re.escape(what)}", text), (name, text)
    assert (
        f"{sum(len(re.findall(f'[:;] {name}: ', text)) for name in wrong)} thing(s)" in text
        and "good" not in text.replace(str(tmp_path), "")
    )
    failed = {}
    assert [case.name for case in read_cases(tmp_path, failed)] == ["good"]
    assert {name for name, what in wrong.items() if what in failed[name]} == set(wrong) == set(failed)


def test_a_stray_point_gets_a_hint_at_the_mistake(tmp_path, volume):
    moved = {side: p + np.array([60.0, 70, 0]) for side, p in TRUTH.items()}
    shifted = Grid(GRID.size, GRID.spacing, GRID.origin + [60.0, 70, 0], GRID.direction)
    write_volume(CTVolume(volume.array, shifted), tmp_path / "a.nrrd", compress=False)
    write_markups(tmp_path / "a.mrk.json", LandmarkSet({side: p * [-1, -1, 1] for side, p in moved.items()}))
    assert "in RAS" in problems(tmp_path)


def test_volumes_of_a_table_that_are_none_are_listed(tmp_path, add):
    os.mkfifo(tmp_path / "pipe")
    bytes_name = os.fsdecode(b"pat\xe9.nrrd")
    shutil.copy(add("x"), tmp_path / bytes_name)
    x, y, z = TRUTH["left"]
    names = ["gone.nrrd", "pipe", os.devnull, "n" * 300 + ".nrrd"]
    (tmp_path / "t.csv").write_text(
        "\n".join(["volume,side,x,y,z,space", *(f"{name},left,{x},{y},{z},LPS" for name in names)])
    )
    text = problems(tmp_path / "t.csv")
    for name, what in zip(names, ("does not exist", *["is neither a file nor a folder"] * 2, "cannot be opened")):
        assert re.search(rf"{re.escape(name)}' {what}", text), (name, text)
    write_markups(tmp_path / os.fsdecode(b"pat\xe9.mrk.json"), LandmarkSet(TRUTH))
    assert "bytes that are no UTF-8 text" in problems(tmp_path)


def test_two_volumes_do_not_share_their_points(tmp_path, add, volume):
    add("a", TRUTH)
    write_volume(volume, tmp_path / "a.nii.gz")
    assert "a.mrk.json is beside a.nii.gz and a.nrrd" in problems(tmp_path)


# What detect wrote is no truth


@pytest.fixture
def detected(detector, make_neck, balls, tmp_path):
    """A neck in tmp_path, and what was detected in it."""
    write_volume(make_neck(), path := tmp_path / "a.nrrd", compress=False)
    return detect_case(detector, "a", path, Settings(samples=2))


def test_what_detect_wrote_into_the_folder_is_no_truth(tmp_path, detected, balls):
    write_case(tmp_path, detected)
    assert "a.mrk.json holds what detect found, which is no truth" in problems(tmp_path)
    (tmp_path / "a.detection.json").unlink()
    assert "holds what detect found" in problems(tmp_path), "its descriptions say so, too"
    fcsv(tmp_path / "a.fcsv", ("L", balls["left"]), ("R", balls["right"]))
    (case,) = read_cases(tmp_path)
    assert case.points["left"] == pytest.approx(balls["left"]), "the truth is the other file"


def test_points_where_detect_found_them_are_its_own_without_descriptions_too(tmp_path, detected, balls):
    write_detection(tmp_path / "a.detection.json", detected)
    write_markups(tmp_path / "a.mrk.json", detected.points())
    assert "holds what detect found" in problems(tmp_path)
    write_markups(tmp_path / "a.mrk.json", LandmarkSet(balls))
    (case,) = read_cases(tmp_path)
    assert case.unreviewed == ()


def test_what_a_reader_has_decided_in_the_panel_is_truth_side_by_side(tmp_path, add, capsys):
    told = "found, presence 0.98, radii 1.0 x 1.0 x 1.0 mm. It is\nunsure."
    add("a", TRUTH, {"left": f"accepted, {told}", "right": f"moved, {told}"})
    add("b", TRUTH, {"left": f"accepted, {told}", "right": told})
    add("c", TRUTH, {"left": "moved", "right": "unreviewed"})
    one, two, three = read_cases(tmp_path)
    assert one.unreviewed == () and two.unreviewed == three.unreviewed == ("right",)
    assert two.points["right"] is None and "a, b" not in capsys.readouterr().err
    add("d", TRUTH, {"left": "found", "right": "review"})
    assert "d.mrk.json holds what detect found" in problems(tmp_path)


# Both commands


@pytest.fixture
def say(tmp_path, capsys, weights):
    """The exit code and the sentence of a command for a data set."""

    def say(command, data):
        more = ["--samples", "1", "--weights", weights] if command == "evaluate" else ["--steps", "0", "--workers", "0"]
        words = ["--data", data, "--out", tmp_path / "out" / command, "--device", "cpu", *more]
        try:
            code = main([command, *map(str, words)])
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err.replace(f"carotid-landmark {command}", "")

    return say


def bad_data_sets(tmp_path, add):
    """Name to what is given as --data, each wrong in its own way."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    given = {"empty": "", "pipe": tmp_path / "pipe", "null": os.devnull, "long": "n" * 300, "gone": tmp_path / "gone"}
    given |= {"empty folder": tmp_path / "empty", "volume": add("a")}
    for name, text in (
        ("header", "volume;side;x;y;z\n"),
        ("quote", 'volume,side,x,y,z,space\n"a.nrrd,left,1,2,3,LPS\n'),
        ("side", "volume\tside\tx\ty\tz\tspace\na.nrrd\tR-1\t1\t2\t3\tLPS\n"),
        ("outside", "volume;side;x;y;z;space\na.nrrd;left;1000,5;2;3;LPS\n"),
    ):
        given[name] = tmp_path / f"{name}.csv"
        given[name].write_text(text)
    return given


def test_training_and_evaluation_say_the_same(tmp_path, add, say, monkeypatch):
    pytest.importorskip("lightning_fabric")
    add("here", TRUTH)
    monkeypatch.chdir(tmp_path)  # what an empty path must not stand for
    for name, given in bad_data_sets(tmp_path, add).items():
        (code, sentence), other = say("train", given), say("evaluate", given)
        last, other_last = sentence.splitlines()[-1], other[1].splitlines()[-1]
        assert (code, last) == (other[0], other_last) and code == 2, (name, sentence, other)
        assert "Traceback" not in sentence and not (tmp_path / "out" / "evaluate").exists(), name
    assert "give a path" in say("evaluate", "")[1]


def test_all_that_is_wrong_with_a_data_set_is_one_line(tmp_path):
    (tmp_path / "truth.csv").write_text("volume,side,x,y,z,space\na.nrrd,left,1,2,3,LPS\nb.nrrd,left,1,2,3,LPS\n")
    with pytest.raises(BadInputError, match="2 thing.s. to mend: a: .*; b: ") as error:
        read_cases(tmp_path / "truth.csv")
    assert "\n" not in str(error.value)


def test_what_is_odd_about_a_volume_is_said(add, tmp_path, capsys, monkeypatch):
    add("a", TRUTH)

    def odd(path, series=None):
        volume = read_volume(path, series)
        volume.warnings.append("The file stores no orientation: taken as LPS axes.")
        return volume

    monkeypatch.setattr("CarotidLandmarkLib.study.cases.read_volume", odd)
    read_cases(tmp_path)
    assert "a: The file stores no orientation" in capsys.readouterr().err
