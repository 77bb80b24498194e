"""The methods of the paper's Table 1 behind one interface."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.locnet import LocNetOutput
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.networks import make_network
from CarotidLandmarkLib.model.numerics import choose_dtype
from CarotidLandmarkLib.model.pyramid import TensorLevel
from CarotidLandmarkLib.model.weights import load_weights, save_weights
from CarotidLandmarkLib.study.methods import get, names
from CarotidLandmarkLib.study.methods.heatmap import HeatmapNet
from CarotidLandmarkLib.study.methods.patch_based import PatchNet
from CarotidLandmarkLib.study.methods.skipped_voxels import SkippingPyramid

METHODS = [name for name in names() if get(name).installed()]
SINGLE = [name for name in METHODS if len(get(name).config.scales_mm) == 1]
SHAPE = (22, 27, 19)


def narrow(name: str) -> ModelConfig:
    """The architecture of a method, a few channels wide."""
    config = get(name).config
    return dataclasses.replace(config, channels=tuple((4,) * len(c) for c in config.channels), crop_size=16)


class Ramp:
    """A volume whose HU are its x index at 1 mm, seen at any spacing."""

    def whole(self, spacing_mm: float) -> TensorLevel:
        to_index = torch.eye(4, dtype=torch.float64)
        to_index[:3, :3] /= spacing_mm
        size = [max(2, round(n / spacing_mm)) for n in (60, 70, 80)]
        x = torch.arange(size[2], dtype=torch.float32) * spacing_mm
        return TensorLevel(x.expand(1, 1, *size).clone(), to_index)

    def around(self, center_lps: object, extent_mm: float, spacing_mm: float) -> TensorLevel:
        return self.whole(spacing_mm)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_both_sides_at_each_of_its_scales(name: str) -> None:
    model = MultiScaleLocNet(narrow(name)).eval()
    with torch.inference_mode():
        outputs = model(Ramp())
    for side in ("left", "right"):
        assert len(outputs[side]) == len(model.config.scales_mm)
        for output in outputs[side]:
            assert output.position.shape == (1, 3) and output.covariance.shape == (1, 3, 3)
            assert output.presence_logit.shape == (1,) and output.logits.shape[:2] == (1, 1)
            assert all(value.isfinite().all() for value in output[:6])
            assert torch.linalg.eigvalsh(output.covariance).min() > -1e-6


@pytest.mark.parametrize("name", METHODS)
def test_every_method_travels_in_a_weights_file(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = MultiScaleLocNet(narrow(name)).eval()
    save_weights(tmp_path / "a.safetensors", model, {})
    loaded, header = load_weights(tmp_path / "a.safetensors")
    assert loaded.config == model.config and header["name"] == "a"
    with torch.inference_mode():
        one, two = (m(Ramp())["left"][-1].position for m in (model, loaded))
    assert torch.equal(one, two)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_compute_in_bfloat16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("CarotidLandmarkLib.model.numerics.quicker_in_bfloat16", lambda device: True)
    torch.manual_seed(0)
    model = MultiScaleLocNet(narrow(name)).eval()
    assert choose_dtype(model, "cpu") in (torch.bfloat16, torch.float32)
    model.use_dtype(torch.bfloat16)
    with torch.inference_mode():
        output = model.nets[0](torch.randn(1, 1, *SHAPE) * 300)
    assert output.logits.dtype == torch.float32 and output.position.isfinite().all()


def test_a_network_that_is_not_known_is_a_sentence() -> None:
    with pytest.raises(BadInputError, match="'crystal ball' is not known here"):
        MultiScaleLocNet(dataclasses.replace(ModelConfig(), network="crystal ball"))


@torch.no_grad()
def heatmap_of(net: HeatmapNet, logits: torch.Tensor) -> LocNetOutput:
    class Given(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return logits

    net.unet = Given()
    return net(torch.zeros(1, 1, *SHAPE))


def gaussian(center: tuple[float, float, float], sd: float) -> torch.Tensor:
    axes = [torch.exp(-0.5 * ((torch.arange(n) - c) / sd) ** 2) for n, c in zip(SHAPE, center[::-1])]
    return (axes[0][:, None, None] * axes[1][:, None] * axes[2])[None, None]


def test_a_heatmap_as_published_is_read_at_its_highest_voxel() -> None:
    net = make_network(get("heatmap").config, 0, 1)
    heat = gaussian((9.3, 12.8, 11.4), 2.0)
    heat[0, 0, 3, 4, 5] = -9.0
    output = heatmap_of(net, heat)  # type: ignore[arg-type]
    assert output.position[0, 0].tolist() == [9, 13, 11]
    assert output.covariance[0, 0].diagonal().tolist() == pytest.approx([4.0] * 3, rel=0.1)
    assert float(output.presence_logit) > 3 > -3 > float(heatmap_of(net, 0.1 * heat).presence_logit)  # type: ignore[arg-type]


def test_the_tuned_heatmap_is_read_between_voxels_and_only_around_its_peak() -> None:
    net = make_network(get("heatmap-tuned").config, 0, 1)
    heat = gaussian((9.3, 12.8, 11.4), 0.9) + 0.8 * gaussian((2.0, 3.0, 2.0), 0.9)
    output = heatmap_of(net, (heat + 1e-9).log())  # type: ignore[arg-type]
    assert output.position[0, 0].tolist() == pytest.approx([9.3, 12.8, 11.4], abs=0.05)
    assert output.covariance[0, 0].diagonal().tolist() == pytest.approx([0.81] * 3, rel=0.1)


@torch.no_grad()
def patch_answers(net: PatchNet, logits: torch.Tensor, displacement: torch.Tensor) -> LocNetOutput:
    """The net with its head replaced: logits (D, H, W) and displacement (3, D, H, W) in patches of one landmark."""

    class Given(nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            coded = displacement.sign() * displacement.abs().log1p()
            return torch.cat([logits[None], coded]).movedim(0, -1)[None]

    net.head = Given()  # type: ignore[assignment]
    return net(torch.zeros(1, 1, *SHAPE))


def test_patches_vote_where_the_landmark_is_by_how_sure_they_are_to_hold_it() -> None:
    net = make_network(get("patch-based").config, 0, 1)
    logits, displacement = torch.full((3, 4, 3), -30.0), torch.full((3, 3, 4, 3), 2.0)
    logits[1, 2, 0], logits[2, 2, 0] = 8.0, 8.0  # centres at voxels (3.5, 19.5, 11.5) and (3.5, 19.5, 19.5)
    displacement[:, 1, 2, 0] = torch.tensor([0.25, -0.5, 0.5])
    displacement[:, 2, 2, 0] = torch.tensor([0.25, -0.5, -0.25])
    output = patch_answers(net, logits, displacement)  # type: ignore[arg-type]
    assert output.stride == 8
    assert output.position[0, 0].tolist() == pytest.approx([5.5, 15.5, 16.5], abs=1e-3)
    assert output.covariance[0, 0, 2, 2].item() == pytest.approx(1.0, abs=1e-2)  # one says 15.5, the other 17.5
    assert output.covariance[0, 0, 0, 0].item() == pytest.approx(0.0, abs=1e-2)


def test_patches_lie_where_the_output_says() -> None:
    torch.manual_seed(0)
    model = MultiScaleLocNet(narrow("patch-based"))
    spacing, origin = 2.0, torch.tensor([-30.0, 10.0, 500.0], dtype=torch.float64)
    to_index = torch.eye(4, dtype=torch.float64) / spacing
    to_index[:3, 3], to_index[3, 3] = -origin / spacing, 1
    output = model.coarse(TensorLevel(torch.zeros(1, 1, *SHAPE), to_index))["left"]
    patches = torch.tensor(output.logits.shape[:1:-1], dtype=torch.float64)
    assert patches.tolist() == [3, 4, 3]
    first = output.center + (output.frame @ (-(patches - 1) / 2)[..., None])[..., 0]
    torch.testing.assert_close(first[0], origin + 3.5 * spacing)
    torch.testing.assert_close(output.frame[0], 16 * torch.eye(3, dtype=torch.float64))


def test_half_resolution_keeps_the_millimetres() -> None:
    for name in METHODS:
        config, half = get(name).config, get(name).config.at_half_resolution()
        assert half.extent_mm == config.extent_mm and half.noise_mm == config.noise_mm
        assert [b / a for a, b in zip(config.scales_mm, half.scales_mm)] == [2.0] * len(config.scales_mm)


def test_skipped_levels_alias_and_keep_their_place() -> None:
    pyramid = SkippingPyramid(Ramp(), 2.0)
    level, base = pyramid.whole(8.0), Ramp().whole(2.0)
    assert torch.equal(level.image, base.image[..., ::4, ::4, ::4])
    index = torch.tensor([3.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    place = torch.linalg.inv(level.world_to_index) @ index
    assert (base.world_to_index @ place)[:3].tolist() == pytest.approx([12, 8, 4])
    assert torch.equal(pyramid.whole(1.0).image, Ramp().whole(1.0).image)
    assert pyramid.around(None, 9.0, 4.0).image.shape == pyramid.whole(4.0).image.shape


def test_skipped_levels_are_voxels_of_the_third_scale_and_cases_hold_that_whole() -> None:
    for config, base in (
        (narrow("skipped-voxels"), 1.0),
        (get("skipped-voxels").config.at_half_resolution(), 2.0),
    ):
        assert MultiScaleLocNet(config).view(Ramp()).base_mm == base  # type: ignore[attr-defined]
        views, plain = (get(name).recipe.views(config) for name in ("skipped-voxels", "default"))
        assert {*views.wholes} == {*plain.wholes, base} and base not in views.pieces
        assert {*views.pieces} == {*plain.pieces} - {base}


def test_integer_crops_show_whole_voxels_but_place_the_answer_as_asked() -> None:
    level = Ramp().whole(1.0)
    for name, moved in (("integer-crops", False), ("default", True)):
        torch.manual_seed(0)
        model = MultiScaleLocNet(narrow(name))
        for net in model.nets:
            nn.init.normal_(net.unet.head.weight)
        answers = [
            model.refine(
                2,
                level.image,
                level.world_to_index,
                torch.tensor([[30.0 + d, 30, 30]]).double(),
                model.frame("right", 2),
            )
            for d in (0.0, 0.3)
        ]
        assert torch.equal(answers[0].logits, answers[1].logits) != moved
        if not moved:
            assert float((answers[1].position - answers[0].position).detach()[0, 0]) == pytest.approx(0.3, abs=1e-5)


def test_crops_without_mirroring_show_both_sides_alike() -> None:
    model = MultiScaleLocNet(narrow("without-mirroring"))
    assert torch.equal(model.frame("left", 1), model.frame("right", 1))
    mirrored = MultiScaleLocNet(narrow("default"))
    assert float(mirrored.frame("left", 1)[0, 0]) == -float(mirrored.frame("right", 1)[0, 0])
