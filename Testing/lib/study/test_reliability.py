"""Against the worked examples of the papers."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.study.reliability import bland_altman, icc_2_1

# Bland and Altman 1986, table 1: peak flow, first measurement by each meter.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
# Shrout and Fleiss 1979, table 2: six things, four judges.
JUDGED = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_the_peak_flow_meters_of_bland_and_altman() -> None:
    found = bland_altman(np.subtract(WRIGHT, MINI, dtype=float))
    assert (found["n"], found["bias"], found["sd"]) == (
        17,
        pytest.approx(-2.1, abs=0.05),
        pytest.approx(38.8, abs=0.05),
    )
    assert found["bias_95"] == pytest.approx([-22.0, 17.8], abs=0.1)
    # The paper rounds 1.96 to 2 in the limits, and takes sqrt(3 / n) for their standard error.
    assert found["limits"] == pytest.approx([-79.7, 75.5], abs=2)
    assert found["lower_95"] == pytest.approx([-114.3, -45.1], abs=2)
    assert found["upper_95"] == pytest.approx([40.9, 110.1], abs=2)


def test_one_difference_has_a_bias_and_no_limits() -> None:
    found = bland_altman(np.array([0.5]))
    assert (found["bias"], found["limits"], found["bias_95"]) == (0.5, None, None)
    assert bland_altman(np.zeros(0))["bias"] is None


def test_the_judges_of_shrout_and_fleiss() -> None:
    """0.29 is in their table 4; the interval is what the R package psych prints for their table 2."""
    found = icc_2_1(JUDGED)
    assert found["icc"] == pytest.approx(0.29, abs=0.005)
    assert found["interval_95"] == [pytest.approx(0.019, abs=0.0005), pytest.approx(0.76, abs=0.005)]


def test_a_bias_between_raters_lowers_absolute_agreement() -> None:
    things = np.arange(10.0)
    assert icc_2_1(np.stack([things, things], axis=1)) == {"icc": 1.0, "interval_95": None}
    biased = icc_2_1(np.stack([things, things + 3], axis=1))
    # R = 2 var = 18.33, E = 0, C = 10 * 2 * 1.5^2 = 45: 18.33 / (18.33 + 2 * 45 / 10)
    assert biased["icc"] == pytest.approx(18.3333 / 27.3333, abs=1e-4)


@pytest.mark.parametrize("ratings", [np.ones((1, 2)), np.ones((4, 1)), np.ones((4, 2)), np.ones((0, 2))])
def test_what_does_not_differ_or_is_not_there_has_no_correlation(ratings: np.ndarray) -> None:
    assert icc_2_1(ratings) == {"icc": None, "interval_95": None}
