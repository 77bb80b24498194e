"""Many cases: kept, in parts, beside each other, by workers that die."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from CarotidLandmarkLib import __version__
from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.commands import batch, ledger
from CarotidLandmarkLib.commands.batch import Job, do_case, in_processes, on_cluster
from CarotidLandmarkLib.commands.ledger import Ledger
from CarotidLandmarkLib.commands.reporter import in_words
from CarotidLandmarkLib.detect.case import Settings
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.detect.results import Outcome
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.detection import read_detection
from CarotidLandmarkLib.volume.ct import write_volume
from Testing.lib.commands.batch_work import act, make_cases, processes_of

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def cases(tmp_path, make_neck):
    """Three necks and one that is none."""
    write_volume(make_neck(), tmp_path / "cases" / "a.nrrd", compress=False)
    for name in "bc":
        shutil.copy(tmp_path / "cases" / "a.nrrd", tmp_path / "cases" / f"{name}.nrrd")
    (tmp_path / "cases" / "bad.nrrd").write_text("no volume")
    return tmp_path / "cases"


@pytest.fixture
def detect(detector, monkeypatch, tmp_path, cases):
    """Runs `detect cases --no-fork` on a model that finds the balls; returns its exit code."""
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)

    def detect(*words, path=cases):
        options = ["-o", str(tmp_path / "out"), "--samples", "1", "--no-fork"]
        return main(["detect", str(path), *options, *map(str, words)])

    return detect


def rows(table, but=("seconds",)):
    with open(table, newline="") as file:
        return [{name: value for name, value in row.items() if name not in but} for row in csv.DictReader(file)]


def told_of(file):
    return json.loads(file.read_text())


def told(folder, part=""):
    return told_of(folder / f"run{part}.json")


def done(detect, monkeypatch, *words):
    """The names of the cases that a run detects in."""
    seen = []
    real = batch.detect_case
    monkeypatch.setattr(batch, "detect_case", lambda *given: seen.append(given[1]) or real(*given))
    detect(*words)
    monkeypatch.setattr(batch, "detect_case", real)
    return seen


def test_what_is_finished_is_kept_and_the_rest_done(detect, cases, tmp_path, monkeypatch, capsys):
    assert detect() == 2
    whole = rows(tmp_path / "out" / "detections.csv")
    (tmp_path / "out" / "b.mrk.json").unlink()
    (tmp_path / "out" / "b.detection.json").unlink()
    capsys.readouterr()
    assert done(detect, monkeypatch, "--continue", "--json") == ["b", "bad"]
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["case"] for event in events if event["event"] == "result" and event.get("kept")] == ["a", "c"]
    assert rows(tmp_path / "out" / "detections.csv") == whole
    assert told(tmp_path / "out")["cases"] == {"all": 4, "done": 4, "kept": 2, "failed": 1}


def test_what_another_model_setting_or_volume_gave_is_not_kept(detect, cases, detector, tmp_path, monkeypatch):
    assert detect() == 2
    assert done(detect, monkeypatch, "--continue", "--seed", 3) == ["a", "b", "bad", "c"]
    assert done(detect, monkeypatch, "--continue", "--seed", 3, "--picture") == ["a", "b", "bad", "c"]
    assert done(detect, monkeypatch, "--continue", "--seed", 3) == ["bad"]
    report = tmp_path / "out" / "a.detection.json"
    os.utime(cases / "a.nrrd", times=(report.stat().st_mtime + 5,) * 2)
    (tmp_path / "out" / "b.detection.json").write_text("{")
    assert done(detect, monkeypatch, "--continue", "--seed", 3) == ["a", "b", "bad"]
    detector.header = {**detector.header, "sha256": "1" * 64}
    assert done(detect, monkeypatch, "--continue", "--seed", 3) == ["a", "b", "bad", "c"]


def test_a_volume_of_the_same_name_elsewhere_is_another(detect, cases, tmp_path, monkeypatch):
    for site in ("one", "two"):
        shutil.copytree(cases, tmp_path / site / "cases", copy_function=shutil.copy2)
        monkeypatch.chdir(tmp_path / site)
        assert done(partial(detect, path="cases"), monkeypatch, "--continue") == ["a", "b", "bad", "c"], site
    assert done(partial(detect, path=tmp_path / "two" / "cases"), monkeypatch, "--continue") == ["bad"]


def test_a_volume_that_was_replaced_by_an_older_one_is_done_again(detect, cases, tmp_path, monkeypatch, make_neck):
    write_volume(make_neck(balls={}), tmp_path / "other.nrrd", compress=False)
    os.utime(tmp_path / "other.nrrd", times=(1e9, 1e9))
    assert detect() == 2
    shutil.move(tmp_path / "other.nrrd", cases / "b.nrrd")
    assert done(detect, monkeypatch, "--continue") == ["b", "bad"]
    assert told_of(tmp_path / "out" / "b.detection.json")["landmarks"][0]["status"] == "absent"


def test_results_of_versions_that_did_not_note_the_state_are_made_anew(detect, tmp_path, monkeypatch):
    assert detect() == 2
    for name in "ab":
        report = tmp_path / "out" / f"{name}.detection.json"
        values = told_of(report)
        assert len(values["volume"].pop("state")) == 32
        report.write_text(json.dumps(values))
        assert read_detection(report).volume == values["volume"]
    assert done(detect, monkeypatch, "--continue") == ["a", "b", "bad"]


def test_what_another_version_of_the_program_gave_is_made_anew(detect, tmp_path, monkeypatch):
    assert detect() == 2
    for name, software in (("a", {"name": "carotid-landmark", "version": "0.6.0"}), ("b", None)):
        report = tmp_path / "out" / f"{name}.detection.json"
        values = told_of(report)
        assert values.pop("software") == {"name": "carotid-landmark", "version": __version__}
        report.write_text(json.dumps({**values, "software": software} if software else values))
        assert read_detection(report).software == software
    assert done(detect, monkeypatch, "--continue") == ["a", "b", "bad"]
    assert told_of(tmp_path / "out" / "b.detection.json")["software"]["version"] == told(tmp_path / "out")["version"]


def test_other_label_maps_are_another_case(detect, cases, detector, tmp_path, monkeypatch):
    assert detect() == 2
    maps, kept = tmp_path / "maps", []
    (maps / "a").mkdir(parents=True)
    settings = Settings(samples=1, structures=maps)
    told = {**detector.settings(1, 0.9, 0, True), **settings.told()}
    made = replace(read_detection(tmp_path / "out" / "a.detection.json"), settings=told)
    monkeypatch.setattr(batch, "detect_case", lambda *given: made)
    job, case = Job(None, "auto", "auto", settings, tmp_path / "out", keep=0.0), Outcome("a", cases / "a.nrrd")
    for change in (
        lambda: None,
        (maps / "a" / "hyoid.nii.gz").touch,
        lambda: os.utime(maps / "a" / "hyoid.nii.gz", (1, 1)),
    ):
        change()
        kept += [do_case(detector, job, case).kept, do_case(detector, job, case).kept]
    assert kept == [False, True] * 3


def test_a_case_that_a_worker_had_finished_when_it_died_is_not_done_again(
    detect, detector, cases, tmp_path, monkeypatch
):
    assert detect() == 2
    settings = Settings(samples=1, fork=False)
    case = Outcome("a", cases / "a.nrrd")
    monkeypatch.setattr(batch, "detect_case", None)
    written = (tmp_path / "out" / "a.detection.json").stat().st_mtime
    before, after = (Job(None, "auto", "auto", settings, tmp_path / "out", keep=written + dt) for dt in (-1, 1))
    again = do_case(detector, before, case)
    assert again.detection.case == "a" and not again.kept and again.error is None
    assert "NoneType" in str(do_case(detector, after, case).error), "it would detect"


def test_parts_are_all_cases_each_once(detect, tmp_path, monkeypatch):
    parts = [done(detect, monkeypatch, "--part", f"{number}/3") for number in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == ["a", "b", "bad", "c"] and len(parts[0]) == 2
    names = [row["case"] for number in (1, 2, 3) for row in rows(tmp_path / "out" / f"detections-{number}of3.csv")]
    assert Counter(names) == dict.fromkeys(["a", "b", "bad", "c"], 2)
    assert told(tmp_path / "out", "-2of3")["part"] == [2, 3]
    assert done(detect, monkeypatch, "--continue") == ["bad"]
    assert len(rows(tmp_path / "out" / "detections.csv")) == 8


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b"])
def test_a_part_that_there_is_not_is_refused(part, capsys):
    with pytest.raises(SystemExit):
        main(["detect", "a.nrrd", "--part", part])
    assert "as 2/4" in capsys.readouterr().err


def test_the_books_say_what_became_of_the_cases(detect, tmp_path):
    assert detect() == 2
    books = told(tmp_path / "out")
    assert books["schema"] == "carotid-landmark/run/1" and books["state"] == "finished"
    assert books["cases"] == {"all": 4, "done": 4, "kept": 0, "failed": 1} and books["errors"] == {"BadInputError": 1}
    assert books["landmarks"] == {"found": 6, "review": 0, "absent": 0} and books["seconds_left"] == 0
    assert books["model"]["sha256"] == "0" * 64 and books["settings"]["samples"] == 1
    assert 0 < books["seconds_a_case"]["median"] <= books["seconds_a_case"]["largest"] < books["seconds"]


def test_the_table_grows_with_the_cases_and_ends_in_their_order(tmp_path):
    ledger = Ledger(["a", "b"], tmp_path, "", {})
    table = tmp_path / "detections.csv"
    assert ledger.seconds_left() is None and rows(table) == []
    ledger.add(Outcome("b", Path("b"), error=BadInputError("No.")))
    assert [row["case"] for row in rows(table)] == ["b", "b"]
    assert ledger.seconds_left() > 0 and told(tmp_path)["state"] == "running"
    ledger.add(Outcome("a", Path("a"), error=BadInputError("No.")))
    ledger.close("finished")
    assert [row["case"] for row in rows(table)] == ["a", "a", "b", "b"] and told(tmp_path)["state"] == "finished"
    with pytest.raises(CannotRunError, match="choose another folder"):
        Ledger(["a"], tmp_path / "nowhere", "", {})


def test_a_table_that_cannot_be_written_is_a_run_that_failed(tmp_path, monkeypatch):
    def full(path, rows):
        raise CannotRunError("The disk is full.")

    outcome = Outcome("a", Path("a"), error=BadInputError("No."))
    monkeypatch.setattr(ledger, "write_table", full)
    for writes in (True, False):
        books = Ledger(["a"], tmp_path, "", {})
        books.add(outcome)
        if not writes:
            monkeypatch.setattr(ledger, "write_json", full)
        with pytest.raises(CannotRunError, match="disk"):
            books.close("finished")
        assert told(tmp_path)["state"] == ("failed" if writes else "running")
        assert told(tmp_path)["cases"]["done"] == int(writes)


def test_times_are_told_in_the_unit_that_suits_them():
    assert [in_words(seconds) for seconds in (4.6, 100, 3000, 50000)] == ["5 s", "100 s", "50 min", "14 h"]


def test_a_process_that_dies_is_replaced_and_the_guilty_case_alone_fails(tmp_path):
    cases = make_cases(tmp_path, "a", "dies", "b", "bad", "dies once", "c")
    outcomes = {outcome.name: outcome for outcome in in_processes(act, cases, 2)}
    assert sorted(outcomes) == sorted(case.name for case in cases)
    failed = {name: str(outcome.error) for name, outcome in outcomes.items() if outcome.error}
    assert sorted(failed) == ["bad", "dies"] and "ended from outside" in failed["dies"]
    assert [len(processes_of(case)) for case in cases] == [1, 0, 1, 1, 1, 1]


def test_a_worker_of_a_cluster_that_dies_is_replaced_and_no_case_is_done_twice(tmp_path):
    pytest.importorskip("distributed", reason="needs Dask, of the extra [cluster]")
    cases = make_cases(tmp_path, *(f"{number}" for number in range(8)), "dies once", "bad")
    outcomes = list(on_cluster(act, cases, "local", 2))
    assert Counter(outcome.name for outcome in outcomes) == dict.fromkeys((case.name for case in cases), 1)
    assert [outcome.name for outcome in outcomes if outcome.error] == ["bad"]
    assert len({process for case in cases for process in processes_of(case)}) > 1


def test_a_scheduler_that_does_not_answer_is_a_sentence(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs Dask, of the extra [cluster]")

    def refuse(*words, **options):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(CannotRunError, match="tcp://nowhere:8786 does not answer"):
        list(on_cluster(act, [], "tcp://nowhere:8786", 2))


def test_a_cluster_is_given_paths_that_hold_everywhere(cases, tmp_path, monkeypatch):
    given = []

    def on_cluster(work, cases, address, workers):
        given.append((work.args[0], cases, address, workers))
        return iter(())

    monkeypatch.setattr(batch, "on_cluster", on_cluster)
    monkeypatch.chdir(tmp_path)
    assert main(["detect", "cases", "-o", "out", "--scheduler", "tcp://here:1", "--workers", "3"]) == 0
    ((job, sent, address, workers),) = given
    assert job.output == tmp_path / "out" and (address, workers) == ("tcp://here:1", 3)
    assert [case.path for case in sent] == [cases / f"{name}.nrrd" for name in ("a", "b", "bad", "c")]
    assert told(tmp_path / "out")["cases"]["done"] == 0


def test_a_killed_run_is_ended_by_workers_as_if_it_had_been_one(cases, weights, tmp_path):
    def words(out, *more):
        options = ["--weights", weights, "--samples", 1, "--no-fork", "--json", "-o", tmp_path / out]
        return list(map(str, ["detect", cases, *options, *more]))

    command = [sys.executable, "-m", "CarotidLandmarkLib", *words("killed")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            if json.loads(line)["event"] == "result":
                run.kill()
    assert run.returncode == -9 and told(tmp_path / "killed")["state"] == "running"
    assert main(words("killed", "--continue", "--workers", 2)) == main(words("whole")) == 2
    assert 1 <= told(tmp_path / "killed")["cases"]["kept"] <= 2
    assert rows(tmp_path / "killed" / "detections.csv") == rows(tmp_path / "whole" / "detections.csv")
