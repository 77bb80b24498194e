from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.files import (
    read_described_points,
    read_named_points,
    read_points,
    write_fcsv,
    write_markups,
)
from CarotidLandmarkLib.landmarks.points import SIDE_WORDS, LandmarkSet, side_of_label

LEFT = (31.25, -102.123456789012, 40.0)
RIGHT = (-28.5, -99.0, -1043.75)
BOTH = LandmarkSet({"left": LEFT, "right": RIGHT})
LEFT_ONLY = LandmarkSet({"left": LEFT})


def markups(*points: dict, **of_markup: object) -> str:
    return json.dumps({"markups": [{"type": "Fiducial", "controlPoints": points, **of_markup}]})


def point(label: str, position: object = (1, 2, 3), **more: object) -> dict:
    return {"label": label, "position": position, **more}


def assert_same(landmarks: LandmarkSet, expected: LandmarkSet) -> None:
    for side, position in expected.points.items():
        if position is None:
            assert landmarks.points[side] is None
        else:
            np.testing.assert_array_equal(landmarks.points[side], position)


@pytest.mark.parametrize("landmarks", [BOTH, LEFT_ONLY, LandmarkSet({"right": RIGHT}), LandmarkSet()])
def test_written_points_read_back_exactly(tmp_path: Path, landmarks: LandmarkSet) -> None:
    path = tmp_path / "case.mrk.json"
    write_markups(path, landmarks)
    assert_same(read_points(path), landmarks)
    assert os.listdir(tmp_path) == ["case.mrk.json"]


def test_markups_file_has_what_slicer_expects(tmp_path: Path) -> None:
    write_markups(tmp_path / "case.mrk.json", LEFT_ONLY, {"left": "review: near the border"})
    written = json.loads((tmp_path / "case.mrk.json").read_text())
    assert written["@schema"].endswith("markups-schema-v1.0.3.json#")
    (markup,) = written["markups"]
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == ("Fiducial", "LPS", "mm")
    left, right = markup["controlPoints"]
    assert (left["label"], left["positionStatus"], left["position"]) == ("L", "defined", list(LEFT))
    assert left["description"] == "review: near the border"
    assert (right["label"], right["positionStatus"]) == ("R", "missing")
    needed = {"id", "associatedNodeID", "orientation", "selected", "locked", "visibility"}
    assert needed <= left.keys() and needed <= right.keys()


@pytest.mark.parametrize(("system", "expected"), [("LPS", (1, 2, 3)), ("RAS", (-1, -2, 3)), (None, (1, 2, 3))], ids=str)
def test_markups_coordinate_system_is_honoured(tmp_path: Path, system: str | None, expected: tuple) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text(markups(point("R"), **({} if system is None else {"coordinateSystem": system})))
    assert_same(read_points(path), LandmarkSet({"right": expected}))


@pytest.mark.parametrize(
    ("system", "expected"),
    [("LPS", (1, 2, 3)), ("1", (1, 2, 3)), ("RAS", (-1, -2, 3)), ("0", (-1, -2, 3)), (None, (-1, -2, 3))],
    ids=str,
)
def test_fcsv_coordinate_system_is_honoured(tmp_path: Path, system: str | None, expected: tuple) -> None:
    path = tmp_path / "a.fcsv"
    version = "# Markups fiducial file version = 4.10\n"
    header = "" if system is None else f"{version}# CoordinateSystem = {system}\n"  # None: as of Slicer 3
    columns = "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
    path.write_text(f'{header}{columns}1,1,2,3,0,0,0,1,1,1,0,L,"a, b",\n')
    assert_same(read_points(path), LandmarkSet({"left": expected}))
    if system is None:  # Slicer 4 reads it as RAS, 5 as LPS
        path.write_text(version + path.read_text())
        with pytest.raises(BadInputError, match="neither LPS nor RAS"):
            read_points(path)


