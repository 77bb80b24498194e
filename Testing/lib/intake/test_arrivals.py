"""Which series have arrived whole, by a clock that the test turns."""

from __future__ import annotations

import os
import shutil

import pytest

pytest.importorskip("pydicom", minversion="3.0", reason="needs pydicom 3, of the extra [dicom]")

from CarotidLandmarkLib.errors import CannotRunError  # noqa: E402
from CarotidLandmarkLib.intake import arrivals as room  # noqa: E402
from CarotidLandmarkLib.intake.arrivals import Arrivals  # noqa: E402
from Testing.lib.intake.still import write_series  # noqa: E402


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def root(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def arrivals(root, clock):
    return Arrivals(root, quiet_for=60, marker=".complete", clock=clock)


def whole(arrivals):
    return [series.uid for series in arrivals.look()]


def answer_all(arrivals):
    for series in arrivals.look():
        arrivals.answered(series)
    arrivals.look()


def test_a_series_is_whole_when_it_has_been_quiet(arrivals, root, clock):
    write_series(root / "a", "1.2.1", slices=3)
    assert whole(arrivals) == []
    clock.now = 59
    write_series(root / "a", "1.2.1", slices=4, first=3)
    assert whole(arrivals) == []
    clock.now = 118
    assert whole(arrivals) == []
    clock.now = 119
    assert whole(arrivals) == ["1.2.1"]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_that_is_still_written_is_not_quiet(change, arrivals, root, clock):
    write_series(root, "1.2.1", slices=3)
    arrivals.look()
    clock.now = 100
    file = next(root.iterdir())
    if change == "size":
        before = file.stat()
        file.write_bytes(file.read_bytes()[:-2])
        os.utime(file, ns=(before.st_mtime_ns, before.st_mtime_ns))
    else:
        os.utime(file, (10, 10))  # the sender's clock is far behind
    assert whole(arrivals) == []
    clock.now = 160
    assert whole(arrivals) == ["1.2.1"]


def test_a_marker_in_its_folder_or_above_says_so_at_once(arrivals, root):
    for name in "123":
        write_series(root / name / "ct", f"1.2.{name}", slices=3)
    assert whole(arrivals) == []
    (root / "1" / "ct" / ".complete").touch()
    (root / "2" / ".complete").touch()
    assert sorted(whole(arrivals)) == ["1.2.1", "1.2.2"]
    (root / ".complete").touch()
    assert sorted(whole(arrivals)) == ["1.2.1", "1.2.2"], "the root's speaks of its own files"


def test_series_that_share_a_folder_wait_for_themselves_alone(arrivals, root, clock):
    write_series(root, "1.2.1", slices=3)
    arrivals.look()
    clock.now = 60
    write_series(root, "1.2.2", slices=3)
    assert whole(arrivals) == ["1.2.1"]
    answer_all(arrivals)
    clock.now = 120
    assert whole(arrivals) == ["1.2.2"]


def test_a_series_in_several_folders_is_one(arrivals, root, clock):
    write_series(root / "a", "1.2.1", slices=3)
    arrivals.look()
    clock.now = 60
    (first,) = arrivals.look()
    answer_all(arrivals)
    assert not arrivals._open, "nothing is left to do there"
    write_series(root / "b", "1.2.1", slices=5, first=3)
    arrivals.look()
    clock.now = 120
    (both,) = arrivals.look()
    assert len(both.images) == 5 and both.identity != first.identity and both.folder == str(root)
    answer_all(arrivals)
    assert whole(arrivals) == [] and not arrivals._open


def test_the_same_images_once_more_are_the_same_series(arrivals, root, clock):
    write_series(root / "a", "1.2.1", slices=3)
    arrivals.look()
    clock.now = 60
    (once,) = arrivals.look()
    shutil.copytree(root / "a", root / "b")
    (root / "b" / "1.2.1.2.dcm").write_bytes((root / "a" / "1.2.1.2.dcm").read_bytes()[:-9])  # half a copy
    arrivals.look()
    clock.now = 120
    (twice,) = arrivals.look()
    assert twice.identity == once.identity and twice.state != once.state
    assert len(twice.images) == 3 and len(twice.files) == 6


def test_what_is_answered_is_looked_into_again_only_when_it_changes(arrivals, root, clock, monkeypatch):
    for name in "12":
        write_series(root / name, f"1.2.{name}", slices=3)
    arrivals.look()
    clock.now = 60
    answer_all(arrivals)
    seen = []
    peek = room.peek
    monkeypatch.setattr(room, "peek", lambda path: seen.append(path.parent.name) or peek(path))
    clock.now = 1000
    assert whole(arrivals) == [] and seen == []
    os.utime(root / "1" / "1.2.1.1.dcm", (10, 10))
    assert whole(arrivals) == [] and seen == ["1"] * 3
    clock.now = 1060
    assert whole(arrivals) == ["1.2.1"] and seen == ["1"] * 3


def test_what_has_gone_is_forgotten(arrivals, root, clock):
    for name in "12":
        write_series(root / name, f"1.2.{name}", slices=3)
    arrivals.look()
    clock.now = 60
    a, b = sorted(arrivals.look(), key=lambda series: series.uid)
    arrivals.answered(a)
    shutil.rmtree(root / "2")
    assert b.is_gone() and not a.is_gone()
    assert whole(arrivals) == []
    shutil.rmtree(root / "1")
    assert whole(arrivals) == []
    held = (arrivals._open, arrivals._settled, arrivals._homes, arrivals._since, arrivals._answered)
    assert [list(one) for one in held] == [[str(root)] * (one is arrivals._settled) for one in held]


def test_only_ct_images_count_and_neither_links_nor_hidden_files(arrivals, root, clock, tmp_path):
    write_series(root / "mr", "1.2.1", slices=3, modality="MR", sop="1.2.840.10008.5.1.4.1.1.4")
    write_series(root / "nm", "1.2.2", slices=3, sop="1.2.840.10008.5.1.4.1.1.20")
    write_series(root / ".tmp", "1.2.3", slices=3)
    write_series(tmp_path / "elsewhere", "1.2.4", slices=3)
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    (root / "text.dcm").write_text("no DICOM")
    (root / "empty.dcm").touch()
    arrivals.look()
    clock.now = 60
    assert whole(arrivals) == [] and not arrivals._open


def test_a_folder_whose_name_is_no_text_and_a_series_without_a_uid_are_taken(arrivals, root, clock):
    home = os.fsdecode(os.fsencode(root) + b"/\xff\xfe")
    for file in write_series(root / "x", "1.2.1", slices=2, SeriesInstanceUID="").iterdir():
        os.makedirs(home, exist_ok=True)
        shutil.move(file, home)
    arrivals.look()
    clock.now = 60
    (series,) = arrivals.look()
    assert series.folder == home and len(series.images) == 2 and len(series.name) == 16


def test_a_file_that_cannot_be_read_for_once_is_read_later(arrivals, root, clock, monkeypatch):
    write_series(root, "1.2.1", slices=3)
    peek = room.peek

    def failing(path):
        if path.name == "1.2.1.2.dcm":
            raise OSError("the network is down")
        return peek(path)

    monkeypatch.setattr(room, "peek", failing)
    arrivals.look()
    clock.now = 60
    (series,) = arrivals.look()
    assert [of.path for of in series.empty] == [str(root / "1.2.1.2.dcm")]  # no answer is given without it
    monkeypatch.setattr(room, "peek", peek)
    assert whole(arrivals) == []
    clock.now = 120
    (series,) = arrivals.look()
    assert len(series.images) == 3 and not series.empty


def test_the_longest_waiting_come_first(arrivals, root, clock):
    for number, uid in enumerate(("1.2.9", "1.2.1", "1.2.5")):
        clock.now = number
        write_series(root / uid, uid, slices=1)
        arrivals.look()
    clock.now = 100
    assert whole(arrivals) == ["1.2.9", "1.2.1", "1.2.5"]


def test_a_root_that_has_gone_is_a_sentence_and_nothing_is_forgotten(arrivals, root, clock):
    write_series(root / "a", "1.2.1", slices=3)
    arrivals.look()
    root.rename(root.with_name("away"))
    with pytest.raises(CannotRunError, match="cannot be looked into"):
        arrivals.look()
    root.with_name("away").rename(root)
    clock.now = 60
    assert whole(arrivals) == ["1.2.1"]
