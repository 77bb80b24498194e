from __future__ import annotations

import sys
import types

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import read_detection
from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.volume.read import read_volume

FILES = ["demo.detection.json", "demo.mrk.json", "demo.nrrd", "demo.png"]


def test_demo_tells_and_writes_what_it_found(detector, volume, balls, tmp_path, monkeypatch, capsys):
    phantom = types.ModuleType("phantom")
    phantom.phantom_volume = lambda seed, split, kind, spacing: (volume, balls)
    monkeypatch.setitem(sys.modules, "CarotidLandmarkLib.phantom", phantom)
    monkeypatch.setattr(Detector, "from_weights", lambda weights, device: detector)
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--samples", "2"]) == 0
    folder = tmp_path / "carotid-landmark-demo"
    assert sorted(path.name for path in folder.iterdir()) == FILES
    text = capsys.readouterr().out
    for name in FILES:
        assert f"carotid-landmark-demo/{name}" in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith(("left", "right"))}
    assert rows["left"][1] == rows["right"][1] == "found"
    assert float(rows["left"][-1]) < 0.3 and float(rows["right"][-1]) < 0.3
    assert read_volume(folder / "demo.nrrd").grid.size == volume.grid.size
    found = read_detection(folder / "demo.detection.json")
    for landmark in found.landmarks:
        assert read_points(folder / "demo.mrk.json").points[landmark.side].tolist() == landmark.position_lps_mm.tolist()


def test_the_real_demo_finds_both(default_weights, tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo"), "--samples", "10"]) == 0
    text = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith(("left", "right"))}
    assert float(rows["left"][-1]) < 4 and float(rows["right"][-1]) < 4


def test_demo_without_weights_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--device", "cpu", "--weights", "nowhere.safetensors"]) == 2
    assert list(tmp_path.iterdir()) == [] and "nowhere.safetensors" in capsys.readouterr().err
