from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect import worker
from CarotidLandmarkLib.errors import OutOfMemoryError
from CarotidLandmarkLib.landmarks.detection import read_detection


def request(number, path, **settings):
    return {"id": number, "command": "detect", "path": path, "samples": 2, **settings}


def ends(events):
    return [(e["event"], e["id"]) for e in events if e["event"] in ("result", "error", "cancelled")]


def test_requests_are_answered_in_turn_by_a_model_that_stays_loaded(serve, ct, tmp_path):
    events = serve(request(1, ct, seed=5), request(2, ct, output=str(tmp_path / "out")))
    assert events[0]["event"] == "hello" and events[0]["protocol"] == worker.PROTOCOL
    assert ends(events) == [("result", 1), ("result", 2)]
    assert [engine for _, *engine in serve.loads] == [["auto", "auto"]]
    first, second = (e for e in events if e["event"] == "result")
    assert first["detection"]["settings"].pop("precision") in ("float32", "bfloat16")
    assert first["detection"]["settings"] == {
        "samples": 2,
        "confidence": 0.9,
        "device": "cpu",
        "seed": 5,
        "fork": False,
        "backend": "openvino",
    }
    assert first["detection"]["case"] == "neck" and first["files"] == []
    assert read_detection(tmp_path / "out" / "neck.detection.json").to_dict() == second["detection"]
    texts = [e["text"] for e in events if e["event"] == "progress" and e["id"] == 1]
    assert texts[:2] == ["reading", "coarse search"]


def test_what_cannot_be_done_is_an_error_event_and_the_next_request_is_answered(serve, ct):
    misunderstood = [
        "no json",
        {"id": 9},
        "[" * 100_000,
        [1],
        request([1], ct),
        "3",
        "null",
        '"detect"',
        "\x00",
        "1" * 5000,
    ]
    misunderstood += [{"id": {"a": 1}, "command": "cancel"}, {"command": "cancel"}, {"id": 1, "command": ["detect"]}]
    misunderstood += [request(1, None), request(1, ["a"]), {"id": 1, "command": "describe", "temporary": True}]
    impossible = [request(1, "/nowhere.nrrd"), request(2, ct, samples="many"), request(3, ct, seed=-1), request(4, "")]
    for name in ("weights", "device", "backend", "case", "output", "series"):
        impossible += [request(1, ct, **{name: value}) for value in (3, ["a"], {"a": 1})]
    impossible += [request(1, "\x00"), request(1, ct, spacing=3), request(1, ct, weights="\x00")]
    impossible = [{**of, "id": number} for number, of in enumerate(impossible)]
    events = serve(*misunderstood, *impossible, request("last", ct, samples=1))
    # misunderstood lines are answered by the listening thread, so only the order of the others is certain
    assert [end for end in ends(events) if end[1] is not None] == [
        *(("error", of["id"]) for of in impossible),
        ("result", "last"),
    ]
    errors = [e for e in events if e["event"] == "error"]
    assert len(errors) == len(misunderstood) + len(impossible) and {e["exit_code"] for e in errors} == {2}
    assert any("/nowhere.nrrd" in e["message"] for e in errors)


def test_a_fault_of_ours_is_told_apart_and_does_not_end_the_worker(serve, ct, monkeypatch, capsys):
    real = worker.detect_case
    monkeypatch.setattr(worker, "detect_case", lambda *a: 1 / 0 if a[1] == "bad" else real(*a))
    events = serve(request(1, ct, case="bad"), request(2, ct))
    assert ends(events) == [("error", 1), ("result", 2)]
    assert next(e for e in events if e["event"] == "error")["exit_code"] == worker.FAULT
    assert "ZeroDivisionError" in capsys.readouterr().err
    monkeypatch.setattr("CarotidLandmarkLib.detect.search.VolumePyramid.whole", lambda *a: 1 / 0)
    error = serve(request(1, ct))[-1]
    assert (error["exit_code"], error["reason"]) == (worker.FAULT, None) and "ZeroDivisionError in" in error["message"]
    assert "Traceback" in capsys.readouterr().err


