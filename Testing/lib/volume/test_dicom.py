from __future__ import annotations

import re

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.read import find_cases, read_volume
from Testing.lib.volume.dicom_series import (
    AXIAL,
    OBLIQUE,
    REAL,
    is_the_ramp,
    pixels,
    pydicom,
    real,
    stack,
    write_series,
    write_slice,
)

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.mark.parametrize("orientation", [AXIAL, (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1), OBLIQUE])
@pytest.mark.parametrize("order", [1, -1])
def test_a_series_in_any_orientation_and_order(tmp_path, orientation, order):
    positions = stack(np.arange(24) * 1.25, orientation)[::order]
    volume = read_volume(write_series(tmp_path / "case", positions, orientation))
    assert volume.array.shape == (24, 30, 40) and volume.array.dtype == np.int16
    assert np.allclose(volume.grid.spacing, (1.0, 1.5, 1.25)) and volume.series_uid == "1.2.3"
    assert volume.warnings == [] and is_the_ramp(volume, tolerance=0.51) > 0.6


@pytest.mark.parametrize("slope, intercept, dtype", [(1, -1024, np.int16), (2, -1000, np.int16), (0.5, 0, np.float32)])
def test_rescale(tmp_path, slope, intercept, dtype):
    image = np.random.default_rng(0).integers(0, 1000, (30, 40)) * slope + intercept
    image[0, 0] = -0.5 if slope == 0.5 else 0
    folder = tmp_path / "case"
    folder.mkdir()
    for number, position in enumerate(stack(np.arange(8.0))):
        shown = image + 10 * number - (700 if slope == 0.5 else 0)
        shown = np.round((shown + 1000) / slope) * slope - 1000
        write_slice(folder / f"{number}", position, number=number, slope=slope, intercept=-1000, image=shown)
    volume = read_volume(folder)
    assert volume.array.dtype == dtype and np.allclose(volume.array[-1], shown)


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
@pytest.mark.parametrize("shear", [(0.0, 0.33), (0.0, -0.33), (-0.1, 0.2)])
def test_a_tilted_stack_becomes_orthogonal(tmp_path, orientation, shear):
    positions = stack(np.arange(20) * 1.3, orientation, shear)
    volume = read_volume(write_series(tmp_path / "case", positions, orientation))
    tilt = np.degrees(np.arctan(np.hypot(*shear)))
    assert f"{tilt:.1f} degrees" in volume.warnings[0]
    assert np.allclose(volume.grid.direction.T @ volume.grid.direction, np.eye(3))
    assert np.allclose(volume.grid.spacing, (1.0, 1.5, 1.3))
    assert is_the_ramp(volume) > 0.5
    lower, upper = volume.grid.bounds()
    assert (positions >= lower - 1e-6).all() and (positions <= upper + 1e-6).all()


def test_uneven_distances_are_interpolated(tmp_path):
    depths = np.cumsum([0, 1, 1, 1.1, 2, 1, 0.9, 3, 3, 3, 2, 1, 1, 1.5])
    volume = read_volume(write_series(tmp_path / "case", stack(depths)))
    assert "interpolated" in volume.warnings[0] and is_the_ramp(volume) > 0.6
    assert volume.grid.extent_mm[2] == pytest.approx(depths[-1] + volume.grid.spacing[2])


def test_uneven_and_tilted(tmp_path):
    depths = np.cumsum([0, 1, 1, 1.1, 2, 1, 0.9, 3, 3, 3, 2, 1, 1, 1.5])
    volume = read_volume(write_series(tmp_path / "case", stack(depths, OBLIQUE, (0, 0.3)), OBLIQUE))
    assert len(volume.warnings) == 2 and is_the_ramp(volume) > 0.5


def test_missing_slices_are_noticed(tmp_path):
    depths = np.delete(np.arange(30.0), [7, 15, 16])
    volume = read_volume(write_series(tmp_path / "case", stack(depths)))
    assert "3 of 30 slices are missing" in volume.warnings[0]
    assert volume.array.shape[0] == 30 and is_the_ramp(volume) > 0.6


