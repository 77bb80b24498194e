"""Networks of other packages, as rows of a benchmark: whole-volume heatmaps at the single-scale resolution.

Importing this makes their weights files readable here. The networks are as their packages build them, at the width of
the paper's U-Net; loss, optimiser, read-out and windows are those of heatmap-tuned, with which they learn faster than
by regression of a Gaussian: of the same 50 steps, the last ten were off by a median of 45 mm (MONAI) and 59 mm
(landmarker) against 74 and 96 mm.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...model.config import PRESETS, ModelConfig
from ...model.heatmap import HeatmapNet
from ...model.networks import NETWORKS
from ..train.recipes import RECIPES, Recipe


class Adapter(nn.Module):
    """A foreign network that wants extents of a multiple, as one that takes any and has a `compute_dtype`.

    The depth is padded to three multiples at least, so that no level is two voxels deep (see unet.Conv3d).
    """

    def __init__(self, net: nn.Module, multiple: int) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.multiple = multiple
        self.compute_dtype = torch.float32

    def forward(self, x: Tensor) -> Tensor:
        extent = x.shape[2:]
        padding = [amount for n in reversed(extent) for amount in (0, -n % self.multiple)]
        padding[-1] = max(padding[-1], 3 * self.multiple - extent[0])
        x = F.pad(x, padding, mode="replicate") if any(padding) else x
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.compute_dtype == torch.bfloat16):
            heatmaps = self.net(x.contiguous(memory_format=torch.channels_last_3d))
        return heatmaps.float()[:, :, : extent[0], : extent[1], : extent[2]]


class LandmarkerScn(HeatmapNet):
    """`landmarker`'s SpatialConfiguration-Net in 3D (Payer et al. 2019, doi 10.1016/j.media.2019.03.007)."""

    @staticmethod
    def make_unet(config: ModelConfig, scale: int, landmarks: int) -> nn.Module:
        """See LocNet."""
        from landmarker.models.spatial_configuration_net import OriginalSpatialConfigurationNet3d

        (width,) = config.channels[scale]
        net = OriginalSpatialConfigurationNet3d(
            in_channels=len(config.window_hu),
            out_channels=landmarks,
            la_channels=width,
            sp_channels=width,
            la_dropout=config.dropout,
        )
        return Adapter(net, multiple=8)


class MonaiUNet(HeatmapNet):
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


NETWORKS.update({"landmarker-scn": LandmarkerScn, "monai-unet": MonaiUNet})

_CONFIG, _RECIPE = PRESETS["heatmap-tuned"], RECIPES["heatmap-tuned"]
PEERS: dict[str, tuple[ModelConfig, Recipe]] = {
    "landmarker-scn": (
        replace(_CONFIG, name="landmarker-scn", network="landmarker-scn", channels=((16,),)),
        replace(
            _RECIPE,
            about="OriginalSpatialConfigurationNet3d of the package landmarker, 16 channels wide (with its 64 it would "
            "see too few cases in the time), without its dropout; trained and read as heatmap-tuned is.",
        ),
    ),
    "monai-unet": (
        replace(_CONFIG, name="monai-unet", network="monai-unet", channels=PRESETS["heatmap"].channels),
        replace(
            _RECIPE,
            about="UNet of the package monai, two residual units a level, 16 to 256 channels; trained and read as "
            "heatmap-tuned is.",
        ),
    ),
}
