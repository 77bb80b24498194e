from __future__ import annotations

import sys

import numpy as np
import pytest
import SimpleITK as sitk

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.landmarks.detection import read_detection
from CarotidLandmarkLib.landmarks.files import read_points, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.sample_data import VOLUME
from CarotidLandmarkLib.volume.ct import write_volume
from CarotidLandmarkLib.volume.read import read_volume

FILES = ["demo.detection.json", "demo.mrk.json", "demo.nrrd", "demo.png"]
GREEN, YELLOW = (0x4A, 0xDE, 0x80), (0xFB, 0xBF, 0x24)


@pytest.fixture
def demo(detector, volume, balls, tmp_path, monkeypatch):
    """The command with a volume in which the detector finds its way; returns its folder."""
    write_volume(volume, tmp_path / "balls.nrrd", compress=False)
    write_markups(tmp_path / "balls.mrk.json", LandmarkSet(balls))
    monkeypatch.setattr("CarotidLandmarkLib.sample_data.VOLUME", tmp_path / "balls.nrrd")
    monkeypatch.setattr("CarotidLandmarkLib.sample_data.POINTS", tmp_path / "balls.mrk.json")
    monkeypatch.setattr(Detector, "from_weights", lambda *words: detector)
    monkeypatch.chdir(tmp_path)

    def demo():
        assert main(["demo", "--samples", "2"]) == 0
        return tmp_path / "carotid-landmark-demo"

    return demo


def rows_of(text):
    return {line.split()[0]: line.split() for line in text.splitlines() if line.startswith(("left", "right"))}


@pytest.mark.parametrize("file", ["demo.nrrd", "demo.mrk.json", "demo.png"])
def test_demo_does_not_replace_what_another_has_written(demo, file, tmp_path, capsys):
    (tmp_path / "carotid-landmark-demo").mkdir()
    (tmp_path / "carotid-landmark-demo" / file).write_text("mine")
    assert main(["demo", "--samples", "2"]) == 2
    assert f"{file} exists" in capsys.readouterr().err
    assert (tmp_path / "carotid-landmark-demo" / file).read_text() == "mine"


def test_demo_tells_and_writes_what_it_found(demo, volume, capsys):
    folder = demo()
    assert sorted(path.name for path in folder.iterdir()) == FILES
    said = capsys.readouterr()
    for name in FILES:
        assert f"carotid-landmark-demo/{name}" in said.out
    assert said.err == "", "no progress where there is no terminal"
    rows = rows_of(said.out)
    assert rows["left"][1] == rows["right"][1] == "found"
    assert float(rows["left"][-1]) < 0.3 and float(rows["right"][-1]) < 0.3
    assert read_volume(folder / "demo.nrrd").grid.size == volume.grid.size
    found = read_detection(folder / "demo.detection.json")
    assert found.volume["path"] == "carotid-landmark-demo/demo.nrrd"
    for landmark in found.landmarks:
        assert read_points(folder / "demo.mrk.json").points[landmark.side].tolist() == landmark.position_lps_mm.tolist()
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "demo.png")))
    green, yellow = (np.abs(picture[..., :3].astype(int) - color).sum(-1) < 30 for color in (GREEN, YELLOW))
    assert green.sum() > 100 and yellow.sum() > 100


def test_demo_shows_progress_on_a_terminal(demo, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    demo()
    said = capsys.readouterr().err
    assert "demo:" in said and "coarse search" in said


def test_without_pillow_a_sentence_says_that_there_is_no_picture(demo, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "PIL", None)
    folder = demo()
    assert sorted(path.name for path in folder.iterdir()) == FILES[:-1]
    said = capsys.readouterr().out
    assert "no picture, since Pillow" in said and "pip install pillow" in said and "demo.png" not in said


def test_the_real_demo_finds_both(default_weights, tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path / "demo"), "--samples", "10"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows["left"][1] == rows["right"][1] == "found"
    assert float(rows["left"][-1]) < 1 and float(rows["right"][-1]) < 1
    assert (tmp_path / "demo" / "demo.nrrd").read_bytes() == VOLUME.read_bytes()


def test_demo_without_weights_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--device", "cpu", "--weights", "nowhere.safetensors"]) == 2
    assert list(tmp_path.iterdir()) == [] and "nowhere.safetensors" in capsys.readouterr().err
