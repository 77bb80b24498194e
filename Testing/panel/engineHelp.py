"""An EngineProcess that keeps what it was told, for tests."""

import os
import signal
import sys
import time
from pathlib import Path

from Testing.host.pythonQtDrive import processEvents, waitUntil

FAKE = str(Path(__file__).with_name("fakeEngine.py"))
REQUEST = {"path": "/private/volume.nrrd", "case": "Neck of nobody"}
ENDS = ("Result", "Picture", "Error", "Cancelled")
PHASES = ["reading", "coarse search", "sampling"]


class Heard:
    """Everything that an engine's callbacks were called with: (callback, arguments) in `events`."""

    def __init__(self, engine):
        self.engine = engine
        self.events = []
        self.awaited = 0
        for name in ("Progress", "Result", "Picture", "Error", "Cancelled", "StateChanged", "Description"):
            setattr(engine, f"on{name}", lambda *values, name=name: self.events.append((name, values)))

    def named(self, name):
        return [values for event, values in self.events if event == name]

    @property
    def ends(self):
        return [(event, *values) for event, values in self.events if event in ENDS]

    def waitForEnd(self, seconds=20):
        """The one end of the run after the last one that was waited for, and that there is no second one."""
        self.awaited += 1
        waitUntil(lambda: len(self.ends) >= self.awaited, seconds)
        processEvents()
        assert len(self.ends) == self.awaited
        return self.ends[-1]

    def waitForPhase(self, phase):
        waitUntil(lambda: phase in [text for text, _ in self.named("Progress")], 20)


def makeEngines(qtHost, tmp_path):
    """A fixture: makeEngine(fault, phase, **timeouts) -> (engine, heard) with the fake engine, or with a command."""
    from CarotidLandmarkSlicer.engineProcess import EngineProcess

    engines = []

    def make(fault="", phase="reading", command=None, **settings):
        command = command or (sys.executable, [FAKE, fault, phase], dict(os.environ))
        engine = EngineProcess(*command, str(tmp_path / "log" / "engine.log"), **settings)
        engines.append(engine)
        return engine, Heard(engine)

    yield make
    children = [pid for engine in engines for pid in childrenOf(engine)]
    for engine in engines:
        engine.stop()
    assert [pid for pid in children if isRunning(pid)] == []


def childrenOf(engine):
    """The process ids of an engine's worker and of the launcher around it, if any."""
    pids = [process.processId() for process in engine._children]
    return [pid for pid in {*pids, engine._workerPid} if pid]


def isRunning(pid):
    """False for a zombie, which only waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def waitForDeath(pids, seconds=10):
    end = time.monotonic() + seconds
    while any(isRunning(pid) for pid in pids):
        assert time.monotonic() < end, f"still running: {[pid for pid in pids if isRunning(pid)]}"
        time.sleep(0.02)


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def recovers(engine, heard):
    """Detect works again at once, with an engine that behaves."""
    engine.arguments = [FAKE]
    engine._alarmMs.update(starting=20_000, busy=20_000)  # the machine may be busy
    engine.detect(REQUEST)
    assert heard.waitForEnd()[0] == "Result"
    assert engine.state == "idle"
