"""The packaged weights do what they are for; skipped where the package has none."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.sample_data import POINTS, VOLUME
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import read_volume
from CarotidLandmarkLib.volume.sample import sample

SAMPLES = 5
COS, SIN = np.cos(0.2), np.sin(0.2)
OBLIQUE = np.array([[COS, -SIN, 0], [SIN, COS, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, COS, SIN], [0, -SIN, COS]]


@pytest.fixture(scope="module")
def trained():
    from CarotidLandmarkLib.model.weights import DEFAULT

    if not DEFAULT.is_file():
        pytest.skip("the package has no default weights yet")
    return Detector.from_weights(device="cpu")


@pytest.fixture(scope="module")
def phantom():
    """The package's phantom, with LPS axes, and its truth."""
    return read_volume(VOLUME), read_points(POINTS).points


@pytest.fixture(scope="module")
def found(trained, phantom):
    volume, _ = phantom
    return trained.detect(volume, samples=SAMPLES)


def test_both_landmarks_of_a_phantom_are_found(found, phantom):
    for side, point in phantom[1].items():
        assert found.landmark(side).status != "absent"
        assert np.linalg.norm(found.landmark(side).position_lps_mm - point) < 4


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LAS", "PIR", "ASL"])
def test_an_orientation_of_the_file_changes_nothing(orientation, trained, phantom, found, tmp_path):
    path = tmp_path / "phantom.nrrd"
    write_volume(phantom[0], path, compress=False)
    turned = sitk.DICOMOrient(sitk.ReadImage(str(path)), orientation)
    sitk.WriteImage(turned, str(path))
    assert_same(found, trained.detect(read_volume(path), samples=SAMPLES), 0.5)


@pytest.mark.parametrize(("name", "spacing"), [("oblique", 0.6), ("fine", 0.4), ("middle", 0.7), ("coarse", 1.0)])
def test_another_grid_changes_little(name, spacing, trained, phantom, found):
    volume = phantom[0]
    lower, upper = volume.grid.bounds()
    direction = OBLIQUE if name == "oblique" else np.eye(3)
    steps = np.array([spacing, spacing, volume.grid.spacing[2]])
    size = np.ceil((np.abs(direction).T @ (upper - lower)) / steps).astype(int)
    origin = volume.grid.center - direction @ (steps * (size - 1) / 2)
    grid = Grid(tuple(size), steps, origin, direction)
    array = np.rint(sample(volume, grid)).astype(np.int16)
    assert_same(found, trained.detect(CTVolume(array, grid), samples=SAMPLES), 0.5)


@pytest.mark.shared
@pytest.mark.parametrize("series", ["ge_tilt", "philips"])
def test_a_scan_without_bifurcations_is_given_no_confident_point(series, trained, shared_data):
    detection = trained.detect(read_volume(shared_data / "dicom" / series), samples=SAMPLES)
    for landmark in detection.landmarks:
        assert landmark.status in ("absent", "review"), landmark.presence


def test_a_phantom_cut_below_the_bifurcations_is_given_no_confident_point(trained, phantom):
    volume, truth = phantom
    grid = volume.grid
    top = min(grid.world_to_index(point)[2] for point in truth.values()) - 30 / grid.spacing[2]
    keep = int(top)
    if keep < 20:
        pytest.skip("this phantom has too little below its bifurcations")
    slab = Grid((grid.size[0], grid.size[1], keep), grid.spacing, grid.origin, grid.direction)
    detection = trained.detect(CTVolume(volume.array[:keep], slab), samples=SAMPLES)
    assert {landmark.status for landmark in detection.landmarks} <= {"absent", "review"}


def assert_same(one, other, limit_mm):
    for side in ("left", "right"):
        a, b = one.landmark(side), other.landmark(side)
        assert (a.position_lps_mm is None) == (b.position_lps_mm is None)
        if a.position_lps_mm is not None:
            assert np.linalg.norm(a.position_lps_mm - b.position_lps_mm) < limit_mm
