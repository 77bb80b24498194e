"""The U-Net of a Loc-Net as an OpenVINO graph, straight from the tensors of a weights file: no torch and no export.

Layer for layer what unet.UNet3d computes (Cicek et al., MICCAI 2016, arXiv 1606.06650), of one extent a graph.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .config import ModelConfig
from .quiet_openvino import openvino as ov
from .quiet_openvino import opset13 as ops

SLOPE = 0.1
EPS = 1e-5
BLUR = np.array([0.25, 0.5, 0.25], np.float32)
AXES = [2, 3, 4]


def lacking(config: ModelConfig) -> str | None:
    """What of a model with this configuration cannot be built here, or None."""
    for name, known in (("network", "loc-net"), ("activation", "softmax"), ("pooling", "blur")):
        if getattr(config, name) != known:
            return f"the {name} '{getattr(config, name)}'"
    return None


def build(config: ModelConfig, tensors: Mapping[str, np.ndarray], scale: int, extent: Sequence[int]) -> ov.Model:
    """From HU (1, 1, D, H, W) of `extent` (D, H, W) to what the last layer weighs: (1, channels, D, H, W).

    tensors: those of the weights file, float32. The last layer itself, a weighted sum, is left to the caller, who has
    float32 whatever the graph computes in.
    """
    image = ops.parameter([1, 1, *extent], np.float32, "hu")
    low, high = np.array(config.window_hu, np.float32).T.reshape(2, 1, -1, 1, 1, 1)
    x = ops.clamp(ops.divide(ops.subtract(image, low), high - low), 0.0, 1.0)
    levels = len(config.channels[scale])
    missing = [-n % 2 ** (levels - 1) for n in extent]
    if any(missing):
        x = ops.pad(x, [0] * 5, [0, 0, *missing], "edge")
    prefix = f"nets.{scale}.unet."
    skips = []
    for level in range(levels):
        x = _block(_blurred(x) if level else x, tensors, f"{prefix}down.{level}.")
        skips.append(x)
    x = skips.pop()
    for level in reversed(range(levels - 1)):
        x = _block(ops.concat([skips.pop(), _doubled(x)], 1), tensors, f"{prefix}up.{level}.")
    if any(missing):
        x = ops.slice(x, [0] * 3, list(extent), [1] * 3, AXES)
    return ov.Model([x], [image], f"scale {scale}")


def _block(x: Any, tensors: Mapping[str, np.ndarray], prefix: str) -> Any:
    """Convolutions, each with its normalisation if there is one, and a leaky rectifier."""
    layers = sorted({int(name[len(prefix) :].split(".")[0]) for name in tensors if name.startswith(prefix)})
    by_channel = [1, -1, 1, 1, 1]
    for layer, following in zip(layers, [*layers[1:], None]):
        weight, bias = (tensors[f"{prefix}{layer}.{what}"] for what in ("weight", "bias"))
        if weight.ndim == 5:
            x = ops.add(ops.convolution(x, weight, *[[1] * 3] * 4), bias.reshape(by_channel))
        elif math.prod(_shape(x)[2:]) > 1:
            x = ops.mvn(x, AXES, True, EPS, "inside_sqrt")
            x = ops.add(ops.multiply(x, weight.reshape(by_channel)), bias.reshape(by_channel))
        if following is None or tensors[f"{prefix}{following}.weight"].ndim == 5:
            x = ops.prelu(x, np.array([SLOPE], np.float32))
    return x


def _blurred(x: Any) -> Any:
    """See unet.BlurPool3d."""
    kernel = BLUR[:, None, None] * BLUR[:, None] * BLUR
    kernels = np.broadcast_to(kernel, (_shape(x)[1], 1, 1, 3, 3, 3)).copy()
    return ops.group_convolution(x, kernels, [2] * 3, *[[1] * 3] * 3)


def _doubled(x: Any) -> Any:
    return ops.interpolate(
        x,
        np.full(3, 2.0, np.float32),
        "nearest",
        "scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=np.array(AXES),
    )


def _shape(x: Any) -> list[int]:
    return list(x.output(0).shape)
