"""What `evaluate` says of other reports, of few cases, and of cases that the weights know."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from CarotidLandmarkLib.detect.case import detect_case
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.study.report.write import summary_of
from Testing.lib.study.report import evaluating
from Testing.lib.study.report.evaluating import report

store = pytest.fixture(scope="module")(evaluating.store)
data = pytest.fixture(evaluating.data)
detector = pytest.fixture(evaluating.detector)
evaluate = pytest.fixture(evaluating.evaluate)


def test_cases_that_the_weights_have_learned_from_are_named(evaluate, data, detector, capsys):
    (case,) = [case for case in read_cases(data) if case.name == "b"]
    detector.header["volumes"] = [case.sha256]
    assert evaluate(data, "report") == 0
    assert "1 case(s) were used to make these weights" in capsys.readouterr().err


def positions(folder):
    return {file.name: json.loads(file.read_text())["landmarks"] for file in folder.glob("*.detection.json")}


def test_a_report_keeps_no_detections_but_its_own(evaluate, data, tmp_path, capsys):
    """Of a run on more cases, of one that stopped in the middle, and of one that detected, before one that did not."""
    out = tmp_path / "one"
    assert evaluate(data, "one") == 0
    kept = Path(shutil.copytree(out / "detections", tmp_path / "kept"))
    few = tmp_path / "few"
    few.mkdir()
    for name in ("b.nrrd", "b.mrk.json"):
        shutil.copy(data / name, few / name)
    assert evaluate(few, "one") == 0
    assert list(positions(out / "detections")) == ["b.detection.json"]
    assert evaluate(data, "one", "--detections", out / "detections") == 2, "one of the two is there"
    assert list(positions(out / "detections")) == ["b.detection.json"], "those that are measured stay"
    for file in kept.glob("*.detection.json"):
        detection = json.loads(file.read_text())
        for landmark in detection["landmarks"]:
            if landmark["position_lps_mm"]:
                landmark["position_lps_mm"][2] += 3
        file.write_text(json.dumps(detection))
    (out / "detections" / "notes.txt").touch()
    assert evaluate(data, "one", "--detections", kept) == 0
    assert [of.name for of in (out / "detections").iterdir()] == ["notes.txt"] and len(positions(kept)) == 2
    assert evaluate(data, "two", "--against", out) == 0
    against = report(tmp_path / "two")["against"][0]
    assert against["table"]["all"]["mean_mm"] == pytest.approx(3, abs=0.3) and against["table"]["cases"] == 2


def test_an_evaluation_that_was_interrupted_leaves_nothing_for_another_report(evaluate, data, tmp_path, monkeypatch):
    assert evaluate(data, "one") == 0
    measured = report(tmp_path / "one")["all"]["mean_mm"]
    kept = Path(shutil.copytree(tmp_path / "one" / "detections", tmp_path / "kept"))
    with monkeypatch.context() as patch:

        def stop(detector, name, *words):
            if name == "b":
                raise KeyboardInterrupt
            return detect_case(detector, name, *words)

        patch.setattr("CarotidLandmarkLib.detect.case.detect_case", stop)
        assert evaluate(data, "one", "--seed", "7") == 130
    assert list(positions(tmp_path / "one" / "detections")) == ["a.detection.json"]
    assert evaluate(data, "two", "--against", tmp_path / "one") == 0
    against = report(tmp_path / "two")["against"][0]["table"]
    assert (against["cases"], against["all"]["mean_mm"]) == (2, pytest.approx(measured, abs=1e-3))
    assert evaluate(data, "one", "--detections", tmp_path / "one" / "detections") == 2, "what is done can be measured"
    assert report(tmp_path / "one")["cases"] == 1
    assert evaluate(data, "one", "--detections", kept) == 0 and not (tmp_path / "one" / "detections").exists()


def test_a_report_is_compared_with_the_same_truth_alone(evaluate, data, balls, tmp_path, capsys):
    """Without its detections, which could be measured anew."""
    assert evaluate(data, "one") == 0
    detections = Path(shutil.move(tmp_path / "one" / "detections", tmp_path / "kept"))
    assert evaluate(data, "two", "--detections", detections, "--against", tmp_path / "one") == 0
    assert report(tmp_path / "two")["against"][0]["paired"]["difference_mm"] == pytest.approx(0, abs=1e-4)
    write_markups(data / "b.mrk.json", LandmarkSet({"left": balls["left"] + [0, 0, 1.2]}))
    capsys.readouterr()
    assert evaluate(data, "two", "--detections", detections, "--against", tmp_path / "one") == 2
    assert "was measured against another truth (b, left by 1.20 mm); evaluate it anew." in capsys.readouterr().err


def test_settings_that_the_detections_do_not_share_are_not_those_of_the_first(evaluate, data, tmp_path, capsys):
    assert evaluate(data, "one") == 0
    file = tmp_path / "one" / "detections" / "b.detection.json"
    detection = json.loads(file.read_text())
    detection["settings"].update(samples=50, device="cuda")
    file.write_text(json.dumps(detection))
    capsys.readouterr()
    assert evaluate(data, "two", "--detections", file.parent) == 0
    settings = report(tmp_path / "two")["settings"]
    assert settings["seed"] == 0 and settings["confidence"] == 0.9 and not settings.keys() & {"samples", "device"}
    said, text = capsys.readouterr().err, (tmp_path / "two" / "report.md").read_text()
    assert "samples 2 (a) and 50 (b); device cpu (a) and cuda (b)." in said and "samples 2 (a) and 50 (b)" in text
    assert "s a case.\n" in text, "the time is of no single device"
    assert report(tmp_path / "one")["mixed_settings"] is None


def test_a_report_of_one_case_has_neither_interval_nor_p(evaluate, data, tmp_path):
    for name in ("b.nrrd", "b.mrk.json"):
        (data / name).unlink()
    assert evaluate(data, "one") == 0
    assert evaluate(data, "two", "--against", tmp_path / "one") == 0
    found = report(tmp_path / "two")
    paired = found["against"][0]["paired"]
    assert found["all"]["interval_95"]["mean_mm"] is paired["interval_95"] is paired["p"] is None
    assert paired["success"]["2.5"] == {"difference": 0.0, "interval_95": None, "p": None}
    text = (tmp_path / "two" / "report.md").read_text()
    assert "[" not in text.partition("## How")[0] and "| — 95% interval of the mean | – | – | – |" in text
    said = " ".join(summary_of(found))
    assert "located 2 of the 2" in said and "difference of the error 0.00 mm (negative" in said
    assert "95% interval" not in said and ", p " not in said and " ." not in said
