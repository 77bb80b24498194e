from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest

from CarotidLandmarkLib.study import stats

ERRORS = np.array([1.0, 2.0, 3.0])


def sparsification(errors: np.ndarray, uncertainties: np.ndarray) -> float:
    """AUSE word by word, of uncertainties that all differ."""
    rests = []
    for k in range(len(errors)):
        rest = len(errors) - k
        rests.append(errors[np.argsort(uncertainties, kind="stable")[:rest]].mean() - np.sort(errors)[:rest].mean())
    return float(np.mean(rests))


PLAIN = {
    "mean": (lambda x, y: x.mean(), lambda x, y, w: stats.mean(x, w)),
    "p95": (lambda x, y: np.percentile(x, 95), lambda x, y, w: stats.percentiles(x, [95], w)[0]),
    "median": (lambda x, y: np.median(x), lambda x, y, w: stats.percentiles(x, [50], w)[0]),
    "pearson": (lambda x, y: np.corrcoef(x, y)[0, 1], lambda x, y, w: stats.pearson(x, y, w)),
    "auroc": (
        lambda x, y: np.mean([(a > b) + 0.5 * (a == b) for a in y[x > 1] for b in y[x <= 1]]),
        lambda x, y, w: stats.auroc(y, x > 1, w),
    ),
    "ause": (
        lambda x, y: sparsification(np.sort(x), np.arange(len(x))[::-1]),
        lambda x, y, w: stats.ause(x, -x, w),
    ),
    "coverage": (lambda x, y: (x <= 6.2514).mean(), lambda x, y, w: stats.coverage(x, 0.9, 1.0, w)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_weight_is_as_good_as_so_many_repeats(name: str) -> None:
    plain, weighted = PLAIN[name]
    generator = np.random.default_rng(1)
    x, y = generator.exponential(2, 40), generator.integers(0, 9, 40).astype(float)
    weights = generator.integers(0, 4, (5, 40))
    expected = [plain(np.repeat(x, row), np.repeat(y, row)) for row in weights]
    np.testing.assert_allclose(weighted(x, y, weights), expected, rtol=1e-9)
    assert weighted(x, y, None) == pytest.approx(plain(x, y))


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_has_no_statistic_and_no_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (0, 3):
            nothing = PLAIN[name][1](np.ones(count), np.ones(count), np.zeros((2, count)))
            assert np.isnan(nothing).tolist() == [True, True]


def test_bootstrap_draws_whole_cases_and_the_same_again() -> None:
    cases = ["a", "a", "b", "b", "c", "c"]
    drawn = stats.bootstrap(lambda weights: weights, cases, 500, seed=4)
    assert drawn.shape == (500, 6) and (drawn[:, ::2] == drawn[:, 1::2]).all() and (drawn.sum(axis=1) == 6).all()
    assert (drawn == stats.bootstrap(lambda weights: weights, cases, 500, seed=4)).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(6), abs=0.12)


def test_bootstrap_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def statistic(weights: np.ndarray) -> dict:
        return {"mean": stats.mean(ERRORS, weights), "of": {"all": weights}}

    whole = stats.bootstrap(statistic, list("abc"), 50)
    monkeypatch.setattr(stats, "AT_ONCE", 20)
    parts = stats.bootstrap(statistic, list("abc"), 50)
    assert (whole["mean"] == parts["mean"]).all() and (whole["of"]["all"] == parts["of"]["all"]).all()


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    errors = np.random.default_rng(1).uniform(0, 4, 400)
    draws = stats.bootstrap(lambda weights: stats.mean(errors, weights), [str(i) for i in range(400)], seed=3)
    low, high = stats.interval(draws)
    half = 1.96 * errors.std(ddof=1) / np.sqrt(400)
    assert low == pytest.approx(errors.mean() - half, abs=0.02)
    assert high == pytest.approx(errors.mean() + half, abs=0.02)


def test_interval_and_p_value_leave_undefined_draws_out() -> None:
    draws = np.array([np.nan, 1.0, 1.0, -1.0, 1.0])
    assert stats.p_value(draws, 5) == 0.5 and stats.interval(draws) == pytest.approx([-0.85, 1.0])
    assert stats.p_value(draws[:1], 5) is None and stats.interval(draws[:1]) is None
    assert stats.p_value(np.zeros(3), 5) == 1.0


@pytest.mark.parametrize(("cases", "least"), [(2, 0.5), (3, 0.25), (12, 2**-11)])
def test_no_p_value_is_below_that_of_a_sign_test(cases: int, least: float) -> None:
    assert stats.p_value(np.full(2000, -1.0), cases) == stats.p_value(np.full(2000, 1.0), cases) == least


@pytest.mark.parametrize("name", PLAIN)
def test_what_rests_on_one_case_has_no_draws(name: str) -> None:
    """Six values of one case; then beside other cases that have none, whose draws would vary in nothing."""
    x, y = np.array([1.0, 1, 3, 4, 5, 1]), np.array([2.0, 1, 4, 3, 6, 5])

    def statistic(weights: np.ndarray) -> dict:
        return {"of": {name: PLAIN[name][1](x, y, weights[..., : len(x)])}}

    for others in ([], ["b"], ["b", "c", "d", "e"]):
        draws = stats.bootstrap(statistic, [*["a"] * len(x), *others], 50)["of"][name]
        assert draws.shape == (50,) and stats.interval(draws) is None and stats.p_value(draws, 1) is None
    for cases in ("aaabbb", "abcabc", "abcdef"):
        draws = stats.bootstrap(partial(PLAIN[name][1], x, y), list(cases), 200)
        assert stats.interval(draws) is not None, cases


def test_pearson() -> None:
    assert stats.pearson(ERRORS, np.array([2.0, 4, 6])) == pytest.approx(1)
    assert stats.pearson(ERRORS, np.array([1.0, 3, 2])) == pytest.approx(0.5)
    assert np.isnan(stats.pearson(np.array([1.0, 1]), np.array([1.0, 3])))
    assert np.isnan(stats.pearson(ERRORS, ERRORS, np.array([0, 3, 0]))), "one value, however often, has no spread"


def test_ause_by_hand() -> None:
    assert stats.ause(ERRORS, ERRORS) == 0
    # Removing the largest uncertainty first leaves 2, (2 + 3) / 2, 3 against the best 2, 1.5, 1.
    assert stats.ause(ERRORS, -ERRORS) == pytest.approx((0 + 1 + 2) / 3)
    # No ranking at all leaves the mean, 2, each time.
    assert stats.ause(ERRORS, np.zeros(3)) == pytest.approx((0 + 0.5 + 1) / 3)


def test_auroc_by_hand() -> None:
    values, large = np.array([1.0, 2, 2, 3]), np.array([False, False, True, True])
    assert stats.auroc(values, large) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert np.isnan(stats.auroc(values, np.zeros(4, bool)))


def test_coverage_before_and_after_calibration() -> None:
    distances = np.array([1.0, 6.0, 7.0, 20.0, np.nan])
    assert stats.coverage(distances, 0.9) == 0.5
    assert stats.coverage(distances, 0.9, covariance_scale=2) == 0.75
    assert np.isnan(stats.coverage(np.array([np.nan])))
