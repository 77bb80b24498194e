from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.pyramid import TensorPyramid
from CarotidLandmarkLib.study.equivariance import LARGEST_SHIFT, draw_shifts, shift_errors
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.sample import VolumePyramid


@pytest.fixture(scope="module")
def pyramid():
    grid = Grid.axis_aligned([0, 0, 0], (80, 80, 80), 1.0)
    k, j, i = np.meshgrid(*(np.arange(80),) * 3, indexing="ij")
    world = grid.index_to_world(np.stack([i, j, k], -1))
    hu = -1000 + 1400 * np.exp(-0.5 * (np.linalg.norm(world - [3.0, -2, 1], axis=-1) / 2.5) ** 2)
    return TensorPyramid(VolumePyramid(CTVolume(hu.astype(np.int16), grid)))


class Brightest(torch.nn.Module):
    """Heatmap = brightness: the centre of mass of a ball, which no shift changes as long as the ball is in the crop."""

    def __init__(self, bias):
        super().__init__()
        self.bias = bias

    def forward(self, x):
        lean = self.bias * torch.arange(x.shape[-1]) if self.bias else 0.0
        return 60 * x[:, :1] + lean


@pytest.mark.parametrize(("bias", "low", "high"), [(0.0, 0.0, 0.05), (3.0, 0.3, 40.0)])
def test_the_error_is_nil_for_an_equivariant_net_and_not_for_one_that_leans(pyramid, bias, low, high):
    model = MultiScaleLocNet(ModelConfig(channels=((4, 8),) * 4, convs=(1,) * 4, crop_size=40))
    model.nets[2].unet = Brightest(bias)
    shifts = draw_shifts(np.random.default_rng(0), 6, whole=True)
    errors = shift_errors(model, pyramid, np.array([3.0, -2, 1]), "right", 2, shifts)
    assert errors.shape == (6,)
    assert low <= errors.max() <= high


@pytest.mark.parametrize("method", ["default", "without-mirroring", "skipped-voxels"])
def test_crops_are_those_that_the_model_sees_when_it_detects(pyramid, method):
    config = replace(get(method).config, channels=((4, 8),) * 4, convs=(1,) * 4, crop_size=16)
    model = MultiScaleLocNet(config).eval()
    seen, refine = [], model.refine

    def spy(scale, image, world_to_index, center, frame):
        seen.append((image, frame))
        return refine(scale, image, world_to_index, center, frame)

    model.refine = spy
    center = np.array([3.0, -2, 1])
    shift_errors(model, pyramid, center, "left", 1, np.ones((1, 3)))
    measured, _ = seen
    seen.clear()
    model(SimpleNamespace(whole=pyramid.whole, around=lambda at, extent, mm: pyramid.around(center, 16 * mm + 4, mm)))
    detected = next((image, frame) for image, frame in seen if float(frame.abs().max()) == 2.0)
    for one, other in zip(measured, detected):
        torch.testing.assert_close(one, other.reshape(one.shape))


def test_shifts_are_whole_or_less_than_one_voxel():
    whole = draw_shifts(np.random.default_rng(0), 100, whole=True)
    assert set(np.abs(whole).ravel()) == set(range(1, LARGEST_SHIFT + 1))
    assert np.abs(draw_shifts(np.random.default_rng(0), 100, whole=False)).max() < 1
