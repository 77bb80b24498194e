from __future__ import annotations

import csv
import errno
import os
from pathlib import Path

import pytest

from CarotidLandmarkLib.detect import results
from CarotidLandmarkLib.detect.case import unique_names
from CarotidLandmarkLib.detect.results import Outcome, describe, prepare_folder, write_case, write_table
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.detection import read_detection
from CarotidLandmarkLib.landmarks.files import read_points


@pytest.fixture
def detection(detector, make_neck, balls):
    return detector.detect(make_neck(balls={"left": balls["left"]}), samples=2, case="p1")


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
    with pytest.raises(BadInputError, match="No space left"):
        write_case(tmp_path, detection)
    assert len(written) == failing and list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_a_sentence(detection, tmp_path):
    (tmp_path / "out").write_text("mine")
    for attempt in (prepare_folder, lambda folder: write_case(folder, detection), lambda f: write_table(f, [])):
        with pytest.raises(BadInputError, match="another folder with -o"):
            attempt(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_points_that_detect_did_not_write_are_never_replaced(detection, tmp_path):
    reference = tmp_path / "p1.mrk.json"
    reference.write_text("placed by hand")
    with pytest.raises(BadInputError, match="not a result of detect"):
        write_case(tmp_path, detection)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["placed by hand"]
    reference.unlink()
    write_case(tmp_path, detection)
    write_case(tmp_path, detection)


def test_the_table_has_a_row_for_each_landmark_also_of_cases_that_failed(detection, tmp_path):
    bad = Outcome("p2", Path("p2.nrrd"), error=BadInputError("It is broken, twice."))
    write_table(tmp_path, [Outcome("p1", Path("p1.nrrd"), detection), bad])
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
