from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from CarotidLandmarkLib.cli import COMMANDS, main
from CarotidLandmarkLib.commands import detect as command
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import read_detection
from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.volume.read import read_volume


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_volume_gives_two_files_and_a_few_lines(detect, cases, balls, tmp_path, capsys):
    assert detect(cases / "a.nrrd", "--seed", 4, "--confidence", 0.5) == 0
    out = capsys.readouterr()
    assert names(tmp_path / "out") == ["a.detection.json", "a.mrk.json"]
    detection = read_detection(tmp_path / "out" / "a.detection.json")
    told = {"samples": 2, "confidence": 0.5, "device": "cpu", "seed": 4, "fork": False}
    assert {name: detection.settings[name] for name in told} == told
    assert detection.volume["path"] == str(cases / "a.nrrd") and len(detection.volume["sha256"]) == 64
    assert 0 < detection.timing_s["read"] < detection.timing_s["total"]
    for side, point in read_points(tmp_path / "out" / "a.mrk.json").points.items():
        assert np.linalg.norm(point - balls[side]) < 0.3
    assert "left" in out.out and "found" in out.out and "a.mrk.json" in out.out and out.err == ""


def test_a_picture_of_each_case_is_written_where_it_is_wanted(detect, cases, tmp_path, capsys):
    assert detect(cases, "--picture") == 0
    assert [name for name in names(tmp_path / "out") if name.endswith(".png")] == ["a.png", "b.png"]
    assert "a.png" in capsys.readouterr().out
    (tmp_path / "out" / "a.png").write_bytes(b"of somebody else")
    assert detect(cases, "--picture") == 2
    assert "a.png exists and is no picture of detect" in capsys.readouterr().err
    assert detect(cases) == 0
    assert [name for name in names(tmp_path / "out") if name.endswith(".png")] == ["a.png"], "that of b was of old"


def test_a_folder_of_cases_also_gives_a_table_and_a_summary(detect, cases, tmp_path, capsys):
    assert detect(cases) == 0
    assert names(tmp_path / "out") == [
        "a.detection.json",
        "a.mrk.json",
        "b.detection.json",
        "b.mrk.json",
        "detections.csv",
        "run.json",
    ]
    summary = capsys.readouterr().out.splitlines()[-1]
    assert "2 cases" in summary and "0 failed" in summary and "3 found, 0 review, 1 absent" in summary
    markups = json.loads((tmp_path / "out" / "b.mrk.json").read_text())["markups"][0]["controlPoints"]
    assert [(p["label"], p["positionStatus"]) for p in markups] == [("L", "defined"), ("R", "missing")]


