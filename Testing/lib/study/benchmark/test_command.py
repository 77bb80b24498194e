from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.model.weights import load_weights
from CarotidLandmarkLib.study.benchmark.rows import TABLES, rows_of
from CarotidLandmarkLib.study.benchmark.runs import train_and_measure
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train import loop


def arguments(out, *more):
    sizes = ["--cases", "2", "1", "2", "--steps-per-run", "2", "--seeds", "1", "--parallel", "2"]
    return ["benchmark", "table1", "--out", str(out), *sizes, *more]


@pytest.fixture
def here(monkeypatch):
    """Runs in this process, one after the other; in processes of their own: see the test of a run that fails."""
    monkeypatch.setattr("CarotidLandmarkLib.study.benchmark.runs.SAMPLES", 4)
    monkeypatch.setattr(
        "CarotidLandmarkLib.study.processes.run_all",
        lambda tasks, work, parallel: ((task, train_and_measure(*task) is None) for task in tasks),
    )


def test_rows_are_trained_measured_and_tabled_and_what_is_finished_is_kept(prepared, capsys, here):
    assert main(arguments(prepared, "--rows", "patch-based", "default")) == 0, capsys.readouterr().err
    table = json.loads((prepared / "table1.json").read_text())
    assert [row["row"] for row in table["rows"]] == ["patch-based", "default"]
    for row in table["rows"]:
        assert row["steps"] == [2] and row["landmarks"] == 4 and row["cases"] == 2 and row["parameters"] > 500
        assert row["mean_mm"] >= 0 and row["interval_95"]["mean_mm"][0] <= row["mean_mm"]
    assert table["rows"][0]["paper_patients_mm"] == "4.35 ± 4.33"
    assert table["rows"][0]["difference_to_default"]["landmarks"] == 4
    assert table["rows"][1]["difference_to_default"] is None
    assert table["phantoms"]["seeds"]["test"] == [0, 4] and table["budget"] == "small"
    text = (prepared / "table1.md").read_text(encoding="utf-8")
    assert "paper (patients)" in text and "phantoms: mean" in text and "Seeds, test: 0, 4" in text
    with (prepared / "table1.csv").open(encoding="utf-8") as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["patch-based", "default"]
    model, header = load_weights(prepared / "runs" / "patch-based" / "seed-0" / "weights.safetensors")
    assert model.config.scales_mm == (2.0,) and header["training"]["steps"] == 2

    weights = {path: path.stat().st_mtime_ns for path in prepared.glob("runs/*/*/weights.safetensors")}
    unfinished = prepared / "runs" / "default" / "seed-0"
    (unfinished / "run.json").unlink()
    (unfinished / "scores" / "test-00004.json").unlink()
    kept = (unfinished / "scores" / "test-00000.json").stat().st_mtime_ns
    capsys.readouterr()
    assert main(arguments(prepared, "--rows", "patch-based", "default")) == 0
    assert "1 of 1 runs: default, seed 0" in capsys.readouterr().err
    assert (unfinished / "scores" / "test-00004.json").is_file()
    assert (unfinished / "scores" / "test-00000.json").stat().st_mtime_ns == kept
    assert {path: path.stat().st_mtime_ns for path in weights} == weights
    again = json.loads((prepared / "table1.json").read_text())["rows"]
    assert [row["mean_mm"] for row in again] == [row["mean_mm"] for row in table["rows"]]


def test_a_run_made_elsewhere_is_taken_as_done_unless_it_is_of_another_benchmark(prepared, tmp_path, capsys, here):
    assert main(arguments(prepared, "--rows", "end-to-end")) == 0
    other = tmp_path / "other"
    shutil.copytree(prepared / "cases", other / "cases")
    there, here = (folder / "runs" / "end-to-end" / "seed-0" for folder in (other, prepared))
    shutil.copytree(here / "scores", there / "scores")
    shutil.copy(here / "run.json", there)
    capsys.readouterr()
    assert main(arguments(other, "--rows", "end-to-end")) == 0
    said = capsys.readouterr()
    assert "runs: end-to-end" not in said.err and not (there / "weights.safetensors").exists()
    rows = [json.loads((folder / "table1.json").read_text())["rows"] for folder in (prepared, other)]
    assert rows[0] == rows[1]
    facts = json.loads((there / "run.json").read_text())
    assert set(facts["made"]) == {"date", "machine", "versions", "commit"}
    facts["settings"]["minutes_per_run"] = 30.0
    (there / "run.json").write_text(json.dumps(facts))
    assert main(arguments(other, "--rows", "end-to-end")) == 2
    assert "another minutes_per_run (30.0, not 8.0)" in capsys.readouterr().err
    for spoilt in (b"", b"\0" * 50, b"[3]", b'{"settings": {}}'):
        (there / "run.json").write_bytes(spoilt)
        assert main(arguments(other, "--rows", "end-to-end")) == 2
        assert "run.json is damaged: remove it" in capsys.readouterr().err
    shutil.copy(here / "run.json", there)
    (there / "scores" / "test-00004.json").unlink()
    assert main(arguments(other, "--rows", "end-to-end")) == 2
    assert "has 1 of 2 cases" in capsys.readouterr().err


