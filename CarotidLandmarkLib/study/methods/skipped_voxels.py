"""An ablation of the default: its averaged levels."""

from __future__ import annotations

from typing import Any

import torch

from ...model.locnet import LocNet
from ...model.pyramid import LevelLike, PyramidLike, TensorLevel
from .default import METHOD as DEFAULT

BASE = 2  # the scale whose voxels those of the coarser ones are


class SkippingPyramid:
    """`pyramid`, but levels coarser than `base_mm` are every n-th voxel of that one, as the paper's implementation has
    them: what lies between is not averaged but lost, so that fine structure aliases."""

    def __init__(self, pyramid: PyramidLike, base_mm: float) -> None:
        self.pyramid, self.base_mm = pyramid, base_mm

    def whole(self, spacing_mm: float) -> LevelLike:
        """See PyramidLike."""
        if spacing_mm <= self.base_mm:
            return self.pyramid.whole(spacing_mm)
        base = self.pyramid.whole(self.base_mm)
        n = round(spacing_mm / self.base_mm)
        shrink = torch.tensor([1 / n, 1 / n, 1 / n, 1], dtype=base.world_to_index.dtype).diag()
        return TensorLevel(base.image[..., ::n, ::n, ::n], shrink.to(base.world_to_index) @ base.world_to_index)

    def around(self, center_lps: Any, extent_mm: float, spacing_mm: float) -> LevelLike:
        """See PyramidLike; of the skipped levels all of the volume."""
        if spacing_mm > self.base_mm:
            return self.whole(spacing_mm)
        return self.pyramid.around(center_lps, extent_mm, spacing_mm)


class SkippingNet(LocNet):
    """Sees a SkippingPyramid."""

    def view(self, pyramid: PyramidLike, scales_mm: tuple[float, ...]) -> PyramidLike:
        """See ScaleNet."""
        return SkippingPyramid(pyramid, scales_mm[BASE])


METHOD = DEFAULT.but(
    "skipped-voxels",
    "The default with its two coarse levels made of every n-th voxel of the third level instead of means.",
    {"network": "skipped-voxels"},
    {"whole": (BASE,)},
    network=SkippingNet,
    table="ablations",
    place=4,
)
