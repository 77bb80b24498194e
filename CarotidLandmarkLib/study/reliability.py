"""How well raters agree: limits of agreement of two, intraclass correlation of two or more.

Both take the rated things as independent of each other, which the two sides of one patient are not quite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LIMITS_SD = 1.96


def bland_altman(differences: np.ndarray) -> dict[str, Any]:
    """Return bias and 95% limits of agreement of (n,) differences between two raters, in their unit.

    "bias" is the mean, "sd" the sample's (n - 1), "limits" [lower, upper] are bias -/+ 1.96 SD; "bias_95",
    "lower_95" and "upper_95" are 95% intervals by Student's t with n - 1 degrees of freedom and the standard errors
    SD / sqrt(n) and SD sqrt(1/n + 1.96^2 / (2 (n - 1))). What fewer than two differences do not define is None.

    Source: J. M. Bland, D. G. Altman, Lancet 1986; 327: 307-310, and Statistical Methods in Medical Research 1999; 8:
    135-160, section 2.2 (its standard error of the limits).
    """
    from scipy.special import stdtrit  # not at the top: most of what imports this room needs no quantile

    n = len(differences)
    if n < 2:
        nothing = dict.fromkeys(("sd", "limits", "bias_95", "lower_95", "upper_95"))
        return {"n": n, "bias": float(differences[0]) if n else None, **nothing}
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    lower, upper = bias - LIMITS_SD * sd, bias + LIMITS_SD * sd
    t = float(stdtrit(n - 1, 0.975))
    of_bias, of_limit = (t * sd * np.sqrt(part) for part in (1 / n, 1 / n + LIMITS_SD**2 / (2 * (n - 1))))
    return {
        "n": n,
        "bias": bias,
        "sd": sd,
        "limits": [lower, upper],
        "bias_95": [bias - of_bias, bias + of_bias],
        "lower_95": [lower - of_limit, lower + of_limit],
        "upper_95": [upper - of_limit, upper + of_limit],
    }


def icc_2_1(ratings: np.ndarray) -> dict[str, Any]:
    """Return the intraclass correlation ICC(2,1) of (n, k) ratings of n things by the same k raters.

    Two-way random effects, absolute agreement, a single rating: with the mean squares R between things, C between
    raters and E of the residual,

        ICC = (R - E) / (R + (k - 1) E + k (C - E) / n)

    "interval_95" is that of its F statistics with Satterthwaite's degrees of freedom. Both are None for fewer than two
    things or raters and where the ratings do not differ at all; the interval also of ratings that agree perfectly.

    Sources: P. E. Shrout, J. L. Fleiss, Psychological Bulletin 1979; 86: 420-428 (case 2); K. O. McGraw, S. P. Wong,
    Psychological Methods 1996; 1: 30-46, where it is ICC(A,1), tables 4 and 7.
    """
    from scipy.special import fdtri

    n, k = ratings.shape
    nothing = {"icc": None, "interval_95": None}
    if n < 2 or k < 2:
        return nothing
    mean = ratings.mean()
    of_things, of_raters = ratings.mean(axis=1, keepdims=True), ratings.mean(axis=0, keepdims=True)
    between = k * ((of_things - mean) ** 2).sum() / (n - 1)
    raters = n * ((of_raters - mean) ** 2).sum() / (k - 1)
    residual = ((ratings - of_things - of_raters + mean) ** 2).sum() / ((n - 1) * (k - 1))
    whole = between + (k - 1) * residual + k * (raters - residual) / n
    if whole <= 0:
        return nothing
    icc = float((between - residual) / whole)
    if icc >= 1 or residual == 0:
        return {"icc": icc, "interval_95": None}
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    freedom = (a * raters + b * residual) ** 2 / (
        (a * raters) ** 2 / (k - 1) + (b * residual) ** 2 / ((n - 1) * (k - 1))
    )
    low_f, high_f = float(fdtri(n - 1, freedom, 0.975)), float(fdtri(freedom, n - 1, 0.975))
    spread = k * raters + (k * n - k - n) * residual
    low = n * (between - low_f * residual) / (low_f * spread + n * between)
    high = n * (high_f * between - residual) / (spread + n * high_f * between)
    return {"icc": icc, "interval_95": [float(low), float(high)]}