def test_slicers_own_files_are_read(tmp_path: Path) -> None:
    """Lines as Slicer 5.13 writes them: the right point's position is missing."""
    fcsv = tmp_path / "a.fcsv"
    fcsv.write_text(
        "# Markups fiducial file version = 5.13\n# CoordinateSystem = LPS\n"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        '1,-10,-20,30,0,0,0,1,1,1,0,L,"left, ""q""",,2,0\n2,11,-21,31,0,0,0,1,1,1,0,R,,,3,0\n'
    )
    mrk = tmp_path / "a.mrk.json"
    mrk.write_text(
        markups(
            point("L", [-10.0, -20.0, 30.0], positionStatus="defined"),
            point("R", "", positionStatus="missing"),
            coordinateSystem="LPS",
            coordinateUnits=["mm", "UCUM", "millimeter"],
        )
    )
    for path in (fcsv, mrk):
        assert_same(read_points(path), LandmarkSet({"left": (-10, -20, 30)}))


@pytest.mark.parametrize(
    ("label", "side"),
    [
        *(
            (label, "left")
            for label in ("L", "l", "left", "LEFT", "L carotid", "left_bifurcation", "CCA-L", "LeftCarotid")
        ),
        *(
            (label, "right")
            for label in ("R", " right ", "R carotid-2", "carotid (Right)", "CarotidR", "rt.", "R\u00a0")
        ),
        *((label, "left") for label in ("Left carotid", "LCB", "lcb-1", "LCarotid", "leftcarotid", "links", "Bif. sx")),
        *((label, "right") for label in ("RCB", "carotide destra", "Bifurcation droite", "rechts", "CBR")),
        *((label, None) for label in ("LICA", "RCCA", "LCB/RCB", "RCA", "lc", "dxa")),
        *((label, None) for label in ("F-1", "", "carotid", "L or R", "Lower", "larynx", "bright", "Left, right")),
        *((label, None) for label in ("R-1", "R-2", "L-1", "L 1", "R_12", "L5", "r1")),
    ],
)
def test_side_of_label(label: str, side: str | None) -> None:
    assert side_of_label(label) == side


def test_no_word_names_both_sides() -> None:
    assert not set(SIDE_WORDS["left"]) & set(SIDE_WORDS["right"])
    assert all(side_of_label(word) == side for side, words in SIDE_WORDS.items() for word in words)


@pytest.mark.parametrize("name", ["a.mrk.json", "a.fcsv"])
def test_all_labels_that_name_no_side_are_listed(tmp_path: Path, name: str) -> None:
    labels = ["L", *(f"chin {letter}" for letter in "abcdefghijxy"), "R"]
    if name.endswith(".fcsv"):
        text = "".join(f"{i},1,2,3,0,0,0,1,1,1,0,{label},,\n" for i, label in enumerate(labels))
    else:
        text = markups(*map(point, labels))
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInputError, match="points labelled 'chin a', .*'chin j' and 2 more, which name no side"):
        read_points(tmp_path / name)


def test_files_of_old_slicers_are_read(tmp_path: Path) -> None:
    """Slicer 3 (its own columns, RAS), 4.6 (names of nodes, number of the system), 4.11 (first .mrk.json)."""
    three, four, json_file = (tmp_path / name for name in ("3.fcsv", "4.fcsv", "4.mrk.json"))
    three.write_text(
        "# Fiducial List file 3.fcsv\n# name = forks\n# numPoints = 2\n# symbolScale = 5.5\n# locked = 0\n"
        "# columns = label,x,y,z,sel,vis\nLeft carotid,-31.25,102.5,40,1,1\nRight carotid,28.5,99,-1043.75,1,1\n"
    )
    four.write_text(
        "# Markups fiducial file version = 4.6\n# CoordinateSystem = 0\n"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        "vtkMRMLMarkupsFiducialNode_0,-31.25,102.5,40,0,0,0,1,1,1,0,LCB,,vtkMRMLScalarVolumeNode1\n"
        "vtkMRMLMarkupsFiducialNode_1,28.5,99,-1043.75,0,0,0,1,1,1,0,RCB,,vtkMRMLScalarVolumeNode1\n"
    )
    json_file.write_text(
        markups(
            point("left", [-31.25, 102.5, 40], id="vtkMRMLMarkupsFiducialNode_0"),
            point("right", [28.5, 99, -1043.75], id="vtkMRMLMarkupsFiducialNode_1"),
            coordinateSystem="0",
        )
    )
    for path in (three, four, json_file):
        assert_same(read_points(path), LandmarkSet({"left": (31.25, -102.5, 40), "right": RIGHT}))


