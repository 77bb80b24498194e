"""`carotid-landmark site` from its data to its page and weights; detections lie ready, as after a kill."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import write_detection
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import SIDES, LandmarkSet
from CarotidLandmarkLib.model.weights import read_weights, write_weights
from CarotidLandmarkLib.study.site import choose, report, run
from CarotidLandmarkLib.volume.read import find_cases

NOTHING = np.zeros(3)


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Fewer resamples; figures only where they are looked at."""
    monkeypatch.setattr(choose, "evaluate", partial(choose.evaluate, resamples=100))
    monkeypatch.setattr(report, "coverages", lambda rows: [])
    if "page" not in request.node.name:
        monkeypatch.setattr(report, "missing_packages", lambda: ["jinja2"])


@pytest.fixture
def site(site_folder, tmp_path, weights):
    """Run `site` on so many patients whose readers follow ``rule``, with the answers that are told, and return its exit
    code."""

    def run(count=12, rule=None, *words, changed=None, tuned=None):
        data, out = tmp_path / "data", tmp_path / "out"
        if not data.exists():
            _, answers = site_folder(count, *([] if rule is None else [rule]))
            keep(out / "work" / "unchanged", {**answers, **(changed or {})})
            for fold in range(3 if tuned is not None else 0):
                folder = out / "work" / "folds" / str(fold)
                keep(folder / "detections", tuned(answers))
                (folder / "weights.safetensors").write_bytes(weights.read_bytes())
            if tuned is not None:
                (out / "work" / "folds" / "all").mkdir()
                (out / "work" / "folds" / "all" / "weights.safetensors").write_bytes(weights.read_bytes())
        steps = [] if tuned else ["--steps", "0"]
        more = ["--weights", str(weights), "--tests", "0", *steps, *words]
        return main(["site", str(data), "--out", str(out), *more])

    return run


def keep(folder, answers):
    folder.mkdir(parents=True)
    for name, of in answers.items():
        write_detection(folder / f"{name}.detection.json", of)


def test_a_rule_of_its_own_gives_weights_with_its_offset_and_a_page(site, tmp_path, weights, capsys):
    assert site() == 0
    out = tmp_path / "out"
    told = json.loads((out / "site.json").read_text())
    assert told["chosen"] == told["way"] == "offset" and not told["worse_than_before"]
    assert told["ways"]["unchanged"]["all"]["mean_mm"] > 1.2 > 0.5 > told["ways"]["offset"]["all"]["mean_mm"]
    assert told["ways"]["offset"]["uncertainty"]["coverage"] >= 0.8
    header = read_weights(out / "site.safetensors").header
    of = header["site"]
    assert of["offset_lps_mm"] == pytest.approx([0.3, -0.5, 1.2], abs=0.1)
    assert (of["cases"], of["patients"], of["folds"]) == (12, 12, 3)
    assert of["base"]["sha256"] == read_weights(weights).header["sha256"]
    assert len(of["volumes"]) == 12 and of["data"] == told["data_sha256"]
    assert of["results"]["offset"]["mean_mm"] == told["ways"]["offset"]["all"]["mean_mm"]
    assert of["command"] == "carotid-landmark site data --samples 25 --confidence 0.9 --seed 0 --steps 0 --tests 0"
    assert header["sha256"] == told["sha256"] and header["calibration"]["cases"] == 12
    assert header["name"] == "random-site" and len(header["volumes"]) == 24, "files and voxels"
    page = (out / "report.html").read_text()
    assert "mm higher" in page and "farther forward" in page and "data:image/png" in page
    assert str(tmp_path) not in page + (out / "site.json").read_text() + json.dumps(of)
    said = capsys.readouterr().out
    assert "Use “offset”" in said and f"Weights: {out / 'site.safetensors'}" in said
    assert main(["model", "--weights", str(out / "site.safetensors")]) == 0
    card = capsys.readouterr().out
    assert '"offset_lps_mm": [' in card and of["volumes"][0] not in card and "rests on 12 cases" in card


@pytest.mark.parametrize("found", [5, 7])
def test_what_rests_on_few_patients_is_not_said_to_rest_on_all(site, site_folder, tmp_path, make_answer, capsys, found):
    nobody = {f"p{n:02d}": make_answer(f"p{n:02d}", dict.fromkeys(SIDES)) for n in range(found, 12)}
    code = site(12, None, changed=nobody)
    if found < 6:
        assert code == 2 and "found landmarks of 5 of 12 patients; 6 are needed" in capsys.readouterr().err
        return
    assert code == 0
    header = read_weights(tmp_path / "out" / "site.safetensors").header
    assert (header["site"]["cases"], header["site"]["patients"], header["calibration"]["cases"]) == (7, 7, 7)
    assert json.loads((tmp_path / "out" / "site.json").read_text())["patients"] == 7


