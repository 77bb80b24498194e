from __future__ import annotations

import json

import numpy as np
import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, write_detection
from CarotidLandmarkLib.landmarks.files import read_described_points, read_points, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.volume.ct import CTVolume, write_volume
from CarotidLandmarkLib.volume.geometry import Grid

GRID = Grid.axis_aligned([0, 0, 0], (40, 30, 20), 2.0)
LEFT, RIGHT = np.array([28.0, 4.0, -6.0]), np.array([-25.0, 0.0, 3.0])


@pytest.fixture
def data(tmp_path):
    """Two volumes: of a the right landmark is not there, of b the left one is not annotated."""
    for number, (name, points) in enumerate({"a": {"left": LEFT}, "b": {"right": RIGHT}}.items()):
        array = np.random.default_rng(number).normal(40, 200, GRID.shape).astype(np.int16)
        write_volume(CTVolume(array, GRID), tmp_path / "data" / f"{name}.nrrd")
        write_markups(path := tmp_path / "data" / f"{name}.mrk.json", LandmarkSet(points))
    markups = json.loads(path.read_text())
    del markups["markups"][0]["controlPoints"][0]
    path.write_text(json.dumps(markups))
    return tmp_path / "data"


@pytest.fixture
def detections(tmp_path, data):
    folder = tmp_path / "detections"
    folder.mkdir()
    for name in "ab":
        found = [LandmarkDetection("left", "review", ["Hm."], 0.5, LEFT + 1), LandmarkDetection("right", "absent")]
        write_detection(folder / f"{name}.detection.json", Detection(name, {}, {"name": "default"}, {}, found))
    return folder


