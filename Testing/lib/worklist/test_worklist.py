"""Order, audit, filter and progress; two readers, a kill, a session that has ended."""

from __future__ import annotations

import json
import os
import random
import shutil
import time

import pytest

from CarotidLandmarkLib.errors import CannotRunError
from CarotidLandmarkLib.landmarks.corrections import Correction, read_correction, write_correction
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.worklist import marks
from CarotidLandmarkLib.worklist.cases import WorkCase
from CarotidLandmarkLib.worklist.marks import Mark, Session, read_marks
from CarotidLandmarkLib.worklist.order import in_order
from CarotidLandmarkLib.worklist.worklist import Worklist


def case(name: str, *statuses: str, problem: str = "") -> WorkCase:
    told = dict(zip(("left", "right"), statuses))
    return WorkCase(name, f"/scans/{name}", f"key-{name}", statuses=told, problem=problem)


def batch(sure: int = 20) -> list[WorkCase]:
    return [
        *(case(f"sure{number:02}", "found", "found") for number in range(sure)),
        *(case(f"doubt{number}", "found", "review") for number in range(4)),
        case("half", "absent", "found"),
        case("bare"),
        case("broken", problem="No CT."),
    ]


def export(folder, name, reader, key, **decisions):
    decisions = {"left": "accepted", "right": "accepted", **decisions}
    points = LandmarkSet({"left": (1, 2, 3), "right": (4, 5, 6)})
    statuses = {"left": "found", "right": "found"}
    volume = {"path": "/scans/x.nrrd"}
    correction = Correction(name, reader, statuses, decisions, points, points, volume, anonymised=False, worklist=key)
    return write_correction(folder, correction)


def test_what_needs_a_reader_comes_first_with_a_tenth_of_the_rest_mixed_in():
    places = in_order(batch())
    groups = [place.group for place in places]
    needed = [group for group in groups[:9] if group != "audit"]
    assert needed == ["review"] * 4 + ["absent", "scan", "failed"]
    assert groups[:9].count("audit") == 2 and set(groups[9:]) == {"sure"} and len(groups) == 27
    assert groups[:2] != ["audit"] * 2 != groups[7:9]  # mixed in, neither all first nor all last


@pytest.mark.parametrize(("sure", "audit"), [(0, 0), (1, 1), (10, 1), (11, 2), (300, 30)])
def test_the_share_for_audit_is_a_tenth_rounded_up(sure, audit):
    assert sum(place.group == "audit" for place in in_order(batch(sure))) == audit


def test_the_order_is_the_same_wherever_it_is_asked_and_new_cases_change_little():
    cases = batch(40)
    shuffled = random.Random(1).sample(cases, len(cases))
    assert in_order(shuffled) == in_order(cases)
    chosen = {place.case.name for place in in_order(cases) if place.group == "audit"}
    more = [*cases, *(case(f"new{number}", "found", "found") for number in range(10))]
    assert len(chosen & {place.case.name for place in in_order(more) if place.group == "audit"}) >= 3
    assert sorted(chosen) != [f"sure{number:02}" for number in range(4)]


def test_next_and_filter_and_progress():
    worklist = Worklist(batch(), [Mark("key-doubt1", "AB", 2), Mark("key-doubt2", "QA", 1)], "QA")
    assert worklist.progress() == (1, 0, 9)
    todo = [row.case.name for row in worklist.rows("todo")]
    assert "doubt1" not in todo and "doubt2" in todo and len(todo) == 8
    assert [row.case.name for row in worklist.rows("done")] == ["doubt1"]
    assert len(worklist.rows("mine")) == 9 and len(worklist.rows("all")) == 27 and len(worklist.rows("audit")) == 2
    assert [row.case.name for row in worklist.rows("review")] == ["doubt0", "doubt1", "doubt2", "doubt3", "half"]
    names, at = [], None
    while (row := worklist.after(at, 1, "review")) and row.case.name not in names:
        names.append(at := row.case.name)
    assert names == ["doubt0", "doubt1", "doubt2", "doubt3", "half"]
    assert worklist.after("doubt0", -1, "review").case.name == "half"
    assert worklist.row("doubt2").state == "half" and worklist.row("doubt1").readers == ("AB",)
    worklist.take_in([Mark("key-doubt2", "QA", 2)])
    assert worklist.progress() == (2, 1, 9)