def test_options_of_another_benchmark_are_refused(tmp_path, capsys):
    for words, said in (
        (["table1", "--data", str(tmp_path)], "--data is for robustness: leave it out with table1."),
        (["ablations", "--weights", "default"], "--weights is for robustness, speed: leave"),
        (["table1", "--samples", "7"], "--samples is for robustness"),
        (["table1", "--no-fork"], "--no-fork is for robustness"),
        (["ablations", "--repeats", "7"], "--repeats is for speed"),
        (["robustness", "--data", str(tmp_path), "--rows", "default"], "--rows is for table1, ablations"),
        (["robustness", "--data", str(tmp_path), "--pace", "0.5"], "--pace is for table1, ablations"),
        (["speed", "--data", str(tmp_path)], "--data is for robustness"),
        (["speed", "--minutes-per-run", "3"], "--minutes-per-run is for table1, ablations"),
    ):
        assert main(["benchmark", *words, "--out", str(tmp_path / "out")]) == 2
        assert said in capsys.readouterr().err


def test_a_slower_machine_takes_as_much_longer_and_says_so(prepared, capsys, here, monkeypatch):
    minutes = []

    def train(options, *more, train=loop.train):
        minutes.append(options.max_minutes)
        return train(options, *more)

    monkeypatch.setattr(loop, "train", train)
    assert main(arguments(prepared, "--rows", "patch-based", "--minutes-per-run", "6", "--pace", "0.5")) == 0
    assert minutes == [12.0]
    run = json.loads((prepared / "runs" / "patch-based" / "seed-0" / "run.json").read_text())
    assert run["pace"] == 0.5 and run["settings"]["minutes_per_run"] == 6.0 and "(" in run["made"]["machine"]
    assert "a core does 0.50 of what" in (prepared / "table1.md").read_text(encoding="utf-8")


def test_a_run_that_fails_is_named_and_the_others_are_not_lost(prepared, capsys):
    weights = prepared / "runs" / "patch-based" / "seed-0" / "weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"no weights")
    assert main(arguments(prepared, "--rows", "patch-based", "end-to-end-noise")) == 3
    assert "patch-based, seed 0" in capsys.readouterr().err
    assert "no weights" not in (weights.parent / "log.txt").read_text()
    assert "damaged" in (weights.parent / "log.txt").read_text()
    table = json.loads((prepared / "table1.json").read_text())["rows"]
    assert [row["row"] for row in table] == ["end-to-end-noise"]
    run = prepared / "runs" / "end-to-end-noise" / "seed-0"
    assert json.loads((run / "run.json").read_text())["crops_on_answers"] == 1
    with (run / "csv" / "from-0" / "metrics.csv").open() as file:
        assert [float(row["on_answer"]) for row in csv.DictReader(file) if row["on_answer"]] == [1.0, 1.0]


def test_epochs_are_the_length_of_a_run_where_they_are_given(prepared, capsys, here):
    words = ["benchmark", "table1", "--out", str(prepared), "--cases", "2", "1", "2", "--seeds", "1"]
    assert main([*words, "--rows", "patch-based", "--epochs-per-run", "2"]) == 0
    assert json.loads((prepared / "table1.json").read_text())["rows"][0]["steps"] == [4]
    assert "same budget: 2 epochs a run" in (prepared / "table1.md").read_text(encoding="utf-8")
    assert main([*words, "--epochs-per-run", "2", "--minutes-per-run", "1"]) == 2
    assert main([*words, "--epochs-per-run", "2", "--pace", "0.5"]) == 2
    assert "--minutes-per-run" in capsys.readouterr().err


def test_a_folder_of_another_benchmark_is_not_gone_on_with(prepared, capsys, monkeypatch):
    monkeypatch.setattr("CarotidLandmarkLib.study.processes.run_all", lambda *_: iter(()))
    assert main(arguments(prepared, "--rows", "default")) == 0
    assert main(arguments(prepared, "--rows", "default", "--minutes-per-run", "20")) == 2
    assert "minutes_per_run (8.0, not 20.0)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_with_the_commands_own_option(tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert main(arguments(tmp_path / "out", "--rows", "default")) != 0
    said = capsys.readouterr().err
    assert "--out" in said and "-o." not in said


def test_unknown_rows_and_empty_numbers_are_sentences(tmp_path, capsys):
    assert main(arguments(tmp_path, "--rows", "guessing")) == 2
    assert "--rows guessing is no row of table1" in capsys.readouterr().err
    for option, value in (
        ("--seeds", "0"),
        ("--parallel", "-1"),
        ("--minutes-per-run", "0"),
        ("--epochs-per-run", "x"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments(tmp_path, option, value))
        assert left.value.code == 2 and option in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_left_out_with_a_sentence(prepared, capsys, monkeypatch):
    monkeypatch.setattr("CarotidLandmarkLib.study.processes.run_all", lambda *_: iter(()))
    peer = replace(get("monai-unet"), package="surely_not_installed")
    monkeypatch.setattr("CarotidLandmarkLib.study.methods.monai_unet.METHOD", peer)
    assert main(arguments(prepared, "--rows", "monai-unet")) == 0
    assert "monai-unet is left out: surely_not_installed is not installed." in capsys.readouterr().err
    assert "monai-unet is left out" in (prepared / "table1.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_methods_and_differ_from_the_default(table):
    rows = {row.name: row for row in rows_of(table)}
    assert "default" in rows and len(rows) == len(rows_of(table)) >= 9
    designs = [(replace(row.config, name=""), replace(row.recipe, about="")) for row in rows.values()]
    assert all(one not in designs[:number] for number, one in enumerate(designs))
