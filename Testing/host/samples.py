"""A small CT and a detection of it, made up for tests."""

import numpy as np

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid
from Testing.host.mrmlHost import slicer

LEFT_LPS, RIGHT_LPS = np.array([31.0, -12.0, 40.0]), np.array([-29.0, -14.0, 46.0])
LEFT_COVARIANCE = np.array([[1.2, 0.3, 0.1], [0.3, 0.8, 0.0], [0.1, 0.0, 2.5]])
RIGHT_COVARIANCE = np.diag([4.0, 2.0, 9.0])


def addCtVolume(name="CT", size=(60, 50, 40), spacing=2.0, lps=(-60.0, -60.0, 0.0)):
    """Add a volume of random soft tissue with air at one side; size (nx, ny, nz), its first voxel at ``lps``."""
    array = np.random.default_rng(0).normal(40, 60, size[::-1]).astype(np.int16)
    array[:, :5] = -1000
    ijkToRas = np.diag([-spacing, -spacing, spacing, 1.0])
    ijkToRas[:3, 3] = np.multiply(lps, (-1, -1, 1))
    node = slicer.util.addVolumeFromArray(array, ijkToRas, name)
    node.CreateDefaultDisplayNodes()
    return node


def sampleDetection(left=LEFT_LPS, right=RIGHT_LPS, rightStatus="review", confidence=0.9):
    """Return a detection as a dictionary: left found, right as said; a position None is absent. LPS mm."""
    landmarks = [
        _landmark("left", "found", left, LEFT_COVARIANCE, confidence),
        _landmark("right", rightStatus, right, RIGHT_COVARIANCE, confidence),
    ]
    return Detection(
        case="phantom “1”; 50 % <a&b>",
        volume={"path": "C:\\data\\phantom 1.nrrd", "sha256": "0" * 64, "size": [60, 50, 40], "spacing_mm": [2.0] * 3},
        model={"name": "default", "version": "0.1.0", "sha256": "1" * 64},
        settings={"samples": 50, "confidence": confidence, "device": "cpu", "seed": 0},
        landmarks=landmarks,
        timing_s={"total": 3.2},
    ).to_dict()


def _landmark(side, status, position, covariance, confidence):
    if position is None:
        return LandmarkDetection(side, "absent", ["Nothing like a bifurcation was found."], 0.04)
    radii, axes, volume = ellipsoid(covariance, confidence)
    reasons = (
        ["The ellipsoid's largest radius is 7.5 mm (\u201cmore than 5 mm\u201d); look twice."]
        if status == "review"
        else []
    )
    return LandmarkDetection(side, status, reasons, 0.97, position, covariance, radii, axes, volume)
