from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.model import numerics
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.convolution import Conv3d
from CarotidLandmarkLib.model.locnet import LocNet, LocNetOutput
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.unet import BlurPool3d, InstanceNorm3d, UNet3d, means_of_means
from CarotidLandmarkLib.study.methods import get, names

LOC_NETS = ["default", "end-to-end-noise"]


def small(name: str = "default") -> ModelConfig:
    return dataclasses.replace(get(name).config, channels=((4, 8, 8),) * 4, convs=(1, 1, 1, 2), crop_size=16)


@pytest.mark.parametrize("pooling", ["max", "blur"])
@pytest.mark.parametrize("slim_decoder", [True, False])
def test_unet_keeps_any_extent(pooling: str, slim_decoder: bool) -> None:
    net = UNet3d(2, 3, (4, 6, 8, 10), 2, pooling, slim_decoder=slim_decoder)
    assert net(torch.randn(2, 2, 17, 30, 9)).shape == (2, 3, 17, 30, 9)


def test_blur_pool_is_a_binomial_filter() -> None:
    x = torch.zeros(1, 2, 9, 9, 9)
    x[0, 1, 4, 4, 3] = 64.0
    pooled = BlurPool3d()(x)
    assert pooled.shape == (1, 2, 5, 5, 5) and not pooled[0, 0].any()
    torch.testing.assert_close(pooled[0, 1, 2, 2], torch.tensor([0.0, 4.0, 4.0, 0.0, 0.0]))


