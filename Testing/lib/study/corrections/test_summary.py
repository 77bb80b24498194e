from __future__ import annotations

import pytest

from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.corrections.readings import read_all
from CarotidLandmarkLib.study.corrections.summary import accepted_unseen, summarise


def test_each_readers_last_word_on_each_case_counts(tmp_path, export):
    export("case-a", "AB", "accepted", "accepted")
    export("case-a", "CD", [0, 0, 2], "missing")
    export("case-a", "AB", [0, 3, 4], "unreviewed")
    export("case-b", "CD", "accepted", [1, 0, 0], model={"name": "other", "version": None, "sha256": None})
    found = summarise(read_all(tmp_path / "c"))
    assert (found["cases"], found["revisions"]) == (2, 4)
    counted = found["decisions"]
    assert counted["all"] == {"unreviewed": 1, "accepted": 1, "moved": 3, "missing": 1}
    assert counted["sides"]["left"] == {"unreviewed": 0, "accepted": 1, "moved": 2, "missing": 0}
    assert counted["models"]["other"] == {"unreviewed": 0, "accepted": 1, "moved": 1, "missing": 0}
    assert set(counted["models"]) == {"other", "default 7 (aaaaaaaa)"}
    assert {name: (of["cases"], of["decided"], of["unchanged"]) for name, of in found["readers"].items()} == {
        "AB": (1, 1, 0),
        "CD": (2, 4, 1),
    }


def test_displacements_have_the_right_side_mirrored_onto_the_left(tmp_path, export):
    export("case-a", "AB", [1, 0, 0], [-3, 0, 0])
    export("case-b", "AB", [0, 0, -2], "accepted")
    moved = summarise(read_all(tmp_path / "c"))["moved"]
    assert (moved["n"], moved["median"], moved["p90"], moved["largest"]) == (
        3,
        *(pytest.approx(of) for of in (2, 2.8, 3)),
    )
    assert moved["axes"]["lateral"] == pytest.approx({"mean": 4 / 3, "median": 1, "p90": 2.6}), "away from the midline"
    assert moved["axes"]["cranial"] == pytest.approx({"mean": -2 / 3, "median": 0, "p90": 1.6})


def test_nobody_moved_anything(tmp_path, export):
    export("case-a", "AB", "accepted", "missing")
    assert summarise(read_all(tmp_path / "c"))["moved"] == dict.fromkeys(("median", "p90", "largest", "axes")) | {
        "n": 0
    }


def test_who_accepts_nearly_all_is_named_and_who_moves_a_tenth_or_decided_on_few_is_not(tmp_path, export):
    absent = {"statuses": {"left": "found", "right": "absent"}, "corrected": LandmarkSet({"left": [28.0, 4.0, -6.0]})}
    absent["prediction"] = absent["corrected"]
    for number in range(10):
        name = f"case-{number}"
        export(name, "ALL", "accepted", "accepted", **absent)
        export(name, "MOST", "accepted", "accepted" if number else [0, 1, 0])
        export(name, "LESS", "accepted", "accepted" if number > 1 else [0, 1, 0])
        if number < 9:
            export(name, "FEW", "accepted", "accepted")
    corrections = read_all(tmp_path / "c")
    assert accepted_unseen(corrections) == {"ALL": (20, 20), "MOST": (19, 20)}
    readers = summarise(corrections)["readers"]
    assert {name: of["unseen"] for name, of in readers.items()} == {
        "ALL": True,
        "MOST": True,
        "LESS": False,
        "FEW": False,
    }


def test_what_no_model_has_looked_at_is_no_agreement_with_one(tmp_path, export):
    nothing = LandmarkSet({})
    by_hand = {"statuses": {"left": "absent", "right": "absent"}, "prediction": nothing, "corrected": nothing}
    for number in range(10):
        export(f"case-{number}", "AB", "missing", "missing", **by_hand, model={"name": None})
    assert accepted_unseen(read_all(tmp_path / "c")) == {}
