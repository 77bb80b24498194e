"""Fine-tuning shows the net a site's cases by the net's own definition, and phantoms as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import read_weights, save_weights
from CarotidLandmarkLib.study.cases import Case, read_cases
from CarotidLandmarkLib.study.site import tune
from CarotidLandmarkLib.study.site.tune import SiteData, Tuning, stores, train_on
from CarotidLandmarkLib.study.train.batches import BatchStep
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


@pytest.fixture
def tunings(tmp_path, site_folder):
    """The same training of a small net, once for each name."""
    torch.manual_seed(0)
    small = {"channels": ((4, 8),) * 4, "convs": (1,) * 4, "crop_size": 16, "noise_mm": 2.0}
    model = MultiScaleLocNet(ModelConfig(**small))
    base = tmp_path / "base.safetensors"
    save_weights(base, model, {"trust": {"limit": 0.1}, "calibration": {"cases": 5}})
    folder, _ = site_folder(2)
    cases = read_cases(folder)
    return lambda name: Tuning(tmp_path / name, base, cases, OFFSET, tmp_path / "kept", 0, 4)


def test_a_training_that_was_cut_off_ends_as_one_that_was_not(tunings, monkeypatch):
    whole, cut = tunings("whole"), tunings("cut")
    for tuning in (whole, cut):
        tuning.folder.mkdir()
    train_on(whole)
    of_step = BatchStep.forward

    def killed(step, cases, progress, seed):
        if seed[1] == 2:
            raise KeyboardInterrupt
        return of_step(step, cases, progress, seed)

    monkeypatch.setattr(BatchStep, "forward", killed)
    monkeypatch.setattr(tune, "KEPT_EVERY_MINUTES", 0.0)  # after each step
    with pytest.raises(KeyboardInterrupt):
        train_on(cut)
    assert (cut.folder / "last.ckpt").exists() and not cut.weights.exists()
    monkeypatch.setattr(BatchStep, "forward", of_step)
    train_on(cut)
    base, one, other = (read_weights(path) for path in (whole.base, whole.weights, cut.weights))
    assert all(np.array_equal(value, other.tensors[name]) for name, value in one.tensors.items())
    changed = {name for name, value in one.tensors.items() if not np.array_equal(value, base.tensors[name])}
    assert changed and all(name.startswith("nets.3.") for name in changed)
    assert one.header["trust"] == {"limit": 0.1} and one.header["calibration"]["kept_from_start"]
