"""How well a number tells another, for arrays: correlation, ranking, coverage."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..landmarks.detection import chi2_quantile

_quantile = lru_cache(chi2_quantile)


def pearson(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return Pearson's correlation of two (n,) arrays, or None where either has no spread."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def ause(errors: np.ndarray, uncertainties: np.ndarray) -> float | None:
    """Return the area under the sparsification error in mm: 0 where the uncertainty ranks the errors perfectly.

    For k = 0 … n - 1, the mean error of what remains after removing the k most uncertain of (n,) landmarks, less the
    same after removing the k largest errors, averaged over k (Ilg et al., ECCV 2018, not normalised). Equal
    uncertainties count as removed in random order (the expectation).
    """
    count = len(errors)
    if count == 0:
        return None
    _, group = np.unique(uncertainties, return_inverse=True)
    expected = (np.bincount(group, weights=errors) / np.bincount(group))[group]
    remaining = np.arange(1, count + 1)
    by_uncertainty = np.cumsum(expected[np.argsort(uncertainties, kind="stable")]) / remaining
    by_error = np.cumsum(np.sort(errors)) / remaining
    return float((by_uncertainty - by_error).mean())


def auroc(values: np.ndarray, positive: np.ndarray) -> float | None:
    """Return the probability that a positive's value exceeds a negative's, ties counting half; None without both."""
    ups, downs = values[positive], values[~positive]
    if len(ups) == 0 or len(downs) == 0:
        return None
    difference = ups[:, None] - downs[None, :]
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())


def coverage(mahalanobis2: np.ndarray, confidence: float = 0.9, covariance_scale: float = 1.0) -> float | None:
    """Return the share of truths inside the ``confidence`` ellipsoid, covariances multiplied by ``covariance_scale``.

    ``mahalanobis2`` (n,) are squared Mahalanobis distances; NaN ones are left out. A calibrated engine reaches
    ``confidence``.
    """
    known = mahalanobis2[~np.isnan(mahalanobis2)]
    if len(known) == 0:
        return None
    return float((known <= covariance_scale * _quantile(confidence)).mean())
