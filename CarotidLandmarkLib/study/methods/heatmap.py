"""Heatmap regression (Ronneberger's U-Net), read at its peak.

The output is not rectified, since nothing then pulls back what has once become zero everywhere, and the Gaussian is
small in a volume. Nor does anything at the rate of the other rows: after 100 to 400 steps at 5e-4, and at 2e-4, all
of it is zero and stays so. The paper does not say how it trained this row.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...model.center_of_mass import peak_moments
from ...model.config import ModelConfig
from ...model.locnet import LocNet, LocNetOutput
from ..train.losses import heatmap_loss
from .single_scale import METHOD as SINGLE_SCALE

PRESENCE = (10.0, 5.0)  # of a heatmap that is 1 at a landmark: a peak of 0.5 is as likely one as not


class HeatmapNet(LocNet):
    """The answer is the peak of the heatmap, by voxel or, with `subvoxel`, the centre of mass around it.

    The heatmap is the U-Net's output, rectified; with "softmax" the exponential of it. The position has no gradient
    unless it is sub-voxel. Presence is a learned reading of the peak's height, which is detached; with "softmax" it is
    that of a Loc-Net. window_mm: half width of the window around the peak that the spread is read from.
    """

    window_mm = 12.0  # two SDs of the Gaussian
    subvoxel = False

    def __init__(self, config: ModelConfig, scale: int, landmarks: int = 1) -> None:
        super().__init__(config, scale, landmarks)
        self.radius = self.window_mm / config.scales_mm[scale]
        if self.presence_scale is not None:
            nn.init.constant_(self.presence_scale, PRESENCE[0])
            nn.init.constant_(self.presence_bias, PRESENCE[1])

    def answer(self, windowed: Tensor) -> LocNetOutput:
        """See ScaleNet."""
        logits = self.unet(windowed)
        weights = logits.clamp_min(0) if self.presence_scale is not None else _exponential(logits)
        position, covariance, log_peak = peak_moments(weights, self.radius)
        if not self.subvoxel:
            position = peak_moments(weights.detach(), 0).position
        if self.presence_scale is not None:
            presence = self.presence_scale * log_peak.detach().exp()
        else:
            presence = logits.flatten(2).logsumexp(-1)
        return LocNetOutput(logits, position, covariance, presence - self.presence_bias)


def _exponential(logits: Tensor) -> Tensor:
    return torch.exp(logits - logits.flatten(2).amax(-1)[:, :, None, None, None])


METHOD = SINGLE_SCALE.but(
    "heatmap",
    "The same U-Net without a centre of mass: regression of a Gaussian of SD 6 mm by its squared difference, "
    "in units of the Gaussian's own square, so that it does not depend on resolution and extent; the answer is the "
    "highest voxel. Adam at 1e-4: at 5e-4 and 2e-4 the output becomes zero everywhere within 400 steps.",
    {"network": "heatmap", "activation": "linear"},
    {"loss": heatmap_loss, "learning_rate": 1e-4},
    network=HeatmapNet,
    place=0,
    paper="6.45 ± 9.18",
)
