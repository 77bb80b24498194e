"""From a phantom through the module to training: the real engine in its process, a real drag, a real export."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from Testing.host.mrmlHost import REPOSITORY

pytest.importorskip("PySide6", reason="PySide6 is not installed")
MODULE = REPOSITORY / "CarotidLandmark" / "CarotidLandmark.py"
PIXELS_PER_MM = 5  # 400 pixels show 80 mm


@pytest.fixture
def qt(host):
    from Testing.host.pythonQt import installQtHost

    host = installQtHost()
    host.takeErrors()
    yield host
    host.check()


@pytest.fixture
def logic(qt, tmp_path):
    from CarotidLandmarkSlicer import engineChild, engineProcess

    from Testing.host.pythonQtDrive import waitUntil

    sys.modules.pop("CarotidLandmark", None)
    module = qt.loadModule(str(MODULE))
    program, arguments, environment = engineChild.engineCommand()
    engine = engineProcess.EngineProcess(sys.executable, arguments, environment, str(tmp_path / "engine.log"))
    logic = sys.modules["CarotidLandmark"].CarotidLandmarkLogic(engine=engine)
    yield logic
    logic.close()
    waitUntil(lambda: engine.state == "off")
    module.unload()


def test_a_dragged_point_becomes_the_truth_of_training(logic, slices, tmp_path):
    from CarotidLandmarkSlicer.sampleData import loadPhantom

    from CarotidLandmarkLib.landmarks.files import read_points
    from CarotidLandmarkLib.sample_data import POINTS
    from CarotidLandmarkLib.study.cases import read_cases
    from Testing.host.pythonQtDrive import waitUntil

    volumeNode, truth = loadPhantom(), read_points(POINTS).points
    volumeNode.CreateDefaultDisplayNodes()
    parameters = logic.parameterNode()
    logic.setParameter(parameters, "samples", 3)
    logic.startDetection(volumeNode, parameters)
    waitUntil(lambda: not logic.run.busy, 180)
    assert not logic.run.failed, logic.run.message

    landmarkScene = logic.landmarkScene
    landmarkNode = landmarkScene.landmarkNode(volumeNode)
    predicted = landmarkScene.reviews(landmarkNode)["left"].predictedRas
    assert np.linalg.norm(predicted * [-1, -1, 1] - truth["left"]) < 4
    landmarkScene.jumpTo(landmarkNode, "left")
    red = slices["Red"]
    red.render()
    start, _ = red.worldToDisplay(predicted)
    red.drag(start, start + [3 * PIXELS_PER_MM, 0])
    dragged = landmarkScene.reviews(landmarkNode)["left"]
    assert (dragged.decision, dragged.displacementMm) == ("moved", pytest.approx(3, abs=0.3))  # whole pixels of 0.2 mm
    landmarkScene.accept(landmarkNode, "right")

    folder = tmp_path / "corrections"
    logic.exporter.export(landmarkNode, str(folder), "RT")
    (sample,) = read_cases(folder)
    np.testing.assert_allclose(sample.points["left"], dragged.ras * [-1, -1, 1], atol=0.01)
    assert np.linalg.norm(sample.points["left"] - predicted * [-1, -1, 1]) == pytest.approx(3, abs=0.3)

    if find_spec("torch") is None:
        return
    run = tmp_path / "run"
    command = [sys.executable, "-m", "CarotidLandmarkLib", "train", "--data", folder, "--out", run, "--steps", "1"]
    subprocess.run([*map(str, command), "--workers", "0"], check=True, cwd=REPOSITORY)
    assert (run / "weights.safetensors").is_file()
