"""Antialiased views of a native volume: any box, spacing and orientation, without resampling the whole of it finely.

Native voxels that are finer than the wanted spacing are first averaged in blocks of whole voxels along the native
axes; then one trilinear step goes to the wanted grid. Block b of factor f has its centre at index f b + (f - 1) / 2.
All in numpy; model.pyramid has the same as tensors.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates

from .ct import CTVolume
from .geometry import Grid, Vector

FILL = -1024.0
SLAB_BLOCKS = 16
BRICK = 64
BORDER = 0.5 + 1e-6
ALIGNED = 1e-9  # smaller entries of a map of indices are rounding


class Level(NamedTuple):
    """image: (D, H, W) float32 HU. world_to_index: (4, 4) float64, LPS mm to the image's (x, y, z) index."""

    image: np.ndarray
    world_to_index: np.ndarray


class VolumePyramid:
    """Views of a CTVolume for the scales of the network; whole-volume views are kept, boxes are not.

    upright: crops of its boxes are never rotated, so that these need not hold more than an LPS-aligned cube.
    """

    def __init__(self, volume: CTVolume, upright: bool = False) -> None:
        self.volume = volume
        self.upright = upright
        self._whole: dict[float, Level] = {}

    def whole(self, spacing_mm: float) -> Level:
        """The whole volume on an LPS-aligned isotropic grid around its bounding box; FILL outside of the volume."""
        if spacing_mm not in self._whole:
            lower, upper = self.volume.grid.bounds()
            size = np.maximum(np.ceil((upper - lower) / spacing_mm - 1e-6), 1).astype(int)
            grid = Grid.axis_aligned((lower + upper) / 2, size, spacing_mm)
            self._whole[spacing_mm] = Level(sample(self.volume, grid), np.linalg.inv(grid.affine))
        return self._whole[spacing_mm]

    def around(self, center_lps: Vector, extent_mm: float, spacing_mm: float) -> Level:
        """Native-orientation voxels that cover a cube of edge `extent_mm` at `center_lps` (3,), however it is rotated
        (or the upright one).

        Averaged by whole factors towards `spacing_mm`, not resampled; FILL where a block's centre is outside of it.
        Its shape depends on extent and spacing only, so boxes of one volume can be stacked.
        """
        native = self.volume.grid
        factors = _factors(native, np.full(3, spacing_mm))
        widest = np.abs(native.direction).sum(axis=0) if self.upright else np.sqrt(3)
        reach = extent_mm / 2 * widest / native.spacing
        first = (native.world_to_index(center_lps) - reach - (factors - 1) / 2) / factors
        start = np.floor(first).astype(int)
        count = np.ceil(2 * reach / factors).astype(int) + 2
        blocks_to_index = np.eye(4)
        blocks_to_index[:3, :3] = np.diag(factors)
        blocks_to_index[:3, 3] = start * factors + (factors - 1) / 2
        image = _block_means(self.volume.array, factors, start, start + count, even=True)
        return Level(image, np.linalg.inv(native.affine @ blocks_to_index))


def sample(volume: CTVolume, grid: Grid) -> np.ndarray:
    """HU of `volume` on any `grid`, antialiased: (nz, ny, nx) float32, FILL outside of the native voxels."""
    native = volume.grid
    footprint = np.sqrt(((native.direction.T @ grid.direction * grid.spacing) ** 2).sum(axis=1))
    factors = _factors(native, footprint)
    to_index = np.linalg.inv(native.affine) @ grid.affine
    along = axes_along(to_index[:3, :3])
    out = np.full(grid.shape, FILL, np.float32)
    for corner in product(*(range(0, n, BRICK) for n in grid.size)):
        brick = [np.arange(a, min(a + BRICK, n)) for a, n in zip(corner, grid.size)]
        if along is None:
            index = [row[3] + _outer_sum(*(step * of for step, of in zip(row, brick))) for row in to_index[:3]]
            inside = np.ones(index[0].shape, dtype=bool)
            for of, n in zip(index, native.size):
                inside &= _inside(of, n)
            if inside.any():
                k, j, i = (slice(of[0], of[-1] + 1) for of in brick[::-1])
                out[k, j, i] = np.where(inside, _interpolate(volume, factors, index), FILL)
            continue
        index = [row[3] + row[axis] * brick[axis] for row, axis in zip(to_index, along)]
        kept = [_inside(of, n) for of, n in zip(index, native.size)]
        if all(of.any() for of in kept):
            values = _interpolate(volume, factors, [of[inside] for of, inside in zip(index, kept)])
            places: list[np.ndarray] = [np.empty(0)] * 3
            for axis, inside in zip(along, kept):
                places[2 - axis] = brick[axis][inside]
            out[np.ix_(*places)] = values.transpose([2 - along.index(axis) for axis in (2, 1, 0)])
    return out