def test_no_shift_is_keep_what_you_have_and_leaves_no_weights(site, tmp_path, capsys):
    assert site(12, NOTHING) == 0
    assert not (tmp_path / "out" / "site.safetensors").exists()
    said = capsys.readouterr().out
    assert "Keep what you have" in said and "No weights were written" in said


def test_what_was_chosen_against_the_figures_is_written_and_called_so(site, tmp_path, capsys):
    worse = lambda answers: {name: _moved(of, 3.0) for name, of in answers.items()}  # noqa: E731
    assert site(12, NOTHING, "--choose", "tuned", tuned=worse) == 0
    told = json.loads((tmp_path / "out" / "site.json").read_text())
    assert (told["way"], told["chosen"], told["worse_than_before"]) == ("tuned", "unchanged", True)
    assert read_weights(tmp_path / "out" / "site.safetensors").header["site"]["worse_than_before"] is True
    assert "WORSE on your cases" in capsys.readouterr().out
    assert site(12, NOTHING, tuned=worse) == 0  # without --choose nothing stays of it
    assert not (tmp_path / "out" / "site.safetensors").exists()


def test_the_same_command_ends_with_the_same_files_whatever_was_lost(site, tmp_path):
    assert site(12, None, "--choose", "tuned", tuned=lambda answers: answers) == 0
    out = tmp_path / "out"
    names = ("site.json", "site.safetensors", "report.md")
    before = {name: (out / name).read_bytes() for name in names}
    for lost in (("site.json",), names):
        for name in lost:
            (out / name).unlink()
        assert site(12, None, "--choose", "tuned", tuned=lambda answers: answers) == 0
        assert {name: (out / name).read_bytes() for name in names} == before


def test_another_data_set_is_not_mixed_into_the_work(site, tmp_path, capsys):
    assert site(7) == 0
    (tmp_path / "data" / "p03.mrk.json").unlink()
    (tmp_path / "data" / "p03.nrrd").unlink()
    assert site(7) == 2
    assert "holds a site with another data" in capsys.readouterr().err


@pytest.mark.parametrize("count", [4, 5])
def test_too_few_are_refused_before_anything_is_written(site, tmp_path, capsys, count):
    assert site(count) == 2
    assert "6 patients are needed" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["work"]


def test_between_six_and_eight_patients_nothing_is_trained(site, tmp_path, capsys):
    assert site(7, None, tuned=lambda answers: answers) == 0
    assert list(json.loads((tmp_path / "out" / "site.json").read_text())["ways"]) == ["unchanged", "offset"]
    said = capsys.readouterr().out
    assert "Nothing was trained: 7 patients are there, and 8 are needed." in said
    assert site(7, None, "--choose", "tuned", tuned=lambda answers: answers) == 2
    assert "--choose tuned cannot be: Nothing was trained" in capsys.readouterr().err
    assert site(7, None, "--choose", "tuned", "--steps", "0") == 2
    assert "--choose tuned cannot be with --steps 0" in capsys.readouterr().err


def test_a_case_in_which_nothing_could_be_detected_is_no_patient_to_train_on(site, capsys, monkeypatch):
    real = run.detect_all

    def without_one(*given):
        answers = real(*given)
        *_, failed = given
        if isinstance(failed, dict):
            failed["p03"] = "It cannot be read."
            del answers["p03"]
        return answers

    monkeypatch.setattr(run, "detect_all", without_one)
    assert site(8, None, tuned=lambda answers: answers) == 2  # for what could not be detected
    assert "Nothing was trained: 7 patients are there, and 8 are needed." in capsys.readouterr().out


def test_the_coverage_is_that_of_patients_as_all_else_on_the_page(site, monkeypatch):
    seen = []
    monkeypatch.setattr(report, "coverages", lambda rows: seen.extend(rows) or [])
    assert site(7) == 0
    assert len({row.score.patient for row in seen} - {""}) == 7