def test_to_nnlandmark_and_back(tmp_path, data, capsys):
    out = tmp_path / "Dataset901_Neck"
    assert main(["convert", str(data), "--to", "nnlandmark", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"2 case(s) written to {out}\n"
    assert "a: right not in the volume, for which the format has no word: left out" in printed.err
    one, two = read_cases(out)
    assert one.points["left"] == pytest.approx(LEFT, abs=1e-4) and one.unreviewed == ("right",)
    assert two.points["right"] == pytest.approx(RIGHT, abs=1e-4) and two.unreviewed == ("left",)
    assert main(["convert", str(data), "--to", "nnlandmark", "--out", str(out)]) == 2
    assert "holds a data set already" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["mrk.json", "fcsv"])
def test_to_points_that_say_as_much_as_before(tmp_path, data, to):
    out = tmp_path / "points"
    assert main(["convert", str(data), "--to", to, "--out", str(out)]) == 0
    assert read_points(out / f"a.{to}").points["left"] == pytest.approx(LEFT)
    for name in "ab":
        (out / f"{name}.nrrd").write_bytes((data / f"{name}.nrrd").read_bytes())
    assert [case.unreviewed for case in read_cases(out)] == [(), ("left",)]


def test_detections_become_predictions_or_points(tmp_path, data, detections):
    words = ["convert", str(data), "--detections", str(detections), "--out"]
    assert main([*words, str(tmp_path / "p"), "--to", "nnlandmark"]) == 0
    stored = json.loads((tmp_path / "p" / "b.json").read_text())
    assert stored["1"]["coordinates"] == pytest.approx(GRID.world_to_index(LEFT + 1))
    assert stored["2"] == {"coordinates": [None, None, None], "likelihood": 0.0}
    assert main([*words, str(tmp_path / "f"), "--to", "fcsv"]) == 0
    point = read_described_points(tmp_path / "f" / "b.fcsv")["left"]
    assert point.description == "review" and point.position == pytest.approx(LEFT + 1)


def test_one_case_without_a_detection_is_named_and_the_others_are_written(tmp_path, data, detections, capsys):
    (detections / "a.detection.json").unlink()
    words = ["convert", str(data), "--to", "nnlandmark", "--out", str(tmp_path / "p"), "--detections", str(detections)]
    assert main(words) == 2
    printed = capsys.readouterr()
    assert "a.detection.json" in printed.err and printed.out.startswith("1 case(s)")
    (detections / "b.detection.json").unlink()
    assert main(words) == 2
    assert "a detection of none of the 2 cases" in capsys.readouterr().err


def test_cases_without_any_landmark_are_nothing_to_write(tmp_path, data, capsys):
    for name in "ab":
        write_markups(data / f"{name}.mrk.json", LandmarkSet())
    assert main(["convert", str(data), "--to", "nnlandmark", "--out", str(tmp_path / "d")]) == 2
    assert "nothing to write" in capsys.readouterr().err


def test_nothing_that_is_there_is_written_over(tmp_path, data, detections, capsys):
    truth = {path: path.read_bytes() for path in data.iterdir()}
    words = ["convert", str(data), "--to", "mrk.json", "--out", str(data)]
    for more in ([], ["--detections", str(detections)]):
        assert main([*words, *more]) == 2
        assert "a.mrk.json is there already" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in data.iterdir()} == truth
    out = tmp_path / "set"
    assert main(["convert", str(data), "--to", "nnlandmark", "--out", str(out)]) == 0
    about = (out / "dataset.json").read_bytes()
    assert main(["convert", str(out), "--to", "nnlandmark", "--detections", str(detections), "--out", str(out)]) == 2
    assert "holds a data set" in capsys.readouterr().err and (out / "dataset.json").read_bytes() == about
    raw = tmp_path / "raw"
    (raw / "imagesTr").mkdir(parents=True)
    (raw / "dataset.json").write_text('{"labels": {"background": 0, "tumour": 1}, "numTraining": 37}')
    words = ["convert", str(data), "--to", "nnlandmark", "--out"]
    assert main([*words, str(raw), "--detections", str(detections)]) == 2
    assert "holds a data set" in capsys.readouterr().err and "tumour" in (raw / "dataset.json").read_text()
    assert len(list(raw.iterdir())) == 2
    (raw / "dataset.json").unlink()
    (raw / "imagesTr" / "a_0000.nii.gz").write_bytes(b"theirs")
    assert main([*words, str(raw)]) == 2 and (raw / "imagesTr" / "a_0000.nii.gz").read_bytes() == b"theirs"
    assert "or some of one (imagesTr)" in capsys.readouterr().err


def test_what_cannot_be_converted_is_a_sentence(tmp_path, data, capsys):
    (tmp_path / "file").touch()
    assert main(["convert", str(data), "--to", "fcsv", "--out", str(tmp_path / "file")]) == 3
    assert main(["convert", str(tmp_path / "nowhere"), "--to", "fcsv", "--out", str(tmp_path / "o")]) == 2
    with pytest.raises(SystemExit) as stop:
        main(["convert", str(data), "--to", "dicom", "--out", str(tmp_path / "o")])
    assert stop.value.code == 2 and "--to" in capsys.readouterr().err


def test_predictions_of_nnlandmark_are_evaluated(tmp_path, data, detections, capsys, monkeypatch):
    monkeypatch.setattr("CarotidLandmarkLib.study.report.figures.draw_figures", lambda *args: [])
    monkeypatch.setattr("CarotidLandmarkLib.study.report.figures.missing_packages", lambda: ["jinja2"])
    words = ["convert", str(data), "--to", "nnlandmark"]
    assert main([*words, "--out", str(tmp_path / "d")]) == 0
    assert main([*words, "--out", str(tmp_path / "p"), "--detections", str(detections)]) == 0
    out = tmp_path / "report"
    assert (
        main(["evaluate", "--data", str(tmp_path / "d"), "--detections", str(tmp_path / "p"), "--out", str(out)]) == 0
    )
    report = json.loads((out / "report.json").read_text())
    assert report["name"] == "nnLandmark" and report["all"]["missed"] == 1
    assert report["all"]["mean_mm"] == pytest.approx(3**0.5, abs=1e-3)
