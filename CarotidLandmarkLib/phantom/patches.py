"""A phantom as the pyramid that the network looks at: only the voxels that are asked for are ever computed."""

from __future__ import annotations

import numpy as np

from ..volume.geometry import Grid, Vector
from ..volume.sample import Level, averaged
from .phantom import Phantom
from .scan import Scan, resample
from .streams import Streams


class PhantomPyramid:
    """Same views as ``volume.sample.VolumePyramid``, evaluated from the phantom instead of averaged from a volume.

    ``around`` gives an LPS-aligned cube of just the extent asked for: leave room for the rotations you apply.
    """

    def __init__(self, phantom: Phantom, scan: Scan, device: str = "cpu") -> None:
        self.phantom, self.scan, self.device = phantom, scan, device
        self.generator = Streams(phantom.seed, phantom.split).torch("pyramid noise")
        self._whole: dict[float, Level] = {}

    def whole(self, spacing_mm: float) -> Level:
        """The scan's field of view at ``spacing_mm``; coarser than 2 mm is averaged from 2 mm."""
        if spacing_mm not in self._whole:
            lower, upper = self.scan.grid.bounds()
            if spacing_mm > 2:
                factor = round(spacing_mm / 2)
                self._whole[spacing_mm] = averaged(self.whole(spacing_mm / factor), factor)
            else:
                size = np.ceil((upper - lower) / spacing_mm).astype(int)
                grid = Grid.axis_aligned((lower + upper) / 2, size.tolist(), spacing_mm)
                blocks = self._blocks((lower + upper) / 2, upper - lower, spacing_mm)
                hu = self.scan.acquire(self.phantom, blocks, self.generator, self.device)
                image = resample(hu[None, None], blocks, grid).cpu().numpy()
                self._whole[spacing_mm] = Level(image, np.linalg.inv(grid.affine))
        return self._whole[spacing_mm]

    def around(self, center_lps: Vector, extent_mm: float, spacing_mm: float) -> Level:
        """Voxels as a reader of the native volume averages them towards ``spacing_mm``, in a cube at ``center_lps``."""
        if spacing_mm >= 2:
            return self.whole(spacing_mm)
        grid = self._blocks(np.asarray(center_lps, float), np.full(3, extent_mm), spacing_mm)
        hu = self.scan.acquire(self.phantom, grid, self.generator, self.device)
        return Level(hu.cpu().numpy(), np.linalg.inv(grid.affine))

    def _blocks(self, center: np.ndarray, extent: np.ndarray, spacing_mm: float) -> Grid:
        """Blocks of whole native voxels, about ``spacing_mm`` wide, over a box."""
        steps = self.scan.grid.spacing * np.maximum(1, np.round(spacing_mm / self.scan.grid.spacing))
        return Grid.axis_aligned(center, (np.ceil(extent / steps).astype(int) + 1).tolist(), steps)