def test_weights_of_a_site_go_on_from_their_own_offset(site, tmp_path, weights, make_answer):
    of = read_weights(weights)
    of.header["site"] = {"offset_lps_mm": [1.0, 0.0, 0.0], "volumes": []}
    write_weights(weights.with_name("site.safetensors"), of)
    folder = tmp_path / "out" / "work" / ".phantoms"
    folder.mkdir(parents=True)
    points = {"left": np.array([28.0, 4.0, -6.0]), "right": None}
    (folder / "test-20000.phantom.json").write_text("{}")
    write_markups(folder / "test-20000.mrk.json", LandmarkSet(points))
    moved = {"left": points["left"] + [1.0, 0.0, 0.0], "right": None}  # as such weights answer
    keep(folder / "unchanged", {"test-20000": make_answer("test-20000", moved)})
    try:
        assert site(12, None, "--weights", str(weights.with_name("site.safetensors")), "--tests", "1") == 0
    finally:
        weights.with_name("site.safetensors").unlink()
    cost = json.loads((tmp_path / "out" / "site.json").read_text())["test_phantoms"]
    means = {(way, key): of[key]["all"]["mean_mm"] for way, of in cost.items() for key in ("moved", "not_moved")}
    assert means["unchanged", "moved"] == pytest.approx(1.0)
    assert means["unchanged", "not_moved"] == means["offset", "not_moved"] == pytest.approx(0.0)
    header = read_weights(tmp_path / "out" / "site.safetensors").header
    assert header["site"]["offset_lps_mm"] == pytest.approx([1.3, -0.5, 1.2], abs=0.1)


@pytest.mark.parametrize("cases, warned", [(4, False), (5, True)])
def test_cases_that_were_chosen_for_their_doubt_are_warned_of(site, capsys, draw_site, cases, warned):
    answers = dict(list(draw_site(12)[1].items())[:cases])
    for landmark in (landmark for of in answers.values() for landmark in of.landmarks):
        landmark.status, landmark.reasons = "review", ["The scales disagree."]
    assert site(12, None, changed=answers) == 0
    assert (f"{2 * cases} of 24 located landmarks are for review." in capsys.readouterr().out) == warned


def test_absent_stands_against_marked_missing(site, tmp_path, make_answer):
    changed = {"p00": make_answer("p00", dict.fromkeys(SIDES))}
    assert site(8, None, changed=changed) == 0
    told = json.loads((tmp_path / "out" / "site.json").read_text())
    assert told["against_missing"]["placed"] == {"found": 14, "review": 0, "absent": 2}
    assert told["ways"]["offset"]["all"]["missed"] == 2


def test_what_it_costs_is_told_with_the_offset_and_without(site, tmp_path, make_answer):
    folder = tmp_path / "out" / "work" / ".phantoms"
    folder.mkdir(parents=True)
    points = {"left": np.array([28.0, 4.0, -6.0]), "right": None}
    for name in ("test-20000", "test-20001"):
        (folder / f"{name}.phantom.json").write_text("{}")
        (folder / f"{name}.nrrd").touch()
        write_markups(folder / f"{name}.mrk.json", LandmarkSet(points))
    keep(folder / "unchanged", {name: make_answer(name, points) for name in ("test-20000", "test-20001")})
    assert site(8, None, "--tests", "2") == 0
    cost = json.loads((tmp_path / "out" / "site.json").read_text())["test_phantoms"]
    means = {(way, key): cost[way][key]["all"]["mean_mm"] for way in cost for key in ("moved", "not_moved")}
    assert means["offset", "moved"] == pytest.approx(np.linalg.norm([0.3, -0.5, 1.2]), abs=0.15)
    assert means["offset", "not_moved"] == means["unchanged", "moved"] == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "What it costs: on the original test phantoms" in text and "2 phantoms" in text
    with pytest.raises(BadInputError, match="No volume"):
        find_cases(tmp_path / "out")  # which may lie inside of the data


@pytest.mark.parametrize(
    ("offset", "half", "said"),
    [
        ([0.0, 0.02, -1.2], 0.1, "1.2 ± 0.1 mm lower, seen from"),
        ([0.3, -0.5, 1.2], 0.04, "1.2 ± 0.1 mm higher, 0.5 ± 0.1 mm farther forward and 0.3 ± 0.1 mm farther from"),
        ([-0.4, 0.6, 0.0], 0.21, "0.6 ± 0.2 mm farther back and 0.4 ± 0.2 mm nearer to the midline, seen"),
        ([0.5, 0.5, 0.5], 0.6, "where these weights put it"),
        ([0.05, 0.0, 0.0], 0.01, "where these weights put it"),
    ],
)
def test_where_readers_put_the_point_is_told_in_words(offset, half, said):
    limits = np.stack([np.array(offset) - half, np.array(offset) + half])
    assert said in report.said_of_offset(np.array(offset), limits)


def _moved(detection, mm):
    for landmark in detection.landmarks:
        landmark.position_lps_mm = landmark.position_lps_mm + mm
    return detection
