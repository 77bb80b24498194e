"""Differentiable crop-and-resample of an image around a point of the world, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import torch
import torch.nn.functional as F
from torch import Tensor

FILL_HU = -1024.0
Size = Union[int, Sequence[int]]


def _sizes(size: Size) -> tuple[int, ...]:
    return (size,) * 3 if isinstance(size, int) else tuple(size)


def crop_center_index(size: Size, like: Tensor) -> Tensor:
    """(size - 1) / 2, shape (3,) in x, y, z order: the index of a crop's centre."""
    return (like.new_tensor(_sizes(size)) - 1) / 2


def side_frame(side: str, spacing: float | Sequence[float]) -> Tensor:
    """Frame (3, 3) float64 of an LPS-aligned crop of `spacing` mm; x runs the other way for "left".

    The two carotids are each other's mirror image, so a net that always sees a "right" one serves both.
    """
    steps = torch.as_tensor(spacing, dtype=torch.float64).expand(3).clone()
    if side == "left":
        steps[0] = -steps[0]
    return torch.diag(steps)


def crop(
    image: Tensor, world_to_index: Tensor, center: Tensor, frame: Tensor, size: Size, fill: float = FILL_HU
) -> Tensor:
    """Trilinear samples (B, C, nz, ny, nx) of `image` (B or 1, C, D, H, W), differentiable in image, center and frame.

    The voxel of index v = (x, y, z) of the crop lies at center + frame @ (v - (size - 1) / 2) in LPS mm; the columns of
    `frame` (B, 3, 3) are the mm per index step, so spacing, mirroring, rotation and scaling are all in it. `center` is
    (B, 3), `world_to_index` (B or 1, 4, 4) from LPS mm to image index (x, y, z), `size` one number or (nx, ny, nz).
    Outside the image is `fill`. The index map is composed in the geometry's type (float64), and rounded to the image's
    type only as coordinates relative to the image: with float32 that is about 1e-4 voxel.
    """
    half = crop_center_index(size, frame)
    batch = max(image.shape[0], center.shape[0])
    world_to_index = world_to_index.to(frame)
    extent = frame.new_tensor(image.shape[:1:-1])
    to_index = world_to_index[:, :3, :3] @ frame * half
    origin = (world_to_index[:, :3, :3] @ center.to(frame)[..., None])[..., 0] + world_to_index[:, :3, 3]
    theta = torch.cat([to_index * (2 / extent)[:, None], ((2 * origin + 1) / extent - 1)[..., None]], -1)
    shape = [batch, 1, *reversed(_sizes(size))]
    grid = F.affine_grid(theta.to(image.dtype).to(image.device).expand(batch, 3, 4), shape, align_corners=True)
    above = (image - fill).expand(batch, -1, -1, -1, -1)
    return F.grid_sample(above, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + fill


def to_world(center: Tensor, frame: Tensor, size: Size, index: Tensor) -> Tensor:
    """LPS mm (B, 3), in the type of `frame`, of the crop's index (B, 3) (x, y, z); gradients flow to all three."""
    offset = _like(index, frame) - crop_center_index(size, frame)
    return _like(center, frame) + (frame @ offset[..., None])[..., 0]


def covariance_to_world(frame: Tensor, covariance: Tensor) -> Tensor:
    """mm^2 (B, 3, 3), in the type of `frame`, of a covariance in voxels^2 of the crop."""
    return frame @ _like(covariance, frame) @ frame.mT


def _like(tensor: Tensor, other: Tensor) -> Tensor:
    """On the device and then of the type of `other`, since a device without float64 (MPS) can send it none."""
    return tensor.to(other.device).to(other.dtype)
