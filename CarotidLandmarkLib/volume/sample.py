"""Antialiased views of a native volume: any box, spacing and orientation, without resampling the whole of it finely.

Native voxels that are finer than the wanted spacing are first averaged in blocks of whole voxels along the native
axes; then one trilinear step goes to the wanted grid. Block b of factor f has its centre at index f b + (f - 1) / 2.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .ct import CTVolume
from .geometry import Grid, Vector

FILL = -1024.0
SLAB_BLOCKS = 16
BRICK = 64
BORDER = 0.5 + 1e-6


class Level(NamedTuple):
    """image: (1, 1, D, H, W) float32 HU. world_to_index: (4, 4) float64, LPS mm to the image's (x, y, z) index."""

    image: Tensor
    world_to_index: Tensor


class VolumePyramid:
    """Views of a CTVolume for the scales of the network, on `device`; whole-volume views are kept, boxes are not.

    `world_to_index` lies on the same device, except on MPS, which has no float64: there it stays on the CPU.
    """

    def __init__(self, volume: CTVolume, device: str | torch.device = "cpu") -> None:
        self.volume = volume
        self.device = torch.device(device)
        self._whole: dict[float, Level] = {}

    def whole(self, spacing_mm: float) -> Level:
        """The whole volume on an LPS-aligned isotropic grid around its bounding box; FILL outside of the volume."""
        if spacing_mm not in self._whole:
            lower, upper = self.volume.grid.bounds()
            size = np.maximum(np.ceil((upper - lower) / spacing_mm - 1e-6), 1).astype(int)
            grid = Grid.axis_aligned((lower + upper) / 2, size, spacing_mm)
            self._whole[spacing_mm] = self._level(sample(self.volume, grid), np.linalg.inv(grid.affine))
        return self._whole[spacing_mm]

    def around(self, center_lps: Vector, extent_mm: float, spacing_mm: float) -> Level:
        """Native-orientation voxels that cover a cube of edge `extent_mm` at `center_lps` (3,), however it is rotated.

        Averaged by whole factors towards `spacing_mm`, not resampled; FILL where a block's centre is outside of it.
        Its shape depends on extent and spacing only, so boxes of one volume can be stacked.
        """
        native = self.volume.grid
        factors = _factors(native, np.full(3, spacing_mm))
        reach = extent_mm * np.sqrt(3) / 2 / native.spacing
        first = (native.world_to_index(center_lps) - reach - (factors - 1) / 2) / factors
        start = np.floor(first).astype(int)
        count = np.ceil(2 * reach / factors).astype(int) + 2
        blocks_to_index = np.eye(4)
        blocks_to_index[:3, :3] = np.diag(factors)
        blocks_to_index[:3, 3] = start * factors + (factors - 1) / 2
        image = torch.from_numpy(_block_means(self.volume.array, factors, start, start + count, even=True))
        return self._level(image, np.linalg.inv(native.affine @ blocks_to_index))

    def _level(self, image: Tensor, world_to_index: np.ndarray) -> Level:
        matrix = torch.from_numpy(world_to_index)
        return Level(image[None, None].to(self.device), matrix if self.device.type == "mps" else matrix.to(self.device))


def sample(volume: CTVolume, grid: Grid) -> Tensor:
    """HU of `volume` on any `grid`, antialiased: a (nz, ny, nx) float32 tensor, FILL outside of the native voxels."""
    native = volume.grid
    footprint = np.sqrt(((native.direction.T @ grid.direction * grid.spacing) ** 2).sum(axis=1))
    factors = _factors(native, footprint)
    to_index = np.linalg.inv(native.affine) @ grid.affine
    out = torch.full(grid.shape, FILL)
    for corner in product(*(range(0, n, BRICK) for n in grid.size)):
        brick = [np.arange(a, min(a + BRICK, n)) for a, n in zip(corner, grid.size)]
        index = [row[3] + _outer_sum(*(step * along for step, along in zip(row, brick))) for row in to_index[:3]]
        inside = np.ones(index[0].shape, dtype=bool)
        for along, n in zip(index, native.size):
            inside &= (along >= -BORDER) & (along <= n - 1 + BORDER)
        if inside.any():
            k, j, i = (slice(along[0], along[-1] + 1) for along in brick[::-1])
            out[k, j, i] = torch.where(torch.from_numpy(inside), _interpolate(volume, factors, index), FILL)
    return out


