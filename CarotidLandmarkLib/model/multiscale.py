"""Networks from coarse to fine: each one's answer centres the crop of the next (Ma, Gupta and Sabuncu, ISBI 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..landmarks.points import SIDES
from .config import ModelConfig
from .crop import covariance_to_world, crop, crop_center_index, to_world
from .locnet import ScaleNet
from .networks import make_network
from .pyramid import LevelLike, PyramidLike


class ScaleOutput(NamedTuple):
    """One side at one scale. position (B, 3) LPS mm; covariance (B, 3, 3) mm^2 of the heatmap, not calibrated;
    presence_logit (B,); logits (B, 1, D, H, W) on the voxels center + frame @ (v - (size - 1) / 2), with
    center (B, 3) and frame (B, 3, 3) in LPS mm; displacement (B, 1, 3, D, H, W) in these voxels, see LocNetOutput.
    Geometry is float64 on the device it came on, the rest float32."""

    position: Tensor
    covariance: Tensor
    presence_logit: Tensor
    logits: Tensor
    center: Tensor
    frame: Tensor
    displacement: Tensor | None = None


class MultiScaleLocNet(nn.Module):
    """Networks from coarse to fine, one a scale. The first sees a whole volume and answers for both sides; the others
    see crops of one side, mirrored for the left, so each serves both sides. With a single scale there is only the
    first: the methods of the paper's Table 1 are all built here, from their configuration."""

    nets: Sequence[ScaleNet]

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or ModelConfig(normalise=True)
        scales = range(len(self.config.scales_mm))
        nets = [make_network(self.config, scale, 1 if scale else len(SIDES)) for scale in scales]
        self.nets = nn.ModuleList(nets)  # type: ignore[assignment]

    def use_dtype(self, dtype: torch.dtype) -> None:
        """Sets the type that the convolutions compute in, float32 or bfloat16. Parameters stay float32."""
        for net in self.nets:
            net.compute_dtype = dtype

    def view(self, pyramid: PyramidLike) -> PyramidLike:
        """`pyramid` as this model is to see it."""
        return self.nets[0].view(pyramid, self.config.scales_mm)

    def frame(self, side: str, scale_index: int) -> Tensor:
        """Frame (3, 3) of this side's crops at one of the finer scales, see crop.side_frame."""
        return self.nets[scale_index].frame(side, self.config.scales_mm[scale_index])

    def coarse(self, level: LevelLike) -> dict[str, ScaleOutput]:
        """Both sides from whole volumes: image (B, 1, D, H, W) of any extent, world_to_index (4, 4) or (B, 4, 4)."""
        image, world_to_index = level.image, level.world_to_index
        inverse = torch.linalg.inv(world_to_index.reshape(-1, 4, 4)).expand(image.shape[0], 4, 4)
        size = tuple(image.shape[:1:-1])
        frame = inverse[:, :3, :3]
        center = (frame @ crop_center_index(size, frame)) + inverse[:, :3, 3]
        logits, position, covariance, presence, displacement, stride = self.nets[0](image)
        padded = [stride * (-(-n // stride)) for n in size]
        return {
            side: ScaleOutput(
                to_world(center, frame, size, position[:, i]),
                covariance_to_world(frame, covariance[:, i]),
                presence[:, i],
                logits[:, i : i + 1],
                (frame @ crop_center_index(padded, frame)) + inverse[:, :3, 3],
                stride * frame,
                None if displacement is None else displacement[:, i : i + 1],
            )
            for i, side in enumerate(SIDES)
        }

    def refine(
        self, scale_index: int, image: Tensor, world_to_index: Tensor, center: Tensor, frame: Tensor
    ) -> ScaleOutput:
        """One finer scale on crops of `image` (B or 1, 1, D, H, W), `world_to_index` (4, 4) or (B or 1, 4, 4).

        center (B, 3) and frame (B or 1, 3, 3) place each crop (see crop.crop); for the left side the frame mirrors x.
        The position keeps its gradient through `center` and through the crops' interpolation.
        """
        size = self.config.crop_size
        batch = max(image.shape[0], center.shape[0])
        center = center.to(frame.dtype).expand(batch, 3)
        frame = frame.reshape(-1, 3, 3).expand(batch, 3, 3)
        net = self.nets[scale_index]
        at = net.place(center, self.config.scales_mm[scale_index])
        patch = crop(image, world_to_index.reshape(-1, 4, 4), at, frame, size)
        logits, position, covariance, presence, *_ = net(patch)
        return ScaleOutput(
            to_world(center, frame, size, position[:, 0]),
            covariance_to_world(frame, covariance[:, 0]),
            presence[:, 0],
            logits,
            center,
            frame,
        )

    def noise(self, samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Uniform shifts (samples, 3), float64 mm within +-noise_mm on each axis, drawn on the CPU."""
        return (2 * torch.rand(samples, 3, dtype=torch.float64, generator=generator) - 1) * self.config.noise_mm

    def forward(
        self, pyramid: PyramidLike, samples: int = 1, generator: torch.Generator | None = None
    ) -> dict[str, Sequence[ScaleOutput]]:
        """The whole way, coarse to fine, for each side: one ScaleOutput a scale, differentiable from end to end.

        Only the choice of each sub-volume is detached. In training, and for more than one sample, the centres of the
        last scale's crops are shifted by `noise`; its outputs then have a batch of `samples`.
        """
        config = self.config
        pyramid = self.view(pyramid)
        outputs: dict[str, Sequence[ScaleOutput]] = {}
        for side, first in self.coarse(pyramid.whole(config.scales_mm[0])).items():
            scales = [first]
            last = len(config.scales_mm) - 1
            for scale in range(1, last + 1):
                spacing, extent = config.scales_mm[scale], config.extent_mm[scale]
                frame = self.frame(side, scale).to(first.position)
                center = base = scales[-1].position
                for look in range(1, config.looks + 1):
                    if scale == last and look == config.looks and (self.training or samples > 1):
                        center = base + self.noise(samples, generator).to(base)
                        extent += 2 * config.noise_mm
                    level = pyramid.around(base[0].detach(), extent, spacing)
                    output = self.refine(scale, level.image, level.world_to_index, center, frame)
                    center = base = output.position
                scales.append(output)
            outputs[side] = scales
        return outputs
