"""How far the answer moves when only the crop moves: 0 for a perfectly shift-equivariant network."""

from __future__ import annotations

import numpy as np
import torch

from CarotidLandmarkLib.model.crop import side_frame
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet, PyramidLike

LARGEST_SHIFT = 8  # voxels


@torch.inference_mode()
def shift_errors(
    model: MultiScaleLocNet, pyramid: PyramidLike, center: np.ndarray, side: str, scale: int, shifts: np.ndarray
) -> np.ndarray:
    """Errors (N,) in mm of one of the finer scales: |answer(crop at center + shift) - answer(crop at center)|.

    center: (3,) LPS mm. shifts: (N, 3) in voxels of that scale. What moves into the crop is the volume's own data.
    """
    spacing, extent = model.config.scales_mm[scale], model.config.extent_mm[scale]
    reach = 2 * float(np.abs(shifts).max()) * spacing
    level = pyramid.around(center, extent + reach, spacing)
    where = np.concatenate([center[None], center + shifts * spacing])
    frame = side_frame(side, spacing)
    answers = [
        model.refine(scale, level.image, level.world_to_index, torch.from_numpy(at)[None], frame).position[0].numpy()
        for at in where
    ]
    return np.asarray(np.linalg.norm(np.array(answers[1:]) - answers[0], axis=1))


def draw_shifts(rng: np.random.Generator, count: int, whole: bool) -> np.ndarray:
    """(count, 3) shifts of 1 to ``LARGEST_SHIFT`` voxels along each axis, either way; or of less than one voxel."""
    if whole:
        return np.asarray(rng.integers(1, LARGEST_SHIFT + 1, (count, 3)) * rng.choice([-1, 1], (count, 3)), float)
    return rng.uniform(-1, 1, (count, 3))
