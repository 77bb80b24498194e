"""The graph that is built from a weights file is the network that torch builds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.shapes import tensor_shapes

SMALL = ModelConfig(channels=((3, 5, 7),) * 4, convs=(2, 1, 2, 1))
OTHERS = {
    "slim": {},
    "normalised": {"normalise": True},
    "wide decoder": {"slim_decoder": False},
    "normalised and wide": {"normalise": True, "slim_decoder": False},
    "one level": {"channels": ((4,),) * 4},
    "one scale": {"scales_mm": (2.0,), "channels": ((3, 5),), "convs": (1,), "covariance_scale": (1.0,)},
}


def made(**changes) -> MultiScaleLocNet:
    torch.manual_seed(0)
    model = MultiScaleLocNet(dataclasses.replace(SMALL, **changes)).eval()
    for name, value in model.named_parameters():
        if name.endswith(("bias", "weight")):
            torch.nn.init.normal_(value, 0.1, 0.4)
    return model


@pytest.mark.parametrize("name", [*OTHERS, "rectified"])
def test_the_tensors_of_a_configuration_are_known_without_torch(name):
    model = made(**OTHERS.get(name, {"activation": "relu", "pooling": "max"}))
    assert tensor_shapes(model.config) == {key: tuple(of.shape) for key, of in model.state_dict().items()}


def test_the_tensors_of_another_network_are_not_known():
    assert tensor_shapes(dataclasses.replace(SMALL, network="patch-based")) is None


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("extent", [(16, 12, 20), (13, 9, 18), (1, 3, 2)])
def test_graph_and_network_agree_at_every_extent(name, extent):
    openvino = pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino").openvino
    from CarotidLandmarkLib.model.openvino_graph import build

    model = made(**OTHERS[name])
    tensors = {key: of.numpy() for key, of in model.state_dict().items()}
    image = np.random.default_rng(1).normal(50, 400, extent).astype(np.float32)
    for scale, net in enumerate(model.nets[:2]):
        with torch.inference_mode():
            logits = net(torch.from_numpy(image)[None, None]).logits[0].numpy()
        graph = openvino.Core().compile_model(
            build(model.config, tensors, scale, extent), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )
        features = graph(image[None, None])[0][0]
        weight, bias = (tensors[f"nets.{scale}.unet.head.{of}"] for of in ("weight", "bias"))
        found = np.tensordot(weight, features, 1) + bias[:, None, None, None]
        np.testing.assert_allclose(found, logits, rtol=0, atol=1e-4 * np.abs(logits).max())


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"network": "patch-based"}, "patch-based"), ({"activation": "relu"}, "relu"), ({"pooling": "max"}, "max")],
)
def test_what_cannot_be_built_is_named(changes, what):
    pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
    from CarotidLandmarkLib.model.openvino_graph import lacking

    assert lacking(SMALL) is None and what in lacking(dataclasses.replace(SMALL, **changes))
