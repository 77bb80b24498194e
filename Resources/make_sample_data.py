"""Makes the sample data of the package, a phantom and its true points: an ordinary neck, small enough to come along."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.phantom.files import _acquire, _visible
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.sample_data import POINTS, VOLUME
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume

SEED, SPLIT, KIND, SPACING_MM = 82, "test", "neck", (0.8, 1.5)
NOISE_HU = 6.0
# What a compressed file would else spend its bytes on: the noise of the air, and steps finer than the noise.
AIR_HU, AIR_BELOW_HU, STEP_HU = -1000, -900, 4


def main() -> None:
    """Write both files."""
    phantom = Phantom.draw(SEED, SPLIT)
    scan = replace(Scan.draw(phantom, KIND, SPACING_MM), noise_sd=NOISE_HU, padding=AIR_HU)
    volume = _acquire(phantom, scan, "LPS")
    array = (np.rint(volume.array / STEP_HU) * STEP_HU).astype(np.int16)
    array[array < AIR_BELOW_HU] = AIR_HU
    write_volume(CTVolume(array, volume.grid), VOLUME)
    write_markups(POINTS, LandmarkSet(_visible(phantom, scan)))
    print(f"{VOLUME}: {' x '.join(map(str, volume.grid.size))} voxels, {VOLUME.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
