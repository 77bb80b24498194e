from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.volume.crop import crop
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.sample import FILL, VolumePyramid, averaged, sample

SLOPE = np.array([3.0, -2.0, 5.0])
ROTATION = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]


def ramp(points):
    return points @ SLOPE


def voxel_centers(grid: Grid) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")[::-1], axis=-1)
    return grid.index_to_world(index)


def level_points(level) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in level.image.shape), indexing="ij")[::-1], axis=-1)
    homogeneous = np.concatenate([index, np.ones((*index.shape[:-1], 1))], axis=-1)
    return (homogeneous @ np.linalg.inv(level.world_to_index).T)[..., :3]


@pytest.mark.parametrize("spacing", [(0.4, 0.4, 0.6), (1.0, 0.7, 3.0)])
@pytest.mark.parametrize("target", [0.5, 2.0])
def test_a_linear_ramp_is_sampled_exactly(make_volume, direction, spacing, target):
    volume = make_volume(ramp, direction, spacing, (61, 73, 47))
    steps = np.full(3, target) * (1, 0.9, 1.2)
    grid = Grid((15, 14, 13), steps, volume.grid.center - ROTATION @ (steps * (7, 6.5, 6)), ROTATION)
    inside = volume.grid.distance_inside(voxel_centers(grid)) > target
    assert inside.mean() > 0.3
    error = np.abs(sample(volume, grid) - ramp(voxel_centers(grid)))
    assert error[inside].max() < 2e-3


def test_the_whole_volume_at_4_mm_is_a_ramp_up_to_its_end_blocks(make_volume, direction):
    volume = make_volume(ramp, direction, (0.5, 0.6, 0.9), (103, 90, 71))
    level = VolumePyramid(volume).whole(4.0)
    points = level_points(level)
    error = np.abs(level.image - ramp(points))
    inside = volume.grid.distance_inside(points)
    assert error[inside > 2.1].max() < 2e-3
    assert (level.image[inside < -1e-3] == FILL).all()
    assert (level.image[inside > 0] != FILL).all()


def test_a_cut_last_block_is_averaged_over_what_exists_at_its_own_center(make_volume):
    volume = make_volume(ramp, np.eye(3), 0.5, (19, 16, 16), center=(0, 0, 0))  # blocks of 8, 8 and 3 voxels along x
    center_of_cut_block = volume.grid.index_to_world((17.0, 7.5, 7.5))
    value = sample(volume, Grid.axis_aligned(center_of_cut_block, (1, 1, 1), 4.0))
    assert value.item() == pytest.approx(ramp(center_of_cut_block), abs=1e-3)


def test_the_same_blob_is_in_the_same_place_whatever_the_voxels(make_volume, direction):
    place = np.array([7.3, -6.1, 14.7])

    def blob(points):
        return 1000 * np.exp(-((points - place) ** 2).sum(axis=-1) / (2 * 2.5**2)) - 1000

    for spacing in (0.4, 0.7, 1.0):
        size = np.round(np.array([44, 48, 52]) / spacing).astype(int)
        pyramid = VolumePyramid(make_volume(blob, direction, spacing, size))
        for level in (pyramid.whole(2.0), pyramid.around(place + 1.7, 24, 1.0)):
            weight = np.maximum(level.image + 1000, 0)
            weight[weight < 1] = 0
            found = (level_points(level) * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum()
            assert np.abs(found - place).max() < 0.05


def test_a_checkerboard_averages_out():
    array = np.where(np.indices((40, 40, 40)).sum(axis=0) % 2, 1000, -1000).astype(np.int16)
    volume = CTVolume(array, Grid((40, 40, 40), (0.5, 0.5, 0.5), (0, 0, 0), np.eye(3)))
    pyramid = VolumePyramid(volume)
    assert np.abs(pyramid.whole(4.0).image[1:-1, 1:-1, 1:-1]).max() < 1e-3
    around = pyramid.around(volume.grid.center, 4.0, 2.0).image
    assert np.abs(around).max() < 1e-3
    oblique = sample(volume, Grid((3, 3, 3), (2.0, 2.0, 2.0), volume.grid.center - 2, ROTATION))
    assert np.abs(oblique).max() < 1e-3


@pytest.mark.parametrize("spacing_mm", [0.5, 1.0, 2.0])
def test_around_has_the_exact_map_and_covers_any_rotation(make_volume, direction, spacing_mm):
    volume = make_volume(ramp, direction, (0.3, 0.45, 0.8), (150, 100, 60))
    center, extent = volume.grid.center + (0.31, -0.77, 0.13), 10.0
    level = VolumePyramid(volume).around(center, extent, spacing_mm)
    points = level_points(level)
    inside = volume.grid.distance_inside(points) > spacing_mm
    assert np.abs(level.image - ramp(points))[inside].max() < 2e-3
    factors = np.maximum(np.floor(spacing_mm / volume.grid.spacing + 0.5), 1)
    native = volume.grid.world_to_index(points.reshape(-1, 3))
    lattice = (native - (factors - 1) / 2) / factors
    assert (np.abs(lattice - np.round(lattice)) * factors * volume.grid.spacing).max() < 1e-6
    corners = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3)).reshape(3, -1).T * extent
    ball = center + np.concatenate([corners, corners @ ROTATION.T])
    index = np.c_[ball, np.ones(len(ball))] @ level.world_to_index.T
    assert (index[:, :3] >= 0).all() and (index[:, :3] <= np.array(level.image.shape[::-1]) - 1).all()


