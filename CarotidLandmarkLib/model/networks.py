"""The networks of a scale, by the name that a configuration gives."""

from __future__ import annotations

from ..errors import BadInputError
from .config import ModelConfig
from .heatmap import HeatmapNet
from .locnet import LocNet, ScaleNet
from .patches import PatchNet

NETWORKS: dict[str, type[ScaleNet]] = {"loc-net": LocNet, "heatmap": HeatmapNet, "patches": PatchNet}


def make_network(config: ModelConfig, scale: int, landmarks: int) -> ScaleNet:
    """The network of one scale. Raises BadInputError for a name that NETWORKS does not hold."""
    if config.network not in NETWORKS:
        known = ", ".join(sorted(NETWORKS))
        raise BadInputError(f"The network {config.network!r} is not known here; there are {known}.")
    return NETWORKS[config.network](config, scale, landmarks)
