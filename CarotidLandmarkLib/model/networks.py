"""The networks of a scale, by the name that a configuration gives."""

from __future__ import annotations

import importlib

from ..errors import BadInputError
from . import MORE_NETWORKS
from .config import ModelConfig
from .locnet import LocNet, ScaleNet

NETWORKS: dict[str, type[ScaleNet]] = {"loc-net": LocNet}


def make_network(config: ModelConfig, scale: int, landmarks: int) -> ScaleNet:
    """The network of one scale. Raises BadInputError for a name that NETWORKS does not hold, nor any of MORE_NETWORKS
    makes known."""
    for room in MORE_NETWORKS if config.network not in NETWORKS else ():
        importlib.import_module(room).make_known()
    if config.network not in NETWORKS:
        known = ", ".join(sorted(NETWORKS))
        raise BadInputError(f"The network {config.network!r} is not known here; there are {known}.")
    return NETWORKS[config.network](config, scale, landmarks)
