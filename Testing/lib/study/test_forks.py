"""Forks of detections against those of phantoms: the check, the trace and the measures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.study.forks import GROUPS, QUANTITIES, ForkScore, evaluate_forks, score_fork
from CarotidLandmarkLib.study.scores import Score
from Testing.lib.study import made_forks as made


@pytest.mark.parametrize(
    ("score", "occluded", "grid", "group"),
    [
        (Score("a", "left", "found", True, 3.0), 0.0, made.GRID, "good"),
        (Score("a", "left", "found", True, 3.0), 1.0, made.GRID, "good, fork not whole"),
        (Score("a", "left", "found", True, 3.0), 0.0, None, "good, fork not whole"),
        (Score("a", "left", "found", True, 3.1), 0.0, made.GRID, "between"),
        (Score("a", "left", "found", True, 8.1), 0.0, made.GRID, "off"),
        (Score("a", "left", "absent", True), 0.0, made.GRID, "given up"),
        (Score("a", "left", "found", False), 0.0, made.GRID, "not present"),
    ],
)
def test_landmarks_are_grouped_by_error_and_by_what_can_be_seen(tmp_path, score, occluded, grid, group) -> None:
    _, landmark = made.answer(made.fork("unclear"))
    of = score_fork(score, landmark, made.truth(tmp_path, occluded=occluded), grid, 0.6)
    assert of is not None and (of.group, of.check, of.slice_spacing) == (group, "unclear", 0.6)
    assert bool(of.truth) == of.traced == (group == "good")


def test_a_landmark_whose_lumen_was_not_looked_at_has_no_score(tmp_path) -> None:
    assert score_fork(*made.answer(None), made.truth(tmp_path), made.GRID) is None


def test_a_good_fork_is_scored(tmp_path) -> None:
    of = score_fork(*made.answer(made.fork()), made.truth(tmp_path), made.GRID)
    assert of.carina_error_mm == pytest.approx(0.5) and of.named is True
    assert of.seeds == dict.fromkeys(("common", "internal", "external"), "its own")
    assert set(of.measured) == {"common_20_mm", "internal_20_mm", "calcium_mm3", "above_top_mm"}
    assert of.errors(QUANTITIES["common_20_mm"]) == pytest.approx((0.3, 0.1))
    assert of.errors(QUANTITIES["nascet_percent"]) is None, "it has no value"
    calcium = [of.errors(of_all) for name, of_all in QUANTITIES.items() if name.startswith("calcium")]
    assert calcium == [(-10.0, pytest.approx(np.nan, nan_ok=True)), None, (-25.0, pytest.approx(np.nan, nan_ok=True))]


def test_daughters_the_other_way_round_and_seeds_beside_the_vessels_are_told(tmp_path) -> None:
    truth = made.truth(tmp_path)
    of = score_fork(*made.answer(made.fork(swap=True)), truth, made.GRID)
    assert of.named is False
    assert of.seeds == {"common": "its own", "internal": "another", "external": "another"}
    untold = score_fork(*made.answer(made.fork(swap=True, internal_probability=None)), truth, made.GRID)
    assert untold.named is None and set(untold.seeds.values()) == {"its own"}, "no names that could be wrong"
    twice = {**made.vessels(), "external": made.vessels()["internal"]}
    of = score_fork(*made.answer(made.fork(vessels=twice, internal_probability=None)), truth, made.GRID)
    assert sorted(of.seeds.values()) == ["another", "its own", "its own"]
    aside = {name: line + [0, 5, 0, 0] for name, line in made.vessels().items()}
    of = score_fork(*made.answer(made.fork(vessels=aside, internal_probability=None)), truth, made.GRID)
    assert of.named is None and set(of.seeds.values()) == {"none"}


def test_what_was_not_traced_is_not_compared(tmp_path) -> None:
    bare = made.fork("contradicted", carina_lps_mm=None, vessels=None, internal_probability=None, measures={})
    of = score_fork(*made.answer(bare), made.truth(tmp_path), made.GRID)
    assert (of.group, of.traced, of.named, of.carina_error_mm, of.seeds) == ("good", False, None, None, {})


def scores() -> list[ForkScore]:
    """Ten good ones of ten cases, nine of them verified; four far off, one of them verified."""
    good = ForkScore("", "left", "good", "verified", 0.5, 1.0, True, True, {"common": "its own"}, {"bulb_mm": 6.0})
    out = [
        replace(good, whose=f"{i}", carina_error_mm=float(i), measured={"bulb_mm": (6.0 + 0.1 * i, 0.36)})
        for i in range(10)
    ]
    out[7] = replace(out[7], slice_spacing=0.75, named=False, seeds={"common": "another", "internal": "none"})
    out[8] = replace(out[8], check="contradicted", slice_spacing=1.0, named=None, seeds={})
    out[9] = replace(out[9], traced=False, named=None, seeds={}, slice_spacing=2.0)
    off = [ForkScore(f"{i}", "right", "off", "verified" if i == 0 else "unclear") for i in range(4)]
    return [*out, *off]


def test_the_check_is_counted_by_group_with_intervals() -> None:
    found = evaluate_forks(scores(), resamples=200)
    good, off = found["checks"]["good"], found["checks"]["off"]
    assert list(found["checks"]) == list(GROUPS) and found["landmarks"] == 14
    assert (good["landmarks"], good["verified"], good["contradicted"], good["unclear"]) == (10, 0.9, 0.1, 0.0)
    assert good["interval_95"]["verified"][0] < 0.9 < good["interval_95"]["verified"][1] == 1.0
    assert (off["landmarks"], off["verified"], off["unclear"]) == (4, 0.25, 0.75)
    assert found["checks"]["given up"]["landmarks"] == 0 and found["checks"]["given up"]["verified"] is None


def test_the_trace_is_that_of_the_good_ones() -> None:
    trace = evaluate_forks(scores(), resamples=50)["trace"]
    assert trace["carina_mm"]["landmarks"] == 10 and trace["carina_mm"]["median"] == 4.5
    assert (trace["named"]["landmarks"], trace["named"]["share"]) == (9, pytest.approx(8 / 9))
    assert (trace["named_right"]["landmarks"], trace["named_right"]["share"]) == (8, 7 / 8)
    assert trace["seeded"]["share"] == 0.8
    assert (trace["seeds_inside"]["landmarks"], trace["seeds_inside"]["share"]) == (9, pytest.approx(8 / 9))
    right = {vessel: (of["landmarks"], of["share"]) for vessel, of in trace["seeds_right"].items()}
    assert right == {"all": (9, 7 / 9), "common": (8, 7 / 8), "internal": (1, 0.0), "external": (0, None)}


def test_the_measures_errors_by_spacing_and_stated_sd() -> None:
    every = [replace(score, truth={}, measured={}) if score.whose == "0" else score for score in scores()]
    every[9] = replace(every[9], measured={})
    bulb = evaluate_forks(every, resamples=50)["measures"]["bulb_mm"]
    assert (bulb["asked"], bulb["measured"], bulb["unit"]) == (9, 8, "mm")
    assert bulb["median"] == pytest.approx(0.45) == bulb["bias"] and bulb["p95"] == pytest.approx(0.765)
    assert bulb["within_2_sd"] == 7 / 8, "0.8 is more than 2 x 0.36"
    parts = {name: (of["measured"], of["median"]) for name, of in bulb["by_spacing"].items()}
    assert parts["≤ 0.75"] == (7, pytest.approx(0.4)) and parts["≤ 1.5"] == (1, pytest.approx(0.8))
    assert parts["> 1.5"] == (0, None)


def test_bias_has_a_sign_and_an_unknown_sd_does_not_count() -> None:
    base = ForkScore("a", "left", "good", "verified", truth={"angle_deg": 40.0}, measured={"angle_deg": (37.0, np.nan)})
    angle = evaluate_forks([base, replace(base, whose="b", measured={"angle_deg": (38.0, 1.5)})], 50)["measures"]
    assert (angle["angle_deg"]["bias"], angle["angle_deg"]["median"]) == (-2.5, 2.5)
    assert angle["angle_deg"]["within_2_sd"] == 1.0
    assert {of["measured"] for of in angle["angle_deg"]["by_spacing"].values()} == {0}, "their spacing is not known"


def test_calcium_is_told_where_there_is_none_and_as_a_share_where_there_is_some() -> None:
    base = ForkScore("a", "left", "good", "verified")
    told = [(0.0, 3.0), (10.0, 14.0), (100.0, 80.0)]
    every = [replace(base, truth={"calcium_mm3": true}, measured={"calcium_mm3": (of, 5.0)}) for true, of in told]
    found = evaluate_forks(every, resamples=50)["measures"]
    medians = {name: (of["asked"], of["median"]) for name, of in found.items() if name.startswith("calcium")}
    assert medians == {
        "calcium_mm3": (3, 4.0),
        "calcium_mm3, none": (1, 3.0),
        "calcium_mm3, 20 or more, share": (1, 20.0),
    }


def test_figures_are_json_even_of_nothing() -> None:
    for of in (scores(), [], [ForkScore("a", "left", "off", "unclear")]):
        json.dumps(evaluate_forks(of, resamples=20), allow_nan=False)
