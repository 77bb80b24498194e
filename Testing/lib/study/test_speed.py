from __future__ import annotations

import dataclasses
import json
import math
import mmap

import numpy as np
import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.model.weights import build_model, read_weights
from CarotidLandmarkLib.study import methods, processes
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.speed import operations, variants
from CarotidLandmarkLib.study.speed.measure import summarise
from CarotidLandmarkLib.study.speed.operations import OfGraphs, OfModules
from CarotidLandmarkLib.study.speed.scene import PeakMemory, Stages
from CarotidLandmarkLib.study.speed.variants import Variant, plan

SIZE = "64x64x64"
pytestmark = pytest.mark.torch


@pytest.fixture
def benchmark(weights, tmp_path, monkeypatch):
    """Runs the command on a small volume in this process; tells what was worked on."""
    worked: list[str] = []

    def run_all(tasks, work, parallel):
        for task in tasks:
            work(*task)
            worked.append(work.__name__)
            yield task, True

    paper = get("end-to-end-noise")
    small = dataclasses.replace(paper.config, channels=((2, 4),) * 4, crop_size=16)
    monkeypatch.setattr(methods, "get", lambda name: dataclasses.replace(paper, config=small))
    monkeypatch.setattr(processes, "run_all", run_all)
    monkeypatch.setattr(operations, "MATRIX", 64)

    def run(*words):
        worked.clear()
        settings = ("--weights", weights, "--sizes", SIZE, "--passes", "1", "--engines", "openvino/float32", "--peers")
        return main(["benchmark", "speed", "--out", str(tmp_path / "out"), *map(str, settings), *words]), list(worked)

    return run


def test_speed_writes_a_page_and_goes_on_with_what_is_there(benchmark, tmp_path, capsys):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    code, worked = benchmark("paper-last-scale", "--repeats", "1")
    assert (code, worked) == (0, ["measure", *["measure_memory"] * 3])
    page = capsys.readouterr().out
    assert "64 × 64 × 64" in page and "both absent" in page and "its last scale 1 times" in page
    first = json.loads((tmp_path / "out" / SIZE / "1.json").read_text())
    code, worked = benchmark("paper-last-scale", "--repeats", "2")
    assert (code, worked) == (0, ["measure"])
    assert json.loads((tmp_path / "out" / SIZE / "1.json").read_text()) == first
    second = json.loads((tmp_path / "out" / SIZE / "2.json").read_text())
    told = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert [row["repeats"] for row in told["rows"]] == [2, 2, 2] and told["left_out"] == {}
    for number, row in enumerate(told["rows"]):
        both = [run[number]["seconds"] for run in (first, second)]
        assert row["seconds"] == pytest.approx(np.mean(both)) and row["spread"] == pytest.approx(sorted(both))
        assert sum(row["stages"].values()) == pytest.approx(row["seconds"], rel=0.2)
        assert row["operations"] > 0 and row["reached"] > 0 and row["peak_bytes"] >= 0
    assert {"volume averaged", "coarsest scale", "2 mm, start", "0.5 mm, sample"} <= set(told["rows"][0]["stages"])
    assert "2 mm, place" in told["rows"][1]["stages"]
    assert benchmark("paper-last-scale", "--avx2")[0] == 2, "other settings want another folder"


@pytest.mark.parametrize("words", [("--sizes", "512x512"), ("--sizes", "512x512x9"), ("--engines", "onnx/float32")])
def test_what_cannot_be_measured_is_refused(words, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "speed", "--out", str(tmp_path), *words])
    assert left.value.code == 2 and words[0] in capsys.readouterr().err


