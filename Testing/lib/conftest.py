"""A model that needs no training and a volume that it finds its way in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from CarotidLandmarkLib.detect.backends.with_openvino import OpenVinoBackend
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.header import DEFAULT, FORMAT, METADATA_KEY
from CarotidLandmarkLib.model.shapes import tensor_shapes
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.host.skipping import WITHOUT_TORCH

HEADER = {"name": "bright", "version": "1", "sha256": "0" * 64, "calibration": {"cases": 300}}
BALLS = {"left": np.array([31.3, -7.4, 52.2]), "right": np.array([-27.1, 3.9, 41.7])}


class BrightBackend(OpenVinoBackend):
    """Logits that follow the brightness; of a whole volume, each side on its own half."""

    precision = "float32"

    def __init__(self) -> None:
        once = {"looks": 1, "starts_mm": (0.0,), "covariance_scale": (0.05,) * 4}
        self.config = ModelConfig(channels=((1,),) * 4, convs=(1,) * 4, window_hu=((100.0, 500.0),), **once)
        self.threads = 1
        self._tensors = {f"nets.{scale}.presence_bias": np.full(1 if scale else 2, 14.0) for scale in range(4)}

    def _logits(self, scale: int, image: np.ndarray, streams: int, precision: str | None = None) -> np.ndarray:
        ((low, high),) = self.config.window_hu
        logits = 30 * np.clip((image - low) / (high - low), 0, 1)
        x = np.linspace(-1, 1, image.shape[-1])
        return logits[None] if scale else np.stack([logits * (x > 0), logits * (x < 0)])


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
    array[grid.distance_inside(world) < 8] -= 1040
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
    return BallDetector(BrightBackend(), dict(HEADER))


@pytest.fixture
def torch_detector() -> Detector:
    """The same in torch; its model can be spied on. The test is skipped without torch."""
    pytest.importorskip("torch", reason=WITHOUT_TORCH)
    from CarotidLandmarkLib.detect.backends.with_torch import TorchBackend
    from Testing.lib.bright import bright_model

    return BallDetector(TorchBackend(bright_model()), dict(HEADER))


def random_weights(path: Path, **header: Any) -> Path:
    """Writes a small model as it comes from initialisation, but sure of itself, with more in its header."""
    config, rng = ModelConfig(channels=((4, 8),) * 4, convs=(1,) * 4), np.random.default_rng(0)
    tensors = {}
    for name, shape in (tensor_shapes(config) or {}).items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 100
        tensors[name] = (rng.uniform(-1, 1, shape) / np.sqrt(fan_in)).astype(np.float32)
        if name.endswith("presence_bias"):
            tensors[name][:] = -20.0
    told = {
        "format": FORMAT,
        "name": "random",
        "version": "7",
        "training": {},
        "calibration": {"cases": 300},
        **header,
        "config": config.to_dict(),
    }
    path.write_bytes(safetensors.numpy.save(tensors, {METADATA_KEY: json.dumps(told)}))
    return path


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., Path]:
    return random_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that was never trained: positions without meaning, every file real."""
    return random_weights(tmp_path_factory.mktemp("weights") / "random.safetensors", training={"note": "none"})


@pytest.fixture
def default_weights() -> Path:
    """The packaged weights; the test is skipped where there are none yet."""
    if not DEFAULT.is_file():
        pytest.skip("the package has no default weights yet")
    return DEFAULT
