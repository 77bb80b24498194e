"""DICOM series of a CT whose HU are a ramp in space, written for tests."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom", minversion="3.0", reason="needs pydicom 3, of the extra [dicom]")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: E402

CT = "1.2.840.10008.5.1.4.1.1.2"
SIZE, SPACING = (40, 30), (1.0, 1.5)  # columns, rows; mm between columns, between rows
AXIAL = (1, 0, 0, 0, 1, 0)
OBLIQUE = (0.8, 0.6, 0.0, -0.6 * 0.8, 0.8 * 0.8, -0.6)
SLOPE, MIDDLE_HU = np.array([7.0, -5.0, 4.0]), 300.0
REAL = Path(__file__).parents[4] / "shared" / "data" / "dicom"
real = pytest.mark.skipif(not REAL.is_dir(), reason="needs the data folder ../shared/data/dicom")


def hu(points):
    return points @ SLOPE + MIDDLE_HU


def pixels(position, orientation):
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    j, i = np.mgrid[: SIZE[1], : SIZE[0]]
    return hu(np.asarray(position) + i[..., None] * SPACING[0] * row + j[..., None] * SPACING[1] * column)


def header(sop=CT, modality="CT", patient="A", series="1.2.3", syntax=ExplicitVRLittleEndian):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.Modality, ds.PatientID, ds.PatientName = modality, patient, patient
    ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.SeriesDescription = series, "1.2", f"series {series}"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Columns, ds.Rows = SIZE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    return ds


def write_slice(path, position, orientation=AXIAL, number=1, slope=1.0, intercept=-1024, image=None, **kinds):
    tags = {key: kinds.pop(key) for key in list(kinds) if key[0].isupper()}
    ds = header(**kinds)
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [float(v) for v in position], list(orientation)
    ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], 1
    ds.InstanceNumber, ds.RescaleSlope, ds.RescaleIntercept = number, slope, intercept
    image = pixels(position, orientation) if image is None else image
    ds.PixelData = np.round((image - intercept) / slope).astype("<u2").tobytes()
    for key, value in tags.items():
        setattr(ds, key, value)
    ds.save_as(path, enforce_file_format=True)


def stack(depths, orientation=AXIAL, shear=(0.0, 0.0)):
    """Positions (n, 3) at `depths` mm along the normal, sheared by mm per mm along rows and columns; the middle of
    the first slice is the same, however it lies."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    along = np.cross(row, column) + shear[0] * row + shear[1] * column
    corner = np.array([0.0, 32.5, -30.0]) - SIZE[0] * SPACING[0] / 2 * row - SIZE[1] * SPACING[1] / 2 * column
    return corner + np.asarray(depths)[:, None] * along


def write_series(folder, positions, orientation=AXIAL, **kinds):
    folder.mkdir(exist_ok=True)
    names = list(range(len(positions)))
    random.Random(len(positions)).shuffle(names)  # file names say nothing of the order
    for number, (name, position) in enumerate(zip(names, positions), 1):
        file = folder / f"{kinds.get('series', 'x')}_{name}.dcm"
        write_slice(file, position, orientation, number, **kinds)
    return folder


def is_the_ramp(volume, tolerance=1.01):
    """Every voxel that came from an image has the HU of its place; returns the fraction of such voxels."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in volume.array.shape), indexing="ij")[::-1], axis=-1)
    error = np.abs(volume.array - hu(volume.grid.index_to_world(index)))
    filled = volume.array != -1024
    filled[:, [0, -1]] = filled[:, :, [0, -1]] = False
    inner = filled
    for axis, shift in ((1, 1), (1, -1), (2, 1), (2, -1)):
        inner = inner & np.roll(filled, shift, axis) & np.roll(filled, 2 * shift, axis)
    assert error[inner].max() < tolerance
    return inner.mean()
