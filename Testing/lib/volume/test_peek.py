"""Whose a DICOM file is, by its first bytes: its own tags, and not those of what its sequences refer to."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.intake.arrivals import Arrivals
from CarotidLandmarkLib.volume import headers
from CarotidLandmarkLib.volume.headers import peek
from CarotidLandmarkLib.volume.read import find_cases
from Testing.lib.volume.dicom_series import CT, pydicom, stack, write_series, write_slice

from pydicom.dataset import Dataset  # isort: skip (without pydicom all of this is skipped)
from pydicom.sequence import Sequence  # isort: skip
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian  # isort: skip
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian  # isort: skip

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
SCOUT = "1.2.1"


def referring(open_ended=False, images=1):
    """A Referenced Series Sequence to the scout, of so many images; open_ended: its lengths are not told."""
    series = Dataset()
    series.PatientID, series.StudyInstanceUID, series.SeriesInstanceUID = "scout", "1.9", SCOUT
    items = [Dataset() for _ in range(images)]
    for number, item in enumerate(items):
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, f"1.2.840.113619.2.55.3.604688119.868.{number}"
    series.ReferencedInstanceSequence = Sequence(items)
    series["ReferencedInstanceSequence"].is_undefined_length = open_ended
    for item in (series, *items):
        item.is_undefined_length_sequence_item = open_ended
    return Sequence([series])


def write(path, syntax=ExplicitVRLittleEndian, open_ended=False, images=1, **tags):
    write_slice(path, (0, 0, 0), series="1.2.100", **tags)
    read, ds = pydicom.dcmread(path), Dataset()
    ds.update(read)
    ds.file_meta = read.file_meta
    ds.file_meta.TransferSyntaxUID = syntax
    ds.ReferencedSeriesSequence = referring(open_ended, images)
    ds["ReferencedSeriesSequence"].is_undefined_length = open_ended
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("images", [1, 1200], ids=["few", "more than 64 KB"])
@pytest.mark.parametrize("open_ended", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=[syntax.name for syntax in SYNTAXES])
def test_its_own_tags_are_told(tmp_path, syntax, open_ended, images):
    told = peek(write(tmp_path / "a", syntax, open_ended, images))
    assert (told["series"], told["study"], told["patient"]) == ("1.2.100", "1.2", "A")
    assert (told["syntax"], told["class"]) == (syntax, CT) and len(told["instance"]) > 20


@pytest.mark.parametrize("syntax", SYNTAXES[:2], ids=["explicit", "implicit"])
def test_a_file_without_preamble(tmp_path, syntax):
    ds = pydicom.dcmread(write(tmp_path / "a", syntax))
    del ds.file_meta
    ds.SpecificCharacterSet = "ISO_IR 100"
    pydicom.dcmwrite(tmp_path / "b", ds, implicit_vr=syntax == SYNTAXES[1], little_endian=True)
    told = peek(tmp_path / "b")
    assert (told["series"], told["class"], told["syntax"]) == ("1.2.100", CT, "")


def test_an_empty_uid_is_none_and_no_other_is_taken_for_it(tmp_path):
    told = peek(write(tmp_path / "a", SeriesInstanceUID=""))
    assert told["series"] == "" and told["study"] == "1.2"


def test_of_a_damaged_file_it_tells_what_it_can(tmp_path, monkeypatch):
    monkeypatch.setattr(headers, "read_header", None)  # GDCM takes as much memory as a damaged length asks for
    content = write(tmp_path / "a").read_bytes()
    (tmp_path / "cut").write_bytes(content[: content.rindex(b"\x20\x00\x0d\x00UI")])
    told = peek(tmp_path / "cut")
    assert (told["class"], told["patient"]) == (CT, "A")
    longer = content.replace(b"\x08\x00\x60\x00CS\x02\x00", b"\x08\x00\x60\x00CS\xff\x7f")  # leads past the end
    (tmp_path / "longer").write_bytes(longer)
    assert longer != content and peek(tmp_path / "longer")["class"] == CT
    (tmp_path / "noise").write_bytes(content[:200] + b"\xff" * 5000)
    assert peek(tmp_path / "noise")["series"] == ""
    deflated = write(tmp_path / "a", DeflatedExplicitVRLittleEndian).read_bytes()
    for name, damaged in (("broken", deflated[:400] + b"\xff" * 500), ("short", deflated[:-300])):
        (tmp_path / name).write_bytes(damaged)
        assert peek(tmp_path / name)["class"] == CT
    (tmp_path / "text").write_text("no DICOM")
    assert set(peek(tmp_path / "text").values()) == {""}


def test_of_a_long_file_only_the_beginning_is_read(tmp_path, monkeypatch):
    file = write(tmp_path / "a")
    with open(file, "ab") as end:
        end.truncate(1 << 28)
    read = []
    element = headers._element
    monkeypatch.setattr(headers, "_element", lambda *given: read.append(given[0].tell()) or element(*given))
    assert peek(file)["series"] == "1.2.100" and len(read) < 50 and read[-1] < 3000


def test_series_that_refer_to_one_scout_stay_apart(tmp_path):
    for uid in ("1.2.100", "1.2.200"):
        write_series(tmp_path / uid, stack(np.arange(6.0)), series=uid, ReferencedSeriesSequence=referring())
    arrived = {one.uid: len(one.images) for one in Arrivals(tmp_path, 0.0).look()}
    assert arrived == {"1.2.100": 6, "1.2.200": 6}
    assert find_cases(tmp_path) == [(tmp_path.name, tmp_path)], "two series of one examination"
