"""An ablation of the default: its pooling."""

from __future__ import annotations

from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "without-blurpool",
    "The default with max pooling instead of BlurPool.",
    {"pooling": "max"},
    table="ablations",
    place=1,
)
