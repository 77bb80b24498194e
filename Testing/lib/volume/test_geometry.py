from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CarotidLandmarkLib.volume.geometry import Grid

rng = np.random.default_rng(0)


def test_index_and_world_round_trip_in_any_orientation(direction):
    grid = Grid((512, 500, 613), (0.41, 0.73, 1.25), (-123.4, 56.7, -1789.1), direction)
    index = rng.uniform(-20, 620, (1000, 3))
    world = grid.index_to_world(index)
    assert np.abs(grid.index_to_world(grid.world_to_index(world)) - world).max() < 1e-6
    assert np.abs(grid.world_to_index(world) - index).max() < 1e-6
    assert np.abs((np.c_[index, np.ones(1000)] @ grid.affine.T)[:, :3] - world).max() < 1e-9


def test_agrees_with_itk(direction):
    grid = Grid((20, 30, 40), (0.41, 0.73, 1.25), (-123.4, 56.7, -89.1), direction)
    image = sitk.Image([20, 30, 40], sitk.sitkInt16)
    image.SetSpacing(grid.spacing.tolist())
    image.SetOrigin(grid.origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    for index in rng.uniform(0, 19, (20, 3)):
        assert np.allclose(grid.index_to_world(index), image.TransformContinuousIndexToPhysicalPoint(index), atol=1e-6)


def test_bounds_hold_all_voxel_edges(direction):
    grid = Grid((10, 20, 30), (1.0, 2.0, 0.5), (5.0, 6.0, 7.0), direction)
    corners = grid.index_to_world(np.array(np.meshgrid((-0.5, 9.5), (-0.5, 19.5), (-0.5, 29.5))).reshape(3, -1).T)
    lower, upper = grid.bounds()
    assert np.allclose(lower, corners.min(axis=0)) and np.allclose(upper, corners.max(axis=0))
    assert np.allclose(grid.extent_mm, (10, 40, 15)) and grid.shape == (30, 20, 10)


def test_axis_aligned_has_its_center_where_it_says():
    grid = Grid.axis_aligned((1.5, -2.0, 3.0), (4, 5, 6), (0.5, 1.0, 2.0))
    assert np.allclose(grid.center, (1.5, -2.0, 3.0)) and np.allclose(grid.direction, np.eye(3))
    assert np.allclose(grid.bounds()[1] - grid.bounds()[0], (2, 5, 12))


def test_distance_inside_is_to_the_nearest_face_and_negative_outside(direction):
    grid = Grid((10, 20, 30), (1.0, 2.0, 0.5), (5.0, 6.0, 7.0), direction)
    index = np.array([(4.5, 9.5, 14.5), (0.5, 9.5, 14.5), (4.5, 9.5, 33.5), (-3.5, 21.5, 14.5)])
    assert np.allclose(grid.distance_inside(grid.index_to_world(index)), (5, 1, -2, -5))
