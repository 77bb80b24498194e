"""The places that a heatmap finds likely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .backends.backend import Answer

APART_MM = 10.0  # two places, not one
TISSUE_HU, TISSUE_SHARE = -300.0, 0.25
PEAK_VOXELS, PEAK_LOWER = 4, 5.0  # a peak is the highest so far around, and at most so much below the highest (logits)


def peaks(answer: Answer, most: int) -> list[tuple[np.ndarray, float]]:
    """LPS mm (3,) of up to so many of the highest peaks of an answer's heatmap, the highest first, and the share of it
    that lies around each.

    Of a plateau, of which a rectified heatmap is full, the voxel nearest to its middle stands for all.
    """
    logits = answer.heatmap
    window = 2 * PEAK_VOXELS + 1
    tops = (logits == ndimage.maximum_filter(logits, window)) & (logits > logits.max() - PEAK_LOWER)
    plateaus, count = ndimage.label(tops, np.ones((3, 3, 3)))
    voxels = np.argwhere(tops)
    of = plateaus[tuple(voxels.T)] - 1
    middles = np.stack([np.bincount(of, axis, count) for axis in voxels.T], 1) / np.bincount(of)[:, None]
    nearest = np.lexsort((np.square(voxels - middles[of]).sum(1), of))
    voxels = voxels[nearest[np.unique(of[nearest], return_index=True)[1]]]
    voxels = voxels[np.argsort(-logits[tuple(voxels.T)], kind="stable")]

    heatmap = np.exp(logits - logits.max(), dtype=np.float64)
    around = ndimage.uniform_filter(heatmap / heatmap.sum(), window, mode="constant") * window**3
    places = answer.center + (voxels - (np.array(logits.shape) - 1) / 2)[:, ::-1] @ answer.frame.T
    return [(places[i], float(around[tuple(voxels[i])])) for i in apart(places, most=most)]


def likely_cells(hu: np.ndarray, coarse: Answer, edge: int, most: int) -> np.ndarray:
    """Index (N, 3), x, y, z, of the middles of the cells of `edge`^3 voxels of a view (D, H, W) that hold tissue: of
    more than `most` those that the answer's heatmap of that view likes best, which come first."""
    cell = np.minimum(edge, hu.shape)
    tissue, liked = (hu > TISSUE_HU).astype(np.float64), coarse.heatmap
    for axis, (size, step) in enumerate(zip(hu.shape, cell)):
        first = np.arange(0, size, step)
        lengths = np.diff(np.append(first, size)).reshape([-1 if a == axis else 1 for a in range(3)])
        tissue = np.add.reduceat(tissue, first, axis) / lengths
        liked = np.maximum.reduceat(liked, first, axis)
    cells = np.argwhere(tissue > TISSUE_SHARE)
    cells = cells[np.argsort(-liked[tuple(cells.T)], kind="stable")[:most]]
    middles = np.minimum((cells + 0.5) * cell - 0.5, np.array(hu.shape) - 1.0)
    return middles[:, ::-1]


def apart(
    places: Sequence[np.ndarray], known: Sequence[np.ndarray] = (), most: int | None = None, mm: float = APART_MM
) -> list[int]:
    """Numbers of up to so many places (3,) that are within `mm` neither of a known one nor of one of them before."""
    kept: list[int] = []
    for number, place in enumerate(places):
        if len(kept) == most:
            break
        others = [*known, *(places[i] for i in kept)]
        if all(np.linalg.norm(place - other) > mm for other in others):
            kept.append(number)
    return kept
