from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.sample import VolumePyramid

TRUTH = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}


def two_balls(seed: int) -> CTVolume:
    """A soft body with a bright ball at each landmark, the left one larger, and other noise with each seed."""
    grid = Grid.axis_aligned([0, 0, 0], (72, 56, 56), 2.0)
    k, j, i = np.indices(grid.shape)
    world = grid.index_to_world(np.stack([i, j, k], -1))
    hu = np.where(np.hypot(world[..., 0] / 1.3, world[..., 1]) < 50, 40.0, -1000.0)
    hu += np.random.default_rng(seed).normal(0, 10, grid.shape)
    for side, point in TRUTH.items():
        hu += 400 * np.exp(-0.5 * (np.linalg.norm(world - point, axis=-1) / (6 if side == "left" else 4)) ** 2)
    return CTVolume(hu.astype(np.int16), grid)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A benchmark's folder whose cases lie ready, quicker to look at than phantoms: 2 train, 1 val, 2 test; and rows
    with the same methods a few channels wide."""
    # not above: these need torch, and this file is read without
    from CarotidLandmarkLib.study.benchmark.cases import needed_views, training_folder
    from CarotidLandmarkLib.study.methods import get, names
    from CarotidLandmarkLib.study.train.cases import cut_case

    for name in names():
        channels = tuple(tuple(2 for _ in widths) for widths in get(name).config.channels)
        method = get(name).but(name, get(name).recipe.about, {"channels": channels})
        monkeypatch.setattr(f"CarotidLandmarkLib.study.methods.{name.replace('-', '_')}.METHOD", method)
    seeds = {"train": [0, 3], "val": [1], "test": [0, 4]}
    views = needed_views(half_resolution=True)
    for split, numbers in seeds.items():
        folder = (tmp_path / "cases" if split == "test" else training_folder(tmp_path / "cases", views)) / split
        folder.mkdir(parents=True)
        for seed in numbers:
            volume = two_balls(seed)
            if split == "test":
                write_volume(volume, folder / f"test-{seed:05d}.nrrd", compress=False)
                write_markups(folder / f"test-{seed:05d}.mrk.json", LandmarkSet(TRUTH))
                (folder / f"test-{seed:05d}.phantom.json").write_text("{}")
            else:
                case = cut_case(f"{split}-{seed}", VolumePyramid(volume), volume.grid, dict(TRUTH), views, seed)
                case.save(folder / f"{split}-{seed}.case")
    (tmp_path / "cases" / "seeds.json").write_text(json.dumps(seeds))
    return tmp_path
