from __future__ import annotations

import dataclasses
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.crop import side_frame
from CarotidLandmarkLib.model.locnet import LocNetOutput, ScaleNet
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.study.methods import get, names

SEVERAL_SCALES = [name for name in names() if len(get(name).config.scales_mm) > 1]


class View(NamedTuple):
    image: Tensor
    world_to_index: Tensor


class NoisePyramid:
    """A volume of smooth noise, 200 mm wide and centred on `middle`, that notes what it was asked for."""

    middle = torch.tensor([10.0, -40.0, 700.0], dtype=torch.float64)

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def view(self, center: Tensor, count: int, spacing: float) -> View:
        to_index = torch.eye(4, dtype=torch.float64)
        to_index[:3, :3] /= spacing
        to_index[:3, 3] = (count - 1) / 2 - center / spacing
        image = torch.randn(1, 1, count, count, count, generator=torch.Generator().manual_seed(count)) * 300
        return View(image, to_index)

    def whole(self, spacing_mm: float) -> View:
        return self.view(self.middle, round(200 / spacing_mm), spacing_mm)

    def around(self, center_lps: Tensor, extent_mm: float, spacing_mm: float) -> View:
        assert not center_lps.requires_grad and center_lps.shape == (3,)
        self.asked.append((extent_mm, spacing_mm))
        return self.view(center_lps, int(extent_mm / spacing_mm) + 2, spacing_mm)


class Fixed(ScaleNet):
    """A net that always answers the same voxel indices."""

    def __init__(self, index: list[list[float]]) -> None:
        super().__init__(ModelConfig(), 0)
        self.index = torch.tensor([index])

    def forward(self, image: Tensor) -> LocNetOutput:
        batch, count = image.shape[0], self.index.shape[1]
        covariance = torch.diag(torch.tensor([1.0, 2.0, 3.0])).expand(batch, count, 3, 3)
        logits = image.expand(batch, count, *image.shape[2:])
        return LocNetOutput(logits, self.index.expand(batch, count, 3), covariance, torch.zeros(batch, count))


def small(name: str) -> ModelConfig:
    config = dataclasses.replace(get(name).config, channels=((4, 8, 8),) * 4, convs=(1,) * 4, crop_size=16, dropout=0.0)
    return config


def test_coarse_answers_are_placed_by_an_oblique_level() -> None:
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3] = 4 * rotation
    affine[:3, 3] = torch.tensor([-80.0, 20.0, 1300.0])
    model = MultiScaleLocNet(small("default"))
    model.nets[0] = Fixed([[1.25, 2.0, 3.5], [7.0, 4.0, 5.0]])
    outputs = model.coarse(View(torch.zeros(1, 1, 12, 10, 11), torch.linalg.inv(affine)))
    for side, index in (("left", [1.25, 2.0, 3.5]), ("right", [7.0, 4.0, 5.0])):
        expected = affine[:3, :3] @ torch.tensor(index, dtype=torch.float64) + affine[:3, 3]
        torch.testing.assert_close(outputs[side].position[0], expected, rtol=0, atol=1e-9)
    spread = 16 * rotation @ torch.diag(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)) @ rotation.T
    torch.testing.assert_close(outputs["left"].covariance[0], spread)
    middle = affine[:3, :3] @ torch.tensor([5.0, 4.5, 5.5], dtype=torch.float64) + affine[:3, 3]
    torch.testing.assert_close(outputs["left"].center[0], middle)


def test_refine_places_its_answer_in_the_mirrored_crop() -> None:
    model = MultiScaleLocNet(small("default"))
    model.nets[3] = Fixed([[9.5, 6.5, 7.0]])
    center = torch.tensor([[5.0, 6.0, 7.0], [-4.0, 3.0, 2.0]], dtype=torch.float64)
    frames = torch.stack([side_frame("left", 0.5), side_frame("right", 0.5)])
    to_index = torch.eye(4, dtype=torch.float64)
    output = model.refine(3, torch.zeros(1, 1, 9, 9, 9), to_index, center, frames)
    offset = torch.tensor([[-1.0, -0.5, -0.25], [1.0, -0.5, -0.25]], dtype=torch.float64)
    torch.testing.assert_close(output.position, center + offset)
    assert output.logits.shape == (2, 1, 16, 16, 16)


def test_with_a_net_that_ignores_its_image_the_position_follows_the_centre_one_to_one() -> None:
    model = MultiScaleLocNet(small("default"))
    nn.init.zeros_(model.nets[1].unet.head.weight)
    center = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    image, to_index = torch.randn(1, 1, 40, 40, 40), torch.eye(4, dtype=torch.float64)
    output = model.refine(1, image, to_index, center, side_frame("left", 2.0))
    jacobian = torch.stack(
        [torch.autograd.grad(output.position[0, i], center, retain_graph=True)[0][0] for i in range(3)]
    )
    torch.testing.assert_close(jacobian, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SEVERAL_SCALES)
def test_the_last_scale_teaches_all_scales(name: str) -> None:
    torch.manual_seed(0)
    model = MultiScaleLocNet(small(name)).train()
    outputs = model(NoisePyramid())
    (outputs["left"][-1].position.sum() + outputs["right"][-1].position.sum()).backward()
    for net in model.nets:
        gradient = net.unet.head.weight.grad
        assert gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_forward_asks_for_the_crops_it_needs_and_keeps_the_sides_apart() -> None:
    pyramid, model = NoisePyramid(), MultiScaleLocNet(small("default")).eval()
    with torch.inference_mode():
        outputs = model(pyramid, samples=7, generator=torch.Generator().manual_seed(1))
    assert pyramid.asked == [(32.0, 2.0), (32.0, 2.0), (16.0, 1.0), (16.0, 1.0), (8.0, 0.5), (18.0, 0.5)] * 2
    for side, sign in (("left", -1), ("right", 1)):
        assert [scale.position.shape[0] for scale in outputs[side]] == [1, 1, 1, 7]
        assert all(float(scale.frame[0, 0, 0]) * sign > 0 for scale in outputs[side][1:])


def test_noise_is_two_sided_on_each_axis_repeatable_and_off_for_a_single_answer() -> None:
    model = MultiScaleLocNet(dataclasses.replace(small("default"), looks=1)).eval()
    shifts = model.noise(4000, torch.Generator().manual_seed(2))
    assert torch.equal(shifts, model.noise(4000, torch.Generator().manual_seed(2)))
    assert shifts.abs().max() <= 5 and (shifts.amin(0) < -4.9).all() and (shifts.amax(0) > 4.9).all()
    assert shifts.mean(0).abs().max() < 0.2
    with torch.inference_mode():
        single = model(NoisePyramid())["left"]
        many = model(NoisePyramid(), samples=5)["left"]
    torch.testing.assert_close(single[3].center, single[2].position)
    assert (many[3].center - many[2].position).abs().amax(0).min() > 0.01
