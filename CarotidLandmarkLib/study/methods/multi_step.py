"""The paper's scales, trained one after another."""

from __future__ import annotations

from ..train.losses import stage_weights
from .end_to_end import METHOD as END_TO_END

METHOD = END_TO_END.but(
    "multi-step",
    "Ma et al. 2020, the scales trained one after another, each for a quarter of the budget (the paper gives "
    "no shares) on crops around the frozen answer before, however far off; no gradient between them, no noise.",
    recipe={"weights": stage_weights, "through": 0.0},
    place=3,
    paper="3.72 ± 4.20",
)
