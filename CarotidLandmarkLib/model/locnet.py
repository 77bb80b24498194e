"""Loc-Net: a U-Net whose heatmaps are read by their centre of mass (Ma, Gupta and Sabuncu, ISBI 2020)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .center_of_mass import CenterOfMass
from .config import ModelConfig
from .crop import side_frame
from .pyramid import PyramidLike
from .unet import UNet3d


class LocNetOutput(NamedTuple):
    """logits (B, C, D, H, W); position (B, C, 3) expected (x, y, z) voxel index; covariance (B, C, 3, 3), voxels^2;
    presence_logit (B, C), above 0 where the landmark is likely to be in view. All float32.

    Of networks that answer by patches, a voxel of the logits is `stride` voxels of the image wide (which is padded at
    its end to a multiple of it), and displacement (B, C, 3, D, H, W) is (x, y, z) from each to the landmark, in
    patches."""

    logits: Tensor
    position: Tensor
    covariance: Tensor
    presence_logit: Tensor
    displacement: Tensor | None = None
    stride: int = 1


class ScaleNet(nn.Module):
    """What the network of one scale of `config` is: HU (B, 1, D, H, W) of any extent to a LocNetOutput of `landmarks`.

    `compute_dtype` (float32 or bfloat16) is the type of its convolutions. `view`, `frame` and `place` are how it wants
    to be shown a volume; the view that the coarsest scale's network wants is that of all. `presence_scale` (landmarks,)
    and `presence_bias` read the presence from what is detached; a network may need no scale.
    """

    presence_scale: nn.Parameter | None

    def __init__(self, config: ModelConfig, scale: int, landmarks: int = 1) -> None:
        super().__init__()
        self.compute_dtype = torch.float32
        self.presence_bias = nn.Parameter(torch.full((landmarks,), math.log(config.crop_size**3)))
        self.register_parameter("presence_scale", None)
        windows = torch.tensor(config.window_hu).T[:, None, :, None, None, None]
        self.register_buffer("window_low", windows[0], persistent=False)
        self.register_buffer("window_width", windows[1] - windows[0], persistent=False)
        self.window_low: Tensor
        self.window_width: Tensor

    def view(self, pyramid: PyramidLike, scales_mm: tuple[float, ...]) -> PyramidLike:
        """`pyramid` as a model of these scales is to see it."""
        return pyramid

    def frame(self, side: str, spacing_mm: float) -> Tensor:
        """Frame (3, 3) of crops of this side: mirrored for the left, so that it always sees a right one."""
        return side_frame(side, spacing_mm)

    def place(self, center: Tensor, spacing_mm: float) -> Tensor:
        """The centres (B, 3) of the crops that are shown for those at `center`."""
        return center

    def forward(self, image: Tensor) -> LocNetOutput:
        with torch.autocast(image.device.type, enabled=False):
            windowed = ((image.float() - self.window_low) / self.window_width).clamp(0, 1)
            return self.answer(windowed.to(self.compute_dtype))

    def answer(self, windowed: Tensor) -> LocNetOutput:
        """From the windowed image (B, windows, D, H, W), in [0, 1] and of the type to compute in."""
        raise NotImplementedError


class LocNet(ScaleNet):
    """A U-Net and the centre of mass of its heatmaps.

    The presence logit is the logarithm of the heatmap's mass against a learned bias, so it needs no layer of its own.
    With "relu" the mass is detached: presence then only learns to read it.
    """

    def __init__(self, config: ModelConfig, scale: int, landmarks: int = 1) -> None:
        super().__init__(config, scale, landmarks)
        self.unet = self.make_unet(config, scale, landmarks)
        self.center_of_mass = CenterOfMass(config.activation)
        if config.activation != "softmax":
            self.presence_scale = nn.Parameter(torch.ones(landmarks))

    @staticmethod
    def make_unet(config: ModelConfig, scale: int, landmarks: int) -> nn.Module:
        """From the windowed image to the heatmaps (B, landmarks, D, H, W), float32."""
        return UNet3d(
            in_channels=len(config.window_hu),
            out_channels=landmarks,
            channels=config.channels[scale],
            convs_per_level=config.convs[scale],
            pooling=config.pooling,
            activation=config.activation,
            dropout=config.dropout,
            slim_decoder=config.slim_decoder,
            normalise=config.normalise,
        )

    def answer(self, windowed: Tensor) -> LocNetOutput:
        """See ScaleNet."""
        logits = self.unet(windowed)
        position, covariance, log_mass = self.center_of_mass(logits)
        if self.presence_scale is not None:
            log_mass = self.presence_scale * log_mass.detach()
        return LocNetOutput(logits, position, covariance, log_mass - self.presence_bias)
