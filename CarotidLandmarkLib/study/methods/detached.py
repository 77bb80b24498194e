"""An ablation of on-answers: its gradient from scale to scale."""

from __future__ import annotations

from .on_answers import METHOD as ON_ANSWERS

METHOD = ON_ANSWERS.but(
    "detached",
    "The same as on-answers without a gradient through the crops: each scale learns from its own loss alone.",
    recipe={"through": 0.0},
    table="ablations",
    place=7,
)
