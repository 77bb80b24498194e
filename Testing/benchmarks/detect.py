"""Seconds and peak memory of detect, stage by stage, on a 512 x 512 x 600 int16 volume in memory.

Memory is what comes on top of the process with volume and model loaded, before the first detection.

    python Testing/benchmarks/detect.py [--weights FILE] [--device cpu] [--samples 50] [--repeats 3] [--threads N]
        [--backend torch] [--dtype float32]

The volume is soft tissue with noise, air around it and a few bright tubes. Every scale is run, whatever the network
believes, so that weights without training give the same figures. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.detect.device import allowed_threads
from CarotidLandmarkLib.detect.presence import judge
from CarotidLandmarkLib.detect.search import Search
from CarotidLandmarkLib.model.weights import build_model, read_weights
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

SIZE = (512, 512, 600)
SPACING = np.array([0.45, 0.45, 0.625])


def make_volume() -> CTVolume:
    nx, ny, nz = SIZE
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:ny, :nx]
    body = ((x - nx / 2) / (0.42 * nx)) ** 2 + ((y - ny / 2) / (0.38 * ny)) ** 2 < 1
    tubes = np.minimum(np.hypot(x - 200, y - 250), np.hypot(x - 312, y - 250)) < 8
    slab = np.where(tubes, 350, np.where(body, 45, -1000)).astype(np.int16)
    array = np.empty((nz, ny, nx), np.int16)
    for k in range(nz):
        array[k] = slab + rng.integers(-40, 40, slab.shape, dtype=np.int16)
    return CTVolume(array, Grid(SIZE, SPACING, np.zeros(3), np.eye(3)))


class PeakMemory:
    """Resident memory above `base` bytes, sampled every 5 ms: `bytes` after the block."""

    def __init__(self, base: int) -> None:
        self.base = base

    def __enter__(self) -> PeakMemory:
        self.highest, self.done = 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.done.wait(0.005):
            self.highest = max(self.highest, resident())

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.bytes = max(self.highest, resident()) - self.base


def resident() -> int:
    """Bytes of this process in memory."""
    return psutil.Process().memory_info().rss


class Stages:
    """Time between progress calls, by stage."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, int] = {}
        self.begun = time.perf_counter()
        self.stage = ""
        self.memory: PeakMemory | None = None

    def __call__(self, text: str, fraction: float) -> None:
        stage = text.split(", sample")[0].split(", ")[-1]
        if stage == "coarse search":
            stage = "4 mm, whole volume averaged" if fraction == 0 else "4 mm, network"
        if stage != self.stage:
            self.close()
            self.stage = stage
            self.begun, self.memory = time.perf_counter(), PeakMemory(self.base).__enter__()

    def close(self) -> None:
        if self.memory is not None:
            self.memory.__exit__()
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + time.perf_counter() - self.begun
            self.peaks[self.stage] = max(self.peaks.get(self.stage, 0), self.memory.bytes)
            self.memory = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="default: those of the package")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--samples", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=allowed_threads())
    parser.add_argument("--backend", choices=("openvino", "torch"), default="openvino")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: what a detector takes here")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    weights = read_weights(args.weights)
    if args.backend == "openvino":
        from CarotidLandmarkLib.detect.backends.with_openvino import OpenVinoBackend

        detector = Detector(OpenVinoBackend(weights, args.dtype), weights.header)
    else:
        import torch

        from CarotidLandmarkLib.detect.backends.with_torch import TorchBackend

        torch.set_num_threads(args.threads)
        in_torch = TorchBackend(build_model(weights), args.device)
        if args.dtype:
            in_torch.model.use_dtype(getattr(torch, args.dtype))
        detector = Detector(in_torch, weights.header)
    volume = make_volume()
    base = resident()
    with PeakMemory(base) as memory:  # first calls allocate and choose kernels
        Search(detector.backend, volume, samples=2, believe=0.0).run()
    runs, totals, of_cpu, peaks, stage_peaks = [], [], [], [memory.bytes], []
    for _ in range(args.repeats):
        begun, busy = time.perf_counter(), time.process_time()
        with PeakMemory(base) as memory:
            evidence = Search(detector.backend, volume, args.samples, believe=0.0).run()
            judge(evidence, volume.grid, detector.limits)
        totals.append(time.perf_counter() - begun)
        of_cpu.append(time.process_time() - busy)
        peaks.append(memory.bytes)
        stages = Stages(base)
        Search(detector.backend, volume, args.samples, believe=0.0, progress=stages).run()
        stages.close()
        runs.append(stages.seconds)
        stage_peaks.append(stages.peaks)
    report = {
        "volume": list(SIZE),
        "model": detector.header.get("name"),
        "backend": detector.backend.name,
        "device": detector.backend.device,
        "dtype": detector.backend.precision,
        "threads": args.threads,
        "samples": args.samples,
        "repeats": args.repeats,
        "stages": {
            stage: {
                "seconds": round(statistics.median(run[stage] for run in runs), 3),
                "peak_mb": round(max(peak[stage] for peak in stage_peaks) / 2**20),
            }
            for stage in runs[0]
        },
        "total": {
            "seconds": round(statistics.median(totals), 3),
            "cpu_seconds": round(statistics.median(of_cpu), 3),
            "peak_mb": round(max(peaks) / 2**20),
        },
    }
    where = f"{report['backend']}, {report['device']} ({args.threads} threads), {report['dtype']}"
    print(f"{report['model']}, {where}, {args.samples} samples")
    print(f"{'stage (both sides)':<30}{'seconds':>10}{'peak MB':>10}")
    for stage, figures in {**report["stages"], "total": report["total"]}.items():
        print(f"{stage:<30}{figures['seconds']:>10.2f}{figures['peak_mb']:>10}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