def test_rounded_positions_are_regular(tmp_path):
    positions = np.round(stack(np.arange(30) * 0.625), 1)
    volume = read_volume(write_series(tmp_path / "case", positions))
    assert volume.warnings == [] and volume.array.shape[0] == 30


@pytest.mark.parametrize("kind", ["gap", "lean", "few"])
def test_stacks_that_make_no_volume(tmp_path, kind):
    depths, shear = np.arange(20.0), 0.0
    if kind == "gap":
        depths[10:] += 15
    elif kind == "lean":
        shear = 1.5
    else:
        depths = depths[:3]
    write_series(tmp_path / "case", stack(depths, shear=(0, shear)))
    with pytest.raises(
        BadInputError, match={"gap": "gap of 16.0 mm", "lean": "56 degrees", "few": "3 CT slices"}[kind]
    ):
        read_volume(tmp_path / "case")


def test_the_series_with_most_slices_and_a_chosen_one(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)), series="1.5")
    write_series(folder, stack(np.arange(12.0)), series="1.7")
    write_series(folder, stack(np.arange(30.0)), series="1.9", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(folder, stack(np.arange(40.0)), series="1.11", sop=MR, modality="MR")
    volume = read_volume(folder)
    assert volume.series_uid == "1.7" and volume.array.shape[0] == 12
    assert "2 CT series" in volume.warnings[0] and "1.7" in volume.warnings[0]
    chosen = read_volume(folder, series="1.5")
    assert chosen.series_uid == "1.5" and chosen.array.shape[0] == 10 and chosen.warnings == []
    for wrong, words in (("1.2", "1.5, 1.7"), ("1.11", "MR"), ("1.9", "scouts")):
        with pytest.raises(BadInputError, match=words):
            read_volume(folder, series=wrong)


def test_other_files_are_ignored(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)))
    (folder / "notes.txt").write_text("hello")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 50)
    (folder / ".DS_Store").write_bytes(b"\0" * 300)
    assert read_volume(folder).array.shape[0] == 10


def test_the_hash_is_that_of_the_files_and_not_of_their_names(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)))
    first = read_volume(folder).sha256
    assert first is not None and len(first) == 64
    for number, file in enumerate(sorted(folder.iterdir())):
        file.rename(folder / f"{(number * 7) % 10}.dcm")
    assert read_volume(folder).sha256 == first
    write_slice(folder / "0.dcm", pydicom.dcmread(folder / "0.dcm").ImagePositionPatient)
    assert read_volume(folder).sha256 != first


def test_copies_and_phases(tmp_path):
    positions = stack(np.arange(10.0))
    folder = write_series(tmp_path / "case", positions)
    first = read_volume(folder)
    for k in (2, 5):
        write_slice(folder / f"copy{k}", positions[k], number=50 + k)
    volume = read_volume(folder)
    assert "2 copies" in volume.warnings[0] and (volume.array == first.array).all()
    for k, position in enumerate(positions):
        write_slice(folder / f"other{k}", position, number=100 + k, image=pixels(position, AXIAL) + 50)
    with pytest.raises(BadInputError, match="phase"):
        read_volume(folder)


def test_acquisitions_in_the_same_places(tmp_path):
    positions = stack(np.arange(10.0))
    folder = write_series(tmp_path / "case", positions, AcquisitionNumber=1)
    for k, position in enumerate(positions[:-1]):
        write_slice(folder / f"b{k}", position, number=k, image=pixels(position, AXIAL) + 50, AcquisitionNumber=2)
    volume = read_volume(folder)
    assert "2 acquisitions" in volume.warnings[0] and volume.array.shape[0] == 10 and is_the_ramp(volume) > 0.6


MIP = ["DERIVED", "SECONDARY", "MIP"]


