from __future__ import annotations

import os

import pytest

from CarotidLandmarkLib.detect.case import Settings, detect_case
from CarotidLandmarkLib.errors import BadInputError
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
