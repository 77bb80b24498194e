"""Whose scans a folder holds."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.read import read_volume
from Testing.lib.volume.dicom_series import pydicom, stack, write_series


def tell(file, patient, name):
    stored = pydicom.dcmread(file)
    stored.PatientID, stored.PatientName = patient, name
    stored.save_as(file)


def test_several_patients_are_refused(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)), patient="A", series="1.5")
    write_series(folder, stack(np.arange(10.0)), patient="B", series="1.6")
    with pytest.raises(BadInputError, match="2 patients"):
        read_volume(folder)
    assert read_volume(folder, series="1.6").array.shape[0] == 10


@pytest.mark.parametrize(("one", "other", "same"), [("A", "A", True), ("A", "B", False)])
def test_a_patient_is_known_again_without_being_named(tmp_path, one, other, same):
    positions = stack(np.arange(8.0))
    first, second = (
        read_volume(write_series(tmp_path / name, positions, patient=patient, series=f"1.2.{name}")).patient
        for name, patient in (("1", one), ("2", other))
    )
    assert (first == second) is same and len(first) == 64
    nobody = write_series(tmp_path / "3", positions, patient="")
    for file in nobody.iterdir():
        stored = pydicom.dcmread(file)
        stored.PatientName = "Anonymous"  # as of thousands
        stored.save_as(file)
    assert read_volume(nobody).patient is None


def test_a_slice_without_patient_is_of_no_other_one(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(8.0)), patient="A")
    file = sorted(folder.iterdir())[3]
    stored = pydicom.dcmread(file)
    stored.PatientID = stored.PatientName = ""
    stored.save_as(file)
    assert read_volume(folder).grid.size[2] == 8


def test_a_slice_that_only_lacks_the_id_is_of_the_patient_of_that_name(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(8.0)))
    for number, file in enumerate(sorted(folder.iterdir())):
        tell(file, "" if number == 3 else "P1", "A^B")
    assert read_volume(folder).grid.size[2] == 8
    tell(sorted(folder.iterdir())[3], "", "C^D")
    with pytest.raises(BadInputError, match="2 patients"):
        read_volume(folder)
