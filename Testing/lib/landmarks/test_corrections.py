from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.corrections import Correction, latest_revisions, read_correction, write_correction
from CarotidLandmarkLib.landmarks.points import LandmarkSet

PREDICTED = {"left": np.array([30.0, 5.0, 52.0]), "right": np.array([-27.0, 3.0, 41.0])}
MOVED = PREDICTED["left"] + [0, 3, 4]


def correction(**changes):
    values = {
        "case": "case-0123456789ab",
        "reader": "AB",
        "statuses": {"left": "review", "right": "found"},
        "decisions": {"left": "moved", "right": "accepted"},
        "prediction": LandmarkSet(PREDICTED),
        "corrected": LandmarkSet({**PREDICTED, "left": MOVED}),
        "model": {"name": "default", "version": "7", "sha256": "a" * 64, "path": "/home/roe/secret.safetensors"},
        "settings": {"samples": 50, "confidence": 0.9, "device": "cpu", "seed": 0, "host": "ward-3"},
    }
    return Correction(**{**values, **changes})


def copy_volume(path: Path) -> None:
    path.write_bytes(b"voxels")


def test_what_was_written_is_read_again(tmp_path):
    written = correction(
        anonymised=False, volume={"path": "/data/ct.nrrd", "sha256": "b" * 64, "series_uid": "1.2.3", "size": [1, 1, 1]}
    )
    folder = write_correction(tmp_path, written)
    assert folder == tmp_path / "case-0123456789ab" / "r001"
    read = read_correction(folder)
    for name in ("case", "reader", "statuses", "decisions", "anonymised"):
        assert getattr(read, name) == getattr(written, name)
    assert read.volume == {"path": "/data/ct.nrrd", "sha256": "b" * 64, "series_uid": "1.2.3"}
    assert read.volume_path == Path("/data/ct.nrrd")
    assert read.model == {"name": "default", "version": "7", "sha256": "a" * 64}
    assert read.settings == {"samples": 50, "confidence": 0.9, "device": "cpu", "seed": 0}
    assert read.exported_at.endswith("Z")
    assert read.prediction.points["left"] == pytest.approx(PREDICTED["left"], abs=1e-9)
    assert read.corrected.points["left"] == pytest.approx(MOVED, abs=1e-9)
    assert (read.displacement_mm("left"), read.displacement_mm("right")) == pytest.approx((5, 0))
    stored = json.loads((folder / "correction.json").read_text())
    assert stored["schema"] == "carotid-landmark/correction/1"
    assert [(m["side"], m["status"], m["decision"]) for m in stored["landmarks"]] == [
        ("left", "review", "moved"),
        ("right", "found", "accepted"),
    ]
    assert [m["displacement_mm"] for m in stored["landmarks"]] == pytest.approx([5, 0])


def test_each_export_is_a_new_revision_and_the_newest_counts(tmp_path):
    first = write_correction(tmp_path, correction(), copy_volume)
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    for number in range(2, 12):
        newest = write_correction(tmp_path, correction(reader=chr(64 + number)), copy_volume)
        assert newest.name == f"r{number:03d}"
    other = write_correction(tmp_path, correction(case="other"), copy_volume)
    assert latest_revisions(tmp_path) == {"case-0123456789ab": newest, "other": other}
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before


def test_a_number_taken_at_the_last_moment_is_left_to_its_owner(tmp_path, monkeypatch):
    rename = os.rename

    def late(source, target):
        monkeypatch.setattr(os, "rename", rename)
        write_correction(tmp_path, correction(reader="FIRST"), copy_volume)
        return rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    folder = write_correction(tmp_path, correction(reader="SECOND"), copy_volume)
    assert read_correction(folder).reader == "SECOND" and folder.name == "r002"
    assert read_correction(folder.parent / "r001").reader == "FIRST"


def test_the_volume_is_copied_once_and_found_after_the_folder_moved(tmp_path):
    copies = []

    def copy(path):
        copies.append(path)
        copy_volume(path)

    for _ in range(2):
        write_correction(tmp_path / "old", correction(), copy)
    (tmp_path / "old").rename(tmp_path / "new")
    first, second = (read_correction(tmp_path / "new" / "case-0123456789ab" / name) for name in ("r001", "r002"))
    assert len(copies) == 1
    assert first.volume["sha256"] == second.volume["sha256"]
    assert first.volume_path == second.volume_path == first.folder / "volume.nrrd"
    assert second.volume_path.read_bytes() == b"voxels" and second.series is None


def test_a_copy_of_a_revision_made_by_hand_is_not_referred_to(tmp_path):
    first = write_correction(tmp_path, correction(), copy_volume)
    shutil.copytree(first, first.parent / "r001 - Copy")
    newest = write_correction(tmp_path, correction(), copy_volume)
    assert read_correction(newest).volume_path == first / "volume.nrrd"


