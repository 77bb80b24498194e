"""How far the true point may be from the answer."""

from __future__ import annotations

import numpy as np

from ..volume.geometry import Grid


def draw_shifts(sides: int, samples: int, noise_mm: float, seed: int) -> np.ndarray:
    """Shifts of crops, (sides, samples, 3) mm, uniform within +-noise_mm: of a seed those that a torch.Generator with
    that seed draws as float64, which is a Mersenne twister that fills 53 bits from two of its numbers."""
    drawn = np.random.RandomState(seed & 0xFFFFFFFF).bytes(8 * sides * samples * 3)
    high, low = np.frombuffer(drawn, "<u4").astype(np.uint64).reshape(-1, 2).T
    share = ((high << np.uint64(32) | low) & np.uint64(2**53 - 1)) * 2.0**-53
    return ((2 * share - 1) * noise_mm).reshape(sides, samples, 3)


def combine(positions: np.ndarray, heatmaps: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a landmark from the passes of the last scale.

    The covariance is that between the passes (how much the answer depends on where the crop was cut) plus the mean
    second moment of the heatmaps (how much the network itself hesitates), times the model's calibration factor.
    The spread between passes is that of Ma et al., ISBI 2020; the second moment and the calibration are ours.

    positions: (N, 3) LPS mm. heatmaps: (N, 3, 3) second central moments, mm^2. scale: calibration factor.
    Returns (3,) mm and (3, 3) mm^2, symmetric. With one pass only the heatmap speaks.
    """
    mean = positions.mean(axis=0)
    away = positions - mean
    between = away.T @ away / max(len(positions) - 1, 1)
    covariance = scale * (between + heatmaps.mean(axis=0))
    return mean, (covariance + covariance.T) / 2


def of_voxels(grid: Grid) -> np.ndarray:
    """Covariance (3, 3), mm^2, of a point that may lie anywhere in its voxel: along each axis spacing^2 / 12.

    The network sees the scan resampled and does not know how thick its slices were. Of validation landmarks up to 10 mm
    off, 167 in slices of 3 mm and more, the 90 % ellipsoids hold 81 % without this and 87 % with it, of 166 in thinner
    ones 89 and 92 %.
    """
    return np.asarray(grid.direction @ np.diag(grid.spacing**2 / 12) @ grid.direction.T)


def largest_sd(covariance: np.ndarray) -> float:
    """Standard deviation, mm, along the longest axis of a covariance (3, 3) in mm^2."""
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))
