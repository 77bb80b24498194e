from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, ellipsoid
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study import scores as metrics
from CarotidLandmarkLib.study.report import tables
from CarotidLandmarkLib.study.scores import Score


def found(case: str, side: str, error: float, status: str = "found", **more: float) -> Score:
    return Score(case, side, status, True, error, **more)


# Five present landmarks: errors 1, 2, 3 and 14 mm, one missed; two that are not in the volume, one of them located.
SCORES = [
    found("a", "left", 1.0),
    found("a", "right", 2.0),
    found("b", "left", 3.0, "review"),
    found("b", "right", 14.0),
    Score("c", "left", "absent", True),
    Score("c", "right", "absent", False),
    Score("d", "left", "review", False),
]


def test_summary_by_hand() -> None:
    table = metrics.summary(SCORES)
    assert table["mean_mm"] == 5.0
    assert table["sd_mm"] == pytest.approx(np.sqrt((16 + 9 + 4 + 81) / 3))
    assert table["median_mm"] == 2.5
    assert table["p95_mm"] == pytest.approx(3 + 0.85 * 11)
    assert table["max_mm"] == 14.0
    assert table["success"] == {"2": 0.4, "2.5": 0.4, "3": 0.6, "4": 0.6}
    assert table["failures_over_10_mm"] == {"found": 1, "review": 0}
    assert table["false_positives"] == {"found": 0, "review": 1}
    counts = {key: table[key] for key in ("landmarks", "present", "located", "missed", "not_present", "review")}
    assert counts == {"landmarks": 7, "present": 5, "located": 4, "missed": 1, "not_present": 2, "review": 1}


def test_table_by_side_and_as_json_and_markdown() -> None:
    table = metrics.evaluate(SCORES, resamples=50)
    assert table["cases"] == 4
    assert (table["left"]["mean_mm"], table["right"]["mean_mm"]) == (2.0, 8.0)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    text = tables.protocol(table).markdown()
    assert "| Error, mean ± SD, mm | 5.00 ± 6.06 | 2.00 ± 1.41 | 8.00 ± 8.49 |" in text
    assert "| Landmarks in the volume (located / missed) | 5 (4 / 1) | 3 (2 / 1) | 2 (2 / 0) |" in text
    assert "| Errors over 10 mm (found / review) | 1 / 0 | 0 / 0 | 1 / 0 |" in text


def test_no_scores_give_a_table_of_nothing() -> None:
    table = metrics.evaluate([])
    assert table["all"]["mean_mm"] is None and table["all"]["success"]["2"] is None
    assert table["all"]["interval_95"]["mean_mm"] is None
    assert table["uncertainty"]["coverage"] is None
    json.dumps(table, allow_nan=False)
    assert "–" in tables.protocol(table).markdown() and "–" in tables.uncertainty(table).markdown()


def test_bootstrap_draws_whole_cases() -> None:
    """Sides of opposite error within every case: over cases the mean never varies, over landmarks it would."""
    scores = [found(str(i), side, error) for i in range(10) for side, error in (("left", 0.0), ("right", 4.0))]
    interval = metrics.evaluate(scores, resamples=200)["all"]["interval_95"]
    assert interval["mean_mm"] == [2.0, 2.0]
    assert interval["success"]["2"] == [0.5, 0.5]


def test_bootstrap_draws_whole_patients() -> None:
    """Scans of opposite error of each patient, and the same of patients of one scan each."""
    first, second = (
        [found(f"{scan}{i}", "left", error) for i in range(10)] for scan, error in (("a", 0.0), ("b", 4.0))
    )
    alone = first + second
    scans = [replace(of, patient=of.case[1:]) for of in alone]
    for scores, patients in ((alone, 20), (scans, 10)):
        table = metrics.evaluate(scores, resamples=200)
        low, high = table["all"]["interval_95"]["mean_mm"]
        assert (table["cases"], table["patients"]) == (20, patients) and (low == high == 2.0) == (scores is scans)
    better = [replace(of, error_mm=of.error_mm / 2) for of in scans]
    assert metrics.compare(better[::10], scans[::10])["p"] is None, "two scans of one patient"
    assert np.ptp(np.stack(metrics.success_curve(scans, np.array([2.0]))[1:])) == 0
    assert np.ptp(np.stack(metrics.success_curve(alone, np.array([2.0]))[1:])) > 0


