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
# Which of three neighbours in a doubled image are copies of the first, and which of the second, of two voxels of the
# image itself: (whether the middle one is the second copy of its voxel or the first, voxel, neighbour).
COPIES = np.array([[[1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 1]]], np.float32)


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
        x = _block(skips.pop(), tensors, f"{prefix}up.{level}.", x)
    if any(missing):
        x = ops.slice(x, [0] * 3, list(extent), [1] * 3, AXES)
    return ov.Model([x], [image], f"scale {scale}")


def _block(x: Any, tensors: Mapping[str, np.ndarray], prefix: str, deeper: Any = None) -> Any:
    """Convolutions, each with its normalisation if there is one, and a leaky rectifier. The first one is of `x` and, in
    the channels after it, of `deeper` doubled."""
    layers = sorted({int(name[len(prefix) :].split(".")[0]) for name in tensors if name.startswith(prefix)})
    by_channel = [1, -1, 1, 1, 1]
    for layer, following in zip(layers, [*layers[1:], None]):
        weight, bias = (tensors[f"{prefix}{layer}.{what}"] for what in ("weight", "bias"))
        if weight.ndim == 5:
            width = _shape(x)[1]
            x = ops.convolution(x, np.ascontiguousarray(weight[:, :width]), *[[1] * 3] * 4)
            if deeper is not None:
                x, deeper = ops.add(x, _convolved_doubled(deeper, weight[:, width:])), None
            x = ops.add(x, bias.reshape(by_channel))
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


def _convolved_doubled(x: Any, weight: np.ndarray) -> Any:
    """The convolution of `x` doubled, each voxel repeated twice along each axis, without doubling it: 8 taps where that
    has 27. Each of a voxel's 8 children sums those of its taps that fall into one voxel (Aitken et al.
    2017, arXiv 1707.02937)."""
    extent = _shape(x)[2:]
    taps = np.einsum("oizyx,aAz,bBy,cCx->abcoiABC", weight, COPIES, COPIES, COPIES)
    children = ops.convolution(x, taps.reshape(-1, *taps.shape[4:]), *[[1] * 3] * 4)
    begins_early = ops.depth_to_space(children, "blocks_first", 2)
    return ops.slice(begins_early, [1] * 3, [2 * n + 1 for n in extent], [1] * 3, AXES)


def _shape(x: Any) -> list[int]:
    return list(x.output(0).shape)
