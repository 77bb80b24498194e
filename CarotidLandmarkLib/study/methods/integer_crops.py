"""An ablation of the default: its crops between voxels."""

from __future__ import annotations

from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "integer-crops",
    "The default with crops on whole voxels whose answers are placed as if they were not, without gradient.",
    {"integer_crops": True},
    table="ablations",
    place=5,
)
