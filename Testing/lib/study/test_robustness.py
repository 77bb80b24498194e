from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.files import read_points, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study import processes
from CarotidLandmarkLib.study.corruptions import CORRUPTIONS
from CarotidLandmarkLib.study.report import robustness
from CarotidLandmarkLib.study.robustness import Step, summarise
from CarotidLandmarkLib.study.scores import Score
from CarotidLandmarkLib.volume.ct import write_volume


def found(case, error, status="found", present=True):
    return Score(case, "left", status, present, error)


def test_a_failure_is_silent_where_it_is_found_and_wrong():
    nan = float("nan")
    scores = [found("a", 0.4), found("b", 5.1), found("c", nan, present=False), found("d", 30.0, "review")]
    scores += [found("e", nan, "absent"), found("f", nan, "absent", present=False)]
    (step,) = summarise({("blur", 2): scores}, 0.9)
    assert step.shares == pytest.approx({"found": 3 / 6, "review": 1 / 6, "absent": 2 / 6, "silent": 2 / 6})
    assert (step.landmarks, step.visible) == (6, 4) and step.median_mm == pytest.approx(5.1)
    assert step.silent_95[0] < 1 / 3 < step.silent_95[1]


@pytest.fixture
def benchmark(detector, make_neck, balls, weights, tmp_path, monkeypatch):
    """Runs the command on two necks and a few steps, in this process; tells the cases that were worked on."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a", "b"):
        write_volume(make_neck(), data / f"{name}.nrrd", compress=False)
        write_markups(data / f"{name}.mrk.json", LandmarkSet(balls))
    for name in set(CORRUPTIONS) - {"noise", "contrast"}:
        monkeypatch.delitem(CORRUPTIONS, name)
    monkeypatch.setitem(CORRUPTIONS, "noise", replace(CORRUPTIONS["noise"], steps=(1, 2)))
    monkeypatch.setitem(CORRUPTIONS, "contrast", replace(CORRUPTIONS["contrast"], steps=(1, 0)))
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)
    worked: list[str] = []

    def run_all(tasks, work, parallel):
        for task in tasks:
            work(*task)
            worked.append(task[0].name)
            yield task, True

    monkeypatch.setattr(processes, "run_all", run_all)
    out = tmp_path / "out"

    def run(*words):
        worked.clear()
        code = main(
            ["benchmark", "robustness", "--data", str(data), "--out", str(out), "--weights", str(weights)]
            + ["--samples", "2", *words]
        )
        return code, list(worked), out

    return run


@pytest.mark.torch
def test_every_step_is_measured_written_and_kept(benchmark, tmp_path, capsys):
    code, worked, out = benchmark()
    assert (code, worked) == (0, ["a", "b"])
    steps = json.loads((out / "robustness.json").read_text())["steps"]
    assert [(step["corruption"], step["amount"]) for step in steps] == [
        ("noise", 1),
        ("noise", 2),
        ("contrast", 1),
        ("contrast", 0),
    ]
    assert [step["shares"]["found"] for step in steps] == [1, 1, 1, 0]
    assert [step["visible"] for step in steps] == [4, 4, 4, 0]
    assert steps[0]["median_mm"] < 0.3 and steps[3]["median_mm"] is None
    assert "Less contrast medium" in capsys.readouterr().out
    pytest.importorskip("matplotlib")
    page = (out / "robustness.html").read_text()
    assert "All landmarks" not in page and "More noise" in page
    assert page.count("data:image/svg+xml") == 3 and "Coverage of the 90% ellipsoid" in page
    assert re.search("<h1>Robustness of random [^<]* on [^<]*data</h1>", page)

    next((out / "cases").glob("b-*.json")).unlink()
    assert benchmark()[1] == ["b"]
    for words in (("--seed", "5"), ("--no-fork",)):
        assert benchmark(*words)[0] == 2  # another run's folder
        assert f"another {words[0].rpartition('-')[2]}" in capsys.readouterr().err
    data = tmp_path / "data"
    points = read_points(data / "a.mrk.json").points
    write_markups(data / "a.mrk.json", LandmarkSet({side: point + [0, 0, 6.0] for side, point in points.items()}))
    code, worked, _ = benchmark()
    assert (code, worked) == (0, ["a"])
    assert json.loads((out / "robustness.json").read_text())["steps"][0]["shares"]["silent"] == 0.5


@pytest.mark.torch
def test_stopped_it_leaves_the_page_of_what_is_done(benchmark, monkeypatch):
    whole = processes.run_all

    def stopped(tasks, work, parallel):
        yield next(whole(tasks, work, parallel))
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "run_all", stopped)
    code, worked, out = benchmark()
    assert (code, worked) == (130, ["a"])
    assert json.loads((out / "robustness.json").read_text())["cases"] == 1
    monkeypatch.setattr(processes, "run_all", whole)
    assert benchmark()[:2] == (0, ["b"])
    assert json.loads((out / "robustness.json").read_text())["cases"] == 2


@pytest.mark.torch
def test_a_scan_that_is_as_it_was_is_searched_once(benchmark, detector, monkeypatch):
    searched = []
    detect = detector.detect
    monkeypatch.setattr(
        detector, "detect", lambda volume, *words, **more: searched.append(volume) or detect(volume, *words, **more)
    )
    assert benchmark()[1] == ["a", "b"]
    assert len(searched) == 2 * 3  # as it is, twice the noise, no contrast medium


def test_errors_and_coverage_are_curves_too():
    pytest.importorskip("matplotlib")
    none = {"found": 0.0, "review": 0.0, "absent": 1.0, "silent": 0.0}
    steps = [
        Step("noise", 1, 4, 4, none, None, 0.5, 2.0, 0.75),
        Step("noise", 2, 4, 4, none, None, 1.0, 4.0, 0.5),
        Step("noise", 4, 4, 4, none, None, None, None, None),
    ]
    (panel,) = robustness.errors(steps).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in panel.lines}
    assert panel.get_yscale() == "log" and drawn["median"][:2] == [0.5, 1.0] and drawn["95th percentile"][:2] == [2, 4]
    (panel,) = robustness.coverage(steps, 0.9).axes
    promised, share = panel.lines
    assert list(promised.get_ydata()) == [90, 90] and list(share.get_ydata())[:2] == [75, 50]
    assert math.isnan(share.get_ydata()[2])


def test_without_data_it_says_so(tmp_path, capsys):
    assert main(["benchmark", "robustness", "--out", str(tmp_path)]) == 2
    assert "--data" in capsys.readouterr().err