def averaged(level: Level, factor: int) -> Level:
    """The means of blocks of `factor`^3 voxels, counted from the first one: of all whose centre lies in the level."""
    factors = np.full(3, factor)
    count = np.maximum(_count_blocks(level.image.shape, factors, even=True), 1)[::-1]
    blocks = _block_means(level.image, factors, np.zeros(3, dtype=int), count, even=True)
    shrink = np.diag([1 / factor] * 3 + [1.0])
    shrink[:3, 3] = (1 - factor) / 2 / factor
    return Level(blocks, shrink @ level.world_to_index)


def axes_along(linear: np.ndarray) -> list[int] | None:
    """Which axis of the one grid each axis of the other runs along, where all do so; `linear` (3, 3) maps indices."""
    runs = np.abs(linear) > ALIGNED * np.abs(linear).max()
    if (runs.sum(0) != 1).any() or (runs.sum(1) != 1).any():
        return None
    return [int(axis) for axis in runs.argmax(1)]


def _inside(index: np.ndarray, size: int) -> np.ndarray:
    return np.asarray((index >= -BORDER) & (index <= size - 1 + BORDER))


def _outer_sum(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return (z[:, None] + y)[:, :, None] + x


def _factors(native: Grid, spacing: np.ndarray) -> np.ndarray:
    """(3,) how many native voxels of each axis make one block of about `spacing` (3,) mm along that axis."""
    return np.maximum(np.floor(spacing / native.spacing + 0.5), 1).astype(int)


def _interpolate(volume: CTVolume, factors: np.ndarray, index: list[np.ndarray]) -> np.ndarray:
    """Trilinear values between block means at native indices i, j, k: three arrays (D, H, W), or three (n,), (m,), (l,)
    for all combinations of them, (l, m, n). Beyond the centre of an outermost block they are constant.
    """
    start, stop = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    where = []
    for axis, (native, f, n) in enumerate(zip(index, factors, volume.grid.size)):
        last = -(-n // f) - 1
        position = (native - (f - 1) / 2) / f
        rest = n - last * f
        if rest < f:  # the volume's end cuts the last block: its centre is nearer
            beyond = (position - (last - 1)) * 2 * f / (f + rest)
            position = np.where(position > last - 1, last - 1 + beyond, position)
        position = np.clip(position, 0, last)
        start[axis] = int(position.min())
        stop[axis] = min(int(position.max()) + 1, last) + 1
        where.append(position - start[axis])
    blocks = _block_means(volume.array, factors, start, stop)
    if index[0].ndim == 1:
        for axis, position in enumerate(where):
            blocks = linear_along(blocks, 2 - axis, position)
        return blocks
    return np.asarray(map_coordinates(blocks, where[::-1], np.float32, order=1, mode="nearest"))


def linear_along(array: np.ndarray, axis: int, position: np.ndarray) -> np.ndarray:
    """`array` (float32) at positions (n,) along one of its axes, linear between its elements, constant beyond them."""
    position = np.clip(position, 0, array.shape[axis] - 1)
    low = np.minimum(position.astype(int), max(array.shape[axis] - 2, 0))
    weight = (position - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(array.ndim)])
    below = array.take(low, axis)
    above = array.take(np.minimum(low + 1, array.shape[axis] - 1), axis)
    return below + weight * (above - below)


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
