"""How far the true point may be from the answer."""

from __future__ import annotations

import numpy as np


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


def largest_sd(covariance: np.ndarray) -> float:
    """Standard deviation, mm, along the longest axis of a covariance (3, 3) in mm^2."""
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))
