from __future__ import annotations

import itertools
from contextlib import contextmanager
from types import SimpleNamespace

from CarotidLandmarkLib.phantom.files import VISIBLE_MM
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.study.benchmark import cases
from CarotidLandmarkLib.study.benchmark.cases import prepare_cases, suitable_seeds


def test_seeds_are_the_first_necks_with_both_points_in_view():
    chosen = list(itertools.islice(suitable_seeds("test"), 4))
    for seed in range(chosen[-1] + 1):
        phantom = Phantom.draw(seed, "test")
        scan = Scan.draw(phantom)
        inside = all(scan.covers(point, VISIBLE_MM) for point in phantom.truth.values())
        assert (seed in chosen) == (scan.kind == "neck" and inside)


def test_only_what_is_missing_is_made_and_the_seeds_stay(tmp_path, monkeypatch):
    made = []

    def make(folder, split, seed, configs):
        made.append((split, seed))
        name = f"{split}-{seed:05d}.phantom.json" if split == "test" else f"{split}-{seed}.case"
        (folder / split / name).touch()

    @contextmanager
    def here(workers):
        yield SimpleNamespace(submit=lambda call, *given: SimpleNamespace(result=lambda: call(*given)))

    monkeypatch.setattr(cases, "_make", make)
    monkeypatch.setattr(cases, "pool", here)
    monkeypatch.setattr(cases, "as_completed", list)
    monkeypatch.setattr(cases, "suitable_seeds", lambda split: itertools.count(2, 3))
    counts, steps = {"train": 3, "val": 1, "test": 2}, []
    seeds = prepare_cases(tmp_path, counts, (), 1, lambda done, total: steps.append((done, total)))
    assert seeds == {"train": [2, 5, 8], "val": [2], "test": [2, 5]}
    assert len(made) == 6 and steps[-1] == (6, 6)
    made.clear()
    (tmp_path / "train" / "train-5.case").unlink()
    (tmp_path / "test" / "test-00002.phantom.json").unlink()
    monkeypatch.setattr(cases, "suitable_seeds", lambda split: itertools.count(100))
    assert prepare_cases(tmp_path, counts, (), 1, lambda *_: None) == seeds
    assert made == [("train", 5), ("test", 2)]
