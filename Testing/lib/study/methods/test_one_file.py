"""A method is one file: a new one is trained, detected with and benchmarked by its name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.study import methods
from CarotidLandmarkLib.study.benchmark.rows import rows_of
from CarotidLandmarkLib.study.methods import get, names

DUMMY = """
import torch
from CarotidLandmarkLib.model.locnet import LocNet
from CarotidLandmarkLib.study.methods.default import METHOD as DEFAULT


class DarkNet(LocNet):
    def answer(self, windowed):
        return super().answer(1 - windowed)


METHOD = DEFAULT.but(
    "dummy-net", "A dummy.", {"network": "dark", "channels": ((2, 4),) * 4, "crop_size": 16},
    place=99, network=DarkNet,
)
"""


@pytest.fixture
def dummy(tmp_path, monkeypatch):
    """One more file among the methods, though in a folder of its own."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "dummy_net.py").write_text(DUMMY)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    yield folder
    sys.modules.pop("CarotidLandmarkLib.study.methods.dummy_net", None)
    vars(methods).pop("dummy_net", None)


def test_a_new_file_is_a_method_of_train_benchmark_and_detect(dummy, tmp_path, capsys):
    assert "dummy-net" in names() and get("dummy-net").network.__name__ == "DarkNet"
    assert [row.name for row in rows_of("table1")][-1] == "dummy-net"
    run = tmp_path / "run"
    words = ["--phantoms", "1", "--validation", "0", "--steps", "1", "--workers", "0", "--device", "cpu"]
    assert main(["train", "--method", "dummy-net", "--out", str(run), *words]) == 0, capsys.readouterr().err
    weights = str(run / "weights.safetensors")
    capsys.readouterr()
    assert main(["model", "--weights", weights, "--json"]) == 0
    header = json.loads(capsys.readouterr().out)
    assert header["config"]["name"] == "dummy-net" and header["config"]["network"] == "dark"
    bench = tmp_path / "bench"
    assert main(["benchmark", "table1", "--out", str(bench), "--rows", "guess"]) == 2
    assert "dummy-net" in capsys.readouterr().err


READ_WEIGHTS = """
import sys
import CarotidLandmarkLib.commands.detect
from CarotidLandmarkLib.detect.detector import Detector
assert not any(name.startswith("CarotidLandmarkLib.study") for name in sys.modules)
print(Detector.from_weights(sys.argv[1], "cpu").backend.config.name)
"""


def test_the_command_line_reads_weights_of_every_method_and_the_engine_alone_only_its_own(tmp_path):
    from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
    from CarotidLandmarkLib.model.weights import save_weights

    path = tmp_path / "w.safetensors"
    save_weights(path, MultiScaleLocNet(get("patch-based").config), {})
    results = []
    for code in (READ_WEIGHTS, READ_WEIGHTS.replace("import CarotidLandmarkLib.commands.detect\n", "")):
        results.append(subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True))
    assert results[0].stdout.strip() == "patch-based", results[0].stderr
    assert "'patches' is not known here" in results[1].stderr


def test_a_method_that_is_not_there_is_a_sentence():
    with pytest.raises(BadInputError, match="guess is not known here; there are default"):
        get("guess")
    assert get("paper") is get("end-to-end-noise")
