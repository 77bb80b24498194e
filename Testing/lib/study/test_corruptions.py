from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.study.corruptions import CORRUPTIONS
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.sample import sample
from Testing.lib.fork.tubes import CARINA, draw, fork

DIRECTION = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])  # slices are along the first index axis


@pytest.fixture(params=["LPS", "turned"])
def scan(request, make_neck) -> CTVolume:
    return make_neck(DIRECTION) if request.param == "turned" else make_neck()


def corrupt(name, volume, points, amount, seed=0):
    return CORRUPTIONS[name].apply(volume, points, amount, np.random.default_rng(seed))


def at(volume: CTVolume, point: np.ndarray) -> float:
    return float(sample(volume, Grid.axis_aligned(point, (1, 1, 1), 1.0))[0, 0, 0])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_no_corruption_moves_a_landmark_away_from_what_it_lies_on(name, scan, balls):
    for amount in CORRUPTIONS[name].steps[:2]:
        worse = corrupt(name, scan, balls, amount)
        assert set(worse.points) == set(balls) and worse.volume.array.dtype == np.int16
        for point in worse.points.values():
            assert at(worse.volume, point) > 200


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_landmark_that_is_not_there_stays_so(name, volume):
    worse = corrupt(name, volume, {"left": None, "right": None}, CORRUPTIONS[name].steps[-1])
    assert worse.points == {"left": None, "right": None}


def test_noise_is_so_many_times_what_it_was(scan, balls):
    soft = np.abs(scan.array - 40) < 30
    noisy = corrupt("noise", scan, balls, 4).volume.array[soft].astype(float)
    assert noisy.std() == pytest.approx(np.sqrt(scan.array[soft].std() ** 2 + 15 * 10**2), rel=0.1)


def test_thick_slices_lie_where_their_voxels_lay(scan, balls):
    ramp = scan.grid.index_to_world(np.stack(np.indices(scan.grid.shape)[::-1], -1))[..., 2]
    thick = corrupt("slices", CTVolume((10 * ramp).round().astype(np.int16), scan.grid), balls, 3.0).volume
    axis = thick.grid.slice_axis
    assert thick.grid.spacing[axis] > 1.9 * scan.grid.spacing[axis]
    heights = thick.grid.index_to_world(np.stack(np.indices(thick.grid.shape)[::-1], -1))[..., 2]
    assert np.abs(thick.array / 10 - heights).max() < 0.11


def test_what_is_cut_away_cannot_be_seen(scan, balls):
    lower, higher = sorted(balls, key=lambda side: balls[side][2])
    kept = corrupt("field of view", scan, balls, 5).points
    assert all(point is not None for point in kept.values())
    cut = corrupt("field of view", scan, balls, -5).points
    assert cut[lower] is None and np.array_equal(cut[higher], balls[higher])


def test_without_contrast_medium_the_lumen_is_soft_tissue_and_no_landmark_is_seen(scan, balls):
    half, none = (corrupt("contrast", scan, balls, share) for share in (0.5, 0))
    for point in balls.values():
        assert at(half.volume, point) == pytest.approx((at(scan, point) + 45) / 2, abs=15)
        assert at(none.volume, point) == pytest.approx(45, abs=15)
    assert none.points == dict.fromkeys(balls) and half.points.keys() == balls.keys()
    far = np.abs(scan.array - 40) < 30
    assert np.abs(none.volume.array - scan.array)[far].mean() < 1


def test_calcium_beside_the_landmark_is_not_taken_for_the_lumen():
    tubes = fork(hu=200.0)
    plaque = ([[0, 2.6, 2], [0, 2.6, 14]], 2.4, 780.0)
    worse = corrupt("contrast", draw([*tubes, plaque]), {"left": CARINA, "right": None}, 0)
    for corners, _, _ in tubes:
        for share in (0.4, 0.6, 0.8):
            assert at(worse.volume, (1 - share) * np.array(corners[0]) + share * np.array(corners[1])) < 90


def test_a_turned_patient_is_the_same_patient(volume, balls):
    worse = corrupt("rotation", volume, balls, 45)
    assert np.array_equal(worse.volume.array, volume.array)
    for side, point in balls.items():
        np.testing.assert_allclose(
            worse.volume.grid.world_to_index(worse.points[side]), volume.grid.world_to_index(point)
        )
    assert np.linalg.norm(worse.points["left"] - balls["left"]) > 5


def test_lost_slices_are_bridged_and_the_others_are_as_they_were(volume, balls):
    worse = corrupt("missing slices", volume, balls, 10).volume
    changed = np.flatnonzero((worse.array != volume.array).any(axis=(1, 2)))
    heights = volume.grid.index_to_world(np.stack([0 * changed, 0 * changed, changed], -1))[:, 2]
    assert len(changed) and all(min(abs(h - p[2]) for p in balls.values()) < 12 for h in heights)


def test_grey_values_come_in_steps(volume, balls):
    assert not (corrupt("grey values", volume, balls, 16).volume.array % 16).any()
