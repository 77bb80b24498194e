"""Fine-tuning shows the net a site's cases by the net's own definition, and phantoms as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.study.site import tune
from CarotidLandmarkLib.study.site.tune import SiteData, Tuning, stores
from CarotidLandmarkLib.study.train.cases import TrainingCase

POINTS = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}
OFFSET = np.array([0.3, -0.5, 1.2])


class Store:
    """Cases named after it and their number."""

    def __init__(self, name, points):
        self.name, self.points = name, points

    def prefetch(self, indices):
        pass

    def get(self, index):
        return TrainingCase(f"{self.name}{index}", dict(self.points), {}, [], np.zeros(3))


@pytest.fixture
def data(monkeypatch):
    half = {"left": POINTS["left"], "right": None}
    monkeypatch.setattr(tune, "stores", lambda *_: (Store("site", half), Store("phantom", POINTS)))
    cases = [Case(name, Path(name), POINTS) for name in "abc"]
    return SiteData(Tuning(Path(), Path(), cases, OFFSET, Path(), 5, 10), ModelConfig())


def test_the_offset_is_taken_off_the_sites_points_and_phantoms_stay(data):
    seen = [data.case(position) for position in range(8)]
    assert sorted(case.name for case in seen) == [*(f"phantom{n}" for n in range(5)), *(f"site{n}" for n in range(3))]
    for case in seen:
        if case.name.startswith("site"):
            assert case.truth["left"] == pytest.approx(POINTS["left"] - OFFSET) and case.truth["right"] is None
        else:
            assert all(case.truth[side] == pytest.approx(POINTS[side]) for side in SIDES)
    assert "3 cases of a site and 5 procedural phantoms" in data.description and not list(data.validation_cases())


def test_the_mirrored_side_is_moved_the_other_way(data):
    data.site.points = POINTS
    right = next(case for case in map(data.case, range(8)) if case.name.startswith("site")).truth["right"]
    assert right == pytest.approx(POINTS["right"] - OFFSET * [-1, 1, 1])


def test_only_what_the_finest_scale_looks_at_is_kept(tmp_path):
    site, phantoms = stores([Case("a", tmp_path / "a.nrrd", POINTS)], ModelConfig(), tmp_path / "kept")
    assert site.views.wholes == phantoms.views.wholes == (4.0,) and list(site.views.pieces) == [0.5]
    coarse, _ = stores([], ModelConfig(scales_mm=(8.0, 4.0, 2.0, 2.0)), tmp_path / "kept")
    assert coarse.views.pieces == {} and set(coarse.views.wholes) == {8.0, 2.0}
