"""What the networks look at: views of one volume at several spacings, as tensors."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ..volume import sample


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


class ArrayPyramid(Protocol):
    """The same as arrays: volume.sample.VolumePyramid, and what phantoms and training cases have in its place."""

    def whole(self, spacing_mm: float) -> sample.Level: ...
    def around(self, center_lps: Any, extent_mm: float, spacing_mm: float) -> sample.Level: ...


class TensorLevel(NamedTuple):
    """See LevelLike."""

    image: Tensor
    world_to_index: Tensor


class TensorPyramid:
    """The views of `pyramid` on `device`; whole-volume views are kept.

    `world_to_index` lies where geometry belongs, see of_geometry.
    """

    def __init__(self, pyramid: ArrayPyramid, device: str | torch.device = "cpu") -> None:
        self.pyramid = pyramid
        self.device = torch.device(device)
        self._whole: dict[float, TensorLevel] = {}

    def whole(self, spacing_mm: float) -> TensorLevel:
        """See volume.sample.VolumePyramid."""
        if spacing_mm not in self._whole:
            self._whole[spacing_mm] = to_tensors(self.pyramid.whole(spacing_mm), self.device)
        return self._whole[spacing_mm]

    def around(self, center_lps: Any, extent_mm: float, spacing_mm: float) -> TensorLevel:
        """See volume.sample.VolumePyramid."""
        return to_tensors(self.pyramid.around(center_lps, extent_mm, spacing_mm), self.device)


def of_geometry(device: str | torch.device) -> torch.device:
    """Where the float64 geometry of images on `device` belongs: there, too, but for MPS, which has no float64 and
    leaves it on the CPU."""
    device = torch.device(device)
    return torch.device("cpu") if device.type == "mps" else device


def to_tensors(level: sample.Level, device: str | torch.device = "cpu") -> TensorLevel:
    """An array's level as tensors, on `device`."""
    matrix = torch.from_numpy(level.world_to_index).to(of_geometry(device))
    return TensorLevel(torch.from_numpy(level.image)[None, None].to(device), matrix)


def averaged(level: LevelLike, factor: int) -> TensorLevel:
    """See volume.sample.averaged."""
    array = sample.Level(level.image[0, 0].cpu().numpy(), level.world_to_index.cpu().numpy())
    blocks = sample.averaged(array, factor)
    image = torch.from_numpy(np.ascontiguousarray(blocks.image))[None, None]
    return TensorLevel(image.to(level.image), torch.from_numpy(blocks.world_to_index).to(level.world_to_index))
