"""The detector asks whether the scan around an answer is one that it can be trusted in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect.flaws import scan_flaws
from CarotidLandmarkLib.detect.lumen import Witness
from CarotidLandmarkLib.fork import check_fork, trace_fork
from CarotidLandmarkLib.study.corruptions import CORRUPTIONS
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.lib.fork.tubes import CARINA, LUMEN, TISSUE, Tube, draw, fork

TURNED = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])  # slices are along the first index axis
PLAQUE: Tube = ([[0, 2.6, 2], [0, 2.6, 14]], 2.4, 900.0)


def worse(name: str, volume: CTVolume, points: dict[str, np.ndarray], amount: float) -> CTVolume:
    return CORRUPTIONS[name].apply(volume, points, amount, np.random.default_rng(0)).volume


@pytest.mark.parametrize("direction", [np.eye(3), TURNED], ids=["LPS", "turned"])
@pytest.mark.parametrize(
    ("name", "fine", "bad", "word"),
    [
        ("blur", 2, 3, "blurred: the edges of the body are 3"),
        ("missing slices", 2, 6.5, "missing near the point: "),
    ],
)
def test_a_scan_that_is_blurred_or_lacks_slices(name, fine, bad, word, direction, make_neck, balls):
    scan = worse("noise", make_neck(direction), balls, 6)
    for point in balls.values():
        assert scan_flaws(scan, point) == []
        assert scan_flaws(worse(name, scan, balls, fine), point) == []
        (sentence,) = scan_flaws(worse(name, scan, balls, bad), point)
        assert word in sentence


@pytest.mark.parametrize("direction", [np.eye(3), TURNED], ids=["LPS", "turned"])
def test_slices_that_are_copies_are_missing(direction, make_neck, balls):
    scan = make_neck(direction)
    axis, point = scan.grid.slice_axis, balls["left"]
    index = np.arange(scan.grid.size[axis])

    def told(copied: np.ndarray, rounding: int = 0) -> list[str]:
        """Of the scan whose slices are those with the numbers `copied`, but for so many HU."""
        array = np.take(scan.array, copied, 2 - axis)
        array += np.random.default_rng(1).integers(-rounding, rounding, array.shape, array.dtype, endpoint=True)
        return scan_flaws(replace(scan, array=array), point)

    first = round(scan.grid.world_to_index(point)[axis]) - 4
    last = first + round(9 / scan.grid.spacing[axis])
    lost = (index >= first) & (index < last)
    for below in (lost, index < (first + last) / 2):
        copied = np.where(lost, np.where(below, first - 1, last), index)
        (sentence,) = told(copied)
        assert "missing near the point: 1" in sentence
        assert told(copied, rounding=1) == [sentence], "as lossy compression leaves them"
        assert told(copied, rounding=5) == []
    for each, flaws in ((1, 0), (3, 0), (7, 1)):  # made finer by copies: 7 slices are more than 5 mm
        assert len(told(index // each * each)) == flaws


def test_a_gap_counts_as_far_as_the_network_may_have_been_led_astray_by_it(make_neck, balls):
    lost = worse("missing slices", worse("noise", make_neck(), balls, 6), balls, 10)
    near, far = balls["left"] + [0, 0, 20], balls["right"] - [0, 0, 40]
    assert "missing" in scan_flaws(lost, near)[0] and scan_flaws(lost, far) == []


def test_slices_that_lie_close_are_not_taken_for_interpolated(make_neck, balls):
    """As a soft kernel and slices of 0.2 mm leave them: from one to the next nothing bends."""
    scan = worse("blur", make_neck(), balls, 1.5)
    fine = replace(scan.grid, spacing=scan.grid.spacing * [1, 1, 0.16])
    assert scan_flaws(CTVolume(scan.array, fine), fine.center) == []


def test_grey_values_that_are_cut_off_at_the_lumens():
    scan = draw([*fork(), PLAQUE])

    def told(volume: CTVolume) -> list[str]:
        traced = trace_fork(volume, CARINA, "left")
        return scan_flaws(volume, CARINA, Witness(traced, check_fork(traced, CARINA)))

    assert told(scan) == [] and told(draw(fork())) == []  # nor where there is no calcium at all
    assert told(worse("clipped", scan, {}, LUMEN + 0.25 * (LUMEN - TISSUE))) == []
    (sentence,) = told(worse("clipped", scan, {}, 350))
    assert "cut off at 350 HU" in sentence
    spoilt = worse("clipped", scan, {}, 350)
    spoilt.array[0, 0, 0] = 3071  # as of a clip, or of an artefact
    assert told(spoilt) == [sentence]


@pytest.mark.parametrize("point", [(0, 0, 0), (0, 0, 400.0), (-400.0, 0, 0), (35.0, 35.0, 60.0)])
def test_wherever_the_point_and_however_small_the_scan(point):
    """Nothing but soft tissue, whose edges are not seen; and no numbers at all."""
    for size in ((80, 80, 126), (4, 4, 4), (80, 2, 1)):
        grid = Grid.axis_aligned((0, 0, 0), size, 0.8)
        noise = np.random.default_rng(0).normal(40, 10, grid.shape).astype(np.float32)
        assert scan_flaws(CTVolume(noise, grid), np.array(point)) == []
        assert scan_flaws(CTVolume(np.full(grid.shape, np.nan, np.float32), grid), np.array(point)) == []


def test_what_is_found_in_such_a_scan_is_for_review(detector, make_neck, balls):
    lost = worse("missing slices", make_neck(), balls, 8)
    for side in balls:
        assert detector.detect(make_neck(), samples=2).landmark(side).status == "found"
        landmark = detector.detect(lost, samples=2).landmark(side)
        assert landmark.status == "review" and "Slices are missing" in landmark.reasons[-1]
    alone = detector.detect(worse("missing slices", make_neck(balls={"left": balls["left"]}), balls, 8), samples=2)
    assert (alone.landmark("left").status, alone.landmark("right").status) == ("review", "absent")
    assert not any("missing" in reason for reason in alone.landmark("right").reasons)