def test_weights_that_were_replaced_are_loaded_and_a_copy_is_not(serve, make_weights, ct, tmp_path):
    first, copy = make_weights(tmp_path / "first.safetensors"), tmp_path / "copy.safetensors"
    shutil.copy(first, copy)
    before = serve(request(1, ct, weights=str(first)), request(2, ct, weights=str(copy)))
    assert len(serve.loads) == 1
    read, write = os.pipe()
    events = io.StringIO()
    with open(read) as requests, open(write, "w") as pen:
        thread = threading.Thread(target=worker.Worker(requests, events, heartbeat_s=60).run)
        thread.start()
        for version in ("7", "8"):
            make_weights(first, version=version)
            print(json.dumps(request(version, ct, weights=str(first))), file=pen, flush=True)
            while f'"result", "id": "{version}"' not in events.getvalue():
                time.sleep(0.02)
        pen.close()
        thread.join(20)
    after = [json.loads(line) for line in events.getvalue().splitlines()]
    told = [event["detection"]["model"] for event in before + after if event["event"] == "result"]
    assert [model["version"] for model in told] == ["7", "7", "7", "8"]
    assert told[0]["sha256"] == told[1]["sha256"] == told[2]["sha256"] != told[3]["sha256"]
    assert [sha256 for sha256, *_ in serve.loads] == [told[0]["sha256"], told[0]["sha256"], told[3]["sha256"]]


def test_a_request_without_a_case_is_named_after_its_file(serve, ct, tmp_path):
    named = shutil.move(ct, tmp_path / "1.3.6.1.nrrd")
    result = serve(request(1, str(named), samples=1))[-1]
    assert result["detection"]["case"] == "1.3.6.1"


def test_names_and_folders_that_cannot_be_written_are_refused_before_detecting(serve, ct, tmp_path):
    (tmp_path / "file").touch()
    events = serve(
        request(1, ct, case="n" * 250, output=str(tmp_path / "out")), request(2, ct, output=str(tmp_path / "file"))
    )
    first, second = (e for e in events if e["event"] == "error")
    assert first["exit_code"] == 2 and "rename the volume" in first["message"]
    assert second["exit_code"] == 3 and second["message"].endswith("; choose another folder.")
    assert not [e for e in events if e["event"] == "progress"]


def test_out_of_memory_is_told_in_a_word_for_programs_with_the_device(serve, ct, monkeypatch):
    def full(detector, *_):
        raise OutOfMemoryError("Memory ran out.")

    monkeypatch.setattr(worker, "detect_case", full)
    error = serve(request(1, ct, device="auto"))[-1]
    assert (error["message"], error["reason"], error["device"]) == ("Memory ran out.", "out_of_memory", "cpu")
    monkeypatch.setattr(worker, "detect_case", lambda *_: 1 / 0)
    assert serve(request(1, ct))[-1]["reason"] is None


def test_out_of_memory_while_the_model_is_loaded_is_told_too(serve, ct, monkeypatch):
    def load(*_):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(worker.Detector, "of", load)
    error = serve(request(1, ct, device="cuda"))[-1]
    assert (error["reason"], error["device"], error["exit_code"]) == ("out_of_memory", "cuda", 3)


def test_describe_says_what_could_be_detected_with_and_where(serve, make_weights, tmp_path):
    weights = make_weights(tmp_path / "random.safetensors", calibration={"cases": 24})
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    known, bad = serve(
        {"id": 1, "command": "describe", "weights": str(weights)},
        {"id": 2, "command": "describe", "weights": str(tmp_path / "bad.safetensors")},
    )[1:]
    assert known["event"] == bad["event"] == "description" and known["id"] == 1
    assert known["devices"][-1]["device"] == "cpu" and "threads" in known["devices"][-1]["text"]
    model = known["model"]
    assert (model["name"], model["version"], model["path"], model["card"]) == ("random", "7", str(weights), None)
    assert len(model["sha256"]) == 64
    assert len(model["warnings"]) == 1 and "calibration" in model["warnings"][0]
    assert "bad.safetensors" in bad["model"]["problem"]


