from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from CarotidLandmarkLib.errors import CannotRunError
from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.report import figures
from CarotidLandmarkLib.volume.ct import write_volume
from Testing.lib.study import made_forks
from Testing.lib.study.report import evaluating
from Testing.lib.study.report.evaluating import report

store = pytest.fixture(scope="module")(evaluating.store)
data = pytest.fixture(evaluating.data)
detector = pytest.fixture(evaluating.detector)
evaluate = pytest.fixture(evaluating.evaluate)


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


def test_forks_are_measured_where_a_phantom_tells_its_vessels(evaluate, data, balls, tmp_path, capsys):
    assert evaluate(data, "plain") == 0
    text = (tmp_path / "plain" / "report.md").read_text()
    assert "## Forks" not in text and "Forks without" not in text, "no lumen was looked at"
    assert report(tmp_path / "plain")["forks"] is None
    detections = tmp_path / "plain" / "detections"
    for file in detections.iterdir():
        detection = json.loads(file.read_text())
        detection["landmarks"][0]["fork"] = made_forks.fork().to_dict()
        file.write_text(json.dumps(detection))
    assert evaluate(data, "one", "--detections", detections) == 0
    text = (tmp_path / "one" / "report.md").read_text()
    assert "- Forks without a truth, which are not measured: 2." in text and "Measures of forks" not in text
    carinas = {side: place.tolist() for side, place in balls.items()}
    (data / "a.phantom.json").write_text(json.dumps(made_forks.about(carina_lps_mm=carinas)))
    capsys.readouterr()
    assert evaluate(data, "two", "--detections", detections) == 0
    found = report(tmp_path / "two")["forks"]
    assert (found["landmarks"], found["without_truth"]) == (1, 1)
    assert "## Measures of forks" in capsys.readouterr().out
    page = tmp_path / "two" / "report.html"
    assert not page.exists() or 'id="measures-of-forks"' in page.read_text()
    assert "fork_group" in (tmp_path / "two" / "report.csv").read_text().splitlines()[0]


def test_detections_that_exist_give_the_same_report(evaluate, data, tmp_path):
    assert evaluate(data, "one") == 0
    assert evaluate(data, "two", "--detections", tmp_path / "one" / "detections") == 0
    one, two = report(tmp_path / "one"), report(tmp_path / "two")
    assert one.pop("peak_memory_mb")["process"] > 100 and two.pop("peak_memory_mb") is None
    assert one["uncertainty"].pop("calibration") == 0.05
    assert one["uncertainty"].pop("coverage_before_calibration") >= one["uncertainty"]["coverage"]
    assert one == two
    assert not (tmp_path / "two" / "detections").exists()


def test_ellipsoids_of_another_confidence_are_refused(evaluate, data, tmp_path, capsys):
    assert evaluate(data, "one", "--confidence", "0.5") == 0
    assert report(tmp_path / "one")["uncertainty"]["confidence"] == 0.5
    assert evaluate(data, "two", "--detections", tmp_path / "one" / "detections", "--confidence", "0.8") == 2
    assert "are of the confidence 0.5" in capsys.readouterr().err
    assert evaluate(data, "two", "--detections", tmp_path / "one" / "detections", "--confidence", "0.9") == 2
    assert evaluate(data, "three", "--against", tmp_path / "one") == 2
    assert "of the confidence 0.5, those that they are compared with of 0.9" in capsys.readouterr().err


def test_the_median_time_is_of_those_that_are_known(evaluate, data, tmp_path):
    assert evaluate(data, "one") == 0
    detections = tmp_path / "one" / "detections"
    for seconds, sentence in (({"a": 1.0, "b": 9.0}, "Median time 5.0 s"), ({"b": 9.0}, "time 9.0 s"), ({}, None)):
        for name in "ab":
            detection = json.loads((detections / f"{name}.detection.json").read_text())
            detection["timing_s"] = {"total": seconds[name]} if name in seconds else {}
            (detections / f"{name}.detection.json").write_text(json.dumps(detection))
        assert evaluate(data, "two", "--detections", detections) == 0
        text = (tmp_path / "two" / "report.md").read_text()
        assert sentence in text if sentence else "Median time" not in text


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


