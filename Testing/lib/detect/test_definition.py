"""A site's definition moves the answers, by sides mirrored onto each other, and what is told of their places."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.detect.definition import read_offsets
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

OFFSET = [0.3, -0.5, 1.2]


@pytest.mark.parametrize("fork", [False, True])
def test_the_offset_is_added_to_positions_and_to_nothing_else(detector, volume, fork):
    site = Detector(detector.backend, {**detector.header, "site": {"offset_lps_mm": OFFSET}})
    before = Detector(detector.backend, detector.header).detect(volume, samples=2, fork=fork)
    after = site.detect(volume, samples=2, fork=fork)
    for old, new, by in zip(before.landmarks, after.landmarks, ([0.3, -0.5, 1.2], [-0.3, -0.5, 1.2])):
        if old.position_lps_mm is not None:
            assert new.position_lps_mm - old.position_lps_mm == pytest.approx(by)
        plain = [{**of.to_dict(), "position_lps_mm": None} for of in (old, new)]
        assert plain[0] == plain[1]
    assert not fork or any(of.fork is not None for of in after.landmarks)
    assert after.model == {**before.model, "site_offset_lps_mm": OFFSET}


def test_what_the_offset_moves_out_of_the_volume_is_absent(detector, volume, balls):
    """The scan begins 4 mm below the left one, and the site puts it 6 mm farther down."""
    grid = volume.grid
    cut = int(np.ceil((balls["left"][2] - 4.0 - grid.origin[2]) / grid.spacing[2]))
    upper = Grid((*grid.size[:2], grid.size[2] - cut), grid.spacing, grid.index_to_world([0, 0, cut]), grid.direction)
    upper = CTVolume(volume.array[cut:], upper)
    assert detector.detect(upper, samples=2).landmark("left").status != "absent"
    site = Detector(detector.backend, {**detector.header, "site": {"offset_lps_mm": [0.0, 0.0, -6.0]}})
    left = site.detect(upper, samples=2, fork=False).landmark("left")
    assert left.status == "absent" and "outside of the volume" in left.reasons[0]


@pytest.mark.parametrize("site", [None, {}, {"cases": 3}])
def test_weights_of_no_site_move_nothing(site):
    assert not any(np.any(of) for of in read_offsets({"site": site}).values())


@pytest.mark.parametrize("offset", [[1, 2], "abc", None, [1, 2, float("nan")], [0, 0, 40], {"x": 1}, [[1, 2, 3]]])
def test_an_offset_that_cannot_be_is_a_sentence(offset):
    with pytest.raises(BadInputError, match="says of its site cannot be understood"):
        read_offsets({"site": {"offset_lps_mm": offset}})


def test_a_site_that_is_no_object_is_a_sentence():
    with pytest.raises(BadInputError, match="cannot be understood"):
        read_offsets({"site": [1, 2, 3]})