@pytest.mark.parametrize("landmarks", [BOTH, LEFT_ONLY, LandmarkSet({"right": RIGHT}), LandmarkSet()])
def test_a_written_fcsv_reads_back_exactly(tmp_path: Path, landmarks: LandmarkSet) -> None:
    path = tmp_path / "case.fcsv"
    write_fcsv(path, landmarks, {"left": 'review: "near", 2 mm'})
    assert_same(read_points(path), landmarks)
    assert list(read_named_points(path)) == ["left", "right"]
    assert read_described_points(path)["left"].description == 'review: "near", 2 mm'
    assert path.read_text().splitlines()[1] == "# CoordinateSystem = 0", "older ones take a name for RAS"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.mrk.json", "", "no Slicer markups"),
        ("a.mrk.json", "{}", "no Slicer markups"),
        ("a.mrk.json", "[1]", "no Slicer markups"),
        ("a.mrk.json", "[" * 100_000, "no Slicer markups"),
        ("a.mrk.json", markups(point("R-1"), type="ROI"), "'ROI'.*no landmark"),
        ("a.mrk.json", markups(point("L"), point("R"), type="ClosedCurve"), "'ClosedCurve'.*no landmark"),
        ("a.mrk.json", markups(point("L"), type="Plane"), "'Plane'.*no landmark"),
        ("a.mrk.json", markups(point("R-1")), "'R-1'.*L and R"),
        ("a.mrk.json", markups(point("L", [10**400, 2, 3])), "three finite"),
        ("a.mrk.json", markups(point("L", "123")), "three finite"),
        ("a.mrk.json", markups(point("L", {"1": 1, "2": 2, "3": 3})), "three finite"),
        ("a.mrk.json", markups(), "no points"),
        ("a.mrk.json", markups(point("F-1")), "'F-1'.*L and R"),
        ("a.mrk.json", markups(point("L"), point("left")), "more than one left"),
        ("a.mrk.json", markups(point("L", [1, 2])), "three finite"),
        ("a.mrk.json", markups(point("L", [1, 2, float("nan")])), "three finite"),
        ("a.mrk.json", markups(point("L", "1 2 3")), "three finite"),
        ("a.mrk.json", markups(point("L"), coordinateSystem="IJK"), "'IJK'.*LPS or RAS"),
        ("a.mrk.json", markups(point("L"), coordinateUnits="m"), "unit m"),
        ("a.fcsv", "", "no points"),
        ("a.fcsv", "1,2\n", "no Slicer .fcsv"),
        ("a.fcsv", "# columns = a,b\n1,2\n", "no Slicer .fcsv"),
        ("a.fcsv", "1,x,2,3,0,0,0,1,1,1,0,L,,\n", "three finite"),
        ("a.fcsv", "# CoordinateSystem = 7\n1,1,2,3,0,0,0,1,1,1,0,L,,\n", "'7'.*LPS or RAS"),
        ("a.txt", "L 1 2 3", "no point file"),
    ],
)
def test_bad_point_files_are_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInputError, match=says) as caught:
        read_points(path)
    assert str(path) in str(caught.value)


def test_missing_and_binary_files_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="Cannot read"):
        read_points(tmp_path / "none.fcsv")
    (tmp_path / "a.mrk.json").write_bytes(b"\xff\x00\x80")
    with pytest.raises(BadInputError, match="not text"):
        read_points(tmp_path / "a.mrk.json")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "case.mrk.json"
    path.write_text("old")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(CannotRunError, match="No space left"):
        write_markups(path, BOTH)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["case.mrk.json"]


