from __future__ import annotations

import os
import sys

import pytest

from CarotidLandmarkLib.detect import case
from CarotidLandmarkLib.detect.case import Settings, detect_case
from CarotidLandmarkLib.errors import BadInputError, FaultError
from CarotidLandmarkLib.volume.ct import write_volume


def test_paths_that_hold_no_volume_are_a_sentence_before_anything_is_opened(detector, tmp_path):
    pipe, socket = tmp_path / "pipe.nrrd", tmp_path / "loop.nrrd"
    os.mkfifo(pipe)
    socket.symlink_to(socket)
    for path in ("", "/dev/null", str(pipe), str(socket), "n" * 300, str(tmp_path / "nowhere"), "a\0b"):
        with pytest.raises(BadInputError, match=r"^(The path|')[^\n]*\.$"):
            detect_case(detector, "case", path, Settings(samples=1))


@pytest.mark.parametrize("name", ["\u00a0", "\u3000\u202f", "a\u200b\u202eb", "new\nline", "\U0001f9e0"])
def test_every_name_that_is_text_is_read(name, detector, volume, tmp_path):
    write_volume(volume, tmp_path / f"{name}.nrrd", compress=False)
    assert (
        detect_case(detector, name, tmp_path / f"{name}.nrrd", Settings(samples=1)).landmark("left").status == "found"
    )


def test_structures_are_read_before_detecting_each_cases_own_if_there_are(detector, volume, tmp_path, monkeypatch):
    write_volume(volume, tmp_path / "a.nrrd", compress=False)
    settings = Settings(samples=1, structures=tmp_path / "maps")
    with pytest.raises(BadInputError, match="maps' is no folder"):
        detect_case(detector, "a", tmp_path / "a.nrrd", settings)
    (tmp_path / "maps" / "a").mkdir(parents=True)
    read = []
    monkeypatch.setattr(case, "read_structures", lambda folder, volume: read.append(folder) or {})
    for name in "ab":
        (warning,) = detect_case(detector, name, tmp_path / "a.nrrd", settings).warnings
        assert "holds none of the label maps mandible.nii.gz" in warning
    (tmp_path / "maps" / "hyoid.nii.gz").touch()
    assert detect_case(detector, "b", tmp_path / "a.nrrd", settings).warnings == []
    assert read.pop() == tmp_path / "maps" and read == [tmp_path / "maps" / "a", tmp_path / "maps"]
    with pytest.raises(BadInputError, match="--no-fork"):
        Settings(structures=tmp_path, fork=False)


def test_a_picture_is_drawn_where_it_is_wanted_and_its_time_is_told(detector, volume, tmp_path):
    write_volume(volume, tmp_path / "a.nrrd", compress=False)
    with_picture, without = (
        detect_case(detector, "a", tmp_path / "a.nrrd", Settings(samples=1, picture=of)) for of in (True, False)
    )
    assert with_picture.picture.startswith(b"\x89PNG") and without.picture is None
    assert 0 < with_picture.timing_s["picture"] < with_picture.timing_s["total"]
    assert "picture" not in with_picture.to_dict() and "picture" not in without.timing_s


@pytest.mark.parametrize("lack", ["Pillow", "memory"])
def test_a_picture_that_cannot_be_drawn_is_a_warning_and_the_result_stays(
    lack, detector, volume, tmp_path, monkeypatch
):
    write_volume(volume, tmp_path / "a.nrrd", compress=False)
    if lack == "Pillow":
        monkeypatch.setitem(sys.modules, "PIL", None)
    else:

        def full(*_):
            raise MemoryError

        monkeypatch.setattr(case, "key_image", full)
    detection = detect_case(detector, "a", tmp_path / "a.nrrd", Settings(samples=1, picture=True))
    assert detection.picture is None and detection.landmark("left").status == "found"
    assert [lack in warning and "no picture" in warning for warning in detection.warnings] == [True]


def test_what_nobody_foresaw_while_drawing_is_not_hidden(detector, volume, tmp_path, monkeypatch):
    write_volume(volume, tmp_path / "a.nrrd", compress=False)
    monkeypatch.setattr(case, "key_image", lambda *_: 1 / 0)
    with pytest.raises(FaultError, match="ZeroDivisionError"):
        detect_case(detector, "a", tmp_path / "a.nrrd", Settings(samples=1, picture=True))
