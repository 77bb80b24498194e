"""An ablation of the default: its loss."""

from __future__ import annotations

from ..train.losses import distance_loss
from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "without-cross-entropy",
    "The default without its cross-entropy: L1 and presence alone.",
    recipe={"loss": distance_loss},
    table="ablations",
    place=0,
)