def test_one_bad_case_is_a_row_and_an_exit_code_and_the_others_go_on(detect, cases, tmp_path, capsys):
    (cases / "aa.nrrd").write_text("no volume")
    assert detect(cases) == 2
    out = capsys.readouterr()
    with open(tmp_path / "out" / "detections.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["status"]) for row in rows[1::2]] == [("a", "found"), ("aa", "error"), ("b", "absent")]
    assert "aa.nrrd" in rows[2]["error"] and out.err.count("\n") == 1 and "aa.nrrd" in out.err
    assert "3 cases" in out.out and "1 failed" in out.out
    assert not list((tmp_path / "out").glob("aa*"))


def test_paths_that_are_missing_or_share_a_name_do_not_stop_or_overwrite_others(detect, cases, tmp_path, capsys):
    assert detect(cases / "a.nrrd", tmp_path / "nowhere", cases / "a.nrrd") == 2
    assert {"a.mrk.json", "a-2.mrk.json"} <= set(names(tmp_path / "out"))
    assert read_detection(tmp_path / "out" / "a-2.detection.json").case == "a-2"
    assert "nowhere" in capsys.readouterr().err


def test_json_is_one_object_a_line(detect, cases, capsys):
    (cases / "aa.nrrd").write_text("no volume")
    assert detect(cases, "--json") == 2
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [event["event"] for event in events]
    assert [kind for kind in kinds if kind != "progress"] == ["result", "error", "result", "summary"]
    progress = [event for event in events if event["event"] == "progress" and event["case"] == "a"]
    assert progress[0]["text"] == "reading" and progress[-1]["text"] == "right, 0.5 mm, sample 2 of 2"
    result, error, _, summary = (event for event in events if event["event"] != "progress")
    assert result["detection"]["schema"] == "carotid-landmark/detection/1" and len(result["files"]) == 2
    assert error["exit_code"] == 2 and "aa.nrrd" in error["message"]
    assert (summary["cases"], summary["failed"], summary["found"], summary["absent"]) == (3, 1, 3, 1)


def test_quiet_says_nothing_but_errors(detect, cases, capsys):
    assert detect(cases, "--quiet") == 0
    assert tuple(capsys.readouterr()) == ("", "")
    (cases / "aa.nrrd").write_text("no volume")
    assert detect(cases, "--quiet") == 2
    out = capsys.readouterr()
    assert out.out == "" and out.err.count("\n") == 1


def test_results_go_to_the_current_folder_by_default(detector, cases, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["detect", str(cases / "a.nrrd"), "--samples", "1"]) == 0
    assert names(tmp_path / "here") == ["a.detection.json", "a.mrk.json"]


def test_interrupting_keeps_what_was_finished(detect, cases, tmp_path, monkeypatch, capsys):
    import CarotidLandmarkLib.detect.case as case

    real = case.read_volume

    def read(path, *told):
        if path.name == "b.mha":
            raise KeyboardInterrupt
        return real(path, *told)

    monkeypatch.setattr(case, "read_volume", read)
    assert detect(cases) == 130
    assert names(tmp_path / "out") == ["a.detection.json", "a.mrk.json", "detections.csv", "run.json"]
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    assert told["state"] == "interrupted" and told["cases"] == {"all": 2, "done": 1, "kept": 0, "failed": 0}
    assert capsys.readouterr().err == f"Interrupted; the results of 1 case(s) are in {tmp_path / 'out'}.\n"


def test_running_out_of_memory_is_a_sentence(detect, cases, monkeypatch, capsys):
    def full(*rest):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr("CarotidLandmarkLib.detect.search.VolumePyramid.whole", full)
    assert detect(cases / "a.nrrd") == 3
    assert "Memory ran out on cpu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (RuntimeError("shapes\ndo not fit"), "RuntimeError in search.py, line "),
        (OSError(5, "Input/output error"), "OSError in search.py, line "),
        (MemoryError(), "Memory ran out"),
        (RecursionError("too deep"), "RecursionError in search.py, line "),
    ],
)
def test_a_fault_in_one_case_is_its_error_with_all_that_is_known_and_the_others_go_on(
    fault, message, detect, cases, tmp_path, monkeypatch, capsys
):
    from CarotidLandmarkLib.detect.search import VolumePyramid

    calls = []

    def once(*rest):
        calls.append(rest)
        if len(calls) == 1:
            raise fault
        return whole(*rest)

    whole = VolumePyramid.whole
    monkeypatch.setattr(VolumePyramid, "whole", once)
    assert detect(cases) == 3
    error = capsys.readouterr().err
    assert message in error and " ".join(str(fault).split()) in error
    assert error.count("\n") == 1 and "Traceback" not in error
    assert {"b.mrk.json", "b.detection.json", "detections.csv", "run.json"} == set(names(tmp_path / "out"))


def test_the_traceback_of_a_fault_can_be_had(detect, cases, monkeypatch, capsys):
    monkeypatch.setattr("CarotidLandmarkLib.detect.search.VolumePyramid.whole", lambda *rest: 1 / 0)
    monkeypatch.setenv("CAROTID_LANDMARK_TRACEBACK", "1")
    assert detect(cases / "a.nrrd") == 3
    error = capsys.readouterr().err
    assert "Traceback" in error and "search.py" in error and "ZeroDivisionError" in error.splitlines()[-1]


