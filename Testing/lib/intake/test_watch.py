"""Each series is answered once, whatever it is and whenever the process ends."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pydicom", minversion="3.0", reason="needs pydicom 3, of the extra [dicom]")

from CarotidLandmarkLib.detect.case import Settings, detect_case  # noqa: E402
from CarotidLandmarkLib.errors import BadInputError, CannotRunError, as_sentence  # noqa: E402
from CarotidLandmarkLib.intake import books as books_room  # noqa: E402
from CarotidLandmarkLib.intake import watch as room  # noqa: E402
from CarotidLandmarkLib.intake.arrivals import Arrivals  # noqa: E402
from CarotidLandmarkLib.intake.books import Books  # noqa: E402
from CarotidLandmarkLib.intake.watch import MOST_DEATHS, Watch, open_log  # noqa: E402
from CarotidLandmarkLib.landmarks.detection import read_detection  # noqa: E402
from Testing.lib.intake.still import SECRETS, StillDetector, do_all, results, write_series  # noqa: E402


class Killed(BaseException):
    """As after kill -9 nothing more is done."""


@pytest.fixture
def root(tmp_path):
    return tmp_path / "in"


@pytest.fixture
def start(root, tmp_path, monkeypatch):
    """Starts a watch as a new process would, with another answer if wanted; it has the names that it answered."""
    monkeypatch.setattr(Books, "_lock", lambda books: None)
    detector = StillDetector()

    def start(answer=None):
        root.mkdir(exist_ok=True)
        books = Books(tmp_path / "out")
        books.open()
        seen = []

        def answering(name, folder):
            seen.append(name)
            return answer(name, folder) if answer else detect_case(detector, name, folder, Settings(samples=1))

        watch = Watch(Arrivals(root, 0.0), books, answering, logging.Logger("test"), keep=True)
        watch.seen = seen
        return watch

    return start


def revision(watch, name):
    return watch.books.record("done", name)["revision"]


def test_a_series_is_done_once_also_after_a_restart_and_when_sent_again(start, root, tmp_path):
    write_series(root / "a", "1.2.1")
    (name,) = do_all(start())
    report = read_detection(tmp_path / "out" / f"{name}.detection.json")
    assert report.case == name and report.volume["series_uid"] == "1.2.1" and report.volume["path"] == str(root / "a")
    assert do_all(start()) == []
    shutil.copytree(root / "a", root / "b")
    again = start()
    assert do_all(again) == [] and revision(again, name) == 1


def test_a_series_that_has_grown_is_done_again_and_its_files_replace_the_old(start, root, tmp_path):
    write_series(root, "1.2.1", slices=10)
    (name,) = do_all(start())
    (tmp_path / "out" / f"{name}.png").write_bytes(b"of the first answer")
    write_series(root, "1.2.1", slices=12, first=10)
    again = start()
    assert do_all(again) == [name] and revision(again, name) == 2
    assert results(tmp_path) == [name] and not (tmp_path / "out" / f"{name}.png").exists()


def test_a_bad_series_is_noted_and_tried_again_only_when_it_has_changed(start, root, tmp_path):
    write_series(root / "bad", "1.2.1")
    write_series(root / "good", "1.2.2")
    file = root / "bad" / "1.2.1.3.dcm"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    watch = start()
    assert len(do_all(watch)) == 2 and watch.counts == {"done": 1, "failed": 1}
    (name,) = watch.failed
    assert name not in results(tmp_path) and "cut off" in watch.books.record("failed", name)["message"]
    assert do_all(start()) == []
    file.write_bytes(data)
    again = start()
    assert do_all(again) == [name] and len(results(tmp_path)) == 2
    assert again.books.record("failed", name) == {} and revision(again, name) == 1


@pytest.mark.parametrize("bad", [False, True])
def test_clearing_up_slice_by_slice_is_no_reason_to_do_it_again(bad, start, root, tmp_path):
    write_series(root, "1.2.1")
    if bad:
        (root / "1.2.1.3.dcm").write_bytes((root / "1.2.1.3.dcm").read_bytes()[:-90])
    (name,) = do_all(start())
    for number in (3, 4, 7):
        (root / f"1.2.1.{number}.dcm").unlink()
        watch = start()
        assert do_all(watch) == []
    assert results(tmp_path) == [name] * (not bad)
    write_series(root, "1.2.1", slices=13)
    assert do_all(start()) == [name]


def test_a_bad_series_is_tried_again_when_fewer_images_come_instead(start, root, tmp_path):
    write_series(root / "all", "1.2.1", slices=14)
    (root / "all" / "1.2.1.14.dcm").write_bytes((root / "all" / "1.2.1.14.dcm").read_bytes()[:-90])
    watch = start()
    (name,) = do_all(watch)
    assert "cut off" in str(watch.failed[name])
    shutil.rmtree(root / "all")
    write_series(root / "those that are wanted", "1.2.1")
    assert do_all(start()) == [name] and results(tmp_path) == [name]


def test_a_series_that_goes_while_it_is_read_leaves_nothing(start, root, tmp_path):
    write_series(root, "1.2.1")

    def leaving(name, folder):
        shutil.rmtree(root)
        root.mkdir()
        return detect_case(StillDetector(), name, folder, Settings())

    watch = start(leaving)
    assert len(do_all(watch)) == 1 and not watch.counts and results(tmp_path) == []
    write_series(root, "1.2.1")
    assert len(do_all(start())) == 1


STEPS = {  # what is called then, and which of its paths is in `ready`
    "before anything is written": (books_room, "write_case", None),
    "results, but no record": (books_room, "write_json", None),
    "all, but not said to be ready": (books_room, "put", 1),
    "ready, nothing brought out": (books_room, "put", 0),
    "all brought out": (books_room.shutil, "rmtree", 0),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_is_done_once_and_whole(step, start, root, tmp_path, monkeypatch):
    write_series(root, "1.2.1")
    watch = start()
    module, name, number = STEPS[step]
    with monkeypatch.context() as patched:
        real = getattr(module, name)

        def killed(*words, **options):
            if number is not None and "ready" not in Path(words[number]).parts:
                return real(*words, **options)
            raise Killed

        patched.setattr(module, name, killed)
        patched.setattr(Books, "_end", lambda *words: None)
        with pytest.raises(Killed):
            watch.step()
    out = tmp_path / "out"
    published = number == 0
    again = start()
    assert len(do_all(again)) == (0 if published else 1)
    (name,) = results(tmp_path)
    assert read_detection(out / f"{name}.detection.json").case == name and (out / f"{name}.mrk.json").is_file()
    assert revision(again, name) == 1 and do_all(start()) == []
    left = {path.name for kind in ("making", "ready", "staged", "begun") for path in (out / ".watch" / kind).glob("*")}
    assert left <= {name} if published else not left


def test_results_that_are_half_brought_out_are_brought_out_at_the_start(start, root, tmp_path, monkeypatch):
    write_series(root, "1.2.1")
    watch, real, moved = start(), os.replace, []

    def once(source, target):
        if Path(source).parent.parent.name == "ready":
            if moved:
                raise Killed
            moved.append(Path(target))
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(books_room.os, "replace", once)
        with pytest.raises(Killed):
            watch.step()
    before = moved[0].stat().st_mtime_ns
    assert do_all(start()) == [] and moved[0].stat().st_mtime_ns == before
    assert len(list((tmp_path / "out").glob("*.json"))) == 2


@pytest.mark.parametrize("spoilt", [b"", b"\0", b"\xff"])
def test_records_that_a_power_cut_has_spoilt_are_none(start, root, tmp_path, spoilt):
    write_series(root, "1.2.1")
    (name,) = do_all(start())
    home = tmp_path / "out" / ".watch"
    (home / "done" / name[:2] / f"{name}.json").write_bytes(spoilt * 40)
    (home / "ready" / name).mkdir()
    (home / "ready" / name / "record.json").write_bytes(spoilt * 40)
    (home / "begun" / name).write_bytes(spoilt)
    again = start()
    assert again.books.deaths == {name: 1} and not list((home / "ready").iterdir())
    assert do_all(again) == [name] and revision(again, name) == 1


def test_a_record_that_cannot_be_read_is_waited_for(start, root, monkeypatch):
    write_series(root, "1.2.1")
    watch = start()

    def fail(*words, **options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_text", fail)
    with pytest.raises(CannotRunError, match="Input/output error"):
        watch.step()
    assert watch.seen == []


@pytest.mark.parametrize("content", [b"", b"\0" * 5000])
def test_a_series_with_a_file_without_content_is_no_answer_until_it_is_whole(start, root, tmp_path, content):
    write_series(root, "1.2.1")
    last = max(root.iterdir())
    whole = last.read_bytes()
    last.write_bytes(content)
    (root / "notes.txt").touch()
    watch = start()
    (name,) = do_all(watch)
    assert "1 of 12 files" in str(watch.failed[name]) and results(tmp_path) == []
    assert do_all(start()) == []
    last.write_bytes(whole)
    assert do_all(start()) == [name] and results(tmp_path) == [name]


def test_what_the_process_dies_of_comes_last_and_is_given_up(start, root, tmp_path):
    write_series(root / "a", "1.2.1")
    write_series(root / "b", "1.2.2")

    deadly = start().arrivals.look()[0].name
    for _ in range(MOST_DEATHS):
        watch = start()
        (watch.books.home / "begun" / deadly).write_text(str(watch.books.deaths.get(deadly, 0) + 1))
    watch = start()
    seen = do_all(watch)
    assert len(seen) == 1 and seen != [deadly] and results(tmp_path) == seen
    assert f"died {MOST_DEATHS} times" in str(watch.failed[deadly])
    os.utime(next((root / "a").iterdir()), (10, 10))
    os.utime(next((root / "b").iterdir()), (10, 10))
    assert do_all(start()) == [deadly], "it is tried again once it has changed"


def test_the_folder_is_counted_as_deadly_while_it_is_worked_on(start, root):
    write_series(root, "1.2.1")
    during = []

    def looking(name, folder):
        during.append((folder.parents[1] / "begun" / name).read_text())
        assert [path.resolve().parent for path in folder.iterdir()] == [root] * 12
        raise BadInputError("No.")

    watch = start(looking)
    do_all(watch)
    assert during == ["1"] and not list((watch.books.home / "begun").iterdir())


def test_a_full_disk_is_waited_for_and_told_once(start, root, tmp_path, monkeypatch, caplog):
    write_series(root, "1.2.1")
    monkeypatch.setattr(room, "TROUBLE_S", 0.0)
    watch, real, full = start(), books_room.write_case, [True, True, True]
    watch.log.addHandler(caplog.handler)

    def write_case(*words):
        if full:
            full.pop()
            raise OSError(28, "No space left on device")
        return real(*words)

    monkeypatch.setattr(books_room, "write_case", write_case)
    watch.run(0.0, lambda: bool(watch.counts))
    assert watch.counts == {"done": 1} and len(watch.seen) == 4
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        f"Cannot write to {tmp_path / 'out'} (No space left on device): see that it can be written and is not full. "
        "Tried again every 0 s."
    ]


@pytest.mark.parametrize("lasts", [False, True])
def test_a_want_of_memory_is_waited_for_but_not_for_ever(lasts, start, root, tmp_path, monkeypatch, caplog):
    write_series(root / "a", "1.2.1")
    write_series(root / "b", "1.2.2")
    monkeypatch.setattr(room, "TROUBLE_S", 0.0)
    short = [start().arrivals.look()[0].name] * (9 if lasts else 1)

    def answer(name, folder):
        if name in short:
            short.pop()
            raise MemoryError
        return detect_case(StillDetector(), name, folder, Settings(samples=1))

    watch = start(answer)
    watch.keep = False
    watch.log.addHandler(caplog.handler)
    watch.run(0.0, lambda: sum(watch.counts.values()) == 2)
    assert watch.counts == ({"done": 1, "failed": 1} if lasts else {"done": 2})
    assert len(watch.seen) == (1 + MOST_DEATHS if lasts else 3) and watch.seen[1] != watch.seen[0]
    assert "Memory ran out" in caplog.text and len(results(tmp_path)) == watch.counts["done"]


def test_a_second_watch_on_the_same_results_is_refused(tmp_path):
    first, second = Books(tmp_path), Books(tmp_path)
    first.open()
    (tmp_path / ".watch" / "making").mkdir()
    with pytest.raises(CannotRunError, match="Another watch"):
        second.open()
    assert (tmp_path / ".watch" / "making").exists(), "nothing of the first one's is cleared away"
    first._held.close()
    second.open()


def test_neither_log_nor_names_nor_state_tell_who_it_was(start, root, tmp_path):
    write_series(root / "Quixote^Dulcinea" / "MRN-0815-4711", "1.2.1")
    write_series(root / "Quixote^Dulcinea" / "19380203", "1.2.2", RescaleSlope="0")
    write_series(root / "Quixote^Dulcinea" / "x", "1.2.3")

    def answer(name, folder):
        if folder.name == next(series.name for series in watch.arrivals.look() if series.uid == "1.2.3"):
            raise as_sentence(ValueError("Quixote^Dulcinea: is no number"))
        return detect_case(StillDetector(), name, folder, Settings())

    watch = start(answer)
    with open_log(watch.books.home, quiet=True) as watch.log:
        do_all(watch)
    told = (watch.books.home / "watch.log").read_text()
    assert watch.counts == {"done": 1, "failed": 2} and "RescaleSlope" in told and "ValueError" in told
    for path in (tmp_path / "out").rglob("*"):
        held = [path.name, path.read_text() if ".watch" in path.parts and path.is_file() else ""]
        assert not [secret for secret in (*SECRETS, "1.2.1") if secret in "\n".join(held)], path


def test_records_are_small_and_say_what_there_was(start, root, tmp_path):
    write_series(root, "1.2.1")
    (name,) = do_all(start())
    told = json.loads((tmp_path / "out" / ".watch" / "done" / name[:2] / f"{name}.json").read_text())
    assert told["schema"] == "carotid-landmark/watched/1" and told["images"] == 12
    assert told["files"] == [f"{name}.mrk.json", f"{name}.detection.json"]
