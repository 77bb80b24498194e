"""OpenVINO against torch on whole phantoms: positions, covariances, presences and statuses, all ways of the search and
the lumen included. Makes the phantoms; prints a row for each side of each, then one line of JSON.

    python Testing/benchmarks/parity.py [--cases 20] [--samples 10] [--spacing 0.6 1.0]

Orientations and kinds of scan change from case to case. Exit code 1 where a bound is not held: for float32 positions
within 0.02 mm, the same statuses and covariances within 2 %; for bfloat16 positions within 0.1 mm.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
import torch

from CarotidLandmarkLib.detect.backends.with_openvino import OpenVinoBackend
from CarotidLandmarkLib.detect.backends.with_torch import TorchBackend
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import LandmarkDetection
from CarotidLandmarkLib.model.weights import build_model, read_weights
from CarotidLandmarkLib.phantom import phantom_volume

FIRST_SEED = 90000
ORIENTATIONS = ("LPS", "RAS", "LAS", "PIR", "ASL", "IPR")
BOUNDS_MM = {"float32": 0.02, "bfloat16": 0.1}
COVARIANCE = 0.02


def difference(found: LandmarkDetection, expected: LandmarkDetection) -> dict[str, object]:
    """mm between positions, the largest difference of covariances as a share of the largest entry, both statuses."""
    row: dict[str, object] = {"statuses": [expected.status, found.status]}
    if "absent" not in (found.status, expected.status):
        row["mm"] = float(np.linalg.norm(found.position_lps_mm - expected.position_lps_mm))
        away = np.abs(found.covariance_mm2 - expected.covariance_mm2).max()
        row["covariance"] = float(away / np.abs(expected.covariance_mm2).max())
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--spacing", type=float, nargs=2, metavar=("IN_PLANE", "SLICES"), help="default: as drawn")
    args = parser.parse_args()
    weights = read_weights()
    in_torch = TorchBackend(build_model(weights))
    in_torch.model.use_dtype(torch.float32)
    reference = Detector(in_torch, weights.header)
    others = {name: Detector(OpenVinoBackend(weights, name), weights.header) for name in BOUNDS_MM}
    rows: list[dict[str, object]] = []
    for number in range(args.cases):
        seed = FIRST_SEED + number
        spacing = tuple(args.spacing) if args.spacing else None
        begun = time.perf_counter()
        volume, _ = phantom_volume(seed, spacing=spacing, orientation=ORIENTATIONS[number % len(ORIENTATIONS)])
        print(f"{seed} {volume.grid.size}, made in {time.perf_counter() - begun:.0f} s", flush=True)
        expected = reference.detect(volume, args.samples)
        for name, detector in others.items():
            detection = detector.detect(volume, args.samples)
            for found, of in zip(detection.landmarks, expected.landmarks):
                rows.append({"seed": seed, "side": of.side, "precision": name, **difference(found, of)})
                print(" ", rows[-1], flush=True)
    summary, held = {}, True
    for name, bound in BOUNDS_MM.items():
        own = [row for row in rows if row["precision"] == name]
        figures = {key: max((row[key] for row in own if key in row), default=0.0) for key in ("mm", "covariance")}
        changed = sum(row["statuses"][0] != row["statuses"][1] for row in own)
        summary[name] = {"landmarks": len(own), **figures, "other_status": changed}
        held &= figures["mm"] <= bound and (name != "float32" or (changed == 0 and figures["covariance"] <= COVARIANCE))
    print(json.dumps(summary))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
