"""What training minimises, and how the scales are weighted over its course."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from CarotidLandmarkLib.model.multiscale import ScaleOutput

TARGET_SD_VOXELS = 1.2
DISTANCE_WEIGHT = 0.2


def paper_weights(progress: float, scales: int) -> list[float]:
    """Weights of the scales, coarse to fine, at ``progress`` in [0, 1] (Ma et al., ISBI 2020).

    The coarsest falls from 1 to 0, the finest rises from 0 to 1, those between rise to 1 half way and fall again.
    """
    between = 1 - abs(2 * progress - 1)
    return [1 - progress, *[between] * (scales - 2), progress]


def default_weights(progress: float, scales: int) -> list[float]:
    """All scales count the same throughout: each has its own network, and the coarse ones are the hard ones."""
    return [1.0] * scales


WEIGHTS = {"paper": paper_weights, "default": default_weights}


def paper_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """Squared distance in mm^2 to the truth (B, 3); without truth only the presence is trained."""
    presence = presence_loss(output.presence_logit, truth is not None)
    if truth is None:
        return presence
    return (output.position - truth.to(output.position)).square().sum(-1).float().mean() + presence


def default_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """L1 in voxels of this scale, times 0.2, + cross-entropy to a small Gaussian at the truth (B, 3) + presence.

    With a larger share of L1 a flat heatmap is pushed about as a whole before it has learned to peak.
    Cross-entropy over the voxels and one class "not here" is the sum of the last two terms.
    """
    presence = presence_loss(output.presence_logit, truth is not None)
    if truth is None:
        return presence
    inverse = torch.linalg.inv(output.frame)
    away = (inverse @ (output.position - truth.to(output.position))[..., None])[..., 0]
    return DISTANCE_WEIGHT * away.abs().sum(-1).float().mean() + cross_entropy(output, truth) + presence


LOSSES = {"paper": paper_loss, "default": default_loss}


def presence_loss(logit: Tensor, present: bool) -> Tensor:
    """Binary cross-entropy of the presence logit (B,)."""
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, float(present)))


def cross_entropy(output: ScaleOutput, truth: Tensor) -> Tensor:
    """Of the heatmap's softmax against a Gaussian of ``TARGET_SD_VOXELS`` at the truth (B, 3) LPS mm."""
    logits = output.logits[:, 0].float()
    size: Sequence[int] = logits.shape[:0:-1]
    inverse = torch.linalg.inv(output.frame)
    index = (inverse @ (truth.to(output.frame) - output.center)[..., None])[..., 0]
    index = (index + (index.new_tensor(list(size)) - 1) / 2).float()
    axes = [
        torch.softmax(-0.5 * ((torch.arange(n, device=logits.device) - index[:, a, None]) / TARGET_SD_VOXELS) ** 2, -1)
        for a, n in enumerate(size)
    ]
    expected = torch.einsum("bzyx,bz,by,bx->b", logits, axes[2], axes[1], axes[0])
    return (logits.flatten(1).logsumexp(1) - expected).mean()
