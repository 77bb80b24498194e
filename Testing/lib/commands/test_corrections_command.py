from __future__ import annotations

import json
import os
import shutil

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


def read_twice(tmp_path, second_left=3.0, cases=2):
    for number in range(cases):
        for reader, moved in (("AB", 0.0), ("CD", second_left)):
            correction = Correction(
                case=f"case-{number}",
                reader=reader,
                statuses={"left": "found", "right": "found"},
                decisions={"left": "moved" if moved else "accepted", "right": "accepted"},
                prediction=LandmarkSet({"left": LEFT, "right": RIGHT}),
                corrected=LandmarkSet({"left": LEFT + [0, 0, moved], "right": RIGHT}),
            )
            write_correction(tmp_path, correction, lambda path: path.touch())


def close(folder, monkeypatch):
    """As where another user owns the folder, for root as well."""
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: may(path, mode) and str(path) != str(folder))


@pytest.mark.parametrize("action", ["list", "check", "summary", "agreement"])
def test_a_case_that_may_not_be_looked_into_is_named_and_the_others_are_read(tmp_path, monkeypatch, capsys, action):
    read_twice(tmp_path)
    (tmp_path / ".trash").mkdir()
    (tmp_path / "lost+found").mkdir()
    close(tmp_path / "lost+found", monkeypatch)  # no case can be named so
    close(tmp_path / "case-1", monkeypatch)
    assert main(["corrections", action, str(tmp_path)]) == 2
    printed = capsys.readouterr()
    said = printed.out if action == "check" else printed.err
    assert f"{tmp_path / 'case-1'} may not be looked into: check its permissions.\n" in said and "lost" not in said
    if action == "check":
        assert "case-1: " in said and "case-0/r001: Its volume cannot be read." in said
    else:
        assert "1 case(s)" in printed.out
    close(tmp_path / "case-0", monkeypatch)
    assert main(["corrections", action, str(tmp_path)]) == 2
    assert "case-0 may not be looked into" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["list", "summary", "agreement"])
def test_a_copy_of_a_case_kept_by_hand_counts_for_nothing_and_is_said(tmp_path, capsys, action):
    read_twice(tmp_path)
    main(["corrections", action, str(tmp_path)])
    printed = capsys.readouterr().out
    shutil.copytree(tmp_path / "case-0", tmp_path / "case-0 - Copy")
    assert main(["corrections", action, str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert told.out == printed and "It is of case-0 by its correction.json" in told.err


def test_check_prints_each_problem_and_exits_with_2(folder, capsys):
    assert main(["corrections", "check", str(folder)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("case-a/r001: Its volume cannot be read.") and "empty file" in lines[0]
    assert lines[-1] == f"{len(lines) - 1} problem(s)."
    assert main(["corrections", "check", "--json", str(folder)]) == 2
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(of["event"], of["where"]) for of in events} >= {("problem", "case-a/r001"), ("problem", "case-b/r001")}


def test_summary_counts_and_warns_of_who_accepted_all(tmp_path, capsys):
    read_twice(tmp_path, cases=10)
    assert main(["corrections", "summary", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines()]
    assert printed.out.startswith("10 case(s), 20 revision(s), 2 reader(s)\n")
    assert ["left", "0", "10", "10", "0"] in lines and ["reader", "CD", "0", "10", "10", "0"] in lines
    assert ["distance", "3.00", "3.00"] in lines and ["cranial", "3.00", "3.00", "+3.00"] in lines
    assert "AB left 20 of 20 landmarks" in printed.err and "not accuracy" in printed.err and "CD" not in printed.err
    assert main(["corrections", "summary", str(tmp_path), "--json"]) == 0
    (event,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert event["event"] == "summary" and event["readers"]["AB"]["unseen"] and len(event["warnings"]) == 1


def test_summary_and_agreement_go_on_without_a_damaged_revision_and_exit_with_2(tmp_path, capsys):
    read_twice(tmp_path, cases=3)
    (tmp_path / "case-0" / "r001" / "correction.json").write_text("{")
    for action in ("summary", "agreement"):
        assert main(["corrections", action, str(tmp_path)]) == 2
        assert "case-0/r001: " in capsys.readouterr().err


def test_agreement_prints_what_the_readers_differ_in_and_writes_a_table(tmp_path, capsys):
    read_twice(tmp_path / "c")
    table = tmp_path / "twice.csv"
    assert main(["corrections", "agreement", "--limit", "2.5", str(tmp_path / "c"), "--csv", str(table)]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == "AB and CD: 4 landmark(s) of 2 case(s) placed by both; missing for both 0, only AB 0, only CD 0"
    assert lines[1].startswith("distance, mm: mean 1.50 (1.50 to 1.50), median 1.50")
    assert lines[5].split()[:2] == ["cranial", "1.50"]
    assert lines[6] == "case-0 left: 3.00 mm apart (AB accepted, CD moved)"
    assert lines[-1] == "2 landmark(s) over 2.5 mm, or missing for one."
    assert "both left 2 of 4 landmarks" in printed.err and "agree with the model" in printed.err
    assert len(table.read_text().splitlines()) == 5
    assert main(["corrections", "agreement", str(tmp_path / "c"), "--json"]) == 0
    (event,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert event["event"] == "agreement" and event["axes"]["cranial"]["bias"] == pytest.approx(1.5)
    assert event["limit_mm"] == 3 and event["over_limit"] == []


def test_one_reader_has_nobody_to_agree_with(folder, capsys):
    assert main(["corrections", "agreement", str(folder)]) == 2
    assert "let a second reader correct some" in capsys.readouterr().err


def test_bad_words_and_folders_of_the_actions_are_sentences(tmp_path, capsys):
    for action in ("check", "summary", "agreement", "list"):
        assert main(["corrections", action, str(tmp_path)]) == 2
        assert "holds no corrections" in capsys.readouterr().err
    for words, says in (
        (["check"], "required: DIR"),
        ([], "required: DIR"),
        (["agreement", "--limit", "0"], "--limit"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["corrections", *words])
        assert stop.value.code == 2 and says in capsys.readouterr().err
    (tmp_path / "file").touch()
    read_twice(tmp_path / "c")
    assert main(["corrections", "agreement", str(tmp_path / "c"), "--csv", str(tmp_path / "file" / "x.csv")]) == 3
    assert "Cannot write" in capsys.readouterr().err
    assert main(["corrections", str(tmp_path / "c")]) == main(["corrections", "list", str(tmp_path / "c")]) == 0
