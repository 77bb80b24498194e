from __future__ import annotations

import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.volume.ct import write_volume


@pytest.fixture
def detect(detector, monkeypatch, tmp_path):
    """Runs `carotid-landmark detect … -o out --samples 2` on a model that finds the balls; returns its exit code."""
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)

    def detect(*words):
        return main(["detect", *map(str, words), "-o", str(tmp_path / "out"), "--samples", "2"])

    return detect


@pytest.fixture
def cases(tmp_path, make_neck, balls):
    """A folder of two cases; the second has no right ball."""
    folder = tmp_path / "cases"
    write_volume(make_neck(), folder / "a.nrrd", compress=False)
    write_volume(make_neck(balls={"left": balls["left"]}), folder / "b.mha", compress=False)
    return folder
