"""The one way to write a file whole or not at all, and the one way to write JSON."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import CarotidLandmarkLib
from CarotidLandmarkLib.atomic import as_json, replacing, write_bytes, write_json, write_text
from CarotidLandmarkLib.errors import CannotRunError

PACKAGE = Path(CarotidLandmarkLib.__file__).parent


def test_text_bytes_and_writers_appear_whole(tmp_path):
    write_text(tmp_path / "a.txt", "größer\n")
    write_bytes(tmp_path / "b", b"\xff")
    with replacing(tmp_path / "c.ckpt") as part:
        part.write_text("three")
        assert not (tmp_path / "c.ckpt").exists()
    assert (tmp_path / "a.txt").read_bytes() == "größer\n".encode()
    assert (tmp_path / "c.ckpt").read_text() == "three"
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b", "c.ckpt"]


@pytest.mark.parametrize(
    "raised",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:664] unexpected pos"),  # torch.save on a full disk
    ],
    ids=["system", "torch"],
)
def test_a_full_disk_is_a_sentence_and_leaves_the_old_file_alone(tmp_path, raised):
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(CannotRunError, match="a .*(No space left|the disk may be full).*choose"),
        replacing(tmp_path / "a") as part,
    ):
        part.write_text("half")
        raise raised
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


def test_whatever_ends_the_writing_leaves_no_part(tmp_path):
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_where_nothing_can_be_written_it_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    for target in (tmp_path / "file" / "a", tmp_path / "none" / "a"):
        with pytest.raises(CannotRunError, match="Cannot write .*choose a folder"):
            write_text(target, "x")
    with pytest.raises(CannotRunError, match="Cannot write"), replacing(tmp_path / "none" / "a") as part:
        part.touch()


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    write_text(tmp_path / ("n" * 255), "x")
    assert os.listdir(tmp_path) == ["n" * 255]


def test_json_holds_neither_nan_nor_lone_surrogates(tmp_path):
    name = os.fsdecode(b"pat\xe9.nrrd")
    values = {"path": name, name: [float("nan"), (np.float64("inf"), 1.5)], "emoji": "😀", "deep": {"x": None}}
    write_json(tmp_path / "a.json", values)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    spelled = "pat\\udce9.nrrd"
    assert json.loads(text, parse_constant=pytest.fail) == {
        "path": spelled,
        spelled: [None, [None, 1.5]],
        "emoji": "😀",
        "deep": {"x": None},
    }
    json.loads(as_json(values))["path"].encode("utf-8")
    write_text(tmp_path / "a.txt", name)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == spelled


def test_no_other_file_writes_and_renames():
    named = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bos\.(replace|rename)\(|\bNamedTemporaryFile\b|\.rename\(", path.read_text(encoding="utf-8"))
    }
    assert named == {"atomic.py"}
