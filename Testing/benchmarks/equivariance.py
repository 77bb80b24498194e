"""Shift-equivariance error in mm of each finer scale of the default weights, on test phantoms.

    python Testing/benchmarks/equivariance.py [--weights FILE] [--count 10] [--shifts 8]

Each crop is centred on the truth and moved by 1 to 8 voxels along each axis, and by less than one. Prints mean and P95.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.evaluate.equivariance import draw_shifts, shift_errors
from CarotidLandmarkLib.phantom.patches import PhantomPyramid
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--shifts", type=int, default=8)
    args = parser.parse_args()
    model = Detector.from_weights(args.weights, device="cpu").model
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {}
    for seed in range(args.count):
        phantom = Phantom.draw(seed, "test")
        pyramid = PhantomPyramid(phantom, Scan.draw(phantom, "neck"))
        for side, truth in phantom.truth.items():
            for scale, spacing in enumerate(model.config.scales_mm[1:], start=1):
                for name, whole in (("1-8 voxels", True), ("sub-voxel", False)):
                    shifts = draw_shifts(rng, args.shifts, whole)
                    found = shift_errors(model, pyramid, truth, side, scale, shifts)
                    errors.setdefault(f"{spacing:g} mm, {name}", []).extend(found.tolist())
    result = {
        k: {"mean": float(np.mean(v)), "p95": float(np.percentile(v, 95)), "n": len(v)} for k, v in errors.items()
    }
    for name, row in result.items():
        print(f"{name:<20} mean {row['mean']:.3f} mm   P95 {row['p95']:.3f} mm   ({row['n']} shifts)")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
