from __future__ import annotations

import copy
import csv
import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from CarotidLandmarkLib.detect import results
from CarotidLandmarkLib.detect.case import unique_names
from CarotidLandmarkLib.detect.results import (
    TABLE,
    Outcome,
    check_case,
    describe,
    mend_cases,
    prepare_folder,
    rows_of,
    write_case,
    write_table,
)
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.detection import LandmarkDetection, read_detection, write_detection
from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.pictures.key import SIGN

MADE: list = []


@pytest.fixture
def detection(detector, make_neck, balls):
    if not MADE:
        MADE.append(detector.detect(make_neck(balls={"left": balls["left"]}), samples=2, case="p1"))
    return copy.deepcopy(MADE[0])


def test_both_files_agree_and_nothing_else_is_left(detection, tmp_path):
    files = write_case(tmp_path, detection)
    assert sorted(tmp_path.iterdir()) == sorted(files) == [tmp_path / "p1.detection.json", tmp_path / "p1.mrk.json"]
    read = read_detection(tmp_path / "p1.detection.json")
    points = read_points(tmp_path / "p1.mrk.json").points
    assert read.to_dict() == detection.to_dict()
    assert points["left"].tolist() == detection.landmark("left").position_lps_mm.tolist()
    assert points["right"] is None


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(failing, detection, tmp_path, monkeypatch):
    written = []

    def full(path, *rest):
        written.append(path)
        if len(written) == failing:
            raise CannotRunError("no") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        Path(path).write_text("{}")

    monkeypatch.setattr(results, "write_markups", full)
    monkeypatch.setattr(results, "write_detection", full)
    with pytest.raises(CannotRunError, match="No space left"):
        write_case(tmp_path, detection)
    assert len(written) == failing and list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_a_sentence(detection, tmp_path):
    (tmp_path / "out").write_text("mine")
    for attempt in (prepare_folder, lambda folder: write_case(folder, detection), lambda f: write_table(f / TABLE, [])):
        with pytest.raises(CannotRunError, match=r"another folder with -o\."):
            attempt(tmp_path / "out")
    with pytest.raises(CannotRunError, match=r"another folder with --out\."):
        prepare_folder(tmp_path / "out", "--out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("name", ["p1.mrk.json", "p1.fork.mrk.json", "p1.seeds.mrk.json"])
def test_points_that_detect_did_not_write_are_never_replaced(detection, tmp_path, name):
    reference = tmp_path / name
    reference.write_text("placed by hand")
    with pytest.raises(BadInputError, match="not a result of detect"):
        write_case(tmp_path, detection)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["placed by hand"]
    reference.unlink()
    write_case(tmp_path, detection)
    write_case(tmp_path, detection)


KILLED = """
import os, signal, sys
from pathlib import Path
from CarotidLandmarkLib.detect import results
from CarotidLandmarkLib.landmarks.detection import LandmarkDetection, read_detection, write_detection
calls = []
def or_die(*paths):
    calls.append(paths)
    if len(calls) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
replace, results.os.replace = os.replace, or_die
results.write_case(Path(sys.argv[1]), read_detection(sys.argv[2]))
"""


@pytest.mark.parametrize("before", [False, True], ids=["new", "again"])
@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_case_that_was_killed_half_written_is_whole_after_the_next_run(call, before, detection, tmp_path):
    """Two renames put the files into a folder beside, two more into their places; before which the process ends."""
    out = tmp_path / "out"
    out.mkdir()
    if before:
        old = replace(
            detection, settings={**detection.settings, "seed": 1}, landmarks=[*map(absent, detection.landmarks)]
        )
        write_case(out, old)
    write_detection(tmp_path / "new.json", detection)
    words = [sys.executable, "-c", KILLED, str(out), str(tmp_path / "new.json"), str(call)]
    assert subprocess.run(words).returncode == -signal.SIGKILL
    for partial in out.glob(".*"):
        os.utime(partial, (0, 0))
    mend_cases(out)
    expected = {"p1.detection.json", "p1.mrk.json"} if before or call == 4 else set()
    assert {path.name for path in out.iterdir()} == expected
    if expected:
        report = read_detection(out / "p1.detection.json")
        assert report.settings["seed"] == (0 if call == 4 else 1)
        points = read_points(out / "p1.mrk.json").points
        assert (points["left"] is None) == (report.landmark("left").position_lps_mm is None)
        assert describe(report.landmark("left")) in (out / "p1.mrk.json").read_text()


def absent(landmark):
    return LandmarkDetection(landmark.side, "absent", ["No bifurcation is seen."])


def test_mending_leaves_alone_what_is_not_ours_or_just_being_written(detection, tmp_path):
    (tmp_path / "foreign.detection.json").write_text("{}")
    (tmp_path / f"{results.PARTIAL}now").mkdir()
    mend_cases(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_mending_beside_a_process_that_ends_a_case_goes_on(tmp_path, monkeypatch):
    theirs, old = tmp_path / f"{results.PARTIAL}a", tmp_path / f"{results.PARTIAL}b"
    theirs.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    real = Path.glob

    def glob(folder, pattern):
        found = sorted(real(folder, pattern))
        if theirs in found:
            theirs.rmdir()
        return found

    monkeypatch.setattr(Path, "glob", glob)
    mend_cases(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_up_to_the_limit_work_and_longer_ones_are_refused_before_any_work(detection, tmp_path):
    longest = 255 - len(".detection.json")
    for name in ("n" * longest, "\u00e4\u3000\u200b" + "n" * (longest - 8)):
        check_case(tmp_path, name)
        assert len(write_case(tmp_path, replace(detection, case=name))) == 2
    for name in ("n" * (longest + 1), "\u00e4" + "n" * (longest - 1)):
        with pytest.raises(BadInputError, match="rename the volume"):
            check_case(tmp_path, name)


def test_json_that_others_cannot_read_is_not_written(detection, tmp_path):
    detection.case = detection.volume["path"] = "n\udcffme"
    detection.timing_s["network"] = float("nan")
    report = write_case(tmp_path, detection)[1]
    text = report.read_text(encoding="utf-8")
    values = json.loads(text, parse_constant=pytest.fail)
    assert values["volume"]["path"] == values["case"] == "n\\udcffme" and values["timing_s"]["network"] is None
    text.encode(), values["case"].encode()


def test_the_table_has_a_row_for_each_landmark_also_of_cases_that_failed(detection, tmp_path):
    bad = Outcome("p2", Path("p2.nrrd"), error=BadInputError("It is broken, twice."))
    write_table(tmp_path / TABLE, [rows_of(Outcome("p1", Path("p1.nrrd"), detection)), rows_of(bad)])
    with open(tmp_path / "detections.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["side"], row["status"]) for row in rows] == [
        ("p1", "left", "found"),
        ("p1", "right", "absent"),
        ("p2", "left", "error"),
        ("p2", "right", "error"),
    ]
    left = detection.landmark("left")
    assert [float(rows[0][f"{axis}_lps_mm"]) for axis in "xyz"] == pytest.approx(left.position_lps_mm, abs=1e-3)
    assert float(rows[0]["radius_a_mm"]) == pytest.approx(left.confidence_radii_mm[0], abs=1e-3)
    assert float(rows[0]["volume_mm3"]) == pytest.approx(left.confidence_volume_mm3, abs=1e-3)
    assert rows[1]["x_lps_mm"] == "" and "No bifurcation" in rows[1]["reasons"]
    assert {row["error"] for row in rows[2:]} == {"It is broken, twice."}


def test_a_description_says_status_presence_radii_and_reasons(detection):
    assert describe(detection.landmark("left")).startswith("found, presence 1.00, radii ")
    assert describe(detection.landmark("right")).startswith("absent, presence 0.")
    assert "No bifurcation is seen" in describe(detection.landmark("right"))


def test_names_are_made_unique():
    assert unique_names(["a", "a-2", "a", "A", "b"]) == ["a", "a-2", "a-3", "A-4", "b"]
    assert unique_names(["\u00e4", "a\u0308", "\u00c4"]) == ["\u00e4", "a\u0308-2", "\u00c4-3"]


def drawn(detection, data=b"\x89PNG one"):
    return replace(detection, picture=data)


def test_a_picture_is_written_with_the_others_and_an_old_one_goes(detection, tmp_path):
    image = tmp_path / "p1.png"
    files = write_case(tmp_path, drawn(detection, b"\x89PNG" + SIGN + b"one"))
    assert sorted(tmp_path.iterdir()) == sorted(files) and image in files and image.read_bytes().endswith(b"one")
    write_case(tmp_path, drawn(detection, b"\x89PNG" + SIGN + b"two"))
    assert image.read_bytes().endswith(b"two")
    write_case(tmp_path, detection)
    assert not image.exists(), "it is not of the new report"


def test_a_picture_that_was_not_drawn_here_is_never_replaced(detection, tmp_path):
    image = tmp_path / "p1.png"
    image.write_bytes(b"\x89PNG of a holiday")
    write_case(tmp_path, detection)
    check_case(tmp_path, "p1")
    for attempt in (lambda: check_case(tmp_path, "p1", picture=True), lambda: write_case(tmp_path, drawn(detection))):
        with pytest.raises(BadInputError, match=r"p1.png exists and is no picture of detect"):
            attempt()
    assert image.read_bytes() == b"\x89PNG of a holiday"


def test_a_picture_that_cannot_be_written_leaves_nothing_of_the_case(detection, tmp_path, monkeypatch):
    def full(path, data):
        raise CannotRunError("no") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(results, "write_bytes", full)
    with pytest.raises(CannotRunError, match="No space left"):
        write_case(tmp_path, drawn(detection))
    assert list(tmp_path.iterdir()) == []
