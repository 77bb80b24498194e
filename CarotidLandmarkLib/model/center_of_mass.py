"""Centre-of-mass layer: a heatmap's expected index, its spread and its mass."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

EPS = 1e-6


class Moments(NamedTuple):
    """position (B, C, 3) expected (x, y, z) voxel index; covariance (B, C, 3, 3) second central moment, voxels^2;
    log_mass (B, C) logarithm of the heatmap's total."""

    position: Tensor
    covariance: Tensor
    log_mass: Tensor


class CenterOfMass(nn.Module):
    """Moments of heatmaps (B, C, D, H, W), always in float32 or better and without autocast.

    activation "softmax": the weights are exp(logits). "relu": the weights are the values themselves, which must not be
    negative (Ma et al., ISBI 2020); a heatmap without mass has its position at the centre and no spread.
    Coordinates are taken from the grid's centre before moments are formed, so that rounding does not grow with extent.
    """

    def __init__(self, activation: str = "softmax") -> None:
        super().__init__()
        self.softmax = activation == "softmax"

    def forward(self, heatmap: Tensor) -> Moments:
        with torch.autocast(heatmap.device.type, enabled=False):
            if heatmap.dtype != torch.float64:
                heatmap = heatmap.float()
            if self.softmax:
                log_mass = heatmap.flatten(2).logsumexp(-1)
                weights = (heatmap - log_mass[:, :, None, None, None]).exp()
            else:
                mass = heatmap.flatten(2).sum(-1)
                log_mass = mass.clamp_min(EPS).log()
                weights = heatmap / mass.clamp_min(EPS)[:, :, None, None, None]
            return Moments(*_moments(weights), log_mass)


def peak_moments(weights: Tensor, radius: float) -> Moments:
    """Moments of what lies within `radius` voxels (on each axis) of the largest of weights (B, C, D, H, W), none of
    them negative. `log_mass` is the logarithm of that largest one."""
    size = weights.shape[2:]
    largest, at = weights.flatten(2).max(-1)
    for axis, n in enumerate(size):
        peak = at // math.prod(size[axis + 1 :]) % n
        inside = (torch.arange(n, device=weights.device) - peak[..., None]).abs() <= radius
        weights = weights * inside.reshape(*at.shape, *(n if a == axis else 1 for a in range(3)))
    mass = weights.flatten(2).sum(-1).clamp_min(EPS)
    return Moments(*_moments(weights / mass[:, :, None, None, None]), largest.clamp_min(EPS).log())


def _moments(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance from the three pairwise marginals of weights that sum to one (or are all zero)."""
    size = weights.shape[:1:-1]
    xy, xz, yz = weights.sum(2), weights.sum(3), weights.sum(4)
    marginals = xy.sum(2), xy.sum(3), xz.sum(3)
    centres = [(n - 1) / 2 for n in size]
    steps = [torch.arange(n, device=weights.device, dtype=weights.dtype) - c for n, c in zip(size, centres)]
    means = [(marginal * step).sum(-1) for marginal, step in zip(marginals, steps)]
    x, y, z = (step - mean[..., None] for step, mean in zip(steps, means))
    variance = [(marginal * d * d).sum(-1) for marginal, d in zip(marginals, (x, y, z))]
    cov_xy = torch.einsum("bcyx,bcy,bcx->bc", xy, y, x)
    cov_xz = torch.einsum("bczx,bcz,bcx->bc", xz, z, x)
    cov_yz = torch.einsum("bczy,bcz,bcy->bc", yz, z, y)
    rows = (variance[0], cov_xy, cov_xz, cov_xy, variance[1], cov_yz, cov_xz, cov_yz, variance[2])
    covariance = torch.stack(rows, -1).unflatten(-1, (3, 3))
    return torch.stack([mean + c for mean, c in zip(means, centres)], -1), covariance
