"""EngineProcess with a fake worker: a run from start to end, cancelling, memory, stopping, logs."""

import subprocess
import sys
from pathlib import Path

import pytest

from CarotidLandmarkLib.landmarks.forks import Lumen
from Testing.host.pythonQtDrive import processEvents, waitUntil
from Testing.panel.engineHelp import (
    FAKE,
    PHASES,
    REQUEST,
    childrenOf,
    isRunning,
    kill,
    makeEngines,
    recovers,
    waitForDeath,
)

makeEngine = pytest.fixture(makeEngines)
ROOT = Path(__file__).resolve().parents[2]


def test_a_detection_starts_the_engine_which_stays_warm(makeEngine):
    engine, heard = makeEngine()
    assert engine.state == "off"
    engine.detect({**REQUEST, "samples": 7, "seed": 3, "device": "cpu", "weights": "/w.safetensors"})
    end, detection = heard.waitForEnd()
    assert end == "Result" and detection["case"] == "Neck of nobody" and detection["volume"]["path"] == REQUEST["path"]
    assert detection["settings"] == {"samples": 7, "seed": 3, "device": "cpu", "weights": "/w.safetensors"}
    assert Lumen.unpacked(engine.lumens["left"]).voxels.tolist() == [[[True, False]]]
    assert [text for text, _ in heard.named("Progress")] == PHASES
    assert [state for (state,) in heard.named("StateChanged")] == ["starting", "busy", "idle"]
    first = childrenOf(engine)
    engine.detect(REQUEST)
    assert engine.state == "busy"
    assert heard.waitForEnd()[0] == "Result"
    assert childrenOf(engine) == first and engine.note == ""


def test_a_second_detection_at_a_time_is_a_fault_of_the_caller(makeEngine):
    engine, heard = makeEngine("hold")
    engine.detect(REQUEST)
    with pytest.raises(RuntimeError, match="under way"):
        engine.detect(REQUEST)
    assert heard.ends == []


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_leaves_the_engine_warm(makeEngine, phase):
    engine, heard = makeEngine("hold", phase)
    engine.detect(REQUEST)
    heard.waitForPhase(phase)
    engine.cancel()
    assert engine.state == "cancelling"
    engine.cancel()
    assert heard.waitForEnd() == ("Cancelled",) and engine.state == "idle"
    first = childrenOf(engine)
    engine.detect(REQUEST)
    waitUntil(lambda: [text for text, _ in heard.named("Progress")].count(phase) == 2)
    assert childrenOf(engine) == first


def test_cancel_while_starting_is_done_at_once_and_the_engine_gets_warm(makeEngine):
    engine, heard = makeEngine()
    engine.detect(REQUEST)
    engine.cancel()
    assert heard.waitForEnd() == ("Cancelled",)
    waitUntil(lambda: engine.state == "idle")
    assert heard.named("Progress") == []
    recovers(engine, heard)


def test_a_result_that_came_too_late_is_cancelled(makeEngine):
    engine, heard = makeEngine("late result")
    engine.detect(REQUEST)
    heard.waitForPhase("sampling")
    engine.cancel()
    assert heard.waitForEnd() == ("Cancelled",) and engine.state == "idle"


def test_an_engine_that_does_not_heed_cancel_is_killed(makeEngine):
    engine, heard = makeEngine("stubborn", cancelTimeoutS=0.2)
    engine.detect(REQUEST)
    heard.waitForPhase("reading")
    children = childrenOf(engine)
    engine.cancel()
    assert heard.waitForEnd() == ("Cancelled",) and engine.state == "off"
    waitForDeath(children)
    recovers(engine, heard)


def test_cancel_is_over_within_a_second():
    from inspect import signature

    from CarotidLandmarkSlicer.engineProcess import EngineProcess

    assert signature(EngineProcess).parameters["cancelTimeoutS"].default < 1


