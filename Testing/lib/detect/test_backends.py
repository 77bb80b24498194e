"""Who runs the networks, and that torch is not needed for it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from CarotidLandmarkLib.detect import device
from CarotidLandmarkLib.detect.backends import choice
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.model.weights import read_weights
from CarotidLandmarkLib.volume.ct import write_volume

BLOCKED = """
import sys
import numpy.testing  # which runs lscpu in numpy 2.0
import matplotlib.font_manager  # which runs fc-list in a home that is new to it
for name in sys.argv.pop(1).split(","):
    sys.modules[name] = None

def listen(event, details):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen"):
        raise SystemExit(f"{event} {details}")

sys.addaudithook(listen)
from CarotidLandmarkLib.cli import main
code = main(sys.argv[1:])
assert not any(name.partition(".")[0] == "torch" for name, module in sys.modules.items() if module)
sys.exit(code)
"""


def without(names: str, *words: object) -> subprocess.CompletedProcess:
    """The command line where packages of these names, with commas between, cannot be imported."""
    command = [sys.executable, "-c", BLOCKED, names, *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.fixture
def ct(volume, tmp_path):
    write_volume(volume, tmp_path / "neck.nrrd", compress=False)
    return tmp_path / "neck.nrrd"


def test_detect_imports_no_torch_where_there_is_one(ct, weights, tmp_path):
    words = ["detect", ct, "-o", tmp_path, "--weights", weights, "--samples", "2", "--device", "cpu"]
    command = [sys.executable, "-X", "importtime", "-m", "CarotidLandmarkLib", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "openvino" in imported
    assert not {"torch", "CarotidLandmarkLib.model.unet"} & imported


@pytest.mark.parametrize("names", ["torch", "torch,openvino_telemetry"])
def test_a_detection_needs_neither_torch_nor_telemetry_and_calls_nobody(names, ct, weights, tmp_path):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    words = ("detect", ct, "-o", tmp_path, "--weights", weights, "--samples", "2", "--quiet", "--no-fork")
    done = without(names, *words)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "neck.detection.json").read_text())
    assert found["settings"]["backend"] == "openvino" and found["settings"]["device"] == "cpu"
    assert found["settings"]["precision"] in ("float32", "bfloat16")


def test_where_nothing_runs_the_networks_one_sentence_says_so(ct, weights, tmp_path):
    words = ("detect", ct, "-o", tmp_path, "--weights", weights)
    for names, more, said in [
        ("torch,openvino", (), "Neither OpenVINO"),
        ("openvino", ("--backend", "openvino"), "OpenVINO cannot be imported"),
        ("torch", ("--backend", "torch"), "PyTorch cannot be imported"),
    ]:
        done = without(names, *words, *more)
        assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
        assert said in done.stderr and "pip install" in done.stderr


def test_a_torch_that_cannot_be_imported_is_as_good_as_none(ct, weights, tmp_path, monkeypatch):
    torch = tmp_path / "broken" / "torch" / "__init__.py"
    torch.parent.mkdir(parents=True)
    torch.write_text("raise ImportError('DLL load failed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=os.pathsep)
    done = without("openvino", "detect", ct, "-o", tmp_path, "--weights", weights)
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    assert "Neither OpenVINO" in done.stderr and "DLL load failed" in done.stderr


def test_evaluate_needs_no_torch_but_for_heatmaps_and_equivariance(ct, weights, balls, tmp_path):
    write_markups(tmp_path / "neck.mrk.json", LandmarkSet(balls))
    words = (
        "evaluate",
        "--data",
        tmp_path,
        "--weights",
        weights,
        "--samples",
        "1",
        "--no-fork",
        "--out",
        tmp_path / "out",
    )
    done = without("torch", *words, "--equivariance", "1")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1) and "--equivariance needs PyTorch" in done.stderr
    done = without("torch", *words)
    assert done.returncode == 0 and "no heatmaps" in done.stderr, done.stderr
    assert (tmp_path / "out" / "report.md").is_file()


def test_a_command_that_needs_torch_says_so(tmp_path):
    done = without("torch", "phantom", "--out", tmp_path / "phantoms", "--count", "1")
    assert done.returncode == 3 and "'carotid-landmark[torch]'" in done.stderr, done.stderr


@pytest.mark.torch
@pytest.mark.parametrize(
    ("cuda", "openvino", "chosen"),
    [(True, True, "torch on cuda"), (False, True, "openvino"), (False, False, "torch on cpu")],
)
def test_auto_takes_a_gpu_then_openvino_then_torch_on_the_cpu(cuda, openvino, chosen, weights, monkeypatch):
    import torch

    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    monkeypatch.setattr(device, "may_have_cuda", lambda: cuda)
    for module in (choice, device):
        monkeypatch.setattr(module, "choose_device", lambda name="auto": torch.device("cuda" if cuda else "cpu"))
    monkeypatch.setattr(choice, "_in_torch", lambda of, name: f"torch on {choice.choose_device(name).type}")
    monkeypatch.setattr(choice, "_in_openvino", lambda of: "openvino")
    if not openvino:
        for module in ("openvino_graph", "quiet_openvino"):
            monkeypatch.delitem(sys.modules, f"CarotidLandmarkLib.model.{module}", raising=False)
        monkeypatch.setitem(sys.modules, "openvino", None)
    assert choice.load(read_weights(weights)) == chosen


def test_a_torch_that_is_broken_is_as_good_as_none(weights, monkeypatch, tmp_path):
    """Such as a build for another system beside a driver of a GPU."""
    (tmp_path / "torch.py").write_text("raise OSError('a library of torch is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(device, "DRIVERS", ("",))
    monkeypatch.setattr(device, "_loads", lambda library: True)
    assert device.may_have_cuda()
    assert Detector.from_weights(weights).backend.name == "openvino"
    assert [each["device"] for each in device.list_devices()] == ["cpu"]


@pytest.mark.torch
def test_a_network_that_openvino_does_not_know_runs_in_torch(tmp_path):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
    from CarotidLandmarkLib.model.weights import save_weights
    from CarotidLandmarkLib.study.methods import get

    path = tmp_path / "paper.safetensors"
    config = dataclasses.replace(get("multi-step").config, channels=((2, 4),) * 4)
    save_weights(path, MultiScaleLocNet(config), {})
    assert Detector.from_weights(path, "cpu").backend.name == "torch"
    with pytest.raises(BadInputError, match="relu.* --backend torch"):
        Detector.from_weights(path, "cpu", "openvino")


def test_openvino_is_for_the_cpu_and_backends_have_names(weights):
    with pytest.raises(CannotRunError, match="cuda.*--backend torch"):
        Detector.from_weights(weights, "cuda", "openvino")
    with pytest.raises(BadInputError, match="onnx"):
        Detector.from_weights(weights, "cpu", "onnx")


def test_networks_are_compiled_while_the_caller_goes_on(weights, monkeypatch):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    from CarotidLandmarkLib.detect.backends import with_openvino
    from CarotidLandmarkLib.model import openvino_graph
    from CarotidLandmarkLib.model.weights import read_weights

    building, go_on, built = threading.Event(), threading.Event(), []

    mine = read_weights(weights)

    def build(config, tensors, scale, extent):
        if tensors is mine.tensors:  # and not an earlier test's, which may still be at it
            building.set()
            assert go_on.wait(60)
            built.append((scale, tuple(extent)))
        return openvino_graph.build(config, tensors, scale, extent)

    monkeypatch.setattr(with_openvino, "build", build)
    backend = with_openvino.OpenVinoBackend(mine, "float32")
    assert building.wait(60) and not built
    go_on.set()
    assert backend.precision == "float32"
    assert built == [(scale, (56, 56, 56)) for scale in (1, 2, 3)]
    monkeypatch.setattr(with_openvino, "build", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        assert with_openvino.OpenVinoBackend(read_weights(weights), "float32").precision


def test_weights_that_do_not_fit_their_configuration_are_refused(weights, tmp_path):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    from CarotidLandmarkLib.detect.backends.with_openvino import OpenVinoBackend

    read = read_weights(weights)
    read.tensors["nets.2.unet.head.bias"] = np.zeros(7, np.float32)
    with pytest.raises(BadInputError, match=r"nets\.2\.unet\.head\.bias is \(7,\)"):
        OpenVinoBackend(read)


@pytest.mark.parametrize(
    ("told", "affinity", "quota", "threads"),
    [("3", 8, "100000 100000", 3), ("", 8, "max 100000", 4), ("no", 2, "", 2), ("", 8, "250000 100000", 2)],
)
def test_threads_are_as_many_as_are_allowed(told, affinity, quota, threads, monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr(device.psutil, "cpu_count", lambda logical: 4)
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(device, "CPU_QUOTA", tmp_path / "cpu.max")
    (tmp_path / "cpu.max").write_text(quota)
    assert device.allowed_threads() == threads


@pytest.mark.parametrize("passes", ["fast", "bad"])
def test_bfloat16_is_for_networks_that_agree_in_it(passes, weights, monkeypatch):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    from CarotidLandmarkLib.detect.backends import with_openvino

    monkeypatch.setattr(with_openvino, "quicker_in_bfloat16", lambda core: True)
    asked = []

    def logits(self, scale, image, streams, precision=None):
        asked.append((self, scale, precision))
        noise = 0.2 if (passes, scale, precision) == ("bad", 2, "bfloat16") else 0.05 * (precision == "bfloat16")
        return (image + noise * image.std() * np.where(np.indices(image.shape).sum(0) % 2, 1, -1))[None]

    monkeypatch.setattr(with_openvino.OpenVinoBackend, "_logits", logits)
    backend = with_openvino.OpenVinoBackend(read_weights(weights))
    assert backend.precision == ("bfloat16" if passes == "fast" else "float32")
    own = [one for one in asked if one[0] is backend]  # an earlier test's may still be at it
    assert len(own) == 2 * (4 if passes == "fast" else 3)
