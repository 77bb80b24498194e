from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from CarotidLandmarkLib.model import convolution
from CarotidLandmarkLib.model.convolution import Conv3d

onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


def answers(convolution: nn.Conv3d, image: torch.Tensor, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """The output, and the gradients of its sum of squares by image and parameters."""
    convolution, image = deepcopy(convolution).to(dtype), image.to(dtype).requires_grad_()
    output = convolution(image)
    return [output, *torch.autograd.grad(output.square().sum(), [image, *convolution.parameters()])]


@pytest.mark.parametrize("slab", [convolution.SLAB, 2 * 2 * 6 * 5, 1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "kernel, padding, stride",
    [(3, 1, 1), (1, 0, 1), ((3, 1, 5), (1, 0, 2), 1), ((1, 3, 3), 0, 1), (3, 1, 2), (2, 1, 1)],
)
@pytest.mark.parametrize("shape", [(1, 2, 7, 6, 5), (2, 2, 1, 5, 9), (1, 2, 2, 5, 5)])
def test_gives_what_pytorchs_own_convolution_gives_in_float64(slab, bias, kernel, padding, stride, shape, monkeypatch):
    torch.manual_seed(0)
    ours = Conv3d(2, 4, kernel, padding=padding, stride=stride, bias=bias)
    theirs = nn.Conv3d(2, 4, kernel, padding=padding, stride=stride, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    monkeypatch.setattr(convolution, "SLAB", slab)
    image = torch.randn(shape)
    for found, wanted in zip(answers(ours, image), answers(theirs, image, torch.float64)):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(ours(image).double(), theirs.double()(image.double()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(0, 2, 5, 6, 7), (2, 5, 6, 7)])
def test_a_batch_of_none_and_an_image_alone(shape):
    answer, *gradients = answers(Conv3d(2, 4, 3, padding=1), torch.randn(shape))
    assert answer.shape == (*shape[:-4], 4, *shape[-3:])
    assert [of.shape for of in gradients] == [shape, (4, 2, 3, 3, 3), (4,)]


@onednn
def test_a_large_volumes_weights_learn_from_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def weight_gradient(seen: torch.Tensor, *args: Any, **more: Any) -> torch.Tensor:
        calls.append(seen.shape)
        return own(seen, *args, **more)

    own = convolution.conv3d_weight
    monkeypatch.setattr(convolution, "conv3d_weight", weight_gradient)
    monkeypatch.setattr(convolution, "SLAB", 2 * 2 * 6 * 5)
    answers(Conv3d(2, 4, 1), torch.randn(1, 2, 7, 6, 5))
    assert calls == [(2, 2, 1, 6, 5)] * 4


SMALL = """
import torch
from CarotidLandmarkLib.model.convolution import Conv3d
Conv3d(16, 8, 3, padding=1)(torch.randn(1, 16, 32, 32, 32, requires_grad=True)).sum().backward()
"""


@onednn
def test_a_small_image_in_float32_and_its_gradients_are_onednns() -> None:
    environment = {**os.environ, "ONEDNN_VERBOSE": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    run = subprocess.run([sys.executable, "-c", SMALL], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    done = [line.split(",") for line in run.stdout.splitlines() if ",exec,cpu,convolution," in line]
    assert [fields[7] for fields in done].count("backward_weights") == 1 and len(done) == 3


@pytest.mark.parametrize("frozen", ["image", "parameters"])
def test_what_is_frozen_has_no_gradient(frozen: str) -> None:
    ours, image = Conv3d(2, 4, 3, padding=1), torch.randn(1, 2, 5, 6, 7, requires_grad=frozen != "image")
    ours.requires_grad_(frozen != "parameters")
    ours(image).sum().backward()
    assert (image.grad is None, ours.weight.grad is None, ours.bias.grad is None) == (
        frozen == "image",
        *[frozen == "parameters"] * 2,
    )


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gradients_in_bfloat16_are_those_of_float32_at_any_depth(depth: int) -> None:
    torch.manual_seed(0)
    ours = Conv3d(16, 16, 3, padding=1)
    image, weights = torch.randn(1, 16, depth, 5, 6), torch.randn(1, 16, depth, 5, 6)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        ours.zero_grad()
        output = ours(image.to(dtype))
        assert output.dtype == dtype
        (output.float() * weights).sum().backward()
        gradients.append(ours.weight.grad.clone())
    assert float((gradients[1] - gradients[0]).norm()) < 0.02 * float(gradients[0].norm())
