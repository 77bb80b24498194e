from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.cases import Case, read_cases
from CarotidLandmarkLib.study.report.rows import (
    FACTORS,
    coverages,
    failures,
    group_rows,
    make_rows,
    slice_spacing,
    subgroups,
    worst_first,
)
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid


@pytest.mark.parametrize(
    ("spacing", "between"),
    [((0.5, 0.5, 1.25), 1.25), ((2.0, 0.4, 0.4), 2.0), ((0.8, 0.8, 0.6), 0.6), ((1, 1, 1), 1.0)],
)
def test_slice_spacing_in_any_orientation(spacing, between):
    assert slice_spacing(spacing) == between


def test_missed_and_false_positives_are_worse_than_any_error(rows):
    order = [(row.score.case, row.score.side, row.verdict) for row in worst_first(rows)]
    assert order[:5] == [
        ("c", "left", "missed"),
        ("d", "right", "false positive (review)"),
        ("c", "right", "found, 12.00 mm off"),
        ("e", "right", "review, 6.00 mm off"),
        ("b", "left", "review, 3.00 mm off"),
    ]
    assert len(order) == 9 and ("e", "left") not in {of[:2] for of in order}, "what is correctly absent is no fault"


def test_failures_are_the_missed_the_false_and_those_over_four_mm(rows):
    found = failures(rows)
    assert [(of["case"], of["outcome"], of["error_mm"]) for of in found] == [
        ("c", "missed", None),
        ("d", "false positive", None),
        ("c", "located", 12.0),
        ("e", "located", 6.0),
    ]
    assert found[0]["reasons"] == ["Nothing is seen."] and found[3]["status"] == "review"
    json.dumps(found, allow_nan=False)


def test_groups_count_missed_landmarks_and_leave_out_what_is_unknown(rows):
    table = subgroups(rows)
    of = {group["group"]: group for group in table["slice_spacing_mm"]}
    assert list(of) == ["< 1", "1 to < 2", "2 to < 3"]
    assert (of["2 to < 3"]["present"], of["2 to < 3"]["located"], of["2 to < 3"]["missed"]) == (4, 3, 1)
    assert of["2 to < 3"]["median_mm"] == 3.0 and of["1 to < 2"]["present"] == 1, "case e has no facts"
    assert [group["group"] for group in table["stenosis"]] == ["none", "50–69%", "70–99%", "occluded"]
    assert [group["group"] for group in table["border_mm"]] == ["< 10", "10 to < 20", "20 to < 40", "≥ 40"]
    json.dumps(table, allow_nan=False)


def test_coverage_at_every_level_by_side_spacing_and_status(rows):
    """The squared distances are e^2 / (1 + e) for an error e along z: 0.03, 0.17, 2.25, 0.5, 11.1, 0.11 and 5.1."""
    table = {of["group"]: of for of in coverages(rows)}
    assert list(table) == ["All", "Left", "Right", "Slices < 1 mm", "Slices 1 to < 2 mm", "Slices 2 to < 3 mm"] + [
        *("Found", "Review")
    ], "the detections do not know the passes' spread"
    shares = {name: of["coverage"] for name, of in table.items()}
    assert shares["All"] == pytest.approx({"0.5": 5 / 7, "0.8": 5 / 7, "0.9": 6 / 7, "0.95": 6 / 7, "0.99": 1})
    assert shares["Review"]["0.5"] == 0.5 and table["Review"]["landmarks"] == 2
    assert table["All"]["interval_95"]["0.9"][0] < 6 / 7 <= table["All"]["interval_95"]["0.9"][1]
    wide, narrow = (replace(rows[0].answer, passes_sd_mm=np.full(3, sd)) for sd in (0.2, 0.01))
    passes = coverages([replace(rows[0], answer=wide), replace(rows[1], answer=narrow)])[-1]
    assert passes["group"] == "The passes' spread alone" and passes["coverage"]["0.9"] == 0.5
    json.dumps(table, allow_nan=False)


def test_an_edge_belongs_to_the_group_above_it(rows):
    spacing, stenosis, border = FACTORS
    row = rows[0].__class__(rows[0].score, rows[0].answer, rows[0].truth, 1.0, 2.0000001, 0.5, 10.0)
    assert [list(group_rows([row], factor)) for factor in FACTORS] == [["2 to < 3"], ["50–69%"], ["10 to < 20"]]
    assert border.value(row) == 10.0 and stenosis.value(row) == 0.5 and spacing.value(row) == 2.0


def test_facts_of_a_case_come_from_its_files(tmp_path, made):
    """An oblique volume: the distance to the border is along its own axes, not those of the patient."""
    turn = np.deg2rad(30)
    direction = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    grid = Grid((80, 60, 50), np.array([1.0, 1.0, 2.0]), np.array([5.0, 6, 7]), direction)
    array = np.random.default_rng(0).normal(40, 200, grid.shape).astype(np.int16)
    write_volume(CTVolume(array, grid), tmp_path / "a.nrrd", compress=False)
    points = {"left": grid.index_to_world([70.5, 30, 25]), "right": grid.index_to_world([40, 30, 5.5])}
    write_markups(tmp_path / "a.mrk.json", LandmarkSet(points))
    facts = {"left": {"stenosis": 0.4, "occluded": 0.0}, "right": {"stenosis": 0.0, "occluded": 1.0}}
    (tmp_path / "a.phantom.json").write_text(json.dumps({"facts": facts}))
    detection = made.detection("a")
    detection.volume = {}
    (case,) = read_cases(tmp_path)
    left, right = make_rows({"a": case}, {"a": detection})
    assert (left.slice_spacing, left.stenosis, right.stenosis) == (2.0, 0.4, 1.0)
    assert left.border == pytest.approx(9.0, abs=1e-6) and right.border == pytest.approx(12.0, abs=1e-6)


def test_a_case_without_its_volume_has_what_the_detection_says(tmp_path, made):
    (tmp_path / "a.phantom.json").write_text("{broken")
    truth = Case("a", tmp_path / "a.nrrd", made.truth("a").points)
    left, right = make_rows({"a": truth}, {"a": made.detection("a")})
    assert (left.slice_spacing, left.stenosis, left.border) == (1.25, None, None)
    unreviewed = replace(truth, unreviewed=("left",))
    assert [row.score.side for row in make_rows({"a": unreviewed}, {"a": made.detection("a")})] == ["right"]


def test_rows_tell_whose_the_cases_are(tmp_path, made):
    truths = {name: Case(name, tmp_path / name, made.truth(name).points) for name in "abc"}
    truths["a"], truths["c"] = (replace(truths[name], patient="1") for name in "ac")
    whose = [row.score.whose for row in make_rows(truths, {name: made.detection(name) for name in "abc"})]
    assert whose[:2] == whose[4:] and len(set(whose)) == 2
