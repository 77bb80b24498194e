"""An ablation of the default: its mirrored crops."""

from __future__ import annotations

from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "without-mirroring",
    "The default with crops of the left side as they are: the finer nets, still shared, see both sides.",
    {"mirror_crops": False},
    table="ablations",
    place=3,
)
