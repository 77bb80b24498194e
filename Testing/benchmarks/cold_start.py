"""Seconds from the start of a process to its first answer, over those of its next ones: cold_start.py [--repeats N]

Each repeat is a process that reads a made-up volume of 512 x 512 x 600 from a file and detects in it, three times over;
cold is the time from its start to the first answer, warm the median of the other two. The file is in the system's
cache. The lumen is looked at, as by default. Prints a line a repeat and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import sys, time
from CarotidLandmarkLib.detect.case import Settings, detect_case
from CarotidLandmarkLib.detect.detector import Detector
detector = Detector.from_weights()
for number in range(3):
    begun = time.time()
    detect_case(detector, "case", sys.argv[1], Settings())
    print(begun, time.time(), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nrrd"
        code = (
            "import sys; from CarotidLandmarkLib.study.speed.scene import make_volume as make; "
            "from CarotidLandmarkLib.volume.ct import write_volume as write; "
            "write(make((512, 512, 600)), sys.argv[1], compress=False)"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        for _ in range(args.repeats):
            started = time.time()
            run = subprocess.run([sys.executable, "-c", CHILD, path], capture_output=True, text=True, check=True)
            times = [[float(word) for word in line.split()] for line in run.stdout.splitlines()]
            rows.append((times[0][1] - started, statistics.median(ended - begun for begun, ended in times[1:])))
            print("cold {:.2f} s, warm {:.2f} s, ratio {:.2f}".format(*rows[-1], rows[-1][0] / rows[-1][1]), flush=True)
    cold, warm = (statistics.median(values) for values in zip(*rows))
    print(json.dumps({"repeats": len(rows), "cold_s": cold, "warm_s": warm, "ratio": cold / warm}))


if __name__ == "__main__":
    main()