def test_what_is_not_installed_is_left_out_with_its_reason(monkeypatch):
    there = {"openvino", "torch"}
    monkeypatch.setattr(variants.importlib.util, "find_spec", lambda name: name if name in there else None)
    wanted = ("openvino/float32", "torch/float32"), (1, 50), ("paper", "sliding-window")
    runs, missing = plan(*wanted)
    assert [variant.samples for variant in runs if variant.what == "paper"] == [50]
    assert list(missing.values()) == ["monai is not installed."] and "sliding window" in next(iter(missing))
    there.remove("torch")
    runs, missing = plan(*wanted)
    assert {variant.engine for variant in runs} == {"openvino/float32"}
    assert list(missing.values()) == ["torch is not installed."] * 3


def test_avx2_has_no_bfloat16_also_for_the_peers(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    runs, missing = plan(("torch/float32", "torch/bfloat16"), (1,), ("paper",))
    assert {variant.engine for variant in runs} == {"torch/float32"} and set(missing) == {"torch/bfloat16"}


def test_both_counts_of_operations_are_those_of_the_layers(weights):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    read, extent = read_weights(weights), (16, 16, 16)  # channels (4, 8), one convolution a level, two windows
    of_modules, of_graphs = OfModules(build_model(read).nets), OfGraphs(read)
    voxels = math.prod(extent)
    shared = 2 * 27 * voxels * (2 * 4 + 4 * 4) + 2 * 27 * voxels // 8 * 4 * 4  # slim: 4 to 4 below, then 4 + 4 to 4
    doubled = 2 * 27 * voxels * 4 * 4
    children = 2 * 8 * math.prod(n // 2 + 1 for n in extent) * 4 * 8 * 4  # what OpenVINO has for the doubled half
    for counted, layers in ((of_modules, shared + doubled), (of_graphs, shared + children)):
        counted.add(1, extent, 3)
        assert counted.total % 3 == 0
        assert counted.total / 3 == pytest.approx(layers, rel=0.05)  # a last layer, or a blur, more


def test_peak_memory_sees_what_comes_and_goes():
    with PeakMemory() as memory, mmap.mmap(-1, 50 * 2**20) as block:  # pages of its own, not what was freed before
        for _ in range(50):
            block.write(bytes(2**20))
        memory.done.wait(0.1)
    assert 45 * 2**20 < memory.bytes < 200 * 2**20


def test_stages_are_told_by_scale_and_kind_of_look(monkeypatch):
    clock = iter([0.0, 1.0, 1.0, 3.0, 3.0, 3.5, 3.5, 7.5])
    monkeypatch.setattr("CarotidLandmarkLib.study.speed.scene.time.perf_counter", lambda: next(clock))
    stages = Stages()
    for text, fraction in [("coarse search", 0.0), ("coarse search", 0.1), *[("left, 0.5 mm, sample 2 of 9", 0.5)] * 2]:
        stages(text, fraction)
    stages.end()
    assert stages.seconds == {"volume averaged": 1.0, "coarsest scale": 2.0, "0.5 mm, sample": 4.5}


def test_ratios_are_those_of_the_same_repeat(tmp_path):
    one, other = Variant("detect", "openvino/float32", 1), Variant("detect", "torch/float32", 1)
    for number, (quick, slow) in enumerate([(1.0, 2.0), (10.0, 30.0), (1.0, 4.0)]):
        rows = [
            {"variant": variant._asdict(), "seconds": seconds, "cpu_seconds": seconds, "stages": {"a": seconds}}
            for variant, seconds in ((one, quick), (other, slow))
        ]
        rows = [{**row, "operations": 100, "matrix_product_per_s": 1000.0} for row in rows]
        (tmp_path / f"{number}.json").write_text(json.dumps(rows[:: -1 if number else 1]))
    first, second = summarise((64, 64, 64), sorted(tmp_path.glob("*.json")), [], one)
    assert (first.ratio, second.ratio, second.ratio_spread) == (1.0, 3.0, (2.0, 4.0))
    assert (second.seconds, second.spread, second.peak_bytes) == (4.0, (2.0, 30.0), None)
    assert first.reached == pytest.approx(0.1)