def test_compare_pairs_the_same_landmarks() -> None:
    a = [found("1", "left", 2.0), found("1", "right", 5.0), found("2", "left", 1.0), found("3", "left", 9.0)]
    b = [found("2", "left", 2.0), found("1", "right", 6.0), found("1", "left", 3.0), Score("3", "left", "absent", True)]
    result = metrics.compare(a, b)
    expected = {"landmarks": 3, "means_mm": [pytest.approx(8 / 3), pytest.approx(11 / 3)], "difference_mm": -1.0}
    assert {key: result[key] for key in expected} == expected
    assert (result["interval_95"], result["p"]) == ([-1.0, -1.0], 0.5), "of two cases"
    assert metrics.compare(a, a)["p"] == 1.0
    assert metrics.compare(a, [])["difference_mm"] is None


def test_compare_counts_a_missed_landmark_as_no_success() -> None:
    a = [found("1", "left", 1.0), found("2", "left", 1.0), Score("3", "left", "absent", False)]
    b = [found("1", "left", 1.0), Score("2", "left", "absent", True), found("4", "left", 1.0)]
    result = metrics.compare(a, b)
    assert (result["landmarks"], result["present"], result["difference_mm"]) == (1, 2, 0.0)
    assert result["success"]["2"]["difference"] == 0.5
    assert result["success"]["2"]["interval_95"] == [0.0, 1.0]


def test_of_one_case_there_is_neither_interval_nor_p() -> None:
    """Alone, and where one of two is missed by either; of three that agree p is that of a sign test."""
    a, b = ([found(case, side, error) for case in "123" for side in ("left", "right")] for error in (1.0, 2.5))
    alone = metrics.compare(a[:2], b[:2])
    assert (alone["landmarks"], alone["difference_mm"], alone["interval_95"], alone["p"]) == (2, -1.5, None, None)
    assert alone["success"]["2"] == {"difference": 1.0, "interval_95": None, "p": None}
    missed = metrics.compare([*a[:2], Score("2", "left", "absent", True)], b[:3])
    assert (missed["landmarks"], missed["interval_95"], missed["p"]) == (2, None, None)
    assert missed["success"]["2"]["interval_95"] == [0.0, 1.0] and missed["success"]["2"]["p"] >= 0.5
    assert metrics.compare(a, b)["p"] == metrics.compare(a, b)["success"]["2"]["p"] == 0.25
    table = json.loads(json.dumps(metrics.evaluate([*a[:2], Score("2", "left", "absent", True)]), allow_nan=False))
    assert table["all"]["interval_95"]["mean_mm"] is None and table["right"]["interval_95"]["success"]["2"] is None
    assert table["all"]["interval_95"]["success"]["2"] == [0.0, 1.0], "both cases have one"
    share, low, high = metrics.success_curve(a[:2], np.array([2.0]))
    assert share == [1.0] and np.isnan([low, high]).all()


def test_success_curve_by_hand() -> None:
    thresholds = np.array([0.0, 1.0, 2.5, 20.0])
    share, low, high = metrics.success_curve(SCORES, thresholds)
    assert share.tolist() == [0.0, 0.2, 0.4, 0.8], "the missed landmark never succeeds"
    assert (low <= share).all() and (share <= high).all() and low[3] < 0.8
    in_every_case = [found(str(i), side, e) for i in range(9) for side, e in (("left", 0.0), ("right", 4.0))]
    share, low, high = metrics.success_curve(in_every_case, np.array([2.0]))
    assert share == low == high == [0.5], "whole cases are drawn"
    assert np.isnan(metrics.success_curve([SCORES[5]], thresholds)).all()


def test_found_alone_and_the_share_of_review() -> None:
    table = metrics.evaluate(SCORES, resamples=100)["all"]
    assert table["review_share"] == 0.25 and table["share_over_10_mm"] == 0.25
    assert table["found"]["landmarks"] == 3 and table["found"]["mean_mm"] == pytest.approx(17 / 3)
    assert table["found_of_good"] == pytest.approx(2 / 3) and table["silent_share"] == pytest.approx(1 / 7)
    assert (table["found"]["median_mm"], table["found"]["max_mm"]) == (2.0, 14.0)
    low, high = table["interval_95"]["found"]["mean_mm"]
    assert 1.5 <= low < 17 / 3 < high <= 14
    assert metrics.summary(SCORES[4:])["found"]["mean_mm"] is None
    nothing_there = [Score("a", "left", "found", False), Score("a", "right", "absent", False)]
    assert metrics.summary(nothing_there)["silent_share"] == 0.5, "found where nothing can be seen"


