"""What tests of `evaluate` stand on: two cases, and the command with a detector of theirs."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.report import figures
from CarotidLandmarkLib.volume.ct import write_volume


def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


def data(store, tmp_path, make_neck, balls):
    """Case a has both landmarks, b the left one only."""
    if not list(store.iterdir()):
        for name, there in (("a", balls), ("b", {"left": balls["left"]})):
            write_volume(make_neck(balls=there), store / f"{name}.nrrd", compress=False)
            write_markups(store / f"{name}.mrk.json", LandmarkSet(there))
    return Path(shutil.copytree(store, tmp_path / "data"))


def detector(request, detector):
    """In torch where there is one, for the heatmaps."""
    return request.getfixturevalue("torch_detector") if find_spec("torch") else detector


def evaluate(detector, monkeypatch, tmp_path):
    """The command with the model of `detector`; draws only where it is told to, since that takes a while."""
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)

    for name in ("v", "w"):  # weights that can be named; what they hold is the detector's
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def evaluate(data, out, *words, draw=False):
        with monkeypatch.context() as patch:
            if not draw:
                patch.setattr(figures, "draw_figures", lambda *_: [])
            passes = () if "--detections" in words else ("--samples", "2")
            words = ["--data", data, "--out", tmp_path / out, *passes, *words]
            return main(["evaluate", *map(str, words)])

    return evaluate


def report(folder):
    return json.loads((folder / "report.json").read_text())
