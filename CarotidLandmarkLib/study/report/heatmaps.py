"""What the networks of one or several models light up on one landmark, scale by scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from ...model.crop import crop_center_index
from ...model.multiscale import MultiScaleLocNet, ScaleOutput
from ...model.pyramid import TensorPyramid
from ...pictures.cuts import plain_cuts
from ...pictures.panel import ANSWER_COLOR, TRUTH_COLOR, Panel, font, places
from ...volume.ct import CTVolume
from ...volume.sample import VolumePyramid
from .sheet import INK, PAPER, PIXELS, SIZE, TITLE, block, stacked

if TYPE_CHECKING:
    from PIL.Image import Image

BAR_WIDTH, BAR_LENGTH = 80, 320  # pixels
HEAT = ((0.35, 0.0, 0.75), (0.95, 0.05, 0.45), (1.0, 0.35, 0.25))
FAINTEST = 0.02  # of the largest value, below it a heatmap is not drawn


class ScaleHeat(NamedTuple):
    """One scale of one model. heat: (1, 1, D, H, W), 1 at its largest; world_to_index: (1, 4, 4), LPS mm to (x, y, z)
    index; position: (3,) LPS mm, its centre of mass; field_mm: the edge of what the finer networks see."""

    spacing_mm: float
    heat: torch.Tensor
    world_to_index: torch.Tensor
    position: np.ndarray
    field_mm: float


@torch.inference_mode()
def scale_heats(model: MultiScaleLocNet, volume: CTVolume) -> dict[str, list[ScaleHeat]]:
    """Side to the heatmaps of all scales on the model's one plain way from coarse to fine, without shifts."""
    outputs = model(TensorPyramid(VolumePyramid(volume), next(model.parameters()).device))
    return {side: [_heat(model, scale, output) for scale, output in enumerate(way)] for side, way in outputs.items()}


def heat_on_cut(of: ScaleHeat, panel: Panel) -> np.ndarray:
    """(height, width) values of the heatmap at the pixels of ``panel``, 0 outside of it."""
    points = places(panel.cut, panel.size, panel.scale, panel.size)
    matrix = of.world_to_index[0].numpy()
    index = points @ matrix[:3, :3].T + matrix[:3, 3]
    return map_coordinates(of.heat[0, 0].numpy(), np.moveaxis(index[..., ::-1], -1, 0), order=1, cval=0.0)


def heatmaps(models: Mapping[str, Sequence[ScaleHeat]], volume: CTVolume, truth: np.ndarray | None) -> Image:
    """Cuts through each scale's answer, a row for each scale, coarse to fine downwards, the models side by side.

    After figure 3 of Ma et al., ISBI 2020: "+" the truth, "x" the answer of that scale.
    """
    from PIL import Image

    spacings = sorted({of.spacing_mm for scales in models.values() for of in scales}, reverse=True)
    columns = []
    for name, scales in models.items():
        rows = {of.spacing_mm: block(*_row(name, of, volume, truth)) for of in scales}
        empty = Image.new("RGB", next(iter(rows.values())).size, PAPER)
        columns.append(stacked([rows.get(spacing, empty) for spacing in spacings], 1))
    return stacked([*columns, _bar(columns[0].height)], 0)


def _row(name: str, of: ScaleHeat, volume: CTVolume, truth: np.ndarray | None) -> tuple[str, list[Panel]]:
    panels = [Panel(cut, (PIXELS, PIXELS), PIXELS / of.field_mm, volume) for cut in plain_cuts(of.position)]
    for panel in panels:
        heat = heat_on_cut(of, panel)
        panel.tint(_colors(heat), np.where(heat < FAINTEST, 0.0, 0.25 + 0.5 * np.clip(heat, 0, 1)))
        panel.letters()
        panel.scale_bar()
        panel.mark(truth, "+", TRUTH_COLOR)
        panel.mark(of.position, "x", ANSWER_COLOR)
    away = "" if truth is None else f", {np.linalg.norm(of.position - truth):.1f} mm off"
    return f"{name}, {of.spacing_mm:g} mm scale{away}; {of.field_mm:.0f} mm across", panels


def _colors(heat: np.ndarray) -> np.ndarray:
    """(..., 3) colours of 0 to 255 for values (...) of 0 to 1."""
    at = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(heat, at, channel) for channel in zip(*HEAT)], axis=-1) * 255


def _bar(height: int) -> Image:
    """What the colours mean."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (BAR_WIDTH, height), PAPER)
    pen = ImageDraw.Draw(image)
    length = min(BAR_LENGTH, height - 4 * TITLE)
    colors = _colors(np.linspace(1, 0, length)).astype(np.uint8)
    top = (height - length) // 2
    image.paste(Image.fromarray(colors[:, None].repeat(20, axis=1)), (8, top))
    for text, y, anchor in (("1", top, "la"), ("0", top + length, "ls"), ("heatmap", top - 3 * TITLE // 2, "la")):
        pen.text((8 if text == "heatmap" else 34, y), text, INK, font(SIZE), anchor)
    pen.text((8, top - TITLE // 2), "of largest", INK, font(SIZE), "lm")
    return image


def _heat(model: MultiScaleLocNet, scale: int, output: ScaleOutput) -> ScaleHeat:
    logits = output.logits[:1].float().cpu()
    heat = (logits - logits.max()).exp() if model.config.activation == "softmax" else logits.clamp_min(0)
    frame, center = output.frame[0].double().cpu(), output.center[0].double().cpu()
    size = tuple(logits.shape[:1:-1])
    index_to_world = torch.eye(4, dtype=torch.float64)
    index_to_world[:3, :3] = frame
    index_to_world[:3, 3] = center - frame @ crop_center_index(size, frame)
    return ScaleHeat(
        model.config.scales_mm[scale],
        heat / heat.max().clamp_min(1e-9),
        torch.linalg.inv(index_to_world)[None],
        output.position[0].double().cpu().numpy(),
        model.config.extent_mm[scale],
    )