def test_an_anonymised_correction_holds_no_path_uid_or_time(tmp_path):
    secret = {"path": "/data/ROE^JANE/19560312.nrrd", "series_uid": "1.2.840.19560312"}
    folder = write_correction(tmp_path, correction(volume=secret), copy_volume)
    text = "".join(path.read_text(errors="replace") for path in folder.iterdir())
    assert not any(word in text for word in ("ROE", "19560312", "1.2.840", "/data", "/home", "ward"))
    stored = json.loads((folder / "correction.json").read_text())
    assert stored["volume"]["path"] == "volume.nrrd"
    assert stored["volume"]["series_uid"] is stored["exported_at"] is None
    with pytest.raises(ValueError):
        write_correction(tmp_path, correction(volume=secret))
    with pytest.raises(ValueError, match="names the patient"):
        write_correction(tmp_path, correction(), copy_volume, report=b"DICM")


def test_only_what_was_reviewed_is_truth():
    def truth(left, right, **changes):
        c = correction(decisions={"left": left, "right": right}, **changes)
        return [side for side, point in c.truth().points.items() if point is not None], c.unreviewed

    assert truth("moved", "accepted") == (["left", "right"], ())
    assert truth("missing", "accepted") == (["right"], ())
    assert truth("unreviewed", "moved") == (["right"], ("left",))
    gone = {
        "statuses": {"left": "found", "right": "absent"},
        "prediction": LandmarkSet({"left": MOVED}),
        "corrected": LandmarkSet({"left": MOVED}),
    }
    assert truth("accepted", "accepted", **gone) == (["left"], ())
    assert correction(decisions={"left": "missing", "right": "accepted"}).displacement_mm("left") is None


def test_what_nobody_reviewed_is_no_correction(tmp_path):
    unseen = correction(decisions={"left": "unreviewed", "right": "unreviewed"})
    with pytest.raises(BadInputError, match="accept, move or mark"):
        write_correction(tmp_path, unseen, copy_volume)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"reader": ""},
        {"reader": "A. B."},
        {"case": "../elsewhere"},
        {"decisions": {"left": "guessed", "right": "accepted"}},
        {"corrected": LandmarkSet({"right": PREDICTED["right"]})},
    ],
)
def test_contradictions_are_refused(changes):
    with pytest.raises(BadInputError):
        correction(**changes)


@pytest.mark.parametrize("fails_at", ["mkdir", "copy", "rename"])
def test_a_folder_that_cannot_be_written_is_a_sentence_and_left_as_it_was(tmp_path, monkeypatch, fails_at):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    if fails_at != "copy":
        monkeypatch.setattr(*((Path, "mkdir") if fails_at == "mkdir" else (os, "rename")), refuse)
    with pytest.raises(CannotRunError, match="Permission denied.*choose a folder"):
        write_correction(tmp_path, correction(), refuse if fails_at == "copy" else copy_volume)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotRunError, match="choose a folder"):
        write_correction(tmp_path / "file", correction(), copy_volume)


def test_damaged_revisions_are_sentences(tmp_path):
    folder = write_correction(tmp_path, correction(), copy_volume)
    path = folder / "correction.json"
    good = json.loads(path.read_text())
    for text, words in (
        ("{", "is no correction"),
        (json.dumps({**good, "schema": "carotid-landmark/correction/2"}), "this version reads"),
        (json.dumps({**good, "landmarks": good["landmarks"][:1]}), "right"),
        (json.dumps({**good, "reader": 7}), "is no correction"),
        (json.dumps({**good, "volume": None}), "is no correction"),
        (json.dumps({**good, "reader": ""}), "initials"),
    ):
        path.write_text(text)
        with pytest.raises(BadInputError, match=words) as caught:
            read_correction(folder)
        assert str(path) in str(caught.value)
    path.write_text(json.dumps(good))
    (folder / "correction.mrk.json").unlink()
    with pytest.raises(BadInputError, match=r"correction\.mrk\.json"):
        read_correction(folder)


def test_a_revision_that_may_not_be_looked_into_is_one_that_cannot_be_read(tmp_path, monkeypatch):
    folder = write_correction(tmp_path, correction(), copy_volume)
    stat = os.stat

    def refuse(path, *args, **kwargs):
        if str(path).endswith("correction.json"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
    assert latest_revisions(tmp_path) == {folder.parent.name: folder}
    with pytest.raises(BadInputError, match="Permission denied"):
        read_correction(folder)


def test_unfinished_revisions_and_other_folders_are_no_corrections(tmp_path):
    folder = write_correction(tmp_path, correction(), copy_volume)
    (folder.parent / "r002").mkdir()
    (tmp_path / "case-x" / "rest").mkdir(parents=True)
    (tmp_path / "case-x" / "rest" / "correction.json").write_text("{}")
    assert latest_revisions(tmp_path) == {folder.parent.name: folder}
    assert latest_revisions(tmp_path / "nowhere") == {}