def test_describe_loads_no_model_and_nothing_that_would_run_one():
    lines = json.dumps({"id": 1, "command": "describe"}) + "\n"
    command = [sys.executable, "-X", "importtime", "-m", "CarotidLandmarkLib.detect.worker"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout.splitlines()[-1])["model"]["sha256"]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "CarotidLandmarkLib.model.weights" in imported and not {"torch", "openvino"} & imported


def test_describe_shows_the_card_of_the_packaged_weights(serve, default_weights):
    model = serve({"id": 1, "command": "describe"})[-1]["model"]
    assert model["data"] and model["card"].startswith("# Default weights")


@pytest.mark.parametrize(("card", "shown"), [(b"# Gr\xf6\xdfe\n", "# Gr\ufffd\ufffde\n"), (None, None)])
def test_a_card_that_is_no_text_is_no_fault(serve, weights, tmp_path, card, shown, capsys):
    shutil.copy(weights, tmp_path / "own.safetensors")
    (tmp_path / "CARD.md").write_bytes(card) if card else (tmp_path / "CARD.md").mkdir()
    model = serve({"id": 1, "command": "describe", "weights": str(tmp_path / "own.safetensors")})[-1]["model"]
    assert model["name"] == "random" and model["card"] == shown
    assert main(["model", "show", "--weights", str(tmp_path / "own.safetensors")]) == 0
    assert (shown or "").strip() in capsys.readouterr().out


@pytest.mark.parametrize("end", ["stdin", "stdout"])
def test_with_its_parent_the_worker_ends_in_mid_detection_and_takes_the_volume_with_it(ct, weights, tmp_path, end):
    folder = tmp_path / "private"
    folder.mkdir()
    volume = shutil.copy(ct, folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "CarotidLandmarkLib.detect.worker", "--exit-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    wanted = request(1, volume, weights=str(weights), device="cpu", samples=100_000, temporary=True)
    process.stdin.write(json.dumps(wanted) + "\n")
    process.stdin.flush()
    assert any("sample" in line for line in process.stdout)
    getattr(process, end).close()
    process.wait(20)
    assert not folder.exists()
    process.stdin.close()
    process.stdout.close()


def test_the_folder_goes_even_if_another_thread_has_just_taken_the_volume_out_of_it(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    leaving = worker.Worker(io.StringIO(), io.StringIO(), exit_with_parent=True)
    leaving.temporary.append(tmp_path / "folder" / "volume.nrrd")
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    leaving._exit()
    assert codes == [0] and not (tmp_path / "folder").exists()


def test_without_that_option_a_volume_stays_where_it_is(serve, ct):
    serve(request(1, ct, temporary=True))
    assert os.path.exists(ct)


def test_cancel_stops_a_running_and_a_waiting_request(ct, weights, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "CarotidLandmarkLib.detect.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:

        def send(values):
            process.stdin.write(json.dumps(values) + "\n")
            process.stdin.flush()

        settings = {"weights": str(weights), "device": "cpu", "output": str(tmp_path / "out")}
        send(request(1, ct, **{**settings, "samples": 100_000}))
        send(request(2, ct, **settings))
        send(request(3, ct, **settings))
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "progress" and "sample" in events[-1]["text"] and len(ends(events)) == 0:
                send({"id": 1, "command": "cancel"})
                send({"id": 3, "command": "cancel"})
            if len(ends(events)) == 2:
                process.stdin.close()
                break
        events += [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert ends(events) == [("cancelled", 1), ("result", 2), ("cancelled", 3)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["neck.detection.json", "neck.mrk.json"]


def test_the_heart_beats_while_waiting():
    read, write = os.pipe()
    events = io.StringIO()
    with open(read) as requests, open(write, "w") as pen:
        thread = threading.Thread(target=worker.Worker(requests, events, heartbeat_s=0.02).run)
        thread.start()
        time.sleep(0.2)
        pen.close()
        thread.join(5)
    assert not thread.is_alive()
    assert events.getvalue().count('"heartbeat"') >= 2
