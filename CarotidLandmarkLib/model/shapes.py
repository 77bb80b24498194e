"""The tensors of a model whose networks are Loc-Nets, from its configuration alone."""

from __future__ import annotations

from ..landmarks.points import SIDES
from .config import ModelConfig


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]] | None:
    """The shape of each tensor by its name, as unet.UNet3d and locnet.LocNet have them; None for other networks."""
    if config.network != "loc-net":
        return None
    shapes: dict[str, tuple[int, ...]] = {}
    for scale, (channels, convs) in enumerate(zip(config.channels, config.convs)):
        net, landmarks = f"nets.{scale}.", 1 if scale else len(SIDES)
        shapes[f"{net}presence_bias"] = (landmarks,)
        if config.activation != "softmax":
            shapes[f"{net}presence_scale"] = (landmarks,)
        last = len(channels) - 1
        ends = [channels[max(level - 1, 0)] if config.slim_decoder else channels[level] for level in range(last + 1)]
        width = len(config.window_hu)
        for level, wide in enumerate(channels):
            inner = [wide] * (convs - 1)
            blocks = {f"down.{level}": (width, *inner, ends[level] if level == last else wide)}
            if level < last:
                blocks[f"up.{level}"] = (wide + ends[level + 1], *inner, ends[level])
            for name, widths in blocks.items():
                shapes.update(_block(f"{net}unet.{name}.", widths, config.normalise))
            width = wide
        shapes[f"{net}unet.head.weight"] = (landmarks, ends[0])
        shapes[f"{net}unet.head.bias"] = (landmarks,)
    return shapes


def _block(prefix: str, widths: tuple[int, ...], normalise: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        first = number * (3 if normalise else 2)  # convolution, normalisation, rectifier
        shapes[f"{prefix}{first}.weight"], shapes[f"{prefix}{first}.bias"] = (fan_out, fan_in, 3, 3, 3), (fan_out,)
        if normalise:
            shapes[f"{prefix}{first + 1}.weight"] = shapes[f"{prefix}{first + 1}.bias"] = (fan_out,)
    return shapes
