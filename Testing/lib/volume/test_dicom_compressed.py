"""Slices in fragments, whose end tells a whole file from half a copy, and slices that only look like those."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.read import read_volume
from Testing.lib.volume.dicom_series import is_the_ramp, pydicom, stack, write_series

from pydicom.dataset import Dataset  # isort: skip (without pydicom all of this is skipped)
from pydicom.uid import ImplicitVRLittleEndian, RLELossless  # isort: skip

PRIVATE = "1.2.840.113619.5.2"  # of GE: not compressed, the pixels alone big endian


@pytest.fixture
def folder(tmp_path):
    return write_series(tmp_path / "case", stack(np.arange(8.0)))


def refer(stored):
    """A sequence without a length, which ends as fragments do."""
    stored.ReferencedImageSequence = [Dataset()]
    stored["ReferencedImageSequence"].is_undefined_length = True


@pytest.mark.parametrize("referring", [False, True])
@pytest.mark.parametrize("missing", [12, 600])
def test_a_compressed_slice_whose_end_is_zeros_is_not_filled_up(folder, referring, missing):
    """As an interrupted copy into a file of the whole length leaves it."""
    path = sorted(folder.iterdir())[3]
    stored = pydicom.dcmread(path)
    stored.compress(RLELossless)
    if referring:
        refer(stored)
    stored.save_as(path)
    assert is_the_ramp(read_volume(folder))
    data = path.read_bytes()
    path.write_bytes(data[:-missing] + bytes(missing))
    with pytest.raises(BadInputError, match=f"{path.name}' is cut off"):
        read_volume(folder)


def test_a_transfer_syntax_of_a_makers_own_that_is_not_compressed(folder):
    for path in folder.iterdir():
        stored = pydicom.dcmread(path)
        stored.PixelData = np.frombuffer(stored.PixelData, "<u2").astype(">u2").tobytes()
        stored.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        stored.save_as(path, implicit_vr=True, little_endian=True)
        path.write_bytes(path.read_bytes().replace(ImplicitVRLittleEndian.encode() + b"\0", PRIVATE.encode(), 1))
    assert is_the_ramp(read_volume(folder))
