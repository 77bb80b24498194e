"""Trilinear crops of a view: what model.crop does with tensors."""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk

from .sample import FILL, Level, axes_along


def crop(level: Level, center: np.ndarray, frame: np.ndarray, size: int) -> np.ndarray:
    """Samples (size, size, size) float32 of `level` at center + frame @ (v - (size - 1) / 2), LPS mm, of index
    v = (x, y, z).

    center: (3,). frame: (3, 3), columns the mm per index step, so that spacing, mirroring and rotation are all in it.
    Outside of the level is FILL, and between that and its outermost voxels what is linear between the two.
    """
    linear = level.world_to_index[:3, :3] @ frame
    origin = level.world_to_index[:3, :3] @ center + level.world_to_index[:3, 3] - linear.sum(1) * (size - 1) / 2
    along = axes_along(linear)
    if along is None:
        return _oblique(level.image, linear, origin, size)
    image = level.image
    for axis in (2, 1, 0):  # of the level's index: first whole slices, which lie together in memory
        towards = along[axis]
        image = _linear(image, 2 - axis, origin[axis] + linear[axis, towards] * np.arange(size))
    return image.transpose([2 - along.index(axis) for axis in (2, 1, 0)])


def _oblique(image: np.ndarray, linear: np.ndarray, origin: np.ndarray, size: int) -> np.ndarray:
    """`image` at index origin + linear @ v."""
    corners = origin + np.array(list(product((0, size - 1), repeat=3))) @ linear.T
    first = np.floor(corners.min(0)).astype(int) - 1
    shape = (np.ceil(corners.max(0)).astype(int) + 2 - first)[::-1]
    around = np.full(shape, FILL, np.float32)  # one voxel more on each side, so that ITK need not look beyond
    begin = first[::-1]
    low, high = np.maximum(begin, 0), np.minimum(begin + shape, image.shape)
    if (low < high).all():
        inner, outer = (
            tuple(slice(a, b) for a, b in zip(low - start, high - start)) for start in (begin, np.zeros(3, int))
        )
        around[inner] = image[outer]
    to_index = sitk.AffineTransform(linear.ravel().tolist(), (origin - first).tolist())
    resample = sitk.ResampleImageFilter()
    resample.SetTransform(to_index)
    resample.SetInterpolator(sitk.sitkLinear)
    resample.SetSize((size,) * 3)
    resample.SetDefaultPixelValue(FILL)
    resample.SetNumberOfThreads(1)  # passes run side by side instead
    return sitk.GetArrayFromImage(resample.Execute(sitk.GetImageFromArray(around)))


def _linear(image: np.ndarray, axis: int, position: np.ndarray) -> np.ndarray:
    """`image` at positions (n,) along one of its axes."""
    low = np.floor(position).astype(int)
    weight = (position - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    below, above = (_taken(image, axis, low + step) for step in (0, 1))
    above -= below
    above *= weight
    above += below
    return above


def _taken(image: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray:
    """Copies of the slices of these numbers along an axis, FILL where there is none."""
    inside = (index >= 0) & (index < image.shape[axis])
    taken = image.take(np.clip(index, 0, image.shape[axis] - 1), axis)
    if not inside.all():
        np.moveaxis(taken, axis, 0)[~inside] = FILL
    return taken
