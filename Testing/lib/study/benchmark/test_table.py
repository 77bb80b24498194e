from __future__ import annotations

from types import SimpleNamespace

import pytest

from CarotidLandmarkLib.study.benchmark.report import as_markdown, write_report
from CarotidLandmarkLib.study.benchmark.rows import rows_of
from CarotidLandmarkLib.study.benchmark.table import over_seeds, tabulate
from CarotidLandmarkLib.study.scores import Score

RESULT = {"steps": 10, "minutes": 1.0, "parameters": 5, "seconds_per_case": 2.0}
FACTS = {
    **{
        "budget": "small",
        "minutes_per_run": 8.0,
        "epochs_per_run": None,
        "clock": "cpu",
        "steps_per_run": None,
        "left_out": {},
    },
    **{"command": "c", "date": "d", "machine": "m", "system": "s", "versions": {"torch": "1"}, "commit": "abc"},
    "phantoms": {"rule": "r", "seeds": {"test": [3, 4, 5, 9]}},
}


def a_run(seed, errors, result=RESULT, status="found"):
    scores = [Score(case, side, status, True, error) for (case, side), error in errors.items()]
    return SimpleNamespace(seed=seed, result=lambda: result, scores=lambda: scores)


def landmarks(*errors):
    return dict(zip([("a", "left"), ("a", "right"), ("b", "left"), ("b", "right")], errors))


@pytest.fixture
def rows():
    chosen = [row for row in rows_of("table1") if row.name in ("heatmap", "single-scale", "default")]
    runs = {
        "heatmap": [a_run(0, landmarks(3, 4, 5, 12)), a_run(1, landmarks(5, 4, 3, 20), status="absent")],
        "single-scale": [a_run(0, {}, result=None)],
        "default": [a_run(0, landmarks(1, 1, 1, 1)), a_run(1, landmarks(1, 3, 1, 1))],
    }
    return tabulate(chosen, runs)


def test_a_row_holds_all_seeds_and_is_compared_landmark_by_landmark(rows):
    heatmap, default = rows
    assert [row["row"] for row in rows] == ["heatmap", "default"], "a row without a finished run is left out"
    assert heatmap["landmarks"] == 8 and heatmap["cases"] == 2 and heatmap["mean_mm"] == 7.0
    assert heatmap["seed_means_mm"] == [6.0, 8.0] and heatmap["seed_sd_mm"] == pytest.approx(2**0.5)
    assert heatmap["failures_over_10_mm"] == 2 and heatmap["given_up"] == 4
    assert heatmap["success"]["4"] == pytest.approx(0.5)
    paired = heatmap["difference_to_default"]
    assert paired["landmarks"] == 4 and paired["difference_mm"] == pytest.approx(7.0 - 1.25)
    low, high = heatmap["interval_95"]["mean_mm"]
    assert (low, high) == pytest.approx((4.0, 10.0)), "cases are drawn with all their seeds"
    assert default["difference_to_default"] is None and default["paper_patients_mm"] is None


def test_a_difference_is_over_the_seeds_that_both_rows_have():
    chosen = [row for row in rows_of("table1") if row.name in ("heatmap", "default")]
    easy, hard = a_run(0, landmarks(1, 1, 1, 1)), a_run(1, landmarks(9, 9, 9, 9))
    heatmap, _ = tabulate(chosen, {"heatmap": [a_run(0, landmarks(2, 2, 2, 2))], "default": [easy, hard]})
    assert heatmap["difference_to_default"]["difference_mm"] == pytest.approx(1.0)
    alone, _ = tabulate(chosen, {"heatmap": [a_run(2, landmarks(2, 2, 2, 2))], "default": [easy, hard]})
    assert alone["difference_to_default"] is None, "no seed of both"


def test_over_seeds_means_each_landmark(rows):
    means = over_seeds([a_run(0, landmarks(1, 2, 3, 4)).scores(), a_run(1, landmarks(3, 2, 1, 0)).scores()])
    assert [score.error_mm for score in means] == [2, 2, 2, 2]


def test_the_table_keeps_patients_and_phantoms_apart(rows, tmp_path):
    write_report(tmp_path, "table1", rows, FACTS)
    lines = (tmp_path / "table1.md").read_text(encoding="utf-8").splitlines()
    header = next(line for line in lines if line.startswith("| Method")).split("|")
    heatmap = next(line for line in lines if line.startswith("| heatmap")).split("|")
    cells = dict(zip((cell.strip() for cell in header), (cell.strip() for cell in heatmap)))
    assert cells["paper (patients): mean ± SD, mm"] == "6.45 ± 9.18"
    assert cells["phantoms: mean ± SD, mm"].startswith("7.00 ± ")
    assert cells["each seed, mm"] == "6.00, 8.00" and cells["over 10 mm"] == "2 (25.0%)"
    assert len(header) == len(heatmap)
    assert any("8 minutes of processor time" in line for line in lines)
    assert "- Seeds, test: 3-5, 9" in lines


def test_a_table_without_a_finished_run_can_be_written():
    assert "# T" in as_markdown("T", [], FACTS)
