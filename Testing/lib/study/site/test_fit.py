"""The offset is found whatever the noise, shrunk where little is known; ellipsoids hold what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import chi2_quantile
from CarotidLandmarkLib.landmarks.points import SIDES, mirrored
from CarotidLandmarkLib.study.site.fit import (
    adaptation,
    distances,
    fit_offset,
    honest_factor,
    offset_interval,
    residuals,
    spread_change,
)

RULE = np.array([0.3, -0.5, 1.2])


def test_the_offset_of_both_sides_is_one_mirrored_onto_the_other(draw_site):
    site, answers = draw_site(12)
    found = residuals(site, answers)
    assert len(found) == 24
    assert fit_offset(found) == pytest.approx(RULE, abs=0.1)
    mean, limits = offset_interval(found)
    assert (limits[0] < mean).all() and (mean < limits[1]).all() and mean == pytest.approx(RULE, abs=0.1)
    assert (limits[1] - limits[0]) == pytest.approx(1.25 * 4 * 0.2 / np.sqrt(24), rel=0.6)
    moved = adaptation(found, 0.9).apply(answers["p00"])
    for side in SIDES:
        assert moved.landmark(side).position_lps_mm == pytest.approx(site.truths["p00"][side], abs=0.8)
        by = moved.landmark(side).position_lps_mm - answers["p00"].landmark(side).position_lps_mm
        assert mirrored(side, by) == pytest.approx(RULE, abs=0.1)


def test_what_little_is_known_of_is_shrunk_and_one_patient_tells_nothing(draw_site):
    site, answers = draw_site(2, sd=2.0)
    found = residuals(site, answers)
    mean, _ = offset_interval(found)
    assert np.linalg.norm(fit_offset(found)) < 0.8 * np.linalg.norm(mean)
    assert not fit_offset([of for of in found if of.patient == 0]).any()
    assert not fit_offset([]).any() and not offset_interval([])[0].any()


def test_errors_of_another_kind_and_patients_with_many_scans_do_not_draw_the_offset(draw_site):
    site, answers = draw_site(8)
    wild = residuals(site, answers)
    wild[0] = replace(wild[0], mm=wild[0].mm + [9.0, 0, 0])
    assert fit_offset(wild) == pytest.approx(RULE, abs=0.15)
    many = [replace(wild[2], case=f"{n}", mm=RULE + [0.9, 0, 0]) for n in range(60)]
    assert fit_offset([*wild, *many])[0] < RULE[0] + 0.2


def test_what_the_engine_is_unsure_of_hardly_draws_the_offset(draw_site):
    sure, unsure = (residuals(*draw_site(count, seed=seed)) for count, seed in ((4, 1), (6, 2)))
    apart = [replace(of, patient=of.patient + 10, mm=of.mm + [1.5, 0, 0]) for of in unsure]
    assert fit_offset([*sure, *apart])[0] > RULE[0] + 1
    doubted = [replace(of, covariance=of.covariance * 100) for of in apart]
    assert fit_offset([*sure, *doubted]) == pytest.approx(RULE, abs=0.2)
    assert offset_interval([*sure, *doubted])[0] == pytest.approx(RULE, abs=0.2)


def test_answers_that_are_equally_sure_have_the_plain_median(draw_site):
    for count in (6, 7):
        found = residuals(*draw_site(count, sd=1.0))
        assert offset_interval(found)[0] == pytest.approx(np.median([of.mm for of in found], axis=0))


def test_missing_absent_and_unreviewed_landmarks_teach_no_offset(draw_site, make_answer):
    site, answers = draw_site(6)
    site.truths["p00"] = {"left": None, "right": site.truths["p00"]["right"]}
    site.truths["p01"] = {"right": site.truths["p01"]["right"]}
    answers["p02"] = make_answer("p02", dict.fromkeys(SIDES))
    assert len(residuals(site, answers)) == 12 - 4


@pytest.mark.parametrize("times", [0.25, 1.0, 9.0])
def test_ellipsoids_hold_what_they_say_on_others(times):
    rng = np.random.default_rng(3)
    held = []
    for _ in range(200):
        factor = honest_factor(times * rng.chisquare(3, 40), 0.9)
        held.append((times * rng.chisquare(3, 50) <= factor * chi2_quantile(0.9)).mean())
    assert 0.88 < np.mean(held) < 0.97


def test_of_few_a_single_wild_one_does_not_make_ellipsoids_useless():
    usual = list(np.random.default_rng(0).chisquare(3, 11))
    assert 1.0 < honest_factor([*usual, 300.0], 0.9) < 4.0
    assert honest_factor([0.0] * 60, 0.9) < 0.1


def test_with_nothing_to_learn_from_the_ellipsoids_stay_about_as_they_are():
    assert 0.9 < honest_factor([], 0.9) < 1.1


def test_ellipsoids_are_fitted_to_patients_that_the_offset_has_not_seen(draw_site):
    site, answers = draw_site(7, sd=0.2)
    found = residuals(site, answers)
    everyone = {of.patient for of in found}
    seen = honest_factor(distances(found, fit_offset(found), everyone), 0.9)
    assert adaptation(found, 0.9).factor > seen
    gross = [replace(found[0], mm=found[0].mm + 30.0), *found[1:]]
    assert len(distances(gross, RULE, everyone)) == len(found) - 1


def test_how_much_wider_answers_became(draw_site, make_answer):
    _, answers = draw_site(6)
    wider = {name: make_answer(name, of.points().points, sd=0.4) for name, of in answers.items()}
    assert spread_change(answers, wider) == pytest.approx(np.log(2))
    assert spread_change(answers, {}) == 0.0