@pytest.mark.parametrize(
    "depths, tags, others, words",
    [
        (np.arange(20) + 0.5, {"ConvolutionKernel": "B20f"}, {"ConvolutionKernel": "B70f"}, "2 kernels .* 'B70f'"),
        (np.arange(20) + 0.02, {"AcquisitionNumber": 7}, {"AcquisitionNumber": 3}, "2 acquisitions .* '3'"),
        (np.arange(9) * 2 + 0.5, {}, {"ImageType": MIP, "SliceThickness": 10}, "2 image types .*MIP"),
        (np.arange(7) * 3 + 0.7, {"SliceThickness": "1.00"}, {"SliceThickness": 3}, "2 slice thicknesses .* '3'"),
    ],
)
def test_images_of_another_kind_among_the_slices_are_left_out(tmp_path, depths, tags, others, words):
    folder = write_series(tmp_path / "case", stack(np.arange(20.0)), **tags)
    for k, position in enumerate(stack(depths)):
        write_slice(folder / f"other{k}", position, image=pixels(position, AXIAL) + 50, **others)
    if "acquisitions" in words:
        (folder / "other0").unlink()  # else none of them is the fullest
    volume = read_volume(folder)
    assert volume.array.shape[0] == 20 and volume.grid.spacing[2] == pytest.approx(1) and is_the_ramp(volume) > 0.6
    (warning,) = volume.warnings
    assert re.search(words, warning) and f"{len(list(folder.iterdir())) - 20} of " in warning


@pytest.mark.parametrize("shared", [0, 2])
@pytest.mark.parametrize("name", ["AcquisitionNumber", "ConvolutionKernel", "SliceThickness"])
def test_acquisitions_that_follow_each_other_are_one_volume(tmp_path, name, shared):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)), **{name: "1"})
    for k, position in enumerate(stack(np.arange(10.0 - shared, 20) + (0.5 if shared else 0))):
        write_slice(folder / f"second{k}", position, **{name: "2"})
    volume = read_volume(folder)
    assert volume.grid.extent_mm[2] == pytest.approx(20 if not shared else 20.5, abs=0.6) and is_the_ramp(volume) > 0.6
    assert not any("left out" in warning for warning in volume.warnings)


@pytest.mark.parametrize("other", ["1.2500001", "1.26", "", None])
def test_slices_whose_thickness_is_told_otherwise_are_of_the_same_kind(tmp_path, other):
    folder = write_series(tmp_path / "case", stack(np.arange(20) * 1.25), SliceThickness="1.25")
    for file in sorted(folder.iterdir())[::2]:
        stored = pydicom.dcmread(file)
        stored.SliceThickness = other
        stored.save_as(file)
    volume = read_volume(folder)
    assert volume.warnings == [] and volume.array.shape[0] == 20 and volume.grid.spacing[2] == pytest.approx(1.25)


def test_kinds_that_overlap_in_part_are_refused(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(20.0)), ConvolutionKernel="B20f")
    for k, position in enumerate(stack(np.arange(10.5, 25))):
        write_slice(folder / f"other{k}", position, ConvolutionKernel="B70f")
    with pytest.raises(BadInputError, match="2 kernels that lie in the same places in part"):
        read_volume(folder)


def test_places_that_differ_by_next_to_nothing_are_one(tmp_path):
    positions = stack(np.arange(12) * 0.625)
    folder = write_series(tmp_path / "case", positions)
    for k, position in enumerate(positions):  # copies whose places were rounded
        write_slice(folder / f"copy{k}", position.round(1), image=pixels(position, AXIAL))
    volume = read_volume(folder)
    assert volume.warnings == ["12 copies of slices were left out."] and is_the_ramp(volume) > 0.6
    for k, position in enumerate(positions):
        write_slice(folder / f"copy{k}", position + (0, 0, 0.03), image=pixels(position, AXIAL) + 50)
    with pytest.raises(BadInputError, match="phase"):
        read_volume(folder)


def test_images_of_another_size_in_the_series_are_left_out(tmp_path):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)))
    write_slice(folder / "reformat", (0, 0, 0), orientation=(0, 1, 0, 0, 0, -1))
    volume = read_volume(folder)
    assert "1 of 11 images" in volume.warnings[0] and volume.array.shape[0] == 10


