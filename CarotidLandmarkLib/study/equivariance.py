"""How far the answer moves when only the crop moves: 0 for a perfectly shift-equivariant network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ..model.multiscale import MultiScaleLocNet, PyramidLike

LARGEST_SHIFT = 8  # voxels
SHIFTS = 8  # of each kind, at each scale of each landmark


@torch.inference_mode()
def shift_errors(
    model: MultiScaleLocNet, pyramid: PyramidLike, center: np.ndarray, side: str, scale: int, shifts: np.ndarray
) -> np.ndarray:
    """Errors (N,) in mm of one of the finer scales: |answer(crop at center + shift) - answer(crop at center)|.

    center: (3,) LPS mm. shifts: (N, 3) in voxels of that scale. What moves into the crop is the volume's own data.
    """
    spacing, extent = model.config.scales_mm[scale], model.config.extent_mm[scale]
    reach = 2 * float(np.abs(shifts).max()) * spacing
    level = model.view(pyramid).around(center, extent + reach, spacing)
    where = np.concatenate([center[None], center + shifts * spacing])
    frame = model.frame(side, scale).to(level.world_to_index)
    answers = [
        model.refine(scale, level.image, level.world_to_index, torch.from_numpy(at)[None].to(frame), frame).position[0]
        for at in where
    ]
    positions = torch.stack(answers).cpu().numpy()
    return np.asarray(np.linalg.norm(positions[1:] - positions[0], axis=1))


def draw_shifts(rng: np.random.Generator, count: int, whole: bool) -> np.ndarray:
    """(count, 3) shifts of 1 to ``LARGEST_SHIFT`` voxels along each axis, either way; or of less than one voxel."""
    if whole:
        return np.asarray(rng.integers(1, LARGEST_SHIFT + 1, (count, 3)) * rng.choice([-1, 1], (count, 3)), float)
    return rng.uniform(-1, 1, (count, 3))


class ShiftErrors:
    """Gathers the shift-equivariance errors of one model, case by case, with the crops centred on the truth."""

    def __init__(self, model: MultiScaleLocNet, seed: int = 0) -> None:
        self.model = model
        self.rng = np.random.default_rng(seed)
        self.errors: dict[tuple[str, str], list[float]] = {}

    def add(self, pyramid: PyramidLike, truth: Mapping[str, np.ndarray | None]) -> None:
        """Measure a case at each finer scale of each side of ``truth``, (3,) LPS mm or None."""
        for side, point in truth.items():
            if point is None:
                continue
            for scale, spacing in enumerate(self.model.config.scales_mm[1:], start=1):
                for kind, whole in (("whole_voxels", True), ("sub_voxel", False)):
                    shifts = draw_shifts(self.rng, SHIFTS, whole)
                    found = shift_errors(self.model, pyramid, point, side, scale, shifts)
                    self.errors.setdefault((f"{spacing:g}", kind), []).extend(found.tolist())

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Scale in mm to kind ("whole_voxels": 1 to 8 along each axis; "sub_voxel": less than 1) to its figures."""
        table: dict[str, dict[str, dict[str, float]]] = {}
        for (spacing, kind), errors in self.errors.items():
            figures = {"mean_mm": float(np.mean(errors)), "p95_mm": float(np.percentile(errors, 95))}
            table.setdefault(spacing, {})[kind] = {**figures, "max_mm": max(errors), "shifts": len(errors)}
        return table
