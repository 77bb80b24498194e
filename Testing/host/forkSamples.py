"""A detection whose left side has a fork, drawn from three tubes, made up for tests."""

import numpy as np

from CarotidLandmarkLib.landmarks.forks import ForkResult, Lumen, Measure
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.host.samples import LEFT_LPS, sampleDetection

CARINA_LPS = LEFT_LPS + [0.0, 0.5, 0.8]
AWAY = {"common": (0.0, 0.1, -1.0), "internal": (0.35, 0.3, 1.0), "external": (-0.3, -0.4, 1.0)}  # LPS, a mm of height
RADII = {"common": 3.0, "internal": 2.4, "external": 1.8}
NARROW = "The vessel is too narrow there."
UNCLEAR = "Which way the artery goes on above cannot be followed in this image."


def sampleVessels(length=36):
    """The three vessels from CARINA_LPS outwards, as a ForkResult has them."""
    heights = np.arange(length + 1.0)[:, None]
    return {
        name: np.hstack([CARINA_LPS + heights * away, np.full_like(heights, RADII[name])])
        for name, away in AWAY.items()
    }


def sampleLumen(vessels):
    """The tubes around the vessels."""
    grid = Grid.axis_aligned(CARINA_LPS, (60, 60, 130), 0.6)
    voxels = np.zeros(grid.shape, bool)
    for line in vessels.values():
        for *point, radius in line:
            low = np.maximum(np.floor(grid.world_to_index(np.array(point) - radius)), 0).astype(int)
            high = np.ceil(grid.world_to_index(np.array(point) + radius)).astype(int) + 1
            z, y, x = np.mgrid[tuple(slice(a, b) for a, b in zip(low[::-1], np.minimum(high, grid.size)[::-1]))]
            away = np.linalg.norm(grid.index_to_world(np.stack([x, y, z], -1)) - point, axis=-1)
            voxels[z, y, x] |= away <= radius
    return Lumen(grid, voxels)


def forkDetection(rightCheck="unclear", **changes):
    """A detection (dictionary) and its lumens by side, as the engine sends them: left verified, right as said.

    changes: of the left fork.
    """
    vessels = sampleVessels()
    measures = {
        "common_10_mm": Measure(6.04, 0.21, "mm"),
        "area_ratio": Measure(1.004, None, ""),
        "angle_deg": Measure(41.3, 2.5, "deg"),
        "internal_narrowest_mm": Measure(4.321, 0.034, "mm"),
        "nascet_percent": Measure(None, None, "%", NARROW),
        "calcium_mm3": Measure(132.6, 10.0, "mm3"),
    }
    left = ForkResult(
        **{
            "check": "verified",
            "distance_mm": 0.94,
            "carina_lps_mm": CARINA_LPS,
            "internal_probability": 0.98,
            "vessels": vessels,
            "measures": measures,
            **changes,
        }
    )
    detection = sampleDetection()
    detection["landmarks"][0]["fork"] = left.to_dict()
    if rightCheck:
        right = ForkResult(rightCheck, [UNCLEAR], measures={"common_10_mm": Measure(5.5, 0.4, "mm")})
        detection["landmarks"][1]["fork"] = right.to_dict()
    return detection, {"left": sampleLumen(vessels).packed()} if left.vessels else {}
