"""Vessels and seeds as markups."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.curves import END_MM, SEED_MM, seeds, write_forks, write_seeds
from CarotidLandmarkLib.landmarks.forks import ForkResult

HEIGHTS = np.arange(0.0, 50.0)


def line(slope: float, up: float, count: int = 50) -> np.ndarray:
    """From the origin, so far aside a mm of height, up or down."""
    return np.stack([slope * HEIGHTS, 0 * HEIGHTS, up * HEIGHTS, 3 - HEIGHTS / 50], 1)[:count]


@pytest.fixture
def fork() -> ForkResult:
    return ForkResult(
        "verified",
        vessels={"common": line(0, -1), "internal": line(0.3, 1), "external": line(-0.3, 1, 17)},
        internal_probability=0.9,
    )


def test_seeds_lie_on_the_vessels_far_from_the_fork_and_short_vessels_have_none(fork: ForkResult) -> None:
    found = seeds(fork)
    assert set(found) == {"common", "internal"}  # the external one ends too near to the first height of a seed
    assert found["common"].tolist() == [0, 0, -SEED_MM[1]]
    assert SEED_MM[1] - 1.1 < np.linalg.norm(found["internal"]) <= SEED_MM[1]
    end = seeds(ForkResult("verified", vessels={**fork.vessels, "common": line(0, -1, 31)}))["common"]
    assert end.tolist() == [0, 0, END_MM - 30]  # well before the end of what is followed
    assert seeds(ForkResult("unclear")) == {}
    short = {**fork.vessels, "internal": line(0.3, 1, 17)}
    assert seeds(ForkResult("verified", vessels=short)) == {}  # a beginning without an end


def test_the_files_are_markups_with_radii_and_a_start(fork: ForkResult, tmp_path: Path) -> None:
    write_forks(tmp_path / "forks.mrk.json", {"left": fork})
    write_seeds(tmp_path / "seeds.mrk.json", {"left": fork, "right": ForkResult("unclear")})
    curves = json.loads((tmp_path / "forks.mrk.json").read_text())["markups"]
    assert [(c["type"], len(c["controlPoints"])) for c in curves] == [("Curve", 50), ("Curve", 50), ("Curve", 17)]
    assert curves[0]["measurements"][0]["controlPointValues"] == line(0, -1)[:, 3].tolist()
    assert curves[1]["controlPoints"][9]["position"] == [pytest.approx(2.7), 0.0, 9.0]
    assert [c["controlPoints"][0]["label"] for c in curves] == ["L CCA", "L ICA", "L ECA"]
    (left,) = json.loads((tmp_path / "seeds.mrk.json").read_text())["markups"]
    assert [(p["label"], p["selected"]) for p in left["controlPoints"]] == [("L CCA", False), ("L ICA", True)]


def test_daughters_that_cannot_be_told_apart_have_a_question_mark(fork: ForkResult, tmp_path: Path) -> None:
    fork.internal_probability = None
    write_forks(tmp_path / "forks.mrk.json", {"right": fork})
    write_seeds(tmp_path / "seeds.mrk.json", {"right": fork})
    curves = json.loads((tmp_path / "forks.mrk.json").read_text())["markups"]
    (seeded,) = json.loads((tmp_path / "seeds.mrk.json").read_text())["markups"]
    assert [c["controlPoints"][0]["label"] for c in curves] == ["R CCA", "R ICA?", "R ECA?"]
    assert [p["label"] for p in seeded["controlPoints"]] == ["R CCA", "R ICA?"]
