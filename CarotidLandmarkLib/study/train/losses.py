"""What training minimises, and how the scales are weighted over its course."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...model.multiscale import ScaleOutput

TARGET_SD_VOXELS = 1.2
HEATMAP_SD_MM = 6.0
DISTANCE_WEIGHT = 0.2


def paper_weights(progress: float, scales: int) -> list[float]:
    """Weights of the scales, coarse to fine, at ``progress`` in [0, 1] (Ma et al., ISBI 2020).

    The coarsest falls from 1 to 0, the finest rises from 0 to 1, those between rise to 1 half way and fall again.
    """
    between = 1 - abs(2 * progress - 1)
    return [1 - progress, *[between] * (scales - 2), progress]


def equal_weights(progress: float, scales: int) -> list[float]:
    """All scales count the same throughout: each has its own network, and the coarse ones are the hard ones."""
    return [1.0] * scales


def stage_weights(progress: float, scales: int) -> list[float]:
    """One scale after the other, coarse to fine, for equal shares of the training."""
    stage = min(int(progress * scales), scales - 1)
    return [float(scale == stage) for scale in range(scales)]


def paper_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """Squared distance in mm^2 to the truth (B, 3); without truth only the presence is trained."""
    presence = presence_loss(output, truth)
    if truth is None:
        return presence
    squares = (output.position - truth.to(output.position)).square().sum(-1).float().mean()
    return squares.to(presence.device) + presence


def default_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """L1 in voxels of this scale, times 0.2, + cross-entropy to a small Gaussian at the truth (B, 3) + presence.

    With a larger share of L1 a flat heatmap is pushed about as a whole before it has learned to peak.
    Cross-entropy over the voxels and one class "not here" is the sum of the last two terms.
    """
    return distance_loss(output, truth) + (0.0 if truth is None else cross_entropy(output, truth))


def distance_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """L1 in voxels of this scale, times 0.2, + presence: the default without its cross-entropy."""
    presence = presence_loss(output, truth)
    if truth is None:
        return presence
    inverse = torch.linalg.inv(output.frame)
    away = (inverse @ (output.position - truth.to(output.position))[..., None])[..., 0]
    return DISTANCE_WEIGHT * away.abs().sum(-1).float().mean().to(presence.device) + presence


def cross_entropy_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """Cross-entropy to a small Gaussian at the truth (B, 3) + presence: of heatmaps that are read at their peak."""
    presence = presence_loss(output, truth)
    return presence if truth is None else cross_entropy(output, truth) + presence


def heatmap_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """Squared difference of the heatmap from a Gaussian of ``HEATMAP_SD_MM`` and height 1 at the truth (B, 3), or from
    nothing; summed over the voxels, in units of the Gaussian's own squared sum. + presence.
    """
    steps = output.frame.norm(dim=-2).float().to(output.logits.device)
    target: Tensor | float = 0.0
    if truth is not None:
        x, y, z = (
            torch.exp(-0.5 * (away * steps[:, a, None] / HEATMAP_SD_MM) ** 2)
            for a, away in enumerate(_from_truth(output, truth))
        )
        target = torch.einsum("bz,by,bx->bzyx", z, y, x)
    squares = math.pi**1.5 * HEATMAP_SD_MM**3 / steps.prod(-1)
    difference = (output.logits[:, 0].float() - target).square().flatten(1).sum(1)
    return (difference / squares).mean() + presence_loss(output, truth)


def patches_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """Of PatchNet: binary cross-entropy of each patch, holding the truth (B, 3) or not, summed over the patches, + L1
    of the logarithm of the displacement (see PatchNet), summed over the axes, mean of the patches + presence.
    """
    logits = output.logits[:, 0].float()
    loss = presence_loss(output, truth)
    if truth is None:
        return loss + F.softplus(logits).flatten(1).sum(1).mean()
    assert output.displacement is not None
    x, y, z = (-away for away in _from_truth(output, truth))
    holds = (z.abs() <= 0.5)[:, :, None, None] & (y.abs() <= 0.5)[:, None, :, None] & (x.abs() <= 0.5)[:, None, None]
    loss = loss + F.binary_cross_entropy_with_logits(logits, holds.float(), reduction="none").flatten(1).sum(1).mean()
    coded = output.displacement[:, 0].sign() * output.displacement[:, 0].abs().log1p()
    for axis, away in enumerate((x[:, None, None], y[:, None, :, None], z[:, :, None, None])):
        loss = loss + (coded[:, axis] - away.sign() * away.abs().log1p()).abs().mean()
    return loss


def presence_loss(output: ScaleOutput, truth: Tensor | None) -> Tensor:
    """Binary cross-entropy of the presence logit (B,)."""
    logit = output.presence_logit
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, float(truth is not None)))


def cross_entropy(output: ScaleOutput, truth: Tensor) -> Tensor:
    """Of the heatmap's softmax against a Gaussian of ``TARGET_SD_VOXELS`` at the truth (B, 3) LPS mm."""
    logits = output.logits[:, 0].float()
    x, y, z = (torch.softmax(-0.5 * (away / TARGET_SD_VOXELS) ** 2, -1) for away in _from_truth(output, truth))
    expected = torch.einsum("bzyx,bz,by,bx->b", logits, z, y, x)
    return (logits.flatten(1).logsumexp(1) - expected).mean()


def _from_truth(output: ScaleOutput, truth: Tensor) -> list[Tensor]:
    """For x, y and z, how far (B, n) the heatmap's voxels are from the truth (B, 3) LPS mm along this axis, voxels."""
    size: Sequence[int] = output.logits.shape[:1:-1]
    inverse = torch.linalg.inv(output.frame)
    index = (inverse @ (truth.to(output.frame) - output.center)[..., None])[..., 0]
    index = (index + (index.new_tensor(list(size)) - 1) / 2).float().to(output.logits.device)
    return [torch.arange(n, device=index.device) - index[:, a, None] for a, n in enumerate(size)]
