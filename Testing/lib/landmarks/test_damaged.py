"""Files cut off or with bits flipped: each is read or ends in a sentence, never in another error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import CarotidLandmarkError
from CarotidLandmarkLib.landmarks.corrections import Correction, read_correction, write_correction
from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection, read_detection, write_detection
from CarotidLandmarkLib.landmarks.files import read_described_points, write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.landmarks.table import read_points_table

POINTS = {"left": np.array([31.25, -102.5, 40.0]), "right": np.array([-28.5, -99.0, -1043.75])}
ODD = (None, True, -1, 1e999, 10**400, "", "x", "\ud800", "\0", [], {}, [[1, 2, 3]] * 3, {"x": None})


def write_table(path: Path) -> None:
    rows = [f'"{k}.nrrd",{side},{k}.5,-2,3,LPS' for k in range(3) for side in POINTS]
    path.write_text("\n".join(["volume,side,x,y,z,space", *rows]))


def write_fcsv(path: Path) -> None:
    path.write_text(
        "# Markups fiducial file version = 5.6\n# CoordinateSystem = LPS\n"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        '1,-10,-20,30,0,0,0,1,1,1,0,L,"left, ""q""",,2,0\n2,11,-21,31,0,0,0,1,1,1,0,R,,,3,0\n'
    )


def detection() -> Detection:
    volume = {"path": "a.nrrd", "sha256": "0" * 64, "size": [5, 6, 7], "spacing_mm": [0.5, 0.5, 1.0]}
    landmarks = [
        LandmarkDetection("left", "found", ["why"], 0.9, POINTS["left"], np.eye(3), np.ones(3), np.eye(3), 4.2),
        LandmarkDetection("right", "absent", [], 0.1),
    ]
    return Detection("a", volume, {"name": "m"}, {"confidence": 0.9}, landmarks, {"total": 1.0}, ["so"])


def correct(folder: Path) -> Path:
    both = {"left": "found", "right": "review"}
    decisions = {"left": "moved", "right": "accepted"}
    correction = Correction("a", "AB", both, decisions, LandmarkSet(POINTS), LandmarkSet(POINTS))
    return write_correction(folder, correction, lambda path: path.write_bytes(b"voxels")) / "correction.json"


def read_and_use_detection(path: Path) -> None:
    read = read_detection(path)
    read.points()
    write_detection(path, read)


def read_and_use_correction(path: Path) -> None:
    read = read_correction(path.parent)
    read.truth(), read.volume_path, read.series, read.unreviewed, read.displacement_mm("left")


KINDS = {
    "a.mrk.json": (lambda path: write_markups(path, LandmarkSet(POINTS), {"left": "ü"}), read_described_points),
    "a.fcsv": (write_fcsv, read_described_points),
    "a.csv": (write_table, read_points_table),
    "a.detection.json": (lambda path: write_detection(path, detection()), read_and_use_detection),
    "correction.json": (lambda path: None, read_and_use_correction),
}


@pytest.fixture(params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> tuple:
    """A path that holds a whole file of the kind, and what reads it."""
    write, read = KINDS[request.param]
    path = correct(tmp_path) if request.param == "correction.json" else tmp_path / request.param
    write(path)
    read(path)
    return path, read


def outcome(read: object, path: Path) -> bool:
    """Whether the file is read; any error but one with a sentence goes through."""
    try:
        read(path)  # type: ignore[operator]
    except CarotidLandmarkError as error:
        assert str(error)
        return False
    return True


def test_cut_off_and_flipped_files_are_read_or_a_sentence(whole: tuple) -> None:
    path, read = whole
    data = path.read_bytes()
    random = np.random.default_rng(7)
    for cut in random.integers(0, len(data), 60):
        path.write_bytes(data[:cut])
        outcome(read, path)
    outcomes = []
    for _ in range(140):
        damaged = np.frombuffer(data, np.uint8).copy()
        for place in random.integers(0, len(data), random.integers(1, 6)):
            damaged[place] ^= 1 << random.integers(8)
        path.write_bytes(damaged.tobytes())
        outcomes.append(outcome(read, path))
    assert 0 < sum(outcomes) < len(outcomes), "the damage is neither harmless nor all there is"


def places(values: object) -> list[tuple]:
    """(container, key) of everything inside of a JSON value."""
    if not isinstance(values, (dict, list)):
        return []
    keys = list(values) if isinstance(values, dict) else list(range(len(values)))
    return [(values, key) for key in keys] + [place for key in keys for place in places(values[key])]  # type: ignore[index]


@pytest.mark.parametrize("whole", [name for name in KINDS if name.endswith(".json")], indirect=True)
def test_any_value_of_a_json_file_may_be_any_other(whole: tuple) -> None:
    path, read = whole
    text = path.read_text()
    number = len(places(json.loads(text)))
    random = np.random.default_rng(11)
    for place in range(number):
        for odd in random.permutation(len(ODD))[:4]:
            values = json.loads(text)
            container, key = places(values)[place]
            container[key] = ODD[odd]
            path.write_text(json.dumps(values))
            outcome(read, path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "null", "1" * 5000, '"\ud800"', ""])
def test_json_that_is_no_object_of_the_kind_is_a_sentence(whole: tuple, text: str) -> None:
    path, read = whole
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert not outcome(read, path)
