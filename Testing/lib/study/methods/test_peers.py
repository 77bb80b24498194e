from __future__ import annotations

import dataclasses

import pytest
import torch

from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import load_weights, save_weights
from CarotidLandmarkLib.study.methods import get, names

PEERS = [method for method in map(get, names()) if method.package]


@pytest.fixture(params=PEERS, ids=lambda row: row.name)
def peer(request):
    pytest.importorskip(request.param.package, reason=f"{request.param.package} is not installed")
    config, recipe = request.param.config, request.param.recipe
    narrow = tuple(tuple(2 for _ in widths) for widths in config.channels)
    torch.manual_seed(0)
    return MultiScaleLocNet(dataclasses.replace(config.at_half_resolution(), channels=narrow)), recipe


class View:
    image = torch.randn(1, 1, 30, 37, 41, generator=torch.Generator().manual_seed(0)) * 300
    world_to_index = torch.diag(torch.tensor([0.5, 0.5, 0.5, 1.0], dtype=torch.float64))


def test_peers_answer_any_extent_and_learn_from_their_loss(peer):
    model, recipe = peer
    for dtype in (torch.float32, torch.bfloat16):
        model.use_dtype(dtype)
        output = model.coarse(View())["left"]
        assert output.logits.shape == (1, 1, 30, 37, 41) and output.logits.dtype == torch.float32
        assert output.position.isfinite().all()
        recipe.loss(output, torch.tensor([[30.0, 40.0, 30.0]])).backward()
        gradients = [p.grad for p in model.nets[0].unet.parameters() if p.grad is not None]
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


def test_peers_travel_in_weights_files(peer, tmp_path):
    model, _ = peer
    save_weights(tmp_path / "peer.safetensors", model.eval(), {})
    loaded, _ = load_weights(tmp_path / "peer.safetensors")
    with torch.inference_mode():
        one, two = (m.coarse(View())["right"].logits for m in (model, loaded))
    assert torch.equal(one, two)