def test_next_leaves_out_what_is_open_elsewhere_or_cannot_be_opened():
    worklist = Worklist([case("a"), case("b"), case("c", problem="No CT."), WorkCase("d", None)], [], "QA")
    worklist.claims = {"key-b": ["AB"]}
    assert worklist.row("b").state == "open" and worklist.row("c").state == "problem"
    assert worklist.after("a", 1, "todo") is None
    worklist.claims = {}
    assert worklist.after("a", 1, "todo").case.name == "b" and worklist.after("a", -1, "todo").case.name == "b"
    assert Worklist([], [], "QA").after(None, 1, "all") is None


def test_what_was_exported_is_done_by_its_readers_newest_revision(tmp_path):
    export(tmp_path, "case-1", "QA", "key-a", right="unreviewed")
    export(tmp_path, "case-1", "AB", "key-a")
    export(tmp_path, "case-1", "QA", "key-a")
    export(tmp_path, "case-2", "QA", None)
    revision = export(tmp_path, "case-3", "QA", "key-c", left="unreviewed")
    (tmp_path / "case-4" / "r001").mkdir(parents=True)
    (tmp_path / "case-4" / "r001" / "correction.json").write_text("[")
    found = {(mark.key, mark.reader): mark.done for mark in read_marks(tmp_path)}
    assert found == {("key-a", "QA"): True, ("key-a", "AB"): True, ("key-c", "QA"): False}
    assert read_correction(revision).worklist == "key-c"
    values = json.loads((revision / "correction.json").read_text())
    del values["worklist"]  # as versions before wrote it
    (revision / "correction.json").write_text(json.dumps(values))
    assert read_correction(revision).worklist is None


def test_a_copy_of_a_case_kept_by_hand_makes_no_mark(tmp_path):
    export(tmp_path, "case-1", "QA", "key-a")
    shutil.copytree(tmp_path / "case-1", tmp_path / "case-1 - Copy")
    export(tmp_path, "case-1", "QA", "key-a", right="unreviewed")
    assert read_marks(tmp_path) == [Mark("key-a", "QA", 1)]


def test_two_readers_see_each_other_and_write_no_file_in_common(tmp_path):
    one, two = Session(tmp_path, "QA"), Session(tmp_path, "AB")
    one.enter("key-a")
    two.enter("key-b")
    two.exported("key-c", 2)
    found, claims = one.others()
    assert found == [Mark("key-c", "AB", 2)] and claims == {"key-b": ["AB"]}
    assert two.others()[1] == {"key-a": ["QA"]}
    two.enter(None)
    assert one.others()[1] == {}
    assert len(list((tmp_path / ".worklist").iterdir())) == 2
    assert two.last_place(["key-b", "key-a"]) == "key-b" and one.last_place(["key-b"]) is None


def test_of_what_one_reader_has_exported_the_latest_counts_whichever_session_is_alive(tmp_path):
    older, newer = Session(tmp_path, "QA"), Session(tmp_path, "QA")
    older.enter("key-a")
    older.exported("key-a", 1)
    newer.enter("key-a")
    newer.exported("key-a", 2)
    older.enter("key-b")
    assert Session(tmp_path, "QA").others()[0] == [Mark("key-a", "QA", 1), Mark("key-a", "QA", 2)]
    text = json.loads(newer.file.read_text())
    newer.file.write_text(json.dumps({key: value for key, value in text.items() if key != "times"}))  # as before
    os.utime(newer.file, (time.time() + 5,) * 2)
    assert Session(tmp_path, "QA").others()[0][-1] == Mark("key-a", "QA", 2)


def test_two_sessions_under_the_same_initials_know_of_each_other(tmp_path):
    one, two, other = Session(tmp_path, "QA"), Session(tmp_path, "QA"), Session(tmp_path, "AB")
    one.enter("key-a")
    other.enter("key-b")
    assert two.is_open_twice("key-a") and not two.is_open_twice("key-b") and not two.is_open_twice(None)
    assert not one.is_open_twice("key-a")  # which it has open itself
    two.enter("key-a")
    assert one.is_open_twice("key-a") and "key-a" not in one.others()[1]
    os.utime(two.file, (time.time() - marks.CLAIM_S - 1,) * 2)
    assert not one.is_open_twice("key-a")
    one.enter(None)
    assert not two.is_open_twice("key-a") and not two.is_open_twice(None)


