"""landmarker's SpatialConfiguration-Net, as a whole-volume heatmap at the single-scale resolution: see monai_unet."""

from __future__ import annotations

from torch import nn

from ...model.config import ModelConfig
from .heatmap_tuned import METHOD as HEATMAP_TUNED
from .heatmap_tuned import TunedHeatmapNet
from .monai_unet import Adapter


class LandmarkerScn(TunedHeatmapNet):
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


METHOD = HEATMAP_TUNED.but(
    "landmarker-scn",
    "OriginalSpatialConfigurationNet3d of the package landmarker, 16 channels wide (with its 64 it would see too few "
    "cases in the time), without its dropout; trained and read as heatmap-tuned is.",
    {"network": "landmarker-scn", "channels": ((16,),)},
    network=LandmarkerScn,
    package="landmarker",
    place=7,
)
