"""EngineProcess with a fake worker that misbehaves in every way, or is killed."""

import os
import signal
import sys
from pathlib import Path

import pytest

from Testing.host.pythonQtDrive import waitUntil
from Testing.panel.engineHelp import FAKE, PHASES, REQUEST, childrenOf, kill, makeEngines, recovers, waitForDeath

makeEngine = pytest.fixture(makeEngines)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("no start", "while it started"), ("slow start", "did not start in time"), ("old version", "another version")],
)
def test_an_engine_that_does_not_start_is_an_error_that_names_the_log(makeEngine, fault, words):
    engine, heard = makeEngine(fault, startTimeoutS=0.5 if fault == "slow start" else 20)
    engine.detect(REQUEST)
    end, sentence = heard.waitForEnd()
    assert end == "Error" and words in sentence and engine.logPath in sentence and engine.state == "off"
    if fault == "no start":
        assert "No module named 'torch'" in Path(engine.logPath).read_text()
    recovers(engine, heard)


def test_a_python_that_is_not_there_is_an_error(makeEngine):
    engine, heard = makeEngine(command=("/nowhere/PythonSlicer", [], {}))
    engine.detect(REQUEST)
    end, sentence = heard.waitForEnd()
    assert end == "Error" and "cannot be started" in sentence and engine.state == "off"
    engine.program, engine.environment = sys.executable, dict(os.environ)
    recovers(engine, heard)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("fault", ["crash", "exit", "hang", "garbage", "foreign", "broken lumen"])
def test_a_fault_in_mid_detection_is_one_error_and_leaves_no_process(makeEngine, fault, phase):
    engine, heard = makeEngine(fault, phase, heartbeatTimeoutS=1.5 if fault == "hang" else 20)
    engine.detect(REQUEST)
    heard.waitForPhase(phase)
    children = childrenOf(engine)
    end, sentence = heard.waitForEnd()
    words = {"hang": "stopped answering", "garbage": "no answer", "foreign": "no answer", "broken lumen": "no answer"}
    assert end == "Error" and words.get(fault, "crashed") in sentence and engine.logPath in sentence
    assert engine.state == "off"
    waitForDeath(children)
    recovers(engine, heard)


def test_a_torrent_without_an_end_of_line_is_cut_off(makeEngine, monkeypatch):
    from CarotidLandmarkSlicer import engineProcess

    monkeypatch.setattr(engineProcess, "LONGEST_LINE", 2048)
    engine, heard = makeEngine("torrent", "sampling", heartbeatTimeoutS=20)
    engine.detect(REQUEST)
    end, sentence = heard.waitForEnd()
    assert end == "Error" and "no answer" in sentence
    assert Path(engine.logPath).stat().st_size < 2048


def test_events_of_a_later_version_are_passed_over(makeEngine):
    engine, heard = makeEngine("future")
    engine.detect(REQUEST)
    assert heard.waitForEnd()[0] == "Result"


@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_mid_detection(makeEngine, phase):
    engine, heard = makeEngine("hold", phase)
    engine.detect(REQUEST)
    heard.waitForPhase(phase)
    kill(engine._workerPid)
    end, sentence = heard.waitForEnd()
    assert end == "Error" and "try again" in sentence and engine.state == "off"
    recovers(engine, heard)


def test_killed_while_starting(makeEngine):
    engine, heard = makeEngine("slow start")
    engine.detect(REQUEST)
    waitUntil(lambda: childrenOf(engine))
    kill(childrenOf(engine)[0])
    assert heard.waitForEnd()[0] == "Error" and engine.state == "off"
    recovers(engine, heard)


def test_killed_while_idle_is_not_worth_a_word(makeEngine):
    engine, heard = makeEngine()
    engine.detect(REQUEST)
    heard.waitForEnd()
    kill(engine._workerPid)
    waitUntil(lambda: engine.state == "off")
    assert len(heard.ends) == 1
    recovers(engine, heard)


@pytest.mark.parametrize("victim", ["launcher", "worker"])
def test_killed_behind_a_launcher(makeEngine, victim):
    code = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]) and 1)"
    engine, heard = makeEngine(command=(sys.executable, ["-c", code, FAKE, "hold"], dict(os.environ)))
    engine.detect(REQUEST)
    heard.waitForPhase("reading")
    launcher, worker = engine._process.processId(), engine._workerPid
    assert launcher != worker
    kill(launcher if victim == "launcher" else worker)
    assert heard.waitForEnd()[0] == "Error"
    waitForDeath([launcher, worker])


def test_a_hanging_worker_behind_a_launcher_is_killed_too(makeEngine):
    code = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    engine, heard = makeEngine(
        command=(sys.executable, ["-c", code, FAKE, "hold"], dict(os.environ)), heartbeatTimeoutS=1.5
    )
    engine.detect(REQUEST)
    heard.waitForPhase("reading")
    children = childrenOf(engine)
    os.kill(engine._workerPid, signal.SIGSTOP)
    end, sentence = heard.waitForEnd()
    assert end == "Error" and "stopped answering" in sentence
    waitForDeath(children)


def test_a_blocked_application_is_no_hanging_engine(makeEngine):
    engine, heard = makeEngine("hold", "sampling")
    engine.detect(REQUEST)
    heard.waitForPhase("sampling")
    for _ in range(3):
        engine._onAlarm()  # the alarm rings before the heartbeats that came meanwhile are read
        assert engine.state == "busy"
        waitUntil(lambda: engine._rings == 0)
    assert heard.ends == []
