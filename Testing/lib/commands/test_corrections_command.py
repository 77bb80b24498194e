from __future__ import annotations

import os

import numpy as np
import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.landmarks.corrections import Correction, write_correction
from CarotidLandmarkLib.landmarks.points import LandmarkSet

LEFT, RIGHT = np.array([30.0, 5.0, 52.0]), np.array([-27.0, 3.0, 41.0])


@pytest.fixture
def folder(tmp_path):
    def write(case, left, right, moved=0.0):
        correction = Correction(
            case=case,
            reader="AB",
            statuses={"left": "found", "right": "review"},
            decisions={"left": left, "right": right},
            prediction=LandmarkSet({"left": LEFT, "right": RIGHT}),
            corrected=LandmarkSet({"left": LEFT + [moved, 0, 0], "right": RIGHT}),
        )
        write_correction(tmp_path, correction, lambda path: path.touch())

    write("case-a", "accepted", "unreviewed")
    write("case-a", "moved", "missing", 3.0)
    write("case-b", "moved", "accepted", 5.0)
    return tmp_path


def test_the_table_has_a_line_for_each_landmark_of_each_newest_revision(folder, capsys):
    assert main(["corrections", str(folder)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["case-a", "r002", "AB", "left", "found", "->", "moved", "3.00"]
    assert lines[2] == ["case-a", "r002", "AB", "right", "review", "->", "missing", "-"]
    assert lines[3] == ["case-b", "r001", "AB", "left", "found", "->", "moved", "5.00"]
    assert " ".join(lines[-1]) == (
        "2 case(s): 1 accepted, 2 moved, 1 missing; moved by 4.00 mm (median), 5.00 mm at most"
    )


def test_a_damaged_case_is_named_and_the_others_are_listed(folder, capsys):
    (folder / "case-a" / "r002" / "correction.json").write_text("{")
    assert main(["corrections", str(folder)]) == 2
    printed = capsys.readouterr()
    assert "case-a" in printed.err and "case-b" in printed.out and "case-a" not in printed.out


def test_a_folder_without_corrections_is_a_sentence(tmp_path, capsys):
    for path in (tmp_path, "n" * 300, os.devnull):
        assert main(["corrections", str(path)]) == 2
        assert "holds no corrections" in capsys.readouterr().err


def test_an_empty_path_is_not_the_current_folder(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as stop:
        main(["corrections", ""])
    assert stop.value.code == 2 and "give a path" in capsys.readouterr().err