@pytest.mark.parametrize("size", [(4, 5, 6), (1, 2, 7), (9, 8, 3)])
def test_a_gpu_blurs_by_means_of_means_and_gets_the_same(size: tuple[int, int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(means_of_means(x), BlurPool3d()(x), atol=1e-12)


@pytest.mark.parametrize("size", [(6, 4, 8), (7, 5, 9), (1, 2, 3)])
def test_blur_pool_has_the_gradient_of_its_values(size: tuple[int, int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(BlurPool3d(), x)


def test_a_new_softmax_net_answers_the_centre_and_an_even_presence() -> None:
    net = LocNet(get("default").config, 3).eval()
    with torch.inference_mode():
        output = net(torch.randn(1, 1, 56, 56, 56) * 300)
    torch.testing.assert_close(output.position, torch.full((1, 1, 3), 27.5), rtol=0, atol=2.0)
    assert output.presence_logit.abs().max() < 0.5


def test_presence_follows_the_mass_of_the_heatmap() -> None:
    for name in LOC_NETS:
        net = LocNet(small(name), 1).eval()
        nn.init.zeros_(net.unet.head.weight)
        logits = []
        for value in (0.01, 5.0):
            nn.init.constant_(net.unet.head.bias, value)
            logits.append(net(torch.zeros(1, 1, 16, 16, 16)).presence_logit.item())
        assert logits[1] > logits[0] + 4


def test_windows_separate_lumen_from_bone_and_ignore_what_is_outside_them() -> None:
    net = LocNet(small(), 1).eval()

    def logits(hu: float) -> torch.Tensor:
        with torch.inference_mode():
            return net(torch.full((1, 1, 8, 8, 8), hu)).logits

    assert torch.equal(logits(-1024.0), logits(-3000.0)) and torch.equal(logits(1500.0), logits(3000.0))
    assert not torch.equal(logits(600.0), logits(1200.0)) and not torch.equal(logits(0.0), logits(300.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("number", [1, 2])
def test_instance_normalisation_is_pytorchs_own_and_keeps_type_and_memory_format(
    number: int, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    ours, theirs = InstanceNorm3d(3), nn.InstanceNorm3d(3, affine=True)
    for norm in (ours, theirs):
        norm.weight.data, norm.bias.data = torch.tensor([1.0, 2, 3]), torch.tensor([0.5, 0, -1])
    images = (torch.randn(number, 3, 6, 7, 8) * 4 + 9).to(dtype, memory_format=torch.channels_last_3d)
    normal = ours(images)
    assert normal.dtype == dtype
    assert normal.is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(normal.float(), theirs(images.float()), rtol=0.02, atol=0.02)
    voxel = images[:, :, :1, :1, :1]
    assert torch.equal(ours(voxel), voxel)


@pytest.mark.parametrize("name", LOC_NETS)
def test_locnet_moves_with_a_shift_by_the_pooling_multiple(name: str) -> None:
    torch.manual_seed(3)
    net = LocNet(dataclasses.replace(small(name), dropout=0.0), 1).eval()
    nn.init.zeros_(net.unet.head.bias)
    image = torch.full((1, 1, 64, 64, 64), -1024.0)
    image[:, :, 28:34, 26:35, 27:33] = torch.randn(6, 9, 6) * 500
    moved = image.roll((4, -4, 8), (2, 3, 4))
    with torch.inference_mode():
        net.unet.head.weight *= 60 / net(image).logits.max()
        first, second = net(image), net(moved)
    # Normalised air is not zero, so the padding is seen from near the border; the peak is 60.
    atol = 0.5 if get(name).config.normalise else 1e-3
    torch.testing.assert_close(second.logits, first.logits.roll((4, -4, 8), (2, 3, 4)), rtol=0, atol=atol)
    shift = second.position - first.position
    torch.testing.assert_close(shift, torch.tensor([[[8.0, -4.0, 4.0]]]), rtol=0, atol=1e-3)


STRIDED = """
import os
import CarotidLandmarkLib.model, torch
weight = torch.ones(32, 16, 3, 3, 3, dtype=torch.bfloat16, requires_grad=True)
torch.nn.functional.conv3d(torch.ones(1, 16, 8, 8, 8, dtype=torch.bfloat16), weight, stride=2).sum().backward()
print("at most", os.environ["ONEDNN_MAX_CPU_ISA"])
"""


@pytest.mark.parametrize("asked", [None, "AVX512_CORE"])
def test_convolutions_keep_off_amx_which_a_virtual_machine_may_only_pretend_to_have(asked: str | None) -> None:
    environment = {**os.environ, "ONEDNN_VERBOSE": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    environment.pop("ONEDNN_MAX_CPU_ISA", None)
    environment.update({"ONEDNN_MAX_CPU_ISA": asked} if asked else {})
    run = subprocess.run([sys.executable, "-c", STRIDED], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "AMX" not in run.stdout
    assert f"at most {asked or 'AVX512_CORE_BF16'}\n" in run.stdout


@pytest.mark.parametrize(
    ("bfloat16", "amx", "quicker"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_cpu_with_bfloat16_is_quicker_in_it_unless_it_announces_amx(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, amx: bool, quicker: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert numerics.quicker_in_bfloat16(torch.device("cpu")) == quicker


@pytest.mark.parametrize("fault", [float("nan"), -1.0])
def test_bfloat16_agrees_with_float32_and_the_self_test_notices_when_it_does_not(
    monkeypatch: pytest.MonkeyPatch, fault: float
) -> None:
    model = MultiScaleLocNet(small()).eval()
    monkeypatch.setattr(numerics, "quicker_in_bfloat16", lambda device: False)
    assert numerics.choose_dtype(model, "cpu") == torch.float32
    monkeypatch.setattr(numerics, "quicker_in_bfloat16", lambda device: True)
    assert numerics.choose_dtype(model, "cpu") == torch.bfloat16
    forward = Conv3d.forward

    def broken(self: Conv3d, x: torch.Tensor) -> torch.Tensor:
        return forward(self, x) * (fault if self is last and x.dtype == torch.bfloat16 else 1.0)

    last = model.nets[3].unet.down[0][0]
    monkeypatch.setattr(Conv3d, "forward", broken)
    assert numerics.choose_dtype(model, "cpu") == torch.float32
    assert all(net.compute_dtype == torch.float32 for net in model.nets)


def test_paper_preset_is_the_published_one() -> None:
    paper = get("paper").config
    assert paper.channels == ((16, 32, 64, 128),) * 4 and paper.convs == (1,) * 4
    assert (paper.activation, paper.pooling, paper.dropout, paper.noise_mm) == ("relu", "max", 0.5, 5.0)
    net = LocNet(paper, 0, 2)
    widths = [(m.in_channels, m.out_channels) for m in net.modules() if isinstance(m, nn.Conv3d)]
    assert widths == [(1, 16), (16, 32), (32, 64), (64, 128), (48, 16), (96, 32), (192, 64)]
    assert (net(torch.randn(1, 1, 16, 16, 16) * 300).logits >= 0).all()


def test_default_model_fits_into_8_megabytes() -> None:
    assert sum(4 * p.numel() for p in MultiScaleLocNet().parameters()) < 7.6e6


@pytest.mark.parametrize("name", names())
def test_config_survives_a_dictionary(name: str) -> None:
    assert ModelConfig.from_dict(get(name).config.to_dict()) == get(name).config


@pytest.mark.parametrize(
    "change",
    [
        {"convs": [1, 1]},
        {"pooling": "none"},
        {"window_hu": [[500, -200]]},
        {"scales_mm": [4, 2, 1, float("nan")]},
        {"channels": "abcd"},
        {"crop_size": "56"},
        {"unknown": 1},
        {"channels": [[10**6]] * 4},
    ],
)
def test_config_refuses_what_it_does_not_understand(change: dict) -> None:
    with pytest.raises(BadInputError):
        ModelConfig.from_dict({**get("default").config.to_dict(), **change})


def test_locnet_output_is_float32_in_bfloat16() -> None:
    net = LocNet(small(), 0, 2).eval()
    net.compute_dtype = torch.bfloat16
    output: LocNetOutput = net(torch.randn(1, 1, 12, 20, 9) * 300)
    assert output.logits.shape == (1, 2, 12, 20, 9) and output.position.shape == (1, 2, 3)
    assert output.covariance.shape == (1, 2, 3, 3) and output.presence_logit.shape == (1, 2)
    assert {value.dtype for value in output[:4]} == {torch.float32}
    assert output.position.isfinite().all()
