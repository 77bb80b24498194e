"""Detections with the default weights are those that earlier versions of the code gave, to 1e-6 mm.

Computed in float64 throughout, so that they do not depend on the machine. A neck of plain tubes that this file makes,
so that no change of the phantoms changes it. `python Testing/lib/detect/test_stored_answers.py` prints the answers,
to be stored again when the default weights change or a fault in the detector is mended (last for smaller boxes).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.model.weights import DEFAULT
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

STORED = Path(__file__).with_name("stored_answers.json")
LEFT, RIGHT = np.array([29.0, -8.0, 6.0]), np.array([-27.0, -6.0, -3.0])


def tubes() -> CTVolume:
    """A neck of tubes, 1 x 1 x 1 mm: body, airway, spine, and on each side a carotid that forks and a jugular."""
    size = (160, 128, 160)
    grid = Grid(size, np.ones(3), np.array([-79.5, -69.5, -79.5]), np.eye(3))
    z, y, x = (np.arange(n, dtype=float) + o for n, o in zip(size[::-1], (-79.5, -69.5, -79.5)))
    z, y, x = np.meshgrid(z, y, x, indexing="ij", sparse=True)
    hu = np.full(size[::-1], -1000.0)

    def fill(inside: np.ndarray, value: float) -> None:
        share = np.clip(inside + 0.5, 0, 1)
        hu[...] = hu * (1 - share) + value * share

    fill(55 - np.hypot(x * 0.85, y), 45)
    fill(9 - np.hypot(x, y + 30), -1000)
    fill(16 - np.hypot(x, y - 22), 350)
    fill(8 - np.hypot(x, y - 30), 60)
    for fork, side in ((LEFT, 1.0), (RIGHT, -1.0)):
        up = np.maximum(z - fork[2], 0)
        fill(5.5 - np.hypot(x - fork[0] - side * 9, y - fork[1] - 6), 170)
        fill(np.where(z < fork[2], 3.3, -9) - np.hypot(x - fork[0], y - fork[1]), 340)
        for lateral, backwards, radius in ((0.16, 0.22, 2.7), (-0.14, -0.24, 2.2)):
            way = np.hypot(x - fork[0] - side * lateral * (up + 6), y - fork[1] - backwards * (up + 6))
            fill(np.where(z > fork[2] - 6, radius, -9) - way, 340)
    return CTVolume(hu.round().astype(np.int16), grid)


def answers() -> dict[str, dict[str, list[float]]]:
    """What is found in the tubes: presence, position and the network's covariance of each side."""
    with pytest.MonkeyPatch.context() as patch:
        detector = Detector.from_weights(device="cpu", backend="torch")
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        detector.backend.model.double().use_dtype(torch.float64)
        quick = {"starts_mm": (0.0,), "looks": 1}  # float64 is slow
        detector.backend.model.config = dataclasses.replace(detector.backend.model.config, **quick)
        seen = detector.locate(tubes(), samples=2)
    return {
        side: {
            "presence": [float(of.presence)],
            "position": of.position.tolist(),
            "covariance": of.of_network.ravel().tolist(),
        }
        for side, of in seen.items()
    }


def test_detections_are_the_stored_ones():
    if not DEFAULT.is_file():
        pytest.skip("the package has no default weights yet")
    stored, found = json.loads(STORED.read_text()), answers()
    for side, point in (("left", LEFT), ("right", RIGHT)):
        assert np.linalg.norm(np.array(found[side]["position"]) - point) < 4
        for name, values in found[side].items():
            np.testing.assert_allclose(values, stored[side][name], rtol=0, atol=1e-6, err_msg=f"{side} {name}")


if __name__ == "__main__":
    print(json.dumps(answers(), indent=1))