def test_another_method_is_compared_case_by_case(evaluate, data, tmp_path, capsys):
    assert evaluate(data, "one") == 0
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "one" / "detections", other)
    for file in other.glob("*.json"):
        detection = json.loads(file.read_text())
        detection["model"] = {"name": "other", "version": "9", "sha256": "1" * 64}
        for landmark in detection["landmarks"]:
            if landmark["position_lps_mm"]:
                landmark["position_lps_mm"][2] += 3
        file.write_text(json.dumps(detection))
    words = ["--detections", tmp_path / "one" / "detections", "--against", other, "--against", tmp_path / "one"]
    assert evaluate(data, "two", *words) == 0
    found = report(tmp_path / "two")
    assert found["name"] == "bright 1 (this report)"
    assert [of["name"] for of in found["against"]] == ["other 9", f"bright 1 ({tmp_path / 'one'})"]
    paired = found["against"][0]["paired"]
    assert paired["landmarks"] == 3 and -3.1 < paired["difference_mm"] < -2.4
    assert paired["success"]["2"]["difference"] == 1.0
    assert found["against"][0]["table"]["all"]["mean_mm"] == pytest.approx(3, abs=0.3)
    assert found["against"][1]["paired"]["difference_mm"] == 0 and found["against"][1]["paired"]["p"] == 1
    text = (tmp_path / "two" / "report.md").read_text()
    assert "bright 1 (this report) − other 9" in text and str(other) in text


