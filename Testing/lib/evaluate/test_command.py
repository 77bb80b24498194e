from __future__ import annotations

import csv
import json
import shutil

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.volume.ct import write_volume


@pytest.fixture
def data(tmp_path, make_neck, balls):
    """Case a has both landmarks, b the left one only."""
    folder = tmp_path / "data"
    for name, there in (("a", balls), ("b", {"left": balls["left"]})):
        write_volume(make_neck(balls=there), folder / f"{name}.nrrd", compress=False)
        write_markups(folder / f"{name}.mrk.json", LandmarkSet(there))
    return folder


@pytest.fixture
def evaluate(detector, monkeypatch, tmp_path):
    monkeypatch.setattr(Detector, "from_weights", lambda weights, device: detector)

    def evaluate(data, out, *words):
        return main(["evaluate", "--data", str(data), "--out", str(tmp_path / out), "--samples", "2", *map(str, words)])

    return evaluate


def report(folder):
    return json.loads((folder / "report.json").read_text())


def test_detects_in_every_case_and_reports(evaluate, data, tmp_path, capsys):
    assert evaluate(data, "report") == 0
    found = report(tmp_path / "report")
    assert (found["cases"], found["all"]["present"], found["all"]["located"]) == (2, 3, 3)
    assert found["all"]["mean_mm"] < 0.3 and found["right"]["false_positives"] == {"found": 0, "review": 0}
    assert found["model"]["name"] == "bright" and found["settings"]["samples"] == 2 and found["failed_cases"] == {}
    with open(tmp_path / "report" / "report.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["side"], row["present"], row["status"]) for row in rows] == [
        ("a", "left", "1", "found"),
        ("a", "right", "1", "found"),
        ("b", "left", "1", "found"),
        ("b", "right", "0", "absent"),
    ]
    offset = [float(rows[0][f"d{axis}_mm"]) for axis in "xyz"]
    assert sum(d * d for d in offset) ** 0.5 == pytest.approx(float(rows[0]["error_mm"]), abs=1e-3)
    assert "Within 4 mm" in capsys.readouterr().out
    assert not list(data.glob("*.detection.json")), "the data is not touched"


def test_detections_that_exist_give_the_same_report(evaluate, data, tmp_path):
    assert evaluate(data, "one") == 0
    assert evaluate(data, "two", "--detections", tmp_path / "one" / "detections") == 0
    one, two = report(tmp_path / "one"), report(tmp_path / "two")
    assert one == two
    assert not (tmp_path / "two" / "detections").exists()


def test_a_case_without_detection_is_named_and_the_others_are_measured(evaluate, data, tmp_path, capsys):
    assert evaluate(data, "one") == 0
    (tmp_path / "one" / "detections" / "a.detection.json").unlink()
    assert evaluate(data, "two", "--detections", tmp_path / "one" / "detections") == 2
    assert list(report(tmp_path / "two")["failed_cases"]) == ["a"] and report(tmp_path / "two")["cases"] == 1
    assert "failed: a" in (tmp_path / "two" / "report.md").read_text()


def test_a_table_of_points_serves_as_truth(evaluate, data, balls, tmp_path):
    (data / "other").mkdir()
    shutil.copy(data / "a.nrrd", data / "other" / "a.nrrd")
    lines = ["volume,side,x,y,z,space"]
    for volume in ("a.nrrd", "other/a.nrrd", "gone.nrrd"):
        for side, (x, y, z) in balls.items():
            lines.append(f"{volume},{side},{-x},{-y},{z},RAS")
    (data / "points.csv").write_text("\n".join(lines))
    assert evaluate(data / "points.csv", "report") == 2
    found = report(tmp_path / "report")
    assert found["cases"] == 2 and found["all"]["mean_mm"] < 0.3
    assert list(found["failed_cases"]) == ["gone"]


def test_data_without_truth_is_a_sentence(evaluate, data, tmp_path, capsys):
    for file in data.glob("*.json"):
        file.unlink()
    assert evaluate(data, "report") == 2
    assert "mrk.json beside" in capsys.readouterr().err and not (tmp_path / "report").exists()


def test_exported_corrections_serve_as_truth_but_for_unreviewed_sides(evaluate, make_neck, balls, tmp_path):
    moved = {"left": balls["left"] + [0, 0, 2.0], "right": balls["right"]}
    for case, right in (("case-a", "accepted"), ("case-b", "unreviewed")):
        correction = Correction(
            case=case,
            reader="AB",
            statuses={"left": "found", "right": "found"},
            decisions={"left": "moved", "right": right},
            prediction=LandmarkSet(balls),
            corrected=LandmarkSet(moved),
        )
        write_correction(tmp_path / "c", correction, lambda path: write_volume(make_neck(), path, compress=False))
    assert evaluate(tmp_path / "c", "report") == 0
    found = report(tmp_path / "report")
    assert (found["cases"], found["left"]["present"], found["right"]["present"]) == (2, 2, 1)
    assert found["unreviewed_landmarks"] == 1 and found["right"]["false_positives"] == {"found": 0, "review": 0}
    assert found["left"]["mean_mm"] == pytest.approx(2, abs=0.3) and found["right"]["mean_mm"] < 0.3
    with open(tmp_path / "report" / "report.csv", newline="") as file:
        assert [(row["case"], row["side"]) for row in csv.DictReader(file)] == [
            ("case-a", "left"),
            ("case-a", "right"),
            ("case-b", "left"),
        ]
    assert "left out: 1" in (tmp_path / "report" / "report.md").read_text()
