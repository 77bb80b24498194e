"""What is traced of forks whose geometry is known."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.fork import Branch, Fork, trace_fork
from CarotidLandmarkLib.fork.box import cut_box
from CarotidLandmarkLib.fork.carina import find_carina
from CarotidLandmarkLib.fork.names import probability_internal
from CarotidLandmarkLib.fork.triple import Arm
from CarotidLandmarkLib.volume.ct import CTVolume
from Testing.lib.fork.tubes import CARINA, COMMON_RADIUS, LUMEN, RADIUS, SLOPE, TISSUE, draw, fork, thicken

TURN = np.radians(20)
OBLIQUE = np.array([[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1.0]])
PERMUTED = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])


def away_from(branch: Branch, start: np.ndarray, end: np.ndarray, beyond_mm: float = 12.0) -> np.ndarray:
    """Distances of the branch's points from a straight line, without those near the fork."""
    way = (end - start) / np.linalg.norm(end - start)
    offset = branch.points - start
    far = np.linalg.norm(branch.points - CARINA, axis=1) > beyond_mm
    far[-2:] = False  # the wave is not yet, or no more, all across
    return np.linalg.norm(offset - (offset @ way)[:, None] * way, axis=1)[far]


def test_the_carina_is_where_the_walls_part(traced: Fork) -> None:
    assert np.linalg.norm(traced.carina - CARINA) < 0.8
    assert traced.defects == []
    assert abs(traced.level_hu - LUMEN) < 20 and abs(traced.tissue_hu - TISSUE) < 20


def test_calcium_between_the_daughters_parts_them() -> None:
    wall = [([[0, y, CARINA[2] + 1.2], [0, y, CARINA[2] + 10]], 1.2, 900.0) for y in (-2.0, 0.0, 2.0)]
    heights = np.arange(0.0, 25.0)
    lines = [np.stack([way * SLOPE * heights, 0 * heights, heights], 1) - CARINA for way in (1, -1)]
    assert np.linalg.norm(find_carina(cut_box(draw([*wall, *fork()]), CARINA).hu, *lines, LUMEN, TISSUE)) < 1.5


def test_three_vessels_along_their_axes_with_their_calibres(traced: Fork) -> None:
    up = 40 * np.array([SLOPE, 0, 1])
    assert max(away_from(traced.common, np.zeros(3), np.array([0, 0, -40.0]))) < 0.7
    ends = [branch.points[-1] for branch in (traced.internal, traced.external)]
    assert sorted(np.sign(end[0]) for end in ends) == [-1, 1]
    for branch, end in zip((traced.internal, traced.external), ends):
        assert max(away_from(branch, np.zeros(3), up * [np.sign(end[0]), 1, 1])) < 0.7
        assert abs(np.median(branch.radii[12:-2]) - RADIUS) < 0.3
        assert branch.length_mm > 25
    assert abs(np.median(traced.common.radii[12:-2]) - COMMON_RADIUS) < 0.3
    assert traced.common.points[-1][2] < -25


def test_a_vessel_does_not_zigzag(traced: Fork) -> None:
    for branch in (traced.common, traced.internal, traced.external):
        steps = np.diff(branch.points, axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        assert (steps[1:] * steps[:-1]).sum(1).min() > np.cos(np.radians(18))


def test_the_lumen_is_what_was_drawn(traced: Fork) -> None:
    k, j, i = np.indices(traced.grid.shape)
    world = traced.grid.index_to_world(np.stack([i, j, k], -1))
    below = (world[..., 2] > -25) & (world[..., 2] < -5)
    inside = np.hypot(world[..., 0], world[..., 1])
    assert traced.lumen[below & (inside < COMMON_RADIUS - 0.7)].mean() > 0.99
    assert not traced.lumen[below & (inside > COMMON_RADIUS + 0.9)].any()


@pytest.mark.parametrize(
    "direction", [OBLIQUE, PERMUTED, np.diag([-1.0, 1, 1])], ids=["oblique", "permuted", "mirrored"]
)
def test_however_the_axes_lie(direction: np.ndarray) -> None:
    found = trace_fork(draw(fork(), direction=direction), CARINA, "left")
    assert np.linalg.norm(found.carina - CARINA) < 0.8
    assert found.defects == []


def test_the_lumens_level_does_not_matter() -> None:
    for hu, noise in ((180.0, 25.0), (700.0, 8.0)):
        found = trace_fork(draw(fork(hu=hu), noise), CARINA, "left")
        assert np.linalg.norm(found.carina - CARINA) < 1.0
        assert abs(found.level_hu - hu) < 0.12 * hu


def test_the_wider_vessel_behind_and_lateral_is_the_internal_one() -> None:
    tubes = fork()
    front = [([[0, 0, 0], [-10, -10, 48]], 1.9, LUMEN), ([[0, 0, 0], [10, 10, 48]], 2.8, LUMEN)]
    found = trace_fork(draw([tubes[0], *front]), CARINA, "left")
    assert found.internal.points[-1][1] > 5 and found.external.points[-1][1] < -5
    assert found.internal_probability > 0.9


def test_of_even_vessels_one_lateral_and_one_behind_neither_is_named() -> None:
    even = [([[0, 0, 0], [way * 13, way * -6.2, 48]], 2.4, LUMEN) for way in (1, -1)]
    found = trace_fork(draw([fork()[0], *even]), CARINA, "left")
    assert found.internal_probability is None and "cannot be told" in found.notes[-1]


@pytest.mark.filterwarnings("error")
def test_a_vessel_that_is_not_seen_where_calibres_are_compared_is_not_named() -> None:
    length = np.arange(30.0)
    seen = Arm(length, np.stack([length, length, length], 1), np.full(30, 2.5), list(range(30)))
    gap = Arm(*(values[(length < 6) | (length > 14)] for values in (length, -seen.centre, seen.radius)), nodes=[])
    assert probability_internal(seen, gap, [], "left") is None
    assert probability_internal(seen, Arm(length, -seen.centre, seen.radius, []), [], "left") > 0.9


def test_a_vessel_that_ends_with_the_volume_is_said_to(neck: CTVolume) -> None:
    cut = draw(fork(), high=float(CARINA[2]) + 5)
    assert any("followed" in defect for defect in trace_fork(cut, CARINA, "left").defects)


def test_values_that_are_no_numbers() -> None:
    thick = thicken(draw(fork()), 4)
    thick.array[0] = np.nan
    found = trace_fork(thick, CARINA, "left")
    assert np.linalg.norm(found.carina - CARINA) < 1.5


def test_only_noise_is_blurred_away() -> None:
    left = [float(cut_box(draw([], noise), CARINA).hu[60:90].std()) / noise for noise in (8.0, 60.0)]
    assert left[1] < 0.7 * left[0]


def test_a_point_that_is_none() -> None:
    with pytest.raises(ValueError):
        trace_fork(draw([]), [0.0, np.nan, 0.0], "left")