@pytest.mark.torch
def test_the_report_has_every_chart_as_png_and_svg_pictures_as_png_and_one_page_that_holds_them(
    evaluate, data, balls, tmp_path
):
    pytest.importorskip("matplotlib")
    facts = {side: {"stenosis": 0.6, "occluded": 0.0} for side in balls}
    (data / "a.phantom.json").write_text(json.dumps({"facts": facts}))
    stale = tmp_path / "report" / "figures" / "heatmaps-right.svg"
    stale.parent.mkdir(parents=True)
    stale.write_text("of another report")
    assert evaluate(data, "report", "--case", "b", draw=True) == 0
    names = {"errors", "success", "confidence", "groups", "heatmaps-left", "worst"}
    files = {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    charts = names - {"heatmaps-left", "worst"}
    assert files == {f"{name}.png" for name in names} | {f"{name}.svg" for name in charts}, "b has no right landmark"
    html = (tmp_path / "report" / "report.html").read_text()
    assert [f'id="{name}"' in html for name in sorted(names)] == [True] * 6
    assert "Heatmaps on the chosen case: b, left" in html
    assert [of["group"] for of in report(tmp_path / "report")["groups"]["stenosis"]] == ["50–69%"]
    with open(tmp_path / "report" / "report.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["slice_spacing_mm"], row["stenosis"]) == ("1.25", "0.6") and 10 < float(row["border_mm"]) < 60


@pytest.mark.torch
def test_heatmaps_need_the_weights_and_are_of_the_landmark_of_median_error(evaluate, data, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = []
    monkeypatch.setattr(figures, "_charts", lambda *_: [])
    monkeypatch.setattr(figures, "worst_first", lambda rows: [])
    monkeypatch.setattr("CarotidLandmarkLib.study.report.heatmaps.heatmaps", lambda *of: drawn.append(of))
    monkeypatch.setattr(figures, "_save_picture", lambda image, of: drawn.append(of) or of)
    monkeypatch.setattr("CarotidLandmarkLib.study.report.write.page", lambda *_: "")
    assert evaluate(data, "one", draw=True) == 0
    with open(tmp_path / "one" / "report.csv", newline="") as file:
        rows = sorted((row for row in csv.DictReader(file) if row["error_mm"]), key=lambda row: float(row["error_mm"]))
    (models, _, truth), of = drawn
    assert list(models) == ["bright 1"] and truth is not None
    assert of.title == f"Heatmaps on the landmark of median error: {rows[1]['case']}, {rows[1]['side']}"
    drawn.clear()
    detections = ["--detections", tmp_path / "one" / "detections"]
    assert evaluate(data, "two", *detections, draw=True) == 0 and drawn == []
    more = ["--weights", "w", "--against-weights", "v"]
    assert evaluate(data, "two", *detections, *more, draw=True) == 0
    assert list(drawn[0][0]) == ["bright 1", "bright 1 (00000000)"]


@pytest.mark.parametrize("gone", [["matplotlib"], ["matplotlib", "jinja2"]])
def test_without_the_extra_a_sentence_says_what_the_report_lacks(evaluate, data, tmp_path, monkeypatch, capsys, gone):
    for name in gone:
        monkeypatch.setitem(sys.modules, name, None)
    assert evaluate(data, "report", draw=True) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "matplotlib" in line]
    assert len(said) == 1 and "carotid-landmark[report]" in said[0] and ("no page" in said[0]) == ("jinja2" in gone)
    page = tmp_path / "report" / "report.html"
    assert page.exists() == ("jinja2" not in gone)
    assert not page.exists() or "<img" not in page.read_text()
    assert report(tmp_path / "report")["all"]["located"] == 3


def test_what_cannot_be_written_ends_the_run_with_the_name_of_its_own_option(evaluate, data, tmp_path, capsys):
    (tmp_path / "report").write_text("a file")
    assert evaluate(data, "report") != 0
    said = capsys.readouterr().err
    assert "--out" in said and "-o." not in said


def test_a_full_disk_ends_the_run_at_the_first_case(evaluate, data, monkeypatch, capsys):
    def full(path, detection):
        raise CannotRunError(f"Cannot write {path} (No space left on device).")

    monkeypatch.setattr("CarotidLandmarkLib.commands.evaluate.write_detection", full)
    assert evaluate(data, "report") == 3
    said = capsys.readouterr().err
    assert "1/2 a" in said and "2/2 b" not in said and said.endswith("a.detection.json (No space left on device).\n")


def test_no_part_of_a_figure_stays_on_a_full_disk(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    def full(path, data):
        with open(path, "wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CannotRunError, match="No space left"):
        figures.save(Figure(), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.torch
def test_equivariance_is_measured_on_request(evaluate, data, tmp_path):
    assert evaluate(data, "report", "--equivariance", "1") == 0
    measured = report(tmp_path / "report")["equivariance"]
    assert measured["cases"] == 1
    scales = measured["models"]["bright 1"]
    assert list(scales) == ["2", "1", "0.5"]
    for kind in ("whole_voxels", "sub_voxel"):
        of = scales["0.5"][kind]
        assert of["shifts"] == 16 and 0 <= of["mean_mm"] <= of["p95_mm"] <= of["max_mm"] < 1
    assert "Shift-equivariance error" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--case", "nobody"], "none of the cases"),
        (["--detections", "data", "--equivariance", "1"], "give the --weights"),
        (["--detections", "x"], "x is no folder"),
        (["--detections", "data", "--seed", "9", "--no-fork"], "--seed, --no-fork would do nothing beside"),
        (["--detections", "data", "--samples", "3"], "--samples would do nothing beside"),
        (["--against", "nowhere"], "neither detections nor"),
    ],
)
def test_what_cannot_be_is_a_sentence_before_any_work(evaluate, data, tmp_path, capsys, words, sentence):
    assert evaluate(data, "report", *words) == 2
    assert sentence in capsys.readouterr().err and not (tmp_path / "report").exists()


def test_weights_that_did_not_make_the_detections_are_refused(evaluate, data, detector, tmp_path, capsys):
    assert evaluate(data, "one") == 0
    detector.header["sha256"] = "f" * 64
    assert evaluate(data, "two", "--detections", tmp_path / "one" / "detections", "--weights", "w") == 2
    assert "made by bright 1 with other weights than w" in capsys.readouterr().err
