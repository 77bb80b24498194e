"""Patches that each say whether they hold the landmark, and where it is (Noothout et al. 2018, arXiv 1804.04963).

Convolutions and pooling down to patches of 8 voxels (three levels), two more convolutions for the surroundings of a
patch. Widths are ours: about the paper's U-Net at these depths.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...model.config import ModelConfig
from ...model.convolution import Conv3d
from ...model.locnet import LocNetOutput, ScaleNet
from ..train.losses import patches_loss
from .single_scale import METHOD as SINGLE_SCALE

FARTHEST = 5.0  # of a displacement's logarithm: about 150 patches


class PatchNet(ScaleNet):
    """For each patch of 2^levels voxels along a side the logit that it holds the landmark, and a displacement to it.

    A level of `channels` is a 3x3x3 convolution and max pooling; `convs` + 1 more at the last width let a patch see
    its surroundings, before one linear layer for all answers. The displacement is learned as sign(d) log(1 + |d|), d
    in patches, so that it is most exact where it is short. The answer is the mean of where all patches point to,
    weighted by their probabilities to hold the landmark, and its covariance the spread of that.
    Presence is a learned reading of the sum of these probabilities, which is detached.
    """

    presence_scale: nn.Parameter

    def __init__(self, config: ModelConfig, scale: int, landmarks: int = 1) -> None:
        super().__init__(config, scale, landmarks)
        widths = config.channels[scale]
        self.stride = 2 ** len(widths)
        self.levels = nn.ModuleList(
            Conv3d(fan_in, fan_out, 3, padding=1) for fan_in, fan_out in zip((len(config.window_hu), *widths), widths)
        )
        self.around = nn.ModuleList(
            Conv3d(widths[-1], widths[-1], 3, padding=1) for _ in range(config.convs[scale] + 1)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(widths[-1], 4 * landmarks)
        self.presence_scale = nn.Parameter(torch.ones(landmarks))
        nn.init.zeros_(self.presence_bias)
        for convolution in (*self.levels, *self.around):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        patches = (config.crop_size / self.stride) ** 3
        nn.init.constant_(self.head.bias[:landmarks], -math.log(patches))  # one of them holds it

    def answer(self, windowed: Tensor) -> LocNetOutput:
        """See ScaleNet."""
        padding = [amount for n in reversed(windowed.shape[2:]) for amount in (0, -n % self.stride)]
        x = F.pad(windowed, padding, mode="replicate") if any(padding) else windowed
        x = x.to(memory_format=torch.channels_last_3d)
        for convolution in self.levels:
            x = F.max_pool3d(F.relu(convolution(x)), 2)
        for convolution in self.around:
            x = F.relu(convolution(x))
        answers = self.head(self.dropout(x).movedim(1, -1).float()).movedim(-1, 1)
        landmarks = answers.shape[1] // 4
        logits = answers[:, :landmarks]
        coded = answers[:, landmarks:].unflatten(1, (landmarks, 3))
        displacement = coded.sign() * coded.abs().clamp_max(FARTHEST).expm1()
        position, covariance, log_mass = self._vote(logits, displacement)
        presence = self.presence_scale * log_mass.detach() - self.presence_bias
        return LocNetOutput(logits, position, covariance, presence, displacement, self.stride)

    def _vote(self, logits: Tensor, displacement: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Position and covariance in voxels of the image, and the logarithm of the sum of probabilities."""
        log_probabilities = F.logsigmoid(logits).flatten(2)
        log_mass = log_probabilities.logsumexp(-1)
        weights = (log_probabilities - log_mass[..., None]).exp()
        axes = [torch.arange(n, device=logits.device, dtype=logits.dtype) for n in logits.shape[2:]]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1])
        votes = (places + displacement).flatten(3)
        mean = torch.einsum("bcn,bcin->bci", weights, votes)
        away = votes - mean[..., None]
        covariance = torch.einsum("bcn,bcin,bcjn->bcij", weights, away, away)
        return self.stride * mean + (self.stride - 1) / 2, self.stride**2 * covariance, log_mass


METHOD = SINGLE_SCALE.but(
    "patch-based",
    "Noothout et al. 2018: every patch of 8 voxels says whether it holds the landmark, and where it is; the "
    "mean of where they point to, weighted by how likely they hold it. The paper averages over the patches above a "
    "threshold; weights need none, and never leave a volume without an answer. Whole volumes instead of "
    "sub-images, as in every row. Adam at 1e-3.",
    {"network": "patches", "channels": ((32, 64, 128),), "dropout": 0.0},
    {"loss": patches_loss, "learning_rate": 1e-3},
    network=PatchNet,
    place=2,
    paper="4.35 ± 4.33",
)
