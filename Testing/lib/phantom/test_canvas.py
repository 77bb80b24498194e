from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.phantom.canvas import Canvas
from CarotidLandmarkLib.phantom.shapes import Column, Ellipsoid, Field, Space, Tube
from CarotidLandmarkLib.volume.geometry import Grid

STRAIGHT = Space(np.eye(3), np.zeros(3), np.zeros((2, 2)), (-100.0, 100.0), np.zeros((0, 7)))


def paint(shape, grid, space=STRAIGHT, background=0.0, psf=0.3):
    canvas = Canvas(grid, space, psf)
    canvas.hu.fill_(background)
    canvas.paint(shape)
    return canvas.hu


def volume_mm3(hu, grid, value=100.0):
    return float(hu.sum()) / value * float(np.prod(grid.spacing))


@pytest.mark.parametrize("spacing", [0.5, 1.0, 2.0])
def test_a_tube_covers_its_volume_at_any_voxel_size(spacing):
    tube = Tube(np.array([[0.0, 0, -40], [0, 0, 40]]), np.array([3.0, 3.0]), 100.0)
    grid = Grid.axis_aligned([0.3, -0.2, 0.1], [round(16 / spacing)] * 2 + [round(40 / spacing)], spacing)
    assert volume_mm3(paint(tube, grid), grid) == pytest.approx(np.pi * 9 * 40, rel=0.05)


def test_a_thin_tube_keeps_its_mass_in_large_voxels():
    tube = Tube(np.array([[0.2, 0.1, -40], [0.2, 0.1, 40]]), np.array([0.5, 0.5]), 100.0)
    grid = Grid.axis_aligned([0, 0, 0], (11, 11, 20), 2.0)
    assert volume_mm3(paint(tube, grid), grid) == pytest.approx(np.pi * 0.25 * 40, rel=0.6)


def test_a_tube_within_ends_at_the_skin():
    grid = Grid.axis_aligned([0, 0, 0], (60, 30, 30), 0.5)
    body = Ellipsoid(np.zeros(3), np.full(3, 9.0), 40.0)
    vein = Tube(np.array([[-14.0, 0, 0], [14, 0, 0]]), np.array([2.0, 2.0]), 240.0)
    shown = {}
    for within in (False, True):
        canvas = Canvas(grid, STRAIGHT, 0.3)
        canvas.paint(body)
        canvas.paint(replace(vein, within=within))
        shown[within] = canvas.hu[15, 15]
    outside = torch.arange(60).sub(29.5).mul(0.5).abs() > 10
    assert (shown[False][outside] > 0).any() and (shown[True][outside] < -990).all()
    assert (shown[True][~outside][4:-4] == 240).all()


def test_distances_of_a_bent_cone_agree_with_the_painted_surface():
    tube = Tube(np.array([[-10.0, 0, -8], [0, 4, 0], [6, -3, 9]]), np.array([2.0, 3.5, 1.5]), 100.0)
    grid = Grid.axis_aligned([0, 0, 0], (60, 60, 60), 0.5)
    hu = paint(tube, grid, psf=0.0).numpy()
    k, j, i = np.meshgrid(*(np.arange(60),) * 3, indexing="ij")
    distance = tube.distance(grid.index_to_world(np.stack([i, j, k], -1)))
    assert (hu[distance < -0.6] > 99).all()
    assert (hu[distance > 0.6] < 1).all()


def test_ellipsoid_column_and_field_cover_their_volumes():
    grid = Grid.axis_aligned([0, 0, 0], (60, 60, 60), 0.5)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    ellipsoid = Ellipsoid(np.array([1.0, 0, -1]), np.array([4.0, 6, 8]), 100.0, turned)
    assert volume_mm3(paint(ellipsoid, grid), grid) == pytest.approx(4 / 3 * np.pi * 192, rel=0.03)
    column = Column(np.array([[-10.0, 1, 2, 5, 7], [10, 1, 2, 5, 7]]), 100.0)
    assert volume_mm3(paint(column, grid), grid) == pytest.approx(np.pi * 35 * 20, rel=0.03)
    gaps = Column(column.profile, 100.0, period=5.0, gap=2.0)
    assert volume_mm3(paint(gaps, grid), grid) == pytest.approx(np.pi * 35 * 12, rel=0.06)
    small = Grid.axis_aligned([2, 0, 0], (30, 30, 30), 1.0)
    k, j, i = np.meshgrid(*(np.arange(30),) * 3, indexing="ij")
    ball = np.linalg.norm(small.index_to_world(np.stack([i, j, k], -1)) - [2, 0, 0], axis=-1) - 6
    field = Field(torch.from_numpy(ball).float(), small, 100.0)
    assert volume_mm3(paint(field, grid), grid) == pytest.approx(4 / 3 * np.pi * 216, rel=0.04)


def test_a_pose_moves_the_shape_in_the_world():
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    space = Space(turn, np.array([30.0, -20, 50]), np.zeros((2, 2)), (-100.0, 100.0), np.zeros((0, 7)))
    body = np.array([8.0, 3, -4])
    world = space.to_world(body)
    grid = Grid.axis_aligned(world, (41, 41, 41), 0.5)
    hu = paint(Ellipsoid(body, np.full(3, 3.0), 100.0), grid, space)
    weights = hu.numpy() / float(hu.sum())
    k, j, i = np.meshgrid(*(np.arange(41),) * 3, indexing="ij")
    middle = [float((weights * axis).sum()) for axis in (i, j, k)]
    assert grid.index_to_world(middle) == pytest.approx(world, abs=0.02)


def test_a_coarse_grid_shows_the_mean_of_a_fine_one():
    tube = Tube(np.array([[-12.0, 0, -30], [9, 4, 30]]), np.array([2.5, 4.0]), 100.0)
    fine = paint(tube, Grid.axis_aligned([0, 0, 0], (96, 96, 96), 0.5), psf=0.0)
    coarse = paint(tube, Grid.axis_aligned([0, 0, 0], (24, 24, 24), 2.0), psf=0.0)
    pooled = torch.nn.functional.avg_pool3d(fine[None, None], 4)[0, 0]
    assert float((pooled - coarse).abs().mean() / pooled.mean()) < 0.1


@pytest.mark.parametrize("soft", [False, True])
def test_layers_within_a_tube_are_the_tubes_of_smaller_radius(soft):
    points = np.array([[0.0, 0, -40], [1, 2, 0], [0, 0, 40]])
    grid = Grid.axis_aligned([0, 0, 0], (40, 40, 20), 0.5)
    layered = paint(Tube(points, np.full(3, 6.0), 100.0, soft, inner=((1.5, 30.0), (4.0, 300.0))), grid)
    canvas = Canvas(grid, STRAIGHT, 0.3)
    canvas.hu.fill_(0.0)
    for radius, hu in ((6.0, 100.0), (4.5, 30.0), (2.0, 300.0)):
        canvas.paint(Tube(points, np.full(3, radius), hu, soft))
    assert float((layered - canvas.hu).abs().max()) < 0.5
    assert float(layered.max()) > 290