@pytest.mark.parametrize("spacing_mm", [0.5, 1.0, 2.0])
def test_the_box_of_an_upright_cube_holds_what_the_larger_one_does(make_volume, direction, spacing_mm):
    volume = make_volume(ramp, direction, (0.3, 0.45, 0.8), (150, 100, 60))
    volume.array[:] = np.random.default_rng(0).integers(-500, 500, volume.array.shape)
    center, size = volume.grid.center + (0.31, -0.77, 0.13), 10
    views = [VolumePyramid(volume, upright).around(center, size * spacing_mm, spacing_mm) for upright in (False, True)]
    crops = [crop(view, center, np.diag([-spacing_mm, spacing_mm, spacing_mm]), size) for view in views]
    np.testing.assert_allclose(*crops, rtol=0, atol=1e-2)
    assert views[1].image.size < 0.9 * views[0].image.size


def assert_a_ramp_up_to_the_end(level, volume):
    points = level_points(level)
    depth, values = volume.grid.distance_inside(points), level.image
    assert np.abs(values - ramp(points))[depth > 1e-6].max() < 2e-3
    assert (values[depth < 1e-6] == FILL).all()


@pytest.mark.parametrize("spacing_mm", [0.5, 1.0, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("size", [(31, 32, 33), (34, 35, 36), (37, 38, 5)])
def test_around_is_a_ramp_in_its_true_place_up_to_the_end(make_volume, spacing_mm, size):
    volume = make_volume(ramp, ROTATION, (0.5, 0.4, 0.65), size)
    assert_a_ramp_up_to_the_end(VolumePyramid(volume).around(volume.grid.center, 26.0, spacing_mm), volume)
    far_corner = volume.grid.index_to_world(np.array(size) - 1)
    assert_a_ramp_up_to_the_end(VolumePyramid(volume).around(far_corner, 6.0, spacing_mm), volume)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("size", [(12, 13, 14), (15, 16, 17)])
def test_an_averaged_level_is_a_ramp_in_its_true_place_up_to_the_end(make_volume, factor, size):
    volume = make_volume(ramp, np.eye(3), 2.0, size)
    level = averaged(VolumePyramid(volume).whole(2.0), factor)
    assert_a_ramp_up_to_the_end(level, volume)
    reach = level_points(level).max(axis=(0, 1, 2)) + factor * 2.0
    assert (reach >= volume.grid.bounds()[1] - 1e-6).all(), "a block is missing"


def test_around_pads_and_keeps_its_shape(make_volume):
    volume = make_volume(ramp, np.eye(3), 0.7, (40, 40, 40))
    pyramid = VolumePyramid(volume)
    inner = pyramid.around(volume.grid.center, 12, 1.0)
    corner = pyramid.around(volume.grid.origin + 0.123, 12, 1.0)
    far = pyramid.around(volume.grid.origin - 500, 12, 1.0)
    assert inner.image.shape == corner.image.shape == far.image.shape
    inside = volume.grid.distance_inside(level_points(corner)) > 0
    assert ((corner.image != FILL) == inside).all() and inside.any() and not inside.all()
    assert (far.image == FILL).all() and (inner.image != FILL).all()


def test_outside_is_fill_from_half_a_voxel_beyond_the_last_center():
    array = np.full((8, 8, 8), 100, dtype=np.int16)
    volume = CTVolume(array, Grid((8, 8, 8), (1, 1, 1), (0, 0, 0), np.eye(3)))
    for x, expected in ((-0.49, 100), (-0.51, FILL), (7.49, 100), (7.51, FILL)):
        assert sample(volume, Grid((1, 1, 1), (1, 1, 1), (x, 3, 3), np.eye(3))).item() == expected


def test_large_grids_are_sampled_in_bricks_without_seams(make_volume):
    volume = make_volume(ramp, ROTATION, 1.0, (80, 80, 80))
    grid = Grid.axis_aligned(volume.grid.center, (150, 66, 70), 0.4)
    error = np.abs(sample(volume, grid) - ramp(voxel_centers(grid)))
    inside = volume.grid.distance_inside(voxel_centers(grid)) > 1
    assert inside.any() and error[inside].max() < 2e-3


def test_levels_are_as_the_interface_says(make_volume):
    volume = make_volume(ramp, np.eye(3), 1.0, (33, 34, 35))
    pyramid = VolumePyramid(volume)
    level = pyramid.whole(4.0)
    assert level.image.shape == (9, 9, 9) and level.image.dtype == np.float32
    assert level.world_to_index.shape == (4, 4) and level.world_to_index.dtype == np.float64
    assert pyramid.whole(4.0) is level
    center = level.world_to_index @ (*volume.grid.center, 1)
    assert np.allclose(center[:3], 4)
