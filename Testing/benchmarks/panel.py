"""Seconds from the request to the result with a warm engine, over those of the same detection in memory.

    python Testing/benchmarks/panel.py [--device cpu] [--samples N] [--repeats 3] [--weights FILE]

A 512 x 512 x 600 int16 phantom as a node of Slicer: handed over to the engine, read, detected, told. In turn with it,
another process detects in the same voxels in memory; the ratio is that of the medians. On a machine that others use,
look at the ratio of the processor's seconds instead. Also prints the longest time that the event loop stood still.
Needs Linux, slicer-core and PySide6. Prints a table, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from CarotidLandmarkLib.detect import SAMPLES  # noqa: E402

SIZE = (512, 512, 600)
SPACING = (0.45, 0.45, 0.5)


def make_voxels(path: Path) -> None:
    """A phantom (600, 512, 512) int16 in `path` (.npy), drawn at half the resolution, with noise at the full one."""
    import torch

    from CarotidLandmarkLib.phantom.phantom import Phantom
    from CarotidLandmarkLib.volume.geometry import Grid

    phantom = Phantom.draw(0, "test")
    center = np.mean(list(phantom.truth.values()), axis=0)
    grid = Grid.axis_aligned(center, [n // 2 for n in SIZE], np.multiply(SPACING, 2))
    with torch.inference_mode():
        coarse = phantom.render(grid).numpy()
    rng = np.random.default_rng(0)
    voxels = np.lib.format.open_memmap(path, "w+", np.int16, SIZE[::-1])
    for k in range(SIZE[2]):
        fine = coarse[k // 2].repeat(2, 0).repeat(2, 1) + rng.normal(0, 12, SIZE[1::-1]).astype(np.float32)
        voxels[k] = fine.clip(-1024, 3071)


def serve_memory(args: argparse.Namespace) -> None:
    """For each line on stdin, detect in memory and print the seconds, by its own clock and of the processor."""
    from CarotidLandmarkLib.detect.detector import Detector
    from CarotidLandmarkLib.volume.ct import CTVolume
    from CarotidLandmarkLib.volume.geometry import Grid

    detector = Detector.from_weights(args.weights, args.device)
    volume = CTVolume(np.load(args.in_memory), Grid(SIZE, np.array(SPACING), np.zeros(3), np.eye(3)))
    for _ in sys.stdin:
        before = time.process_time()
        total = detector.detect(volume, args.samples).timing_s["total"]
        print(total, time.process_time() - before, flush=True)


def processor_seconds(pid: int) -> float:
    """What a process has used of the processor until now, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Gaps:
    """The longest time between two turns of the event loop, in ms, since `reset`."""

    def __init__(self) -> None:
        import qt

        self.timer = qt.QTimer()
        self.timer.interval = 5
        self.timer.connect("timeout()", self.turn)
        self.reset()
        self.timer.start()

    def reset(self) -> None:
        self.longest, self.last = 0.0, time.perf_counter()

    def turn(self) -> None:
        now = time.perf_counter()
        self.longest, self.last = max(self.longest, (now - self.last) * 1000), now


def run_engine(engine, node, settings: dict, wait, gaps: Gaps) -> dict[str, float]:
    """Seconds of one detection as the panel does it, by stage."""
    from CarotidLandmarkSlicer.volumeTransfer import VolumeTransfer

    seconds: dict[str, float] = {}
    results: list[dict] = []

    def on_written(path: str) -> None:
        seconds["write"] = time.perf_counter() - begun
        seconds["processor"] = time.process_time() - own_before
        engine.detect({**settings, "path": path, "temporary": True})

    engine.onResult = results.append
    engine.onError = sys.exit
    gaps.reset()
    worker_before = processor_seconds(engine._workerPid) if engine._workerPid else 0.0
    own_before = time.process_time()
    begun = time.perf_counter()
    transfer = VolumeTransfer(node)
    transfer.start(on_written, sys.exit)
    wait(lambda: results, 3600)
    seconds["total"] = time.perf_counter() - begun
    seconds["processor"] += processor_seconds(engine._workerPid) - worker_before
    transfer.remove()
    timing = results[0]["timing_s"]
    seconds["read"] = timing["read"]
    seconds["detect"] = timing["total"] - timing["read"]
    seconds["longest stand-still, ms"] = gaps.longest
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="default: those of the package")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--in-memory", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.in_memory:
        serve_memory(args)
        return
    with tempfile.TemporaryDirectory() as folder:
        voxels = Path(folder) / "voxels.npy"
        code = f"import panel, pathlib; panel.make_voxels(pathlib.Path({str(voxels)!r}))"
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=True)
        compare(args, voxels)


def compare(args: argparse.Namespace, voxels: Path) -> None:
    from Testing.host.pythonQt import installQtHost
    from Testing.host.pythonQtDrive import waitUntil

    installQtHost()
    import slicer
    from CarotidLandmarkSlicer.engineChild import engineCommand
    from CarotidLandmarkSlicer.engineProcess import EngineProcess

    ijk_to_ras = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    node = slicer.util.addVolumeFromArray(np.load(voxels), ijk_to_ras, "benchmark")
    engine = EngineProcess(sys.executable, *engineCommand()[1:], str(voxels.with_name("engine.log")))
    settings = {"samples": args.samples, "device": args.device, "weights": args.weights}
    command = [sys.executable, __file__, "--in-memory", str(voxels)]
    command += ["--device", args.device, "--samples", str(args.samples)]
    command += ["--weights", args.weights] if args.weights else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    gaps = Gaps()
    runs, alone = [], []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as in_memory:
        for number in range(args.repeats + 1):  # the first makes both warm
            run = run_engine(engine, node, settings, waitUntil, gaps)
            in_memory.stdin.write("\n")
            in_memory.stdin.flush()
            seconds = [float(number) for number in in_memory.stdout.readline().split()]
            if number:
                runs.append(run)
                alone.append(seconds)
        in_memory.stdin.close()
    engine.stop()
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    total, processor = (statistics.median(values) for values in zip(*alone))
    figures = {
        **{f"panel, {name}": value for name, value in medians.items()},
        "in memory, total": total,
        "in memory, processor": processor,
        "ratio of the totals": medians["total"] / total,
        "ratio of the processor's": medians["processor"] / processor,
    }
    report = {"volume": list(SIZE), "device": args.device, "samples": args.samples, "repeats": args.repeats}
    report["median_s"] = {name: round(value, 3) for name, value in figures.items()}
    for name, value in report["median_s"].items():
        print(f"{name:<32}{value:>10.3f}")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