def test_coverage_of_a_normal_distribution_is_the_confidence() -> None:
    covariance = np.array([[4.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    truth = np.random.default_rng(0).multivariate_normal([1, 2, 3], covariance, 4000)
    scores = [
        score
        for point in truth
        for score in metrics.score(detection([1, 2, 3], covariance), LandmarkSet({"left": point}))
    ]
    assert metrics.uncertainty(scores)["coverage"] == pytest.approx(0.9, abs=0.015)


def detection(position: list[float], covariance: np.ndarray) -> Detection:
    left = LandmarkDetection("left", "found", [], 1.0, position, covariance, None, None, 12.5)
    return Detection("a", {}, {}, {}, [left, LandmarkDetection("right", "absent")])


def test_score_of_a_detection() -> None:
    answer = detection([1, 2, 3], np.diag([1.0, 4.0, 9.0]))
    left, right = metrics.score(answer, LandmarkSet({"left": (1, 5, 7), "right": (0, 0, 0)}))
    assert (left.error_mm, left.volume_mm3, left.status, left.present) == (5.0, 12.5, "found", True)
    assert left.mahalanobis2 == pytest.approx(9 / 4 + 16 / 9)
    assert (right.status, right.present) == ("absent", True) and np.isnan(right.error_mm)
    left, right = metrics.score(answer, LandmarkSet())
    assert not left.present and not right.present and np.isnan(left.error_mm)


def test_the_papers_volume_is_of_the_passes_alone() -> None:
    """chi2(0.9, 3 degrees) = 6.2514, and 4/3 pi 6.2514^1.5 = 65.47 (Ma et al.)."""
    assert metrics.paper_volume_mm3([1.0, 2.0, 0.5]) == pytest.approx(
        ellipsoid(np.diag([1, 4, 0.25]), 0.9)[2], rel=1e-4
    )
    answer = detection([1, 2, 3], np.eye(3))
    assert np.isnan(metrics.score(answer, LandmarkSet({"left": (1, 5, 7)}))[0].paper_volume_mm3), "of older versions"
    answer.landmark("left").passes_sd_mm = np.array([1.0, 2.0, 0.5])
    left, right = metrics.score(answer, LandmarkSet({"left": (1, 5, 7), "right": (0, 0, 0)}))
    assert left.paper_volume_mm3 == pytest.approx(65.47) and np.isnan(right.paper_volume_mm3)


def test_the_passes_spread_is_measured_beside_ours_where_it_is_known() -> None:
    assert "passes_spread" not in metrics.evaluate(SCORES, resamples=20)
    spread = {1.0: 8.0, 4.0: 2.0, 6.0: 4.0, 7.0: 1.0}
    scores = [found(str(e), "left", e, volume_mm3=e**2, paper_volume_mm3=v) for e, v in spread.items()]
    table = metrics.evaluate([*scores, found("x", "left", 2.0, volume_mm3=3.0)], resamples=20)
    ours, paper = table["uncertainty"], table["passes_spread"]
    assert (ours["landmarks"], paper["landmarks"]) == (5, 4)
    assert paper["pearson_volume_error"] == pytest.approx(np.corrcoef(list(spread), list(spread.values()))[0, 1])
    assert (ours["auroc_error_over_5_mm"], paper["auroc_error_over_5_mm"]) == (1.0, 0.25)
    assert "coverage" not in paper and paper["interval_95"]["ause_mm"][1] > 0


def test_uncertainty_over_five_mm() -> None:
    scores = [
        found(str(i), "left", error, volume_mm3=error**2, mahalanobis2=error) for i, error in enumerate((1, 4, 6, 7))
    ]
    table = metrics.uncertainty([*scores, Score("x", "left", "absent", True)])
    assert table["landmarks"] == 4
    assert table["auroc_error_over_5_mm"] == 1.0
    assert table["ause_mm"] == 0.0
    assert table["coverage"] == 0.75
    assert table["pearson_volume_error"] == pytest.approx(np.corrcoef([1, 16, 36, 49], [1, 4, 6, 7])[0, 1])
