"""The experiment on which cases to correct first: its orders, what it averages, and what it judges on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect.case import Settings
from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.study.site.choose import site_scores
from CarotidLandmarkLib.study.site.fit import Adaptation
from CarotidLandmarkLib.study.site.stages import Engine
from Testing.benchmarks import selection
from Testing.benchmarks.selection import (
    CHANCE,
    COUNTS,
    FIGURES,
    ORDERS,
    SURE,
    UNSURE,
    columns,
    draw,
    learned,
    means,
    offset_values,
    orders,
    rows_of,
    tuned_values,
)

ENGINE = Engine(Settings(), parallel=1)
RULE = np.array([0.3, -0.5, 1.2])


def test_least_sure_first_is_by_status_and_then_by_the_larger_ellipsoid(make_answer):
    at = {"left": np.zeros(3), "right": np.ones(3)}
    small, wide = make_answer("small", at, sd=0.2), make_answer("wide", at, sd=0.9)
    wider = make_answer("wider", at, sd=1.0)
    half = replace(small, case="half", landmarks=[wider.landmarks[0], small.landmarks[1]])
    answers = {"small": small, "half": half, "wide": wide}
    answers["doubted"] = make_answer("doubted", at, sd=0.1, status="review")
    answers["gone"] = make_answer("gone", dict.fromkeys(SIDES))
    chosen = orders(answers, 3)
    assert chosen[UNSURE] == [["doubted", "gone", "half", "wide", "small"]]
    assert chosen[SURE] == [["small", "wide", "half", "gone", "doubted"]]
    assert all(sorted(of) == sorted(answers) for of in chosen[CHANCE]) and len(chosen[CHANCE]) == 3
    assert len({tuple(of) for of in chosen[CHANCE]}) > 1 and orders(answers, 3) == chosen


def test_the_rule_moves_the_points_of_cases_with_both_landmarks(site_folder):
    folder, _ = site_folder(3, changed={"p01": {"left": None}})
    plain, moved = selection.read(folder, (0.0, 0.0, 0.0)), selection.read(folder, RULE)
    assert [case.name for case in moved.cases] == list(moved.truths) == ["p00", "p02"]
    for name, of in moved.truths.items():
        assert of["left"] - plain.truths[name]["left"] == pytest.approx(RULE)
        assert of["right"] - plain.truths[name]["right"] == pytest.approx(RULE * [-1, 1, 1])
    assert moved.cases[1].points == moved.truths["p02"]


def test_figures_leave_out_what_a_missed_landmark_does_not_have(draw_site, make_answer):
    site, answers = draw_site(4, rule=np.zeros(3))
    answers["p00"] = make_answer("p00", {"left": None, "right": site.truths["p00"]["right"]})
    answers["p01"] = make_answer(
        "p01", {**site.truths["p01"], "left": site.truths["p01"]["left"] + [0, 0, 4.0]}, 0.2, "review"
    )
    scores = site_scores(site, answers)
    told = means(columns(scores), [s.case for s in scores])
    assert told["far"]["mean"] == pytest.approx(2 / 8) and told["found"]["mean"] == pytest.approx(5 / 8)
    assert 4 / 7 < told["error_mm"]["mean"] < 4 / 7 + 0.5 and told["inside"]["mean"] <= 6 / 7
    assert told["radius_mm"]["mean"] == pytest.approx(0.2 * 2.5003, rel=1e-3)  # all of an SD of 0.2 mm
    low, high = told["error_mm"]["interval_95"]
    assert low < told["error_mm"]["mean"] < high


def rows_by(site, test, values):
    rows = rows_of("offset", values, [name for name in test for _ in SIDES])
    return {(row["order"], row["corrected"]): row for row in rows}


def test_nothing_is_learned_of_nothing_and_the_test_cases_teach_nothing(draw_site):
    site, answers = draw_site(60)
    none = learned(site, answers, [])
    assert none.factor == 1.0 and not none.offset.any()
    test = [f"p{number:02d}" for number in range(54, 60)]
    chosen = orders({name: of for name, of in answers.items() if name not in test}, 3)
    values, off = offset_values(site, test, answers, chosen)
    assert {of.shape for key, of in values.items() if key[0] == CHANCE} == {(3, 12, len(FIGURES))}
    by = rows_by(site, test, values)
    assert list(by) == [(order, count) for order in ORDERS for count in COUNTS]
    for order in ORDERS:
        errors = [by[order, count]["figures"]["error_mm"]["mean"] for count in COUNTS]
        assert errors[0] > 1.2 and max(errors[1:]) < 0.5
    assert [len(off[order, 50]) for order in ORDERS] == [1, 1, 3]
    assert max(off[CHANCE, 50]) < max(off[CHANCE, 5]) < 0.5 and off[SURE, 0] == pytest.approx([1.33], abs=0.1)
    nothing = by[UNSURE, 0]["less_chance"]["error_mm"]
    assert nothing["mean"] == pytest.approx(0) and nothing["interval_95"] == pytest.approx([0, 0])
    mine, others = (by[order, 5]["figures"]["error_mm"]["mean"] for order in (SURE, CHANCE))
    assert by[SURE, 5]["less_chance"]["error_mm"]["mean"] == pytest.approx(mine - others)
    for name in test:
        site.truths[name] = {side: point + 5 for side, point in site.truths[name].items()}
    assert offset_values(site, test, answers, chosen)[1] == off


def test_the_figure_has_a_line_for_each_order(draw_site, tmp_path):
    pytest.importorskip("matplotlib")
    site, answers = draw_site(56)
    test = [f"p{number:02d}" for number in range(50, 56)]
    chosen = orders({name: of for name, of in answers.items() if name not in test}, 2)
    rows = rows_by(site, test, offset_values(site, test, answers, chosen)[0])
    draw(list(rows.values()), tmp_path / "selection.png")
    assert (tmp_path / "selection.png").read_bytes()[1:4] == b"PNG"


def test_nets_are_trained_on_the_first_of_each_order_and_wider_answers_have_the_ellipsoids_of_before(
    draw_site, tmp_path, monkeypatch
):
    site, before = draw_site(26)
    test = [f"p{number:02d}" for number in range(20, 26)]
    chosen = orders({name: of for name, of in before.items() if name not in test}, 2)
    trained = []
    monkeypatch.setattr(selection, "prepare_all", lambda *_: None)
    monkeypatch.setattr(selection, "tune_all", lambda tunings, *_: trained.extend(tunings))
    wider = {name: Adaptation(np.zeros(3), 4.0, 0).apply(before[name]) for name in test}
    monkeypatch.setattr(selection, "detect_all", lambda cases, *_: {case.name: wider[case.name] for case in cases})
    monkeypatch.setattr(selection, "COUNTS", (0, 5, 10, 20))
    values = tuned_values(site, test, before, chosen, tmp_path, 7, ENGINE)
    assert list(values) == [(order, count) for count in (10, 20) for order in (UNSURE, CHANCE)]
    assert [[case.name for case in of.cases] for of in trained[:2]] == [chosen[o][0][:10] for o in (UNSURE, CHANCE)]
    assert {of.steps for of in trained} == {7} and len({of.folder for of in trained}) == 4
    moved = offset_values(site, test, before, chosen)[0]
    for count in (10, 20):
        assert values[UNSURE, count] == pytest.approx(moved[UNSURE, count])
        assert values[CHANCE, count][0] == pytest.approx(moved[CHANCE, count][0])
    assert trained[0].offset == pytest.approx(learned(site, before, chosen[UNSURE][0][:10]).offset)