def test_what_is_no_ct(tmp_path):
    with pytest.raises(BadInputError, match="MR"):
        read_volume(write_series(tmp_path / "mr", stack(np.arange(10.0)), sop=MR, modality="MR"))
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "text.dcm").write_text("no image")
    with pytest.raises(BadInputError, match="No DICOM image"):
        read_volume(tmp_path / "none")


@pytest.mark.parametrize("missing", [2, 1000])
def test_a_cut_off_slice(tmp_path, capfd, missing):
    folder = write_series(tmp_path / "case", stack(np.arange(10.0)))
    file = sorted(folder.iterdir())[4]
    file.write_bytes(file.read_bytes()[:-missing])
    with pytest.raises(BadInputError, match="cut off"):
        read_volume(folder)
    assert capfd.readouterr() == ("", "")


def test_a_dicom_folder_and_a_folder_of_cases(tmp_path):
    one = write_series(tmp_path / "patient 1", stack(np.arange(6.0)))
    assert find_cases(one) == [("patient 1", one)]
    nested = tmp_path / "patient 2"
    nested.mkdir()
    write_series(nested / "series", stack(np.arange(6.0)))
    (tmp_path / "other").mkdir()
    (tmp_path / "c.nrrd").write_bytes(b"x")
    cases = find_cases(tmp_path)
    assert cases == [("c", tmp_path / "c.nrrd"), ("patient 1", one), ("patient 2", nested)]
    assert read_volume(nested).array.shape[0] == 6
    file = next(one.iterdir())
    assert find_cases(file) == [(file.stem, file)]


@pytest.mark.shared
@real
def test_real_ge_head_with_tilt_and_uneven_slices():
    volume = read_volume(REAL / "ge_tilt")
    files = [pydicom.dcmread(file) for file in sorted((REAL / "ge_tilt").iterdir())]
    row, column = np.array(files[0].ImageOrientationPatient[:3]), np.array(files[0].ImageOrientationPatient[3:])
    assert np.allclose(volume.grid.direction, np.stack([row, column, np.cross(row, column)], axis=1), atol=1e-6)
    assert np.allclose(volume.grid.spacing[:2], 0.4882812) and 3.9 < volume.grid.spacing[2] < 4.1
    assert "tilt of 18.5 degrees" in volume.warnings[0] and "1.08 to 7.00 mm" in volume.warnings[1]
    compared = []
    for file in files:
        native = file.pixel_array * float(file.RescaleSlope) + float(file.RescaleIntercept)
        j, i = np.mgrid[100:400:7, 100:400:7]
        along_row, along_column = i[..., None] * 0.4882812 * row, j[..., None] * 0.4882812 * column
        index = volume.grid.world_to_index(np.array(file.ImagePositionPatient) + along_row + along_column)
        k = index[..., 2].mean()
        assert np.ptp(index[..., 2]) < 1e-4 and np.abs(index[..., 0] - i).max() < 1e-4
        if abs(k - round(k)) < 0.02:  # a slice of the volume lies on this image
            y = index[..., 1]
            low, part = np.floor(y).astype(int), y - np.floor(y)
            shown = volume.array[round(k), low, i] * (1 - part) + volume.array[round(k), low + 1, i] * part
            compared.append(np.corrcoef(shown.ravel(), native[j, i].ravel())[0, 1])
    assert len(compared) >= 10 and min(compared) > 0.98


@pytest.mark.shared
@real
def test_real_philips_phantom_with_a_file_that_is_no_image():
    volume = read_volume(REAL / "philips")
    files = sorted((f for f in (REAL / "philips").iterdir() if f.name != "DIRFILE"), key=lambda f: int(f.name[1:]))
    stored = [pydicom.dcmread(file) for file in files]
    hu_values = np.array([ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in stored])
    assert (volume.array == hu_values).all() and np.allclose(volume.grid.spacing, (0.451171875, 0.451171875, 5))
    assert np.allclose(volume.grid.origin, stored[0].ImagePositionPatient) and np.allclose(
        volume.grid.index_to_world((0, 0, 27)), stored[-1].ImagePositionPatient, atol=1e-6
    )
