from __future__ import annotations

import io
import json
import sys

import pytest

from CarotidLandmarkLib.detect import case, worker


def test_a_picture_is_drawn_into_the_output_and_nowhere_else(serve, ct, tmp_path):
    asked = {"command": "detect", "path": ct, "samples": 2, "picture": True}
    events = serve({"id": 1, **asked, "output": str(tmp_path / "out")}, {"id": 2, **asked})
    first, second = (e for e in events if e["event"] == "result")
    image = tmp_path / "out" / "neck.png"
    assert str(image) in first["files"] and image.read_bytes().startswith(b"\x89PNG")
    assert second["files"] == [] and "picture" not in second["detection"]["timing_s"]


@pytest.fixture
def drawing(serve, ct, tmp_path):
    """A request for a picture of what was detected in `ct`, with changes."""
    detection = serve({"id": 0, "command": "detect", "path": ct, "samples": 2})[-1]["detection"]

    def drawing(number=1, **changes):
        values = {"id": number, "command": "picture", "path": ct, "detection": detection, "readings": {}}
        return {**values, "output": str(tmp_path / "key.png"), **changes}

    return drawing


def test_a_picture_is_drawn_of_a_detection_as_a_reader_has_left_it(serve, drawing, tmp_path):
    missing = {"left": {"decision": "missing", "position_lps_mm": None}}
    events = serve(drawing(), drawing(2, readings=missing, output=str(tmp_path / "other.png")))
    assert [e["text"] for e in events if e["event"] == "progress"] == 2 * ["reading", "drawing the key image"]
    assert [e for e in events[1:] if e["event"] != "progress"] == [
        {"event": "picture", "id": 1, "file": str(tmp_path / "key.png")},
        {"event": "picture", "id": 2, "file": str(tmp_path / "other.png")},
    ]
    first, second = ((tmp_path / name).read_bytes() for name in ("key.png", "other.png"))
    assert first.startswith(b"\x89PNG") and second.startswith(b"\x89PNG") and first != second


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detection": {}}, "no detection"),
        ({"readings": {"left": {}}}, "no reading"),
        ({"readings": [1]}, "readings"),
        ({"output": None}, "cannot go to None"),
        ({"output": "/nowhere/key.png"}, "Cannot write /nowhere/key.png"),
        ({"path": "/nowhere.nrrd"}, "/nowhere.nrrd"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_a_sentence(serve, drawing, changes, words):
    error = serve(drawing(**changes))[-1]
    assert error["event"] == "error" and error["exit_code"] != worker.FAULT and words in error["message"]


def test_a_picture_without_pillow_is_a_sentence_that_says_what_to_install(serve, drawing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    error = serve(drawing())[-1]
    assert error["exit_code"] == 3 and error["message"].endswith("pip install pillow.")
    assert not (tmp_path / "key.png").exists()


def test_memory_that_runs_out_while_a_picture_is_drawn_is_told_as_such(serve, drawing, monkeypatch, tmp_path):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(case, "key_image", full)
    error = serve(drawing())[-1]
    assert error["reason"] == "out_of_memory" and "while the key image was drawn" in error["message"]
    assert not (tmp_path / "key.png").exists()


def test_a_cancelled_picture_is_not_written(drawing, tmp_path, monkeypatch):
    events = io.StringIO()
    busy = worker.Worker(io.StringIO(), events)
    real = case.read_volume
    monkeypatch.setattr(case, "read_volume", lambda *a: busy.cancelled.add(1) or real(*a))
    busy._answer(drawing())
    assert json.loads(events.getvalue().splitlines()[-1])["event"] == "cancelled"
    assert not (tmp_path / "key.png").exists()
