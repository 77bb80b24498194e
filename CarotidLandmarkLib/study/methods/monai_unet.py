"""MONAI's U-Net, as a whole-volume heatmap at the single-scale resolution.

As its package builds it, at the width of the paper's U-Net; loss, optimiser, read-out and windows are those of
heatmap-tuned, with which it learns faster than by regression of a Gaussian: of the same 50 steps, the last ten were off
by a median of 45 mm against 74 mm (landmarker's net: 59 against 96).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...model.config import ModelConfig
from .heatmap import METHOD as HEATMAP
from .heatmap_tuned import METHOD as HEATMAP_TUNED
from .heatmap_tuned import TunedHeatmapNet


class Adapter(nn.Module):
    """A foreign network that wants extents of a multiple, as one that takes any and computes in its input's type.

    The depth is padded to three multiples at least, so that no level is two voxels deep (see convolution.Conv3d).
    """

    def __init__(self, net: nn.Module, multiple: int) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        extent = x.shape[2:]
        padding = [amount for n in reversed(extent) for amount in (0, -n % self.multiple)]
        padding[-1] = max(padding[-1], 3 * self.multiple - extent[0])
        x = F.pad(x, padding, mode="replicate") if any(padding) else x
        with torch.autocast(x.device.type, torch.bfloat16, enabled=x.dtype == torch.bfloat16):
            heatmaps = self.net(x.contiguous(memory_format=torch.channels_last_3d))
        return heatmaps.float()[:, :, : extent[0], : extent[1], : extent[2]]


class MonaiUNet(TunedHeatmapNet):
    """MONAI's residual U-Net."""

    @staticmethod
    def make_unet(config: ModelConfig, scale: int, landmarks: int) -> nn.Module:
        """See LocNet."""
        from monai.networks.nets import UNet

        channels = config.channels[scale]
        net = UNet(
            spatial_dims=3,
            in_channels=len(config.window_hu),
            out_channels=landmarks,
            channels=channels,
            strides=(2,) * (len(channels) - 1),
            num_res_units=2,
            dropout=config.dropout,
        )
        return Adapter(net, multiple=2 ** (len(channels) - 1))


METHOD = HEATMAP_TUNED.but(
    "monai-unet",
    "UNet of the package monai, two residual units a level, 16 to 256 channels; trained and read as heatmap-tuned is.",
    {"network": "monai-unet", "channels": HEATMAP.config.channels},
    network=MonaiUNet,
    package="monai",
    place=8,
)
