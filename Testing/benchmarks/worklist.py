"""Seconds from the key to the next case shown, on a worklist of a batch, the next volume read ahead.

    python Testing/benchmarks/worklist.py [--cases 20] [--size 512 512 300]

Results of a made-up batch on noise, in turn opened by Ctrl+N in the panel, on slicer-core and PySide6, with a slice
view off screen. A case is shown when its volume and points are in the scene, and panel and view have drawn them; the
longest time that the event loop stood still while a volume was read ahead stands beside it. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--size", type=int, nargs=3, default=(512, 512, 300), metavar=("X", "Y", "Z"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), args.cases, tuple(args.size))))


def enlarge(results: Path, count: int, size: tuple[int, ...]) -> None:
    """Put ``count`` results with volumes of that size in the place of the one that is there."""
    import numpy as np

    from CarotidLandmarkLib.landmarks.detection import read_detection, write_detection
    from CarotidLandmarkLib.volume.ct import CTVolume, hash_files, write_volume
    from CarotidLandmarkLib.volume.geometry import Grid

    detection = read_detection(results / "neck00.detection.json")
    array = np.random.default_rng(0).integers(-1000, 1500, size[::-1], np.int16)
    grid = Grid(size, 120 / np.array(size), np.array([-60.0, -60.0, 0.0]), np.eye(3))
    for number in range(count):
        array[0, 0, 0] = number
        path = results.parent / "scans" / f"neck{number:02}.nrrd"
        write_volume(CTVolume(array, grid), path, compress=False)
        detection.case, detection.volume = (
            path.stem,
            {"path": str(path), "sha256": hash_files([path]), "series_uid": None},
        )
        write_detection(results / f"{path.stem}.detection.json", detection)


def measure(folder: Path, count: int, size: tuple[int, ...]) -> dict:
    from panel import Gaps

    from Testing.host.mrmlHost import REPOSITORY, bootSlicer
    from Testing.host.pythonQt import installQtHost
    from Testing.host.pythonQtDrive import pressKey, processEvents, waitUntil
    from Testing.host.views import SliceView
    from Testing.panel.panelHelp import OpenModule
    from Testing.panel.worklistHelp import openList, writeBatch

    results = writeBatch(folder, 1, review=[0])
    enlarge(results, count, size)
    host = bootSlicer()
    qt_host = installQtHost()
    opened = OpenModule.__new__(OpenModule)
    opened.host, opened.engines = qt_host, []
    opened.module = qt_host.loadModule(str(REPOSITORY / "CarotidLandmark" / "CarotidLandmark.py"))
    opened.enter()
    view = SliceView(host, "Red", (560, 420))
    openList(opened, results, folder / "corrections")
    run = opened.logic.worklist
    gaps, seconds, processor, still = Gaps(), [], [], []
    for _case in range(count):
        gaps.reset()
        waitUntil(lambda: any(read.isReady for read in run._ahead._reads.values()), 600)
        still.append(gaps.longest)
        before, own = time.perf_counter(), time.process_time()
        pressKey(opened.ui.worklistTable, "Ctrl+N")
        assert run.volumeNode is not None and run.coming is None
        processEvents()
        view.pixels()
        seconds.append(time.perf_counter() - before)
        processor.append(time.process_time() - own)
    view.close()
    opened.module.unload()
    return {
        "cases": count,
        "size": list(size),
        "median_s": round(statistics.median(seconds), 3),
        "longest_s": round(max(seconds), 3),
        "median_processor_s": round(statistics.median(processor), 3),
        "longest stand-still, median ms": round(statistics.median(still), 1),
    }


if __name__ == "__main__":
    main()
