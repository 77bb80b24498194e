"""The simplest way that is not worse; and what is worse is called so."""

from __future__ import annotations

import numpy as np

from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.study.site.choose import OFFSET, TUNED, UNCHANGED, choose, judge
from CarotidLandmarkLib.study.site.fit import Adaptation, adaptation, residuals

NONE = np.zeros(3)


def judged(site, **ways):
    return [judge(way, site, of, 0.9) for way, of in ways.items()]


def moved(answers, by=NONE, factor=1.0):
    return {name: Adaptation(np.asarray(by, float), factor, 1).apply(of) for name, of in answers.items()}


def test_a_definition_of_its_own_is_worth_the_offset_and_no_training_that_gains_nothing(draw_site):
    site, answers = draw_site(12)
    better = {name: adaptation(residuals(site, answers), 0.9).apply(of) for name, of in answers.items()}
    choice = choose(judged(site, unchanged=answers, offset=better, tuned=moved(better, [0.01, 0, 0])))
    assert choice.way == OFFSET and not any(choice.worse.values())
    assert "“unchanged” is worse by 1.0" in choice.why
    assert choice.differences[UNCHANGED][1][0] > 0.9


def test_training_that_gains_is_chosen(draw_site):
    site, answers = draw_site(12, rule=NONE, sd=1.0)
    sharp = draw_site(12, rule=NONE, sd=0.2)
    exact = {name: of for name, of in sharp[1].items()}
    choice = choose(judged(sharp[0], unchanged=moved(answers), offset=moved(answers), tuned=exact))
    assert choice.way == TUNED


def test_no_shift_is_keep_what_you_have(draw_site):
    site, answers = draw_site(12, rule=NONE)
    other, third = moved(answers, [0.05, 0.02, -0.04], 1.1), moved(answers, [0.03] * 3)
    choice = choose(judged(site, unchanged=answers, offset=other, tuned=third))
    assert choice.way == UNCHANGED and not any(choice.worse.values())


def test_good_points_with_ellipsoids_that_lie_are_not_kept(draw_site):
    site, answers = draw_site(12, rule=NONE)
    lying = moved(answers, factor=0.1)
    choice = choose(judged(site, unchanged=lying, offset=moved(lying, factor=10.0)))
    assert choice.way == OFFSET and "hold less than they say" in choice.why


def test_a_worse_model_is_called_so_also_where_it_misses(draw_site, make_answer):
    site, answers = draw_site(12, rule=NONE)
    bad = moved(answers, [2.0, 0, 0])
    missing = {name: make_answer(name, {**of.points().points, "left": None}) for name, of in answers.items()}
    for other in (bad, missing):
        choice = choose(judged(site, unchanged=answers, tuned=other))
        assert choice.way == UNCHANGED and choice.worse == {UNCHANGED: False, TUNED: True}


def test_the_scans_of_one_patient_are_no_independent_witnesses(draw_site):
    site, answers = draw_site(12, rule=NONE)
    site.patients.update({name: number // 4 for number, name in enumerate(site.patients)})
    table = judge(UNCHANGED, site, answers, 0.9).table
    assert (table["cases"], table["patients"]) == (12, 3) and len(site.folds(3)) == 12
    folds = site.folds(3)
    for patient in range(3):
        assert len({folds[name] for name, of in site.patients.items() if of == patient}) == 1
    assert len(set(folds.values())) == 3


def test_sides_that_nobody_has_reviewed_are_not_scored(draw_site):
    site, answers = draw_site(6)
    del site.truths["p00"]["left"]
    site.truths["p01"]["right"] = None
    scores = judge(UNCHANGED, site, answers, 0.9).scores
    assert len(scores) == 11 and sum(not of.present for of in scores) == 1
    assert {of.side for of in scores if of.case == "p00"} == {SIDES[1]}


def test_ways_are_compared_landmark_by_landmark_whatever_order_they_were_answered_in(draw_site):
    site, answers = draw_site(12, rule=NONE, sd=1.0)
    other = dict(reversed(list(moved(answers, [1e-3, 0, 0]).items())))
    choice = choose(judged(site, unchanged=answers, tuned=other))
    assert all(abs(limit) < 1e-2 for of in choice.differences.values() for limit in of[1])
