"""An ablation of the default: its normalisation."""

from __future__ import annotations

from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "without-normalisation",
    "The default without its instance normalisation.",
    {"normalise": False},
    table="ablations",
    place=2,
)
