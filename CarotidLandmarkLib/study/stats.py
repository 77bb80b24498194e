"""Statistics in which each value counts as often as its weight says, and the bootstrap that draws these weights.

``weights`` (..., n) are whole numbers, one for each of n values, each 1 where they are not given; whatever axes come
before the last, such as resamples, are those of the result. NaN is what the weighted values do not define.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..landmarks.detection import chi2_quantile

RESAMPLES = 2000
AT_ONCE = 4_000_000  # weights


def bootstrap(
    statistic: Callable[[np.ndarray], Any], patients: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> Any:
    """Return ``statistic(weights)``, an array or (nested) dictionary of arrays, of all resamples: (resamples, ...).

    Whole patients are drawn with replacement, since two sides or scans of one are not independent; ``patients`` (n,)
    says of which each value is. A statistic of differences makes it the paired bootstrap.

    What rests on one does not vary with the draw, which says nothing of others: it is NaN in all resamples. A statistic
    rests on two where the patients can be halved, by a digit of their number, so that each half defines it.
    """
    names, index = np.unique(np.array(patients, dtype=str), return_inverse=True)
    if len(names) < 2:
        return each(lambda draws: np.full(np.shape(draws), np.nan), statistic(np.ones((resamples, len(index)))))
    generator = np.random.default_rng(seed)
    step = max(AT_ONCE // len(index), 1)
    parts = []
    for start in range(0, resamples, step):
        drawn = generator.multinomial(len(names), [1 / len(names)] * len(names), min(step, resamples - start))
        parts.append(statistic(drawn[:, index].astype(float)))
    digits = index >> np.arange((len(names) - 1).bit_length())[:, None] & 1
    halves = [statistic(of.astype(float)) for of in (digits, 1 - digits)]
    return each(_of_several, each(lambda *draws: np.concatenate(draws), *parts), *halves)


def each(function: Callable[..., Any], *values: Any) -> Any:
    """``function`` of values, or of what (nested) dictionaries of the same keys hold under each key."""
    if isinstance(values[0], dict):
        return {key: each(function, *(value[key] for value in values)) for key in values[0]}
    return function(*values)


def interval(draws: np.ndarray) -> list[float] | None:
    """Return the 95% percentile interval [low, high] of draws (resamples,); None where none of them is defined."""
    known = draws[np.isfinite(draws)]
    return np.percentile(known, [2.5, 97.5]).tolist() if len(known) else None


def p_value(draws: np.ndarray, patients: int) -> float | None:
    """Return the two-sided bootstrap p value of "no difference" from drawn differences (resamples,) of ``patients``.

    It is never below 2^(1 - patients), the least that a sign test of so many can give: the draws of a few that
    happen to agree all agree. None where no draw is defined.
    """
    known = draws[np.isfinite(draws)]
    if not len(known):
        return None
    return float(min(1.0, max(2.0 ** (1 - patients), 2 * min((known <= 0).mean(), (known >= 0).mean()))))


def mean(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the mean (...) of (n,) values, or (..., k) of (n, k)."""
    weights = _weights(values, weights)
    total = weights.sum(axis=-1)
    return _ratio(weights @ values, total if values.ndim == 1 else total[..., None])


def percentiles(values: np.ndarray, shares: Sequence[float], weights: np.ndarray | None = None) -> list[np.ndarray]:
    """Return each percentile (...), 0 to 100, of (n,) values, linear between neighbours as numpy's."""
    weights = _weights(values, weights)
    order = np.argsort(values)
    if len(order) == 0:
        return [np.full(weights.shape[:-1], np.nan) for _ in shares]
    ranks = weights[..., order].cumsum(axis=-1)
    count = ranks[..., -1]
    result = []
    for share in shares:
        place = np.maximum(count - 1, 0) * share / 100
        below = np.floor(place)
        low, high = (
            values[order[np.minimum((ranks <= rank[..., None]).sum(axis=-1), len(order) - 1)]]
            for rank in (below, np.minimum(below + 1, count - 1))
        )
        result.append(np.where(count > 0, low + (high - low) * (place - below), np.nan))
    return result


def pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return Pearson's correlation (...) of two (n,) arrays, NaN where either has no spread."""
    weights = _weights(x, weights)
    if len(x) == 0:
        return np.full(weights.shape[:-1], np.nan)
    x, y = x - x.mean(), y - y.mean()
    x_mean, y_mean = mean(x, weights), mean(y, weights)
    products = mean(np.stack([x * y, x * x, y * y], axis=1), weights)
    covariance = products[..., 0] - x_mean * y_mean
    variances = np.maximum((products[..., 1] - x_mean**2) * (products[..., 2] - y_mean**2), 0)
    drawn = weights > 0
    flat = [np.where(drawn, v, -np.inf).max(-1) == np.where(drawn, v, np.inf).min(-1) for v in (x, y)]
    return _ratio(covariance, np.where(flat[0] | flat[1], 0.0, np.sqrt(variances)))


def ause(errors: np.ndarray, uncertainties: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the area (...) under the sparsification error in mm: 0 where the uncertainty ranks the errors perfectly.

    For k = 0 … n - 1, the mean error of what remains after removing the k most uncertain of (n,) landmarks, less the
    same after removing the k largest errors, averaged over k (Ilg et al., ECCV 2018, not normalised). Equal
    uncertainties count as removed in random order (the expectation).
    """
    weights = _weights(errors, weights)
    if len(errors) == 0:
        return np.full(weights.shape[:-1], np.nan)
    counts, sums = _by_value(uncertainties, weights, weights * errors)
    by_error = np.argsort(errors)
    expected = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    return _mean_of_running_means(expected, counts) - _mean_of_running_means(errors[by_error], weights[..., by_error])


def auroc(values: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the probability (...) that a positive's value exceeds a negative's, ties counting half."""
    weights = _weights(values, weights)
    if len(values) == 0:
        return np.full(weights.shape[:-1], np.nan)
    ups, downs = _by_value(values, weights * positive, weights * ~positive)
    below = downs.cumsum(axis=-1) - downs / 2
    return _ratio((ups * below).sum(axis=-1), ups.sum(axis=-1) * downs.sum(axis=-1))


def coverage(
    mahalanobis2: np.ndarray, confidence: float = 0.9, covariance_scale: float = 1.0, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the share (...) of truths inside the ``confidence`` ellipsoid, covariances times ``covariance_scale``.

    ``mahalanobis2`` (n,) are squared Mahalanobis distances; NaN ones are left out. A calibrated engine reaches
    ``confidence``.
    """
    known = ~np.isnan(mahalanobis2)
    inside = mahalanobis2[known] <= covariance_scale * chi2_quantile(confidence)
    return mean(inside, _weights(mahalanobis2, weights)[..., known])


def _of_several(draws: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The draws (resamples, ...), NaN where no two halves (halves, ...) both define the statistic."""
    return np.where((np.isfinite(one) & np.isfinite(other)).any(axis=0), draws, np.nan)


def _weights(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    return np.ones(len(values)) if weights is None else weights


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _by_value(values: np.ndarray, *weights: np.ndarray) -> list[np.ndarray]:
    """Sums (..., g) of the weights of equal values, of which there are g, the smallest first."""
    order = np.argsort(values)
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))
    return [np.add.reduceat(of[..., order].astype(float), starts, axis=-1) for of in weights]


def _mean_of_running_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over k = 1 … N of the mean of the first k values, each repeated by its weight; N is their sum.

    The running means of a value e that comes w times after c values of sum s are e + (s - c e) / (c + j), j = 1 … w.
    """
    ends = weights.cumsum(axis=-1).astype(int)
    begins = ends - weights.astype(int)
    sums = (weights * values).cumsum(axis=-1) - weights * values
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, ends.max() + 1))])
    areas = weights * values + (sums - begins * values) * (harmonic[ends] - harmonic[begins])
    return _ratio(areas.sum(axis=-1), ends[..., -1])
