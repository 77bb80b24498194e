"""An ablation of the default: its averaged levels."""

from __future__ import annotations

from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "skipped-voxels",
    "The default with its two coarse levels made of every n-th voxel of the third level instead of means.",
    {"skip_from_mm": 1.0},
    table="ablations",
    place=4,
)
