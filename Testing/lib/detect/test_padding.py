"""Volumes that were made longer than their scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect.padding import without_padding
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
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
    shown, blank = without_padding(padded(neck, 5, 11, hu))
    assert blank == 16 and np.array_equal(shown.array, neck.array)
    assert shown.grid.size == neck.grid.size and np.allclose(shown.grid.origin, neck.grid.origin)
    assert without_padding(neck)[0] is neck


def test_a_volume_of_nothing_stays(make_neck):
    nothing = replace(make_neck(), array=np.zeros_like(make_neck().array))
    assert without_padding(nothing)[0] is nothing


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
    assert within.warnings == ["40 slices at the ends of the volume hold a single value and count as no scan."]
    assert within.volume["size"][2] == alone.volume["size"][2] + 40