def averaged(level: Level, factor: int) -> Level:
    """The means of blocks of `factor`^3 voxels, counted from the first one: of all whose centre lies in the level."""
    array = level.image[0, 0].cpu().numpy()
    factors = np.full(3, factor)
    count = np.maximum(_count_blocks(array.shape, factors, even=True), 1)[::-1]
    blocks = torch.from_numpy(_block_means(array, factors, np.zeros(3, dtype=int), count, even=True))
    shrink = np.diag([1 / factor] * 3 + [1.0])
    shrink[:3, 3] = (1 - factor) / 2 / factor
    matrix = torch.from_numpy(shrink).to(level.world_to_index) @ level.world_to_index
    return Level(blocks[None, None].to(level.image), matrix)


def _outer_sum(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return (z[:, None] + y)[:, :, None] + x


def _factors(native: Grid, spacing: np.ndarray) -> np.ndarray:
    """(3,) how many native voxels of each axis make one block of about `spacing` (3,) mm along that axis."""
    return np.maximum(np.floor(spacing / native.spacing + 0.5), 1).astype(int)


def _interpolate(volume: CTVolume, factors: np.ndarray, index: list[np.ndarray]) -> Tensor:
    """Trilinear values between block means at native indices i, j, k, three arrays (D, H, W).

    Beyond the centre of an outermost block they are constant.
    """
    start, stop = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    where = np.empty((*index[0].shape, 3), dtype=np.float32)
    for axis, (native, f, n) in enumerate(zip(index, factors, volume.grid.size)):
        last = -(-n // f) - 1
        position = (native - (f - 1) / 2) / f
        rest = n - last * f
        if rest < f:  # the volume's end cuts the last block: its centre is nearer
            beyond = (position - (last - 1)) * 2 * f / (f + rest)
            position = np.where(position > last - 1, last - 1 + beyond, position)
        np.clip(position, 0, last, out=position)
        start[axis] = int(position.min())
        stop[axis] = min(int(position.max()) + 1, last) + 1
        where[..., axis] = (position - start[axis]) * (2 / max(stop[axis] - start[axis] - 1, 1)) - 1
    blocks = torch.from_numpy(_block_means(volume.array, factors, start, stop))
    return torch.nn.functional.grid_sample(
        blocks[None, None], torch.from_numpy(where)[None], mode="bilinear", padding_mode="border", align_corners=True
    )[0, 0]


def _count_blocks(shape: tuple[int, ...], factors: np.ndarray, even: bool) -> np.ndarray:
    """(3,) how many blocks (z, y, x) begin in an array of `shape` or, where `even`, have their centre in it."""
    factors = factors[::-1]
    return -((factors * even - 2 * np.array(shape)) // (2 * factors))


def _block_means(
    array: np.ndarray, factors: np.ndarray, start: np.ndarray, stop: np.ndarray, even: bool = False
) -> np.ndarray:
    """(z, y, x) float32 means of the blocks [start, stop) (x, y, z), FILL for blocks outside of `array` (z, y, x).

    Blocks count from native index 0; one that the volume's end cuts is the mean of what exists or, where `even`, of
    what lies evenly around the centre of the whole block.
    """
    fz, fy, fx = (int(f) for f in factors[::-1])
    begin, end = start[::-1], stop[::-1]
    blocks = _count_blocks(array.shape, factors, even)
    low, high = np.maximum(begin, 0), np.minimum(end, blocks)
    if (low == begin).all() and (high == end).all():
        out = np.empty(end - begin, dtype=np.float32)
    else:
        out = np.full(end - begin, FILL, dtype=np.float32)
    if (high <= low).any():
        return out
    (z0, y0, x0), (z1, y1, x1) = low, high
    for z in range(z0, z1, SLAB_BLOCKS):
        top = min(z + SLAB_BLOCKS, z1)
        means = array[z * fz : top * fz, y0 * fy : y1 * fy, x0 * fx : x1 * fx]
        for axis, factor in enumerate((fz, fy, fx)):
            means = _mean_along(means, axis, factor, even)
        out[z - begin[0] : top - begin[0], y0 - begin[1] : y1 - begin[1], x0 - begin[2] : x1 - begin[2]] = means
    return out


def _mean_along(array: np.ndarray, axis: int, factor: int, even: bool) -> np.ndarray:
    if factor == 1:
        return array
    moved = np.moveaxis(array, axis, 0)
    total = moved[::factor].astype(np.float32)
    for offset in range(1, factor):
        part = moved[offset::factor]
        total[: len(part)] += part
    counts = np.full(len(total), factor, dtype=np.float32)
    counts[-1] = len(moved) - (len(total) - 1) * factor
    if even and counts[-1] < factor:
        counts[-1] = 2 * counts[-1] - factor
        total[-1] = moved[-int(counts[-1]) :].sum(axis=0, dtype=np.float32)
    total /= counts.reshape(-1, 1, 1)
    return np.moveaxis(total, 0, axis)