def test_a_fault_in_any_command_is_a_sentence(monkeypatch, weights, capsys):
    monkeypatch.setattr("CarotidLandmarkLib.model.weights.calibration_warning", lambda header: 1 / 0)
    assert main(["model", "--weights", str(weights)]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "ZeroDivisionError in model.py, line " in error and "division by zero" in error


def test_a_name_too_long_for_its_results_is_refused_before_it_is_read(detect, cases, tmp_path, capsys):
    long = "n" * 250
    (cases / "a.nrrd").rename(cases / f"{long}.nrrd")
    assert detect(cases, "--json") == 2
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not [event for event in events if event["event"] == "progress" and event["case"] == long]
    assert "rename the volume" in next(event["message"] for event in events if event["event"] == "error")
    assert "b.mrk.json" in names(tmp_path / "out")


def test_the_next_run_mends_a_half_written_case_of_another_run(detect, cases, tmp_path):
    assert detect(cases / "a.nrrd") == 0
    markups = tmp_path / "out" / "a.mrk.json"
    whole = markups.read_text()
    markups.unlink()
    assert detect(cases / "b.mha") == 0
    assert markups.read_text() == whole


@pytest.mark.torch
def test_ctrl_c_is_told_by_every_command(monkeypatch, tmp_path, capsys):
    from CarotidLandmarkLib.phantom import files

    def interrupted(number):
        def write(out, *rest):
            for done in range(1, number + 1):
                rest[-1](done, 3)
            raise KeyboardInterrupt

        return write

    for number, told in ((0, ""), (2, f"; 2 phantom(s) are in {tmp_path}")):
        monkeypatch.setattr(files, "write_phantoms", interrupted(number))
        assert main(["phantom", "--out", str(tmp_path), "--count", "3"]) == 130
        assert capsys.readouterr().err == f"Interrupted{told}.\n"
    monkeypatch.setattr("CarotidLandmarkLib.commands.corrections.latest_revisions", interrupted(0))
    assert main(["corrections", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize(
    ("words", "start"),
    [
        ([], "usage: carotid-landmark "),
        (["detect"], "usage: carotid-landmark detect "),
        (["detect", "a.nrrd", "--fly"], "usage: carotid-landmark "),
        (["fly"], "COMMAND: invalid choice: 'fly'"),
        (["detect", "a.nrrd", "--device", "tpu"], "--device: invalid choice: 'tpu'"),
        (["detect", "a.nrrd", "--samples"], "--samples: expected one argument"),
    ],
)
def test_wrong_usage_exits_with_2(words, start, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith(start) and error.endswith(".\n")


def test_only_commands_that_exist_are_listed_and_help_needs_no_torch():
    script = (
        "import sys, contextlib\n"
        "from CarotidLandmarkLib.cli import main\n"
        "for words in (['--help'], ['detect', '--help'], ['demo', '--help'], ['model', '--help']):\n"
        "    with contextlib.suppress(SystemExit): main(words)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert re.search(rf"^    {name}\s", done.stdout, re.MULTILINE)
        assert os.path.exists(os.path.join(os.path.dirname(command.__file__), f"{name}.py"))
    for option in ["--device", "--samples", "--confidence", "--weights", "--seed", "--series", "--quiet", "--json"]:
        assert option in done.stdout


def test_model_says_what_the_weights_are(weights, capsys):
    assert main(["model", "--weights", str(weights)]) == 0
    text = capsys.readouterr().out
    assert "random 7" in text and "4 mm, 2 mm, 1 mm, 0.5 mm" in text
    assert main(["model", "--weights", str(weights), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "7"


def test_model_has_a_line_for_each_stage_of_training(make_weights, tmp_path, capsys):
    first = {"date": "2026-01-01", "steps": 1200, "minutes": 7.5, "machine": "m", "data": "3 volumes", "options": {}}
    of_site = {"steps": 4, "machine": "m", "data": None}
    make_weights(tmp_path / "w.safetensors", training={"stages": [first, {"steps": 0}, of_site], "steps": 5})
    assert main(["model", "--weights", str(tmp_path / "w.safetensors")]) == 0
    text = capsys.readouterr().out
    lines = ["2026-01-01: 1,200 steps in 7.5 minutes on m, 3 volumes", "4 steps on m", "5 steps"]
    assert "training:    " + "\n             ".join(lines) + "\n" in text and "options" not in text


def test_a_file_without_a_spacing_is_detected_in_with_one_that_is_told(detect, cases, tmp_path, capsys):
    header, voxels = (cases / "b.mha").read_bytes().split(b"ElementDataFile = LOCAL\n")
    kept = [line for line in header.splitlines(True) if not line.startswith(b"ElementSpacing")]
    (tmp_path / "c.mha").write_bytes(b"".join(kept) + b"ElementDataFile = LOCAL\n" + voxels)
    spacing = read_volume(cases / "b.mha").grid.spacing
    assert detect(tmp_path / "c.mha") == 2 and "--spacing X Y Z" in capsys.readouterr().err
    assert detect(cases / "b.mha") == detect(tmp_path / "c.mha", "--spacing", *spacing) == 0
    told, stored = (read_detection(tmp_path / "out" / f"{name}.detection.json") for name in "cb")
    assert told.volume["spacing_mm"] == stored.volume["spacing_mm"] and "as told" in told.warnings[-1]
    assert np.array_equal(told.landmarks[0].position_lps_mm, stored.landmarks[0].position_lps_mm)


@pytest.mark.parametrize(("rest_on", "said"), [(305, False), (2, True)])
def test_ellipsoids_that_rest_on_few_cases_are_told(rest_on, said, detector, detect, cases, capsys, monkeypatch):
    monkeypatch.setitem(detector.header, "calibration", {"cases": rest_on})
    assert detect(cases / "a.nrrd") == 0
    assert ("rests on 2 cases" in capsys.readouterr().err) == said
    assert detect(cases / "a.nrrd", "--quiet") == 0 and capsys.readouterr().err == ""


def test_label_maps_of_one_scan_are_not_those_of_many(detect, cases, tmp_path, capsys):
    maps = tmp_path / "maps"
    maps.mkdir()
    (maps / "hyoid.nii.gz").touch()
    assert detect(cases, "--structures", maps) == 2
    assert "are of one scan, and 2 cases have no folder of their own there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (maps / "a").mkdir()
    assert detect(cases, "--structures", maps) == 2  # for an empty file is no label map
    assert "of one scan" not in capsys.readouterr().err and (tmp_path / "out" / "a.detection.json").is_file()
