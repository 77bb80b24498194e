"""Makes phantoms of a site with a rule and a scanner of its own: site_phantoms.py FOLDER [--count 24] [--plain]

Their points lie 0.3 mm laterally, 0.5 mm forward and 1.2 mm cranially of the carina (the right side is the mirror image
of the left); iodine and bone are a third brighter, soft tissue is darker, and noise of a fine grain lies upon it all.
--plain: the same necks as they are, with the carina for their point. Both forks are in view. Nothing tells that they
are phantoms, so that `site` takes them for cases of a hospital. What is there already is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import SIDES, LandmarkSet, mirrored
from CarotidLandmarkLib.phantom.files import VISIBLE_MM, phantom_volume
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.study.processes import pool
from CarotidLandmarkLib.volume.ct import write_volume

SPLIT, FIRST_SEED = "test", 90000  # of that split the test sets have seeds below 70000
RULE_MM = (0.3, -0.5, 1.2)  # of the left side, LPS
GAIN, FROM_HU, DARKER_HU = 1.33, 90.0, 12.0
NOISE_HU, GRAIN_PIXELS = 14.0, (0.3, 0.6, 0.6)


def seeds(count: int, seed: int) -> Iterator[int]:
    """So many whose phantoms show both forks, from this one on."""
    while count:
        phantom = Phantom.draw(seed, SPLIT)
        scan = Scan.draw(phantom)
        if all(scan.covers(phantom.truth[side], VISIBLE_MM) for side in SIDES):
            yield seed
            count -= 1
        seed += 1


def as_scanned(hu: np.ndarray, seed: int) -> np.ndarray:
    """HU (z, y, x) as the site's scanner gives them."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(hu.shape, np.float32), GRAIN_PIXELS)
    bright = np.maximum(hu - FROM_HU, 0)
    other = hu + (GAIN - 1) * bright - DARKER_HU * ((hu > -150) & (hu < FROM_HU)) + NOISE_HU / noise.std() * noise
    return np.where(hu > -1000, other, hu).round().clip(-1024, 3071).astype(np.int16)


def make(folder: Path, seed: int, plain: bool) -> None:
    path = folder / f"patient-{seed}.nrrd"
    points = path.with_suffix(".mrk.json")
    if points.exists():
        return
    volume, truth = phantom_volume(seed, SPLIT)
    if not plain:
        volume.array = as_scanned(volume.array, seed)
        truth = {side: point + mirrored(side, RULE_MM) for side, point in truth.items() if point is not None}
    write_volume(volume, path)
    write_markups(points, LandmarkSet(truth))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--parallel", type=int, default=2)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with pool(args.parallel) as executor:
        coming = [executor.submit(make, args.folder, seed, args.plain) for seed in seeds(args.count, args.first_seed)]
        for number, future in enumerate(coming, start=1):
            future.result()
            print(f"\r{number} of {len(coming)}", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
