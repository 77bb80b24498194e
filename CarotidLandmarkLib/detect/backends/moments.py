"""The centre of mass of a heatmap: what model.center_of_mass does with tensors."""

from __future__ import annotations

import numpy as np


def moments(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Of weights exp(logits), logits (D, H, W): their mean (3,), as index x, y, z, their covariance (3, 3), voxels^2,
    and the logarithm of their sum. Sums over whole planes are float64."""
    highest = logits.max()
    weights = np.exp(logits - highest)
    xy, xz, yz = (weights.sum(axis, dtype=np.float64) for axis in range(3))
    mass = xy.sum()
    marginals = [xy.sum(0) / mass, xy.sum(1) / mass, xz.sum(1) / mass]
    steps = [np.arange(len(marginal)) - (len(marginal) - 1) / 2 for marginal in marginals]
    means = np.array([marginal @ step for marginal, step in zip(marginals, steps)])
    x, y, z = (step - mean for step, mean in zip(steps, means))
    covariance = np.diag([marginal @ (d * d) for marginal, d in zip(marginals, (x, y, z))])
    covariance[0, 1] = covariance[1, 0] = y @ xy @ x / mass
    covariance[0, 2] = covariance[2, 0] = z @ xz @ x / mass
    covariance[1, 2] = covariance[2, 1] = z @ yz @ y / mass
    return means + (np.array(logits.shape[::-1]) - 1) / 2, covariance, float(highest) + float(np.log(mass))
