"""A model that needs no training and a volume that it finds its way in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from CarotidLandmarkLib.detect.backends.with_torch import TorchBackend
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import DEFAULT, save_weights
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

BALLS = {"left": np.array([31.3, -7.4, 52.2]), "right": np.array([-27.1, 3.9, 41.7])}


class Bright(nn.Module):
    """Logits that follow the brightness; with two landmarks, each on its own half of the image."""

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.landmarks = landmarks

    def forward(self, image: Tensor) -> Tensor:
        logits = 30 * image[:, :1]
        if self.landmarks == 1:
            return logits
        x = torch.linspace(-1, 1, image.shape[-1])
        return torch.cat([logits * (x > 0), logits * (x < 0)], 1)


def bright_model() -> MultiScaleLocNet:
    once = {"looks": 1, "starts_mm": (0.0,), "covariance_scale": (0.05,) * 4}
    model = MultiScaleLocNet(ModelConfig(channels=((1,),) * 4, convs=(1,) * 4, window_hu=((100.0, 500.0),), **once))
    for scale, net in enumerate(model.nets):
        net.unet = Bright(2 if scale == 0 else 1)
        nn.init.constant_(net.presence_bias, 14.0)
    return model


def neck(direction: np.ndarray | None = None, balls: dict[str, np.ndarray] = BALLS) -> CTVolume:
    """Soft tissue in air with a bright ball of 5 mm at each of `balls` (LPS mm); index axes along `direction`."""
    direction = np.eye(3) if direction is None else direction
    size, spacing = np.array([150, 130, 90]), np.array([0.9, 1.0, 1.25])
    origin = np.array([2.0, 0.0, 45.0]) - direction @ (spacing * (size - 1) / 2)
    grid = Grid(tuple(size), spacing, origin, direction)
    k, j, i = np.indices(grid.shape)
    world = grid.index_to_world(np.stack([i, j, k], -1))
    array = np.random.default_rng(0).normal(40, 5, grid.shape)
    for center in balls.values():
        distance = np.linalg.norm(world - center, axis=-1)
        array += 400 * np.clip(5.5 - distance, 0, 1)
    array[grid.distance_inside(world) < 8] = -1000
    return CTVolume(array.astype(np.int16), grid)


class BallDetector(Detector):
    """One that does not ask the lumen, since no ball is a vessel."""

    def detect(self, *volume: Any, **settings: Any) -> Detection:
        return super().detect(*volume, **{**settings, "fork": False})


@pytest.fixture
def make_neck() -> Callable[..., CTVolume]:
    return neck


@pytest.fixture
def balls() -> dict[str, np.ndarray]:
    return BALLS


@pytest.fixture
def volume() -> CTVolume:
    return neck()


@pytest.fixture
def detector() -> Detector:
    """Finds the balls of `neck`, by their brightness."""
    header = {"name": "bright", "version": "1", "sha256": "0" * 64}
    return BallDetector(TorchBackend(bright_model()), header)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model as it comes from initialisation, but sure of itself: positions without meaning, every file real."""
    torch.manual_seed(0)
    model = MultiScaleLocNet(ModelConfig(channels=((4, 8),) * 4, convs=(1,) * 4))
    for net in model.nets:
        nn.init.constant_(net.presence_bias, -20.0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(path, model, {"name": "random", "version": "7", "training": {"note": "none"}})
    return path


@pytest.fixture
def default_weights() -> Path:
    """The packaged weights; the test is skipped where there are none yet."""
    if not DEFAULT.is_file():
        pytest.skip("the package has no default weights yet")
    return DEFAULT
