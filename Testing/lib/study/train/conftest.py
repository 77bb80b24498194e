from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.sample import VolumePyramid

TINY = ModelConfig(channels=((4, 8, 16, 16), *((4, 8),) * 3), convs=(2, 1, 1, 1), crop_size=16, noise_mm=2.0)
TRUTH = {"left": np.array([28.0, 4.0, -6.0]), "right": np.array([-25.0, 0.0, 3.0])}

# The command line with a network small enough for a test; the rest is the real thing.
TINY_TRAIN = """
import sys, torch
torch.set_num_threads(1)
from CarotidLandmarkLib.study.methods import default
small = {"channels": ((4, 8),) * 4, "convs": (1,) * 4, "crop_size": 16, "noise_mm": 2.0, "normalise": False}
default.METHOD = default.METHOD.but("default", "", small)
from CarotidLandmarkLib.cli import main
sys.exit(main(sys.argv[1:]))
"""


def words(dataset, out, steps, *more):
    return [
        "train",
        "--data",
        str(dataset),
        "--out",
        str(out),
        "--steps",
        str(steps),
        "--epoch",
        "3",
        "--workers",
        "0",
        "--device",
        "cpu",
        *more,
    ]


def two_blobs() -> CTVolume:
    """A soft body with a bright ball at each landmark, the left one larger, so that they can be told apart."""
    grid = Grid.axis_aligned([0, 0, 0], (72, 56, 56), 2.0)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    world = grid.index_to_world(np.stack([i, j, k], -1))
    hu = np.where(np.hypot(world[..., 0] / 1.3, world[..., 1]) < 50, 40.0, -1000.0)
    for side, point in TRUTH.items():
        sd = 6 if side == "left" else 4
        hu += 400 * np.exp(-0.5 * (np.linalg.norm(world - point, axis=-1) / sd) ** 2)
    return CTVolume(hu.astype(np.int16), grid)


@pytest.fixture(scope="session")
def tiny():
    return TINY


@pytest.fixture(scope="session")
def truth():
    return TRUTH


@pytest.fixture(scope="session")
def volume():
    return two_blobs()


@pytest.fixture
def case(volume):
    import torch  # not above: this file is read where there is no torch, too

    from CarotidLandmarkLib.study.train.cases import cut_case, views_of

    torch.manual_seed(0)
    return cut_case("two-blobs", VolumePyramid(volume), volume.grid, dict(TRUTH), views_of(TINY), seed=0)


@pytest.fixture
def dataset(tmp_path, volume, truth):
    folder = tmp_path / "data"
    folder.mkdir()
    for number, name in enumerate(("a", "b", "c")):
        array = volume.array.copy()
        array[0, 0, 0] += number  # else they were of one patient
        write_volume(replace(volume, array=array), folder / f"{name}.nrrd", compress=False)
        write_markups(folder / f"{name}.mrk.json", LandmarkSet(truth))
    return folder


@pytest.fixture
def tiny_default(tiny, monkeypatch):
    """The method `default` with the tiny architecture."""
    from CarotidLandmarkLib.study.methods import get

    monkeypatch.setattr("CarotidLandmarkLib.study.methods.default.METHOD", replace(get("default"), config=tiny))


@pytest.fixture(scope="session")
def arguments():
    return words


@pytest.fixture(scope="session")
def tiny_train():
    return TINY_TRAIN
