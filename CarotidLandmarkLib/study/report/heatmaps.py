"""What the networks of one or several models light up on one landmark, scale by scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ...model.crop import crop, crop_center_index
from ...model.multiscale import MultiScaleLocNet, ScaleOutput
from ...volume.ct import CTVolume
from ...volume.sample import VolumePyramid
from .cuts import VIEWS, View, cut_grid, mark, show_cut

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 1.9  # a cut
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
    outputs = model(VolumePyramid(volume, next(model.parameters()).device))
    return {side: [_heat(model, scale, output) for scale, output in enumerate(way)] for side, way in outputs.items()}


def heat_on_cut(of: ScaleHeat, center: np.ndarray, view: View, field_mm: float) -> np.ndarray:
    """(PIXELS, PIXELS) values of the heatmap on the cut of ``cuts.cut_grid``, 0 outside of it."""
    grid = cut_grid(center, view, field_mm)
    frame = torch.from_numpy(grid.direction * grid.spacing)[None]
    slab = (*grid.size[:2], 3)  # a crop of one slice has no thickness to be placed by
    sampled = crop(of.heat, of.world_to_index, torch.from_numpy(grid.center)[None], frame, slab, fill=0.0)
    return np.asarray(sampled[0, 0, 1].numpy())


def heatmaps(models: Mapping[str, Sequence[ScaleHeat]], volume: CTVolume, truth: np.ndarray | None) -> Figure:
    """Cuts through each scale's answer, a row for each scale, coarse to fine downwards, the models side by side.

    After figure 3 of Ma et al., ISBI 2020: "+" the truth, "×" the answer of that scale.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    colors = LinearSegmentedColormap.from_list("heat", HEAT)
    spacings = sorted({of.spacing_mm for scales in models.values() for of in scales}, reverse=True)
    widths = [*[3 * INCHES + 0.3] * len(models), 0.7]
    figure = Figure((sum(widths), len(spacings) * (INCHES + 0.28) + 0.4), layout="constrained")
    *columns, last = figure.subfigures(1, len(models) + 1, squeeze=False, width_ratios=widths).ravel()
    for column, (name, scales) in zip(columns, models.items()):
        column.suptitle(name, fontsize=10)
        lines = dict(zip(spacings, column.subplots(len(spacings), len(VIEWS), squeeze=False)))
        for of in scales:
            line = lines.pop(of.spacing_mm)
            for axes, view in zip(line, VIEWS):
                show_cut(axes, volume, of.position, view, of.field_mm)
                heat = heat_on_cut(of, of.position, view, of.field_mm)
                alpha = np.where(heat < FAINTEST, 0.0, 0.25 + 0.5 * np.clip(heat, 0, 1))
                half = of.field_mm / 2
                axes.imshow(heat, cmap=colors, vmin=0, vmax=1, alpha=alpha, extent=(-half, half, half, -half), zorder=3)
                mark(axes, truth, of.position, view, "+")
                mark(axes, of.position, of.position, view, "×")
            away = "" if truth is None else f", {np.linalg.norm(of.position - truth):.1f} mm off"
            line[1].set_title(f"{of.spacing_mm:g} mm scale{away}; {of.field_mm:.0f} mm across", fontsize=8)
        for line in lines.values():
            for axes in line:
                axes.set_axis_off()
    bar = last.colorbar(ScalarMappable(cmap=colors), cax=last.add_axes((0.1, 0.3, 0.25, 0.4)))
    bar.set_label("heatmap, of its largest value", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


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