def test_a_session_that_was_killed_keeps_its_place_and_claims_nothing_for_long(tmp_path, monkeypatch):
    killed = Session(tmp_path, "QA")
    killed.enter("key-a")
    killed.exported("key-z", 2)
    other = Session(tmp_path, "AB")
    other.enter("key-b")
    assert other.others()[1] == {"key-a": ["QA"]}
    os.utime(killed.file, (time.time() - marks.CLAIM_S - 1,) * 2)
    found, claims = other.others()
    assert claims == {} and Mark("key-z", "QA", 2) in found
    again = Session(tmp_path, "QA")
    assert again.last_place(["key-b", "key-a", None]) == "key-a"
    again.enter("key-c")
    assert again.others()[1] == {"key-b": ["AB"]}
    assert Session(tmp_path, "QA").last_place(["key-a", "key-c"]) == "key-c"


def test_a_clock_that_is_wrong_here_lets_no_claim_live(tmp_path, monkeypatch):
    dead = Session(tmp_path, "AB")
    dead.enter("key-a")
    os.utime(dead.file, (time.time() - 3600,) * 2)
    here = Session(tmp_path, "QA")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 7200)  # the files' times are the server's
    here.enter("key-b")
    assert here.others()[1] == {}


@pytest.mark.parametrize("wrong_s", [-7200, 300])
def test_a_clock_that_is_wrong_here_hides_no_claim_from_the_first_look(tmp_path, monkeypatch, wrong_s):
    other = Session(tmp_path, "AB")
    other.enter("key-a")
    dead = Session(tmp_path, "CD")
    dead.enter("key-b")
    os.utime(dead.file, (time.time() - 3600,) * 2)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + wrong_s)
    assert Session(tmp_path, "QA").others()[1] == {"key-a": ["AB"]}
    assert len(list((tmp_path / ".worklist").iterdir())) == 2


def test_looking_at_a_worklist_leaves_nothing_there(tmp_path):
    assert Session(tmp_path, "QA").others() == ([], {}) and not list(tmp_path.iterdir())


def test_a_kill_while_the_place_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    session = Session(tmp_path, "QA")
    session.enter("key-a")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "replace", killed)
        session.enter("key-b")
    assert Session(tmp_path, "QA").last_place(["key-a", "key-b"]) == "key-a"
    (tmp_path / ".worklist" / "XX-0000.json").write_text("{")  # of a disk that broke
    assert Session(tmp_path, "QA").last_place(["key-a"]) == "key-a"


def test_ended_sessions_do_not_pile_up(tmp_path):
    for number in range(4):
        session = Session(tmp_path, "QA")
        session.enter(f"key-{number}")
        session.enter(None)
        os.utime(session.file, (time.time() - 1000 + number,) * 2)
    last = Session(tmp_path, "QA")
    last.enter("key-9")
    assert len(list((tmp_path / ".worklist").iterdir())) == 2
    assert last.last_place(["key-3", "key-9"]) in ("key-3", "key-9")


def test_a_place_that_cannot_be_kept_is_a_sentence_and_kept_with_the_next(tmp_path):
    (tmp_path / ".worklist").write_text("no folder")
    session = Session(tmp_path, "QA")
    with pytest.raises(CannotRunError, match="cannot be kept|Cannot write"):
        session.enter("key-a")
    assert session.last_place(["key-a"]) is None and session.others() == ([], {})
    (tmp_path / ".worklist").unlink()
    session.beat()
    assert Session(tmp_path, "QA").last_place(["key-a"]) == "key-a"


def test_a_folder_of_sessions_that_may_not_be_looked_into_is_a_sentence(tmp_path, monkeypatch):
    session = Session(tmp_path, "QA")
    stat = os.stat

    def refuse(path, *args, **kwargs):
        if os.path.dirname(path) == str(session.folder):
            raise PermissionError(13, "Permission denied")
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "replace", lambda part, target: refuse(target))
    with pytest.raises(CannotRunError, match="Permission denied.*choose a folder"):
        session.enter("key-a")
    assert session.others() == ([], {}) and session.last_place(["key-a"]) is None
