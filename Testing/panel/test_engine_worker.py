"""EngineProcess with the real worker and a small network that was never trained."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from Testing.host.pythonQtDrive import waitUntil
from Testing.lib.conftest import random_weights
from Testing.panel.engineHelp import childrenOf, isRunning, kill, makeEngines, waitForDeath

makeEngine = pytest.fixture(makeEngines)
ROOT = Path(__file__).resolve().parents[2]
ENDLESS = 100_000


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return str(random_weights(tmp_path_factory.mktemp("weights") / "random.safetensors"))


@pytest.fixture
def real(makeEngine):
    """(engine, heard) with the worker that the module starts."""
    from CarotidLandmarkSlicer.engineChild import engineCommand

    _, arguments, environment = engineCommand()
    return makeEngine(command=(sys.executable, arguments, environment))


@pytest.fixture
def volumeNode(qtHost):
    import slicer

    array = np.random.default_rng(0).normal(40, 60, (60, 100, 110)).astype(np.int16)
    array[:, :8] = -1000
    return slicer.util.addVolumeFromArray(array, np.diag([-1.1, -1.2, 1.5, 1.0]), "Neck of nobody")


@pytest.fixture
def request_(volumeNode, weights, tmp_path):
    """A request whose volume was handed over as the module does it."""
    from CarotidLandmarkSlicer.volumeTransfer import VolumeTransfer

    transfer = VolumeTransfer(volumeNode, str(tmp_path))
    written = []
    transfer.start(written.append, pytest.fail)
    waitUntil(lambda: written)
    yield {
        "path": written[0],
        "case": volumeNode.GetName(),
        "temporary": True,
        "samples": 1,
        "seed": 3,
        "confidence": 0.8,
        "device": "cpu",
        "weights": weights,
    }
    transfer.remove()


def test_two_volumes_in_turn_by_one_warm_worker(real, request_):
    engine, heard = real
    for samples in (1, 2):
        engine.detect({**request_, "samples": samples})
        end, detection = heard.waitForEnd(120)
        assert end == "Result", detection
        assert detection["settings"] == {
            "samples": samples,
            "confidence": 0.8,
            "device": "cpu",
            "seed": 3,
            "fork": True,
            "backend": "openvino",
            "precision": detection["settings"]["precision"],
        }
        assert detection["settings"]["precision"] in ("float32", "bfloat16")
        assert (detection["case"], detection["model"]["name"]) == ("Neck of nobody", "random")
        assert detection["volume"]["size"] == [110, 100, 60]
    assert [state for (state,) in heard.named("StateChanged")] == ["starting", "busy", "idle", "busy", "idle"]
    texts = [text for text, _ in heard.named("Progress")]
    assert texts[:2] == ["reading", "coarse search"] and any("sample 2 of 2" in text for text in texts)
    assert os.path.exists(request_["path"])


def waitForText(engine, words):
    heard = []
    before, engine.onProgress = engine.onProgress, lambda text, fraction: heard.append(text)
    waitUntil(lambda: any(words in text for text in heard), 120)
    engine.onProgress = before


def test_killed_in_each_phase_and_recovered(real, request_):
    engine, heard = real
    for phase in ("starting", "reading", "coarse search", "sample"):
        engine.detect({**request_, "samples": ENDLESS})
        if phase == "starting":
            waitUntil(lambda: childrenOf(engine))
        else:
            waitForText(engine, phase)
        children = childrenOf(engine)
        kill(children[0])
        end, sentence = heard.waitForEnd()
        assert end == "Error" and engine.logPath in sentence, sentence
        assert engine.state == "off" and not any(map(isRunning, children))
    engine.detect(request_)
    assert heard.waitForEnd(120)[0] == "Result"
    kill(engine._workerPid)
    waitUntil(lambda: engine.state == "off")
    engine.detect(request_)
    assert heard.waitForEnd(120)[0] == "Result"


def test_cancelled_while_sampling_the_worker_stays(real, request_):
    engine, heard = real
    engine._alarmMs["cancelling"] = 60_000  # the machine may be busy
    engine.detect({**request_, "samples": ENDLESS})
    waitForText(engine, "sample")
    engine.cancel()
    assert heard.waitForEnd(60) == ("Cancelled",) and engine.state == "idle"
    worker = engine._workerPid
    engine.detect(request_)
    assert heard.waitForEnd(120)[0] == "Result" and engine._workerPid == worker


def test_an_error_of_the_worker_names_the_volume(real, request_):
    engine, heard = real
    Path(request_["path"]).write_bytes(b"NRRD0004\nnot at all\n\n")
    engine.detect(request_)
    end, sentence = heard.waitForEnd(120)
    assert end == "Error" and "'Neck of nobody'" in sentence and "volume.nrrd" not in sentence
    assert engine.state == "idle"


def test_stop_in_mid_detection_leaves_no_process(real, request_):
    engine, heard = real
    engine.detect({**request_, "samples": ENDLESS})
    waitForText(engine, "sample")
    children = childrenOf(engine)
    engine.stop()
    assert not any(map(isRunning, children)) and heard.ends == []


def test_a_worker_whose_application_is_killed_goes_with_the_volume(request_, tmp_path):
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from Testing.host.pythonQt import installQtHost
from Testing.host.pythonQtDrive import waitUntil
host = installQtHost()
from CarotidLandmarkSlicer.engineChild import engineCommand
from CarotidLandmarkSlicer.engineProcess import EngineProcess
engine = EngineProcess(sys.executable, *engineCommand()[1:], {str(tmp_path / "engine.log")!r})
texts = []
engine.onProgress = lambda text, fraction: texts.append(text)
engine.detect({dict(request_, samples=ENDLESS)!r})
waitUntil(lambda: any("sample" in text for text in texts), 120)
print(engine._workerPid, flush=True)
waitUntil(lambda: False, 60)
"""
    application = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with application:
        worker = int(application.stdout.readline())
        assert isRunning(worker) and os.path.exists(request_["path"])
        application.kill()
    waitForDeath([worker])
    assert not os.path.exists(os.path.dirname(request_["path"]))


def test_describe(real, weights, tmp_path):
    engine, heard = real
    engine.describe(weights)
    engine.describe(str(tmp_path / "nowhere.safetensors"))
    waitUntil(lambda: len(heard.named("Description")) == 2, 120)
    (devices, model), (_, problem) = heard.named("Description")
    assert devices[-1]["device"] == "cpu" and model["name"] == "random"
    assert "nowhere.safetensors" in problem["problem"]
    assert engine.state == "idle"


def test_without_openvino_and_torch_it_says_so(makeEngine, real, request_, tmp_path):
    for name in ("openvino", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('this {name} is broken')")
    engine, heard = real
    engine.environment = {**engine.environment, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    engine.detect(request_)
    end, sentence = heard.waitForEnd(120)
    assert end == "Error" and "this torch is broken" in sentence
    assert "nobody" not in Path(engine.logPath).read_text()