def test_killed_while_cancelling_is_cancelled(makeEngine):
    engine, heard = makeEngine("stubborn", cancelTimeoutS=20)
    engine.detect(REQUEST)
    heard.waitForPhase("reading")
    engine.cancel()
    kill(engine._workerPid)
    assert heard.waitForEnd() == ("Cancelled",) and engine.state == "off"


def test_an_error_names_the_volume_instead_of_its_file(makeEngine):
    engine, heard = makeEngine("error")
    engine.detect(REQUEST)
    assert heard.waitForEnd() == ("Error", "'Neck of nobody' is no CT.")
    assert engine.state == "idle"


def test_what_does_not_fit_on_the_gpu_is_computed_on_the_cpu(makeEngine):
    engine, heard = makeEngine("full gpu", "sampling")
    engine.detect({**REQUEST, "device": "auto"})
    end, detection = heard.waitForEnd()
    assert end == "Result" and detection["settings"]["device"] == "cpu"
    assert "CPU" in engine.note
    assert any("CPU" in text and fraction == 0.0 for text, fraction in heard.named("Progress"))
    engine.detect({**REQUEST, "device": "cpu"})
    heard.waitForEnd()
    assert engine.note == ""


def test_what_fits_nowhere_is_an_error(makeEngine):
    engine, heard = makeEngine("full")
    engine.detect({**REQUEST, "device": "cuda:0"})
    assert heard.waitForEnd() == ("Error", "Memory ran out.")
    assert engine.note == ""


def test_what_does_not_fit_on_a_cpu_chosen_automatically_is_not_tried_again(makeEngine):
    engine, heard = makeEngine("full cpu")
    engine.detect({**REQUEST, "device": "auto"})
    assert heard.waitForEnd() == ("Error", "Memory ran out.")
    assert [text for text, _ in heard.named("Progress")] == ["reading"]


def test_an_idle_engine_ends_by_itself(makeEngine):
    engine, heard = makeEngine(idleMinutes=0.2 / 60)
    engine.detect(REQUEST)
    heard.waitForEnd()
    children = childrenOf(engine)
    waitUntil(lambda: engine.state == "off")
    waitForDeath(children)
    assert len(heard.ends) == 1


def test_a_picture_is_drawn_by_the_same_engine_as_a_detection(makeEngine):
    engine, heard = makeEngine()
    engine.detect(REQUEST)
    heard.waitForEnd()
    worker = engine._workerPid
    engine.draw({**REQUEST, "detection": {}, "readings": {}, "output": "/private/key.png"})
    with pytest.raises(RuntimeError, match="under way"):
        engine.detect(REQUEST)
    assert heard.waitForEnd() == ("Picture", "/private/key.png")
    assert engine.state == "idle" and engine._workerPid == worker


def test_a_picture_that_came_too_late_is_cancelled(makeEngine):
    engine, heard = makeEngine("late result")
    engine.draw({**REQUEST, "output": "/private/key.png"})
    heard.waitForPhase("sampling")
    engine.cancel()
    assert heard.waitForEnd() == ("Cancelled",) and engine.state == "idle"


def test_a_picture_that_does_not_fit_into_memory_is_an_error_at_once(makeEngine):
    engine, heard = makeEngine("full gpu")
    engine.draw({**REQUEST, "output": "/private/key.png"})
    assert heard.waitForEnd() == ("Error", "Memory ran out.")


def test_describe_tells_the_devices_and_the_weights(makeEngine):
    engine, heard = makeEngine()
    engine.describe("/w.safetensors")
    waitUntil(lambda: heard.named("Description"))
    assert heard.named("Description") == [([{"device": "cpu", "text": "CPU"}], {"path": "/w.safetensors"})]
    assert engine.state == "idle"
    engine.detect(REQUEST)
    engine.describe()
    assert heard.waitForEnd()[0] == "Result"
    waitUntil(lambda: len(heard.named("Description")) == 2)


