"""Room for the carotids: near their forks they run beside the bones, never through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..volume.geometry import Grid
from .canvas import Canvas
from .shapes import Shape, Space
from .vessels import Carotid

SPACING_MM = 4.0
LOW, HIGH = np.array([-60.0, -75, -85]), np.array([60.0, 25, 55])  # around the canal at the height of the forks
BONE_HU = 130.0
NEAR_MM = 22.0  # of the carina


class BoneMap:
    """What of ``shapes`` is bone (those of the neck, without vessels), on a coarse grid in body mm."""

    def __init__(self, shapes: Sequence[Shape], space: Space) -> None:
        canal = space.canal(np.array([LOW[2], HIGH[2], 0.0]))
        low, high = LOW + [*canal.min(0), 0.0], HIGH + [*canal.max(0), 0.0]
        size = np.ceil((high - low) / SPACING_MM).astype(int)
        self.grid = Grid.axis_aligned((low + high) / 2, size.tolist(), SPACING_MM)
        canvas = Canvas(self.grid, replace(space, rotation=np.eye(3), origin=np.zeros(3)), psf_mm=1.0)
        for shape in shapes:
            canvas.paint(shape)
        self.bone = (canvas.hu > BONE_HU).numpy()

    def meets(self, carotid: Carotid) -> bool:
        """Whether the axis of the trunk or of a branch is in bone within ``NEAR_MM`` of the carina."""
        points = np.vstack([tube.points for tube in (carotid.trunk, carotid.internal, carotid.external)])
        near = points[np.linalg.norm(points - carotid.landmark, axis=1) < NEAR_MM]
        index = np.round(self.grid.world_to_index(near)).astype(int)
        inside = ((index >= 0) & (index < self.grid.size)).all(1)
        x, y, z = index[inside].T
        return bool(self.bone[z, y, x].any())
