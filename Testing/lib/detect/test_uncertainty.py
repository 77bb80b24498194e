from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.detect.uncertainty import combine, draw_shifts, largest_sd, of_voxels
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.host.skipping import WITHOUT_TORCH


def test_samples_and_heatmaps_add_up():
    positions = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 2.0, 0], [0, -2.0, 0]]) + [10, 20, 30]
    heatmaps = np.stack([np.diag([1.0, 1, 1]), np.diag([1.0, 1, 3])] * 2)
    mean, covariance = combine(positions, heatmaps, scale=2.0)
    np.testing.assert_allclose(mean, [10, 20, 30])
    np.testing.assert_allclose(covariance, 2 * np.diag([2 / 3 + 1, 8 / 3 + 1, 2.0]))


def test_one_sample_has_the_heatmaps_spread_alone():
    mean, covariance = combine(np.array([[1.0, 2, 3]]), np.diag([1.0, 4, 9])[None], scale=1.0)
    np.testing.assert_allclose(mean, [1, 2, 3])
    np.testing.assert_allclose(covariance, np.diag([1.0, 4, 9]))


def test_a_point_may_lie_anywhere_in_its_voxel():
    turn = np.array([[0.6, 0, -0.8], [0, 1, 0], [0.8, 0, 0.6]])
    grid = Grid((4, 4, 4), np.array([0.6, 0.9, 3.0]), np.zeros(3), turn)
    corners = grid.index_to_world(np.random.default_rng(0).uniform(-0.5, 0.5, (200_000, 3)))
    np.testing.assert_allclose(of_voxels(grid), np.cov(corners.T), atol=0.01)


def test_largest_sd_is_along_the_longest_axis():
    turn = np.array([[0.6, -0.8, 0], [0.8, 0.6, 0], [0, 0, 1]])
    assert np.isclose(largest_sd(turn @ np.diag([1.0, 9.0, 4.0]) @ turn.T), 3.0)


@pytest.mark.parametrize("seed", [0, 3, 2**32 + 5, 2**53 - 1])
def test_shifts_of_a_seed_are_those_of_torch(seed):
    torch = pytest.importorskip("torch", reason=WITHOUT_TORCH)
    generator = torch.Generator().manual_seed(seed)
    drawn = [(2 * torch.rand(7, 3, dtype=torch.float64, generator=generator) - 1) * 5.0 for _ in range(2)]
    np.testing.assert_array_equal(draw_shifts(2, 7, 5.0, seed), np.stack(drawn))
    assert not draw_shifts(2, 7, 0.0, seed).any()
