"""The neighbourhood of a point, in even voxels along the LPS axes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..volume.ct import CTVolume
from ..volume.geometry import Grid, Vector

SPACING_MM = 0.6
HALF_MM = (25.0, 25.0, 45.0)
AIR_HU, METAL_HU = -1024.0, 3071.0
BLUR_MM = (0.2, 0.5)  # SD of the Gaussian for a scan with little noise and one with more
SOFT_HU, NOISY_HU = (-50.0, 150.0), 10.0  # in soft tissue half of the voxels change by this with more blur


@dataclass(frozen=True)
class Box:
    """grid: LPS-aligned voxels of SPACING_MM. hu: (z, y, x) float32, smoothed. inside: (z, y, x), where data is."""

    grid: Grid
    hu: np.ndarray
    inside: np.ndarray


def cut_box(volume: CTVolume, center_lps: Vector) -> Box:
    """The voxels of `volume` within HALF_MM of `center_lps` (3,), trilinear, blurred no more than the noise asks for.

    Values that are no numbers count as air; outside of the volume is air, too.
    """
    import SimpleITK as sitk

    center = np.asarray(center_lps, dtype=np.float64)
    size = [2 * round(half / SPACING_MM) + 1 for half in HALF_MM]
    grid = Grid.axis_aligned(center, size, SPACING_MM)
    native = volume.grid
    corners = native.world_to_index(center + np.array(list(product((-1, 1), repeat=3))) * HALF_MM)
    first = np.clip(np.floor(corners.min(0)) - 1, 0, np.array(native.size) - 1).astype(int)
    last = np.clip(np.ceil(corners.max(0)) + 1, first, np.array(native.size) - 1).astype(int)
    part = volume.array[tuple(slice(a, b + 1) for a, b in zip(first[::-1], last[::-1]))]
    part = np.nan_to_num(part.astype(np.float32), nan=AIR_HU).clip(AIR_HU, METAL_HU)
    image = sitk.GetImageFromArray(part)
    image.SetSpacing(native.spacing.tolist())
    image.SetOrigin(native.index_to_world(first).tolist())
    image.SetDirection(native.direction.ravel().tolist())
    fine = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, grid.origin.tolist(), grid.spacing.tolist(),
        np.eye(3).ravel().tolist(), AIR_HU - 1, sitk.sitkFloat32,
    )  # fmt: skip
    inside = sitk.GetArrayViewFromImage(fine) >= AIR_HU
    fine = sitk.Clamp(fine, lowerBound=AIR_HU)
    hu, smooth = (sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(fine, blur)) for blur in BLUR_MM)
    soft = inside & (smooth > SOFT_HU[0]) & (smooth < SOFT_HU[1])
    noisy = soft.any() and np.median(np.abs(hu[soft] - smooth[soft])) > NOISY_HU
    return Box(grid, smooth if noisy else hu, inside)
