"""What the networks look at: views of one volume at several spacings."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class LevelLike(Protocol):
    """image (1, 1, D, H, W) float32 HU; world_to_index (4, 4) float64 from LPS mm to image index (x, y, z)."""

    @property
    def image(self) -> Tensor: ...
    @property
    def world_to_index(self) -> Tensor: ...


class PyramidLike(Protocol):
    """Views of one volume; see volume.sample.VolumePyramid."""

    def whole(self, spacing_mm: float) -> LevelLike: ...
    def around(self, center_lps: Any, extent_mm: float, spacing_mm: float) -> LevelLike: ...


class SkippedLevel(NamedTuple):
    """A LevelLike."""

    image: Tensor
    world_to_index: Tensor


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
        return SkippedLevel(base.image[..., ::n, ::n, ::n], shrink.to(base.world_to_index) @ base.world_to_index)

    def around(self, center_lps: Any, extent_mm: float, spacing_mm: float) -> LevelLike:
        """See PyramidLike; of the skipped levels all of the volume."""
        if spacing_mm > self.base_mm:
            return self.whole(spacing_mm)
        return self.pyramid.around(center_lps, extent_mm, spacing_mm)