def test_write_into_a_missing_folder_cannot_run(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="another|folder"):
        write_markups(tmp_path / "none" / "case.mrk.json", BOTH)


def test_landmark_set_refuses_what_is_no_position() -> None:
    with pytest.raises(ValueError, match="side"):
        LandmarkSet({"links": (1, 2, 3)})
    with pytest.raises(ValueError, match="three finite"):
        LandmarkSet({"left": (1, 2)})
    with pytest.raises(ValueError, match="three finite"):
        LandmarkSet({"left": (1, 2, np.inf)})


COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
ROWS = ("1,1.5,2,3,0,0,0,1,1,1,0,L,,", "2,-4,5,6,0,0,0,1,1,1,0,R,,")


@pytest.mark.parametrize(
    "lines",
    [
        ["# CoordinateSystem = LPS,,,,,,,,,,,,,", f"# columns = {COLUMNS}", *ROWS],
        ["# CoordinateSystem = LPS,,,,,,,,,,,,,,,", f"# columns = {COLUMNS},,", *(f"{row},," for row in ROWS)],
        [
            "# CoordinateSystem = LPS;;;",
            *(line.replace(",", ";").replace(".", ",") for line in (f"# columns = {COLUMNS}", *ROWS)),
        ],
        [
            "# CoordinateSystem = LPS\t\t",
            *(line.replace(",", "\t") for line in (f"# columns = {COLUMNS}", *ROWS)),
            "\t\t\t",
        ],
        ['"# CoordinateSystem = LPS"', f'"# columns = {COLUMNS}"', *(f'"{row}"' for row in ROWS), ""],
    ],
    ids=["filled", "filled rows", "semicolons", "tabs", "one cell a line"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_fcsv_saved_by_a_spreadsheet_is_read(tmp_path: Path, lines: list[str], encoding: str) -> None:
    (tmp_path / "a.fcsv").write_bytes("\r\n".join(lines).encode(encoding))
    assert_same(read_points(tmp_path / "a.fcsv"), LandmarkSet({"left": (1.5, 2, 3), "right": (-4, 5, 6)}))


def test_a_side_that_a_file_does_not_name_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "a.fcsv").write_text(f"# columns = {COLUMNS}\n{ROWS[0]}\n2,0,0,0,0,0,0,1,1,1,0,R,,,3,0\n")
    assert list(read_named_points(tmp_path / "a.fcsv")) == ["left", "right"]
    (tmp_path / "a.mrk.json").write_text(markups(point("L"), point("R", "", positionStatus="undefined")))
    (tmp_path / "b.fcsv").write_text(f"# columns = {COLUMNS}\n{ROWS[0]}\n")
    for name in ("a.mrk.json", "b.fcsv"):
        assert list(read_named_points(tmp_path / name)) == ["left"]
        assert read_points(tmp_path / name).points["right"] is None


def test_an_roi_beside_a_list_of_points_in_one_file_is_no_point(tmp_path: Path) -> None:
    both = json.loads(markups(point("L")))
    both["markups"] += json.loads(markups(point("R"), type="ROI", coordinateSystem="RAS"))["markups"]
    (tmp_path / "a.mrk.json").write_text(json.dumps(both))
    assert list(read_named_points(tmp_path / "a.mrk.json")) == ["left"]


@pytest.mark.parametrize("suffix", [".mrk.json", ".fcsv"])
def test_what_is_no_file_is_a_sentence(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / f"null{suffix}").symlink_to(os.devnull)
    for name in ("pipe", "folder", "null", "n" * 300):
        with pytest.raises(BadInputError, match="Cannot read .*; give a point file"):
            read_points(tmp_path / f"{name}{suffix}")


def test_written_text_is_strict_json(tmp_path: Path) -> None:
    write_markups(tmp_path / "a.mrk.json", BOTH, {"left": os.fsdecode(b"pat\xe9")})
    written = json.loads((tmp_path / "a.mrk.json").read_text())
    assert written["markups"][0]["controlPoints"][0]["description"] == "pat\\udce9"
