from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pytest

from CarotidLandmarkLib.study.corrections.agreement import COLUMNS, agreements, find_rereads
from CarotidLandmarkLib.study.corrections.readings import read_all
from CarotidLandmarkLib.study.report.tables import as_csv


@pytest.fixture
def read(tmp_path):
    return lambda: find_rereads(read_all(tmp_path / "c"))


def test_distances_and_biases_of_a_constant_offset(export, read):
    generator = np.random.default_rng(0)
    for number in range(6):
        left, right = generator.normal(0, 2, (2, 3))
        export(f"case-{number}", "AB", left, right)
        export(f"case-{number}", "CD", left + [0.3, 0, -0.4], right + [-0.3, 0, -0.4])
    (found,) = agreements(read())
    assert (found["readers"], found["cases"], found["landmarks"]) == (["AB", "CD"], 6, 12)
    assert (found["distance"]["median"], found["distance"]["mean"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert found["distance"]["interval_95"]["p95"] == pytest.approx([0.5, 0.5])
    biases = {axis: of["bias"] for axis, of in found["axes"].items()}
    assert biases == {axis: pytest.approx(of, abs=1e-9) for axis, of in zip(biases, (0.3, 0, -0.4))}
    assert found["axes"]["lateral"]["limits"] == pytest.approx([0.3, 0.3])
    assert found["axes"]["posterior"]["icc"]["icc"] == pytest.approx(1)
    assert 0.9 < found["axes"]["cranial"]["icc"]["icc"] < 1
    assert found["over_limit"] == [] and found["both_accepted"] == 0


def test_a_readers_newest_revision_counts_and_unreviewed_sides_do_not(export, read):
    export("case-a", "CD", [9, 0, 0], "accepted")
    export("case-a", "AB", "accepted", "unreviewed")
    export("case-a", "CD", [0, 3, 4], "accepted")
    (reread,) = read()
    assert (reread.side, reread.readers, reread.decisions) == ("left", ("AB", "CD"), ("accepted", "moved"))
    assert reread.distance_mm == pytest.approx(5)


def test_a_copy_of_a_case_is_no_readers_last_word(export, read, tmp_path):
    export("case-a", "AB", [1, 0, 0], "accepted")
    export("case-a", "CD", [1, 0, 0], "accepted")
    shutil.copytree(tmp_path / "c" / "case-a", tmp_path / "c" / "case-a - Copy")
    export("case-a", "CD", [1, 3, 4], "unreviewed")
    (reread,) = read()
    assert reread.distance_mm == pytest.approx(5)


def test_what_is_missing_for_both_or_one_and_what_is_far_apart_is_counted_and_listed(export, read):
    export("case-a", "AB", "missing", "missing")
    export("case-a", "CD", "missing", "accepted")
    export("case-b", "AB", [0, 0, 1], "accepted")
    export("case-b", "CD", [0, 0, -1], "accepted")
    export("case-c", "AB", [5, 0, 0], "accepted")
    export("case-c", "CD", "accepted", "missing")
    (found,) = agreements(read(), limit_mm=1.9)
    assert (found["both_missing"], found["only"], found["both_accepted"]) == (1, {"AB": 1, "CD": 1}, 1)
    assert [(of["case"], of["side"], of["distance_mm"]) for of in found["over_limit"]] == [
        ("case-a", "right", None),
        ("case-c", "right", None),
        ("case-c", "left", pytest.approx(5)),
        ("case-b", "left", pytest.approx(2)),
    ]
    assert len(agreements(read(), limit_mm=2.1)[0]["over_limit"]) == 3


def test_three_readers_are_three_pairs(export, read):
    for reader in ("EF", "AB", "CD"):
        export("case-a", reader, "accepted", [0, 0, ord(reader[0])])
    assert [of["readers"] for of in agreements(read())] == [["AB", "CD"], ["AB", "EF"], ["CD", "EF"]]


def test_two_readers_who_never_both_placed_a_point_have_no_distance(export, read):
    export("case-a", "AB", "missing", "missing")
    export("case-a", "CD", "accepted", "missing")
    (found,) = agreements(read())
    assert found["distance"] is None and found["landmarks"] == 0
    assert found["axes"]["lateral"]["bias"] is None and found["axes"]["lateral"]["icc"]["icc"] is None


def test_rows_say_who_put_what_where(export, read):
    export("case-a", "AB", [1, 0, 0], [1, 0, 0])
    export("case-a", "CD", "accepted", "missing")
    left, right = csv.DictReader(io.StringIO(as_csv(COLUMNS, (of.row() for of in read()))))
    assert (left["decision_a"], left["x_a_lps_mm"], left["x_b_lps_mm"]) == ("moved", "29.0", "28.0")
    assert (left["lateral_mm"], left["distance_mm"]) == ("-1.0", "1.0")
    assert (right["reader_b"], right["decision_b"], right["x_b_lps_mm"], right["distance_mm"]) == (
        "CD",
        "missing",
        "",
        "",
    )
