from __future__ import annotations

import itertools
from contextlib import contextmanager
from types import SimpleNamespace

from CarotidLandmarkLib.phantom.files import VISIBLE_MM
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.study.benchmark import cases
from CarotidLandmarkLib.study.benchmark.cases import needed_views, prepare_cases, suitable_seeds, training_folder
from CarotidLandmarkLib.study.train.cases import Views

VIEWS = Views((4.0,), {1.0: (30.0, 20.0)})


def test_seeds_are_the_first_necks_with_both_points_in_view():
    chosen = list(itertools.islice(suitable_seeds("test"), 4))
    for seed in range(chosen[-1] + 1):
        phantom = Phantom.draw(seed, "test")
        scan = Scan.draw(phantom)
        inside = all(scan.covers(point, VISIBLE_MM) for point in phantom.truth.values())
        assert (seed in chosen) == (scan.kind == "neck" and inside)


def test_only_what_is_missing_is_made_and_the_seeds_stay(tmp_path, monkeypatch):
    made = []

    def make(home, split, seed, views):
        made.append((split, seed))
        (home / (f"{split}-{seed:05d}.phantom.json" if split == "test" else f"{split}-{seed}.case")).touch()

    @contextmanager
    def here(workers):
        yield SimpleNamespace(submit=lambda call, *given: SimpleNamespace(result=lambda: call(*given)))

    monkeypatch.setattr(cases, "_make", make)
    monkeypatch.setattr(cases, "pool", here)
    monkeypatch.setattr(cases, "as_completed", list)
    monkeypatch.setattr(cases, "suitable_seeds", lambda split: itertools.count(2, 3))
    counts, steps = {"train": 3, "val": 1, "test": 2}, []
    seeds = prepare_cases(tmp_path, counts, VIEWS, 1, lambda done, total: steps.append((done, total)))
    assert seeds == {"train": [2, 5, 8], "val": [2], "test": [2, 5]}
    assert len(made) == 6 and steps[-1] == (6, 6)
    made.clear()
    (training_folder(tmp_path, VIEWS) / "train" / "train-5.case").unlink()
    (tmp_path / "test" / "test-00002.phantom.json").unlink()
    monkeypatch.setattr(cases, "suitable_seeds", lambda split: itertools.count(100))
    assert prepare_cases(tmp_path, counts, VIEWS, 1, lambda *_: None) == seeds
    assert made == [("train", 5), ("test", 2)]
    made.clear()
    prepare_cases(tmp_path, counts, Views((2.0, 4.0), {}), 1, lambda *_: None)
    assert made == [("train", 2), ("train", 5), ("train", 8), ("val", 2)], "cases without a new row's views are no good"


def test_cases_hold_whole_volumes_for_the_papers_rows_and_pieces_for_ours():
    assert needed_views(half_resolution=True) == ((1.0, 2.0, 4.0, 8.0), needed_views(True).pieces)
    assert needed_views(half_resolution=False).wholes == (0.5, 1.0, 2.0, 4.0)
    assert set(needed_views(half_resolution=True).pieces) == {1.0}
    assert set(needed_views(half_resolution=False).pieces) == {0.5, 1.0}
