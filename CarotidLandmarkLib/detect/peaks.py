"""The places that a heatmap finds likely."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ..model.multiscale import ScaleOutput

APART_MM = 10.0  # two places, not one
PEAK_VOXELS, PEAK_LOWER = 4, 5.0  # a peak is the highest so far around, and at most so much below the highest (logits)


def peaks(output: ScaleOutput, most: int) -> list[tuple[np.ndarray, float]]:
    """LPS mm (3,) of up to so many of the highest peaks of a heatmap, the highest first, and the share of it that lies
    around each.

    Of a plateau, of which a rectified heatmap is full, the voxel nearest to its middle stands for all.
    """
    logits = output.logits[0, 0].float().cpu().numpy()
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
    center, frame = output.center[0].double().cpu().numpy(), output.frame[0].double().cpu().numpy()
    places = center + (voxels - (np.array(logits.shape) - 1) / 2)[:, ::-1] @ frame.T
    return [(places[i], float(around[tuple(voxels[i])])) for i in apart(places, most=most)]


def apart(places: Sequence[np.ndarray], known: Sequence[np.ndarray] = (), most: int | None = None) -> list[int]:
    """Numbers of up to so many places (3,) that are near neither a known one nor one of them before."""
    kept: list[int] = []
    for number, place in enumerate(places):
        if len(kept) == most:
            break
        others = [*known, *(places[i] for i in kept)]
        if all(np.linalg.norm(place - other) > APART_MM for other in others):
            kept.append(number)
    return kept
