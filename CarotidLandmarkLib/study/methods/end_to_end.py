"""The paper without its noise."""

from __future__ import annotations

from .end_to_end_noise import METHOD as PAPER

METHOD = PAPER.but(
    "end-to-end",
    "Ma et al. 2020 without the noise: all scales at once, gradients through the crops, a single pass.",
    {"noise_mm": 0.0},
    place=4,
    paper="3.61 ± 3.17",
)
