"""Volumes that were made longer than their scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.sample_data import POINTS, VOLUME
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.padding import without_padding
from CarotidLandmarkLib.volume.read import read_volume
from Testing.lib.detect.test_detector import ORIENTATIONS


def padded(volume: CTVolume, below: int, above: int, hu: float = -1024) -> CTVolume:
    grid, axis = volume.grid, volume.grid.slice_axis
    ends = [(below, above) if n == 2 - axis else (0, 0) for n in range(3)]
    array = np.pad(volume.array, ends, constant_values=hu)
    origin = grid.index_to_world(np.where(np.arange(3) == axis, -below, 0))
    return replace(volume, array=array, grid=Grid(array.shape[::-1], grid.spacing, origin, grid.direction))


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("hu", [-1024, 0])
def test_what_holds_nothing_is_left_out(name, hu, make_neck):
    neck = make_neck(ORIENTATIONS[name])
    shown, (said,) = without_padding(padded(neck, 5, 11, hu))
    assert "16 slices at the ends" in said and np.array_equal(shown.array, neck.array)
    assert shown.grid.size == neck.grid.size and np.allclose(shown.grid.origin, neck.grid.origin)
    assert without_padding(neck) == (neck, [])
    disc = padded(neck, 5, 11, hu)
    slices = np.moveaxis(disc.array, 2 - disc.grid.slice_axis, 0)
    slices[:5, :20] = slices[-11:, :20] = -3024
    assert np.array_equal(without_padding(disc)[0].array, neck.array)
    assert "1 slice at the end of" in without_padding(padded(neck, 0, 1, hu))[1][0]


def test_a_volume_of_nothing_stays(make_neck):
    nothing = replace(make_neck(), array=np.zeros_like(make_neck().array))
    assert without_padding(nothing)[0] is nothing


def test_the_lumen_of_a_padded_scan_is_asked_in_the_scan_alone():
    scan, points = read_volume(VOLUME), read_points(POINTS).points
    engine = Detector.from_weights(device="cpu")
    first = round(scan.grid.world_to_index(points["left"])[2]) - 14
    origin = scan.grid.index_to_world([0.0, 0.0, first])
    array = np.ascontiguousarray(scan.array[first:])
    cut = CTVolume(array, Grid(array.shape[::-1], scan.grid.spacing, origin, scan.grid.direction))
    with_padding = padded(cut, 30, 0)
    alone, within = (engine.detect(of, samples=2) for of in (cut, with_padding))
    assert alone.landmark("left").fork.measures
    for one, other in zip(alone.landmarks, within.landmarks):
        assert (one.status, one.reasons) == (other.status, other.reasons)
        for name, measure in (one.fork.measures if one.fork else {}).items():
            assert measure.value == pytest.approx(other.fork.measures[name].value, abs=1e-3), name
    (seen, checks), (other, others) = (engine.examine(of, samples=2) for of in (cut, with_padding))
    assert {side: of.status for side, of in checks.items()} == {side: of.status for side, of in others.items()}
    located = engine.locate(with_padding, samples=2)
    for evidence in (other, located):
        assert np.stack(evidence["left"].positions) == pytest.approx(np.stack(seen["left"].positions), abs=1e-3)


def test_a_padded_scan_is_judged_like_the_scan_alone(detector, make_neck, balls):
    """The point lies near the end of the scan, which the padding must not hide."""
    neck = make_neck()
    first = int(neck.grid.world_to_index(balls["left"])[2]) - 2
    origin = neck.grid.index_to_world([0.0, 0.0, first])
    array = np.ascontiguousarray(neck.array[first:])
    cut = CTVolume(array, Grid(array.shape[::-1], neck.grid.spacing, origin, neck.grid.direction))
    alone, within = (detector.detect(of, samples=2) for of in (cut, padded(cut, 40, 0)))
    for one, other in zip(alone.landmarks, within.landmarks):
        assert (one.status, one.reasons) == (other.status, other.reasons)
        assert one.position_lps_mm == pytest.approx(other.position_lps_mm, abs=1e-6)
    assert alone.landmark("left").reasons, "two slices from the end"
    (warning,) = within.warnings
    assert "40 slices at the ends" in warning
    assert within.volume["size"][2] == alone.volume["size"][2] + 40
