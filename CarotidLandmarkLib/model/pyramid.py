"""What the networks look at: views of one volume at several spacings."""

from __future__ import annotations

from typing import Any, Protocol

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