def test_describe_without_an_engine_is_an_error(makeEngine):
    engine, heard = makeEngine("no start")
    engine.describe()
    assert heard.waitForEnd()[0] == "Error"


@pytest.mark.parametrize("fault", ["", "hold", "stubborn", "slow start", "hang"])
def test_stop_leaves_no_process_and_calls_nobody(makeEngine, fault):
    engine, heard = makeEngine(fault)
    engine.detect(REQUEST)
    if fault == "":
        heard.waitForEnd()
    elif fault != "slow start":
        heard.waitForPhase("reading")
    waitUntil(lambda: childrenOf(engine))
    children = childrenOf(engine)
    before = list(heard.events)
    engine.stop()
    assert [pid for pid in children if isRunning(pid)] == []
    assert engine.state == "off" and heard.events == before
    processEvents()
    assert heard.events == before
    recovers(engine, heard)


def test_stop_without_a_start(makeEngine):
    engine, heard = makeEngine()
    engine.stop()
    assert engine.state == "off" and heard.events == []


def test_each_start_has_its_own_log_and_the_one_before_is_kept(makeEngine):
    engine, heard = makeEngine("crash")
    engine.detect(REQUEST)
    heard.waitForEnd()
    recovers(engine, heard)
    now, before = Path(engine.logPath).read_text(), Path(engine.logPath + ".1").read_text()
    assert "the fake engine starts" in now and "crashed" not in now
    assert "the fake engine starts" in before and "crashed" in before
    assert "nobody" not in now + before


def test_without_a_place_for_its_log_the_engine_works(makeEngine):
    engine, heard = makeEngine()
    engine.logPath = "/proc/nowhere/engine.log"
    engine.detect(REQUEST)
    assert heard.waitForEnd()[0] == "Result"


def test_callbacks_may_start_the_next_run(makeEngine):
    engine, heard = makeEngine("crash")

    def again(sentence):
        heard.events.append(("Error", (sentence,)))
        engine.arguments = [FAKE]
        engine.detect(REQUEST)

    engine.onError = again
    engine.detect(REQUEST)
    waitUntil(lambda: len(heard.ends) == 2)
    assert [end[0] for end in heard.ends] == ["Error", "Result"]


def test_a_killed_application_leaves_no_engine(tmp_path):
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from Testing.host.pythonQt import installQtHost
from Testing.host.pythonQtDrive import waitUntil
host = installQtHost()
from CarotidLandmarkSlicer.engineProcess import EngineProcess
engine = EngineProcess(sys.executable, [{FAKE!r}, "hold"], dict(os.environ), {str(tmp_path / "engine.log")!r})
texts = []
engine.onProgress = lambda text, fraction: texts.append(text)
engine.detect({REQUEST!r})
waitUntil(lambda: texts)
print(engine._workerPid, flush=True)
waitUntil(lambda: False, 60)
"""
    application = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with application:
        worker = int(application.stdout.readline())
        assert isRunning(worker)
        application.kill()
    waitForDeath([worker])


def test_the_command_is_the_applications_python_with_a_clean_environment(qtHost, tmp_path, monkeypatch):
    import slicer
    from CarotidLandmarkSlicer.engineChild import engineCommand

    launcher = tmp_path / "PythonSlicer"
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/application")
    startup = {"HOME": "/home/someone", "PYTHONPATH": "/somewhere/else"}
    monkeypatch.setattr(slicer.app, "startupEnvironment", lambda: None, raising=False)
    monkeypatch.setattr(slicer.util, "startupEnvironment", lambda: startup)
    program, arguments, environment = engineCommand()
    assert program == str(launcher)
    assert arguments == ["-m", "CarotidLandmarkLib.detect.worker", "--exit-with-parent"]
    assert environment["PYTHONPATH"] == str(ROOT) and environment["HOME"] == "/home/someone"
    assert "LD_LIBRARY_PATH" not in environment
    assert startup["PYTHONPATH"] == "/somewhere/else"
