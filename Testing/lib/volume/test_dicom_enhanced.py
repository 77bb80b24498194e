from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.volume.read import find_cases, read_volume
from Testing.lib.volume.dicom_series import AXIAL, OBLIQUE, REAL, SPACING, header, is_the_ramp, pixels, real, stack

from pydicom.dataset import Dataset  # isort: skip (without it all of this is skipped)
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian  # isort: skip

ENHANCED_CT, LEGACY_CT = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def write_enhanced(path, positions, orientation=AXIAL, rescale=None, shared_rescale=(1, -1024), **kinds):
    ds = header(**{"sop": ENHANCED_CT, **kinds})
    ds.NumberOfFrames = len(positions)
    shared, frames, stored = Dataset(), [], []
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [Dataset()], [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [SPACING[1], SPACING[0]]
    shared.PixelMeasuresSequence[0].SliceThickness = 1
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = list(orientation)

    def transformation(slope, intercept):
        item = Dataset()
        item.RescaleSlope, item.RescaleIntercept, item.RescaleType = slope, intercept, "HU"
        return [item]

    if rescale is None:
        shared.PixelValueTransformationSequence = transformation(*shared_rescale)
    for k, position in enumerate(positions):
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [round(float(v), 6) for v in position]
        slope, intercept = shared_rescale if rescale is None else rescale(k)
        if rescale is not None:
            frame.PixelValueTransformationSequence = transformation(slope, intercept)
        frames.append(frame)
        stored.append(np.round((pixels(position, orientation) - intercept) / slope))
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    ds.PixelData = np.array(stored).astype("<u2").tobytes()
    path.parent.mkdir(exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path.parent


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("sop", [ENHANCED_CT, LEGACY_CT])
@pytest.mark.parametrize("kind", ["regular", "descending", "shuffled", "tilted", "uneven", "rescaled", "oblique"])
def test_enhanced_ct(tmp_path, kind, sop, syntax):
    depths = np.arange(20) * 1.2
    if kind == "uneven":
        depths = np.cumsum([0, 1, 1, 1.1, 2, 1, 0.9, 3, 3, 3, 2, 1, 1, 1.5])
    orientation = OBLIQUE if kind == "oblique" else AXIAL
    positions = stack(depths, orientation, (0, 0.3 if kind == "tilted" else 0))
    if kind == "descending":
        positions = positions[::-1]
    if kind == "shuffled":
        positions = np.random.default_rng(0).permutation(positions)
    rescale = (lambda k: (1 + k % 3, -1024 - k)) if kind == "rescaled" else None
    folder = write_enhanced(tmp_path / "case" / "one", positions, orientation, rescale, sop=sop, syntax=syntax)
    volume = read_volume(folder)
    assert is_the_ramp(volume, tolerance=2.01 if kind == "rescaled" else 1.01) > (0.5 if kind == "tilted" else 0.6)
    assert len(volume.warnings) == (kind in ("tilted", "uneven"))
    if kind != "uneven":
        assert np.allclose(volume.grid.spacing, (1.0, 1.5, 1.2), atol=1e-5) and len(volume.array) == 20
    single = read_volume(folder / "one")
    assert (single.array == volume.array).all()


def test_enhanced_mr_and_damaged_headers(tmp_path):
    positions = stack(np.arange(10.0))
    folder = write_enhanced(tmp_path / "mr" / "one", positions, sop=ENHANCED_MR, modality="MR")
    with pytest.raises(BadInputError, match="MR"):
        read_volume(folder)
    file = write_enhanced(tmp_path / "ct" / "one", positions) / "one"
    content = file.read_bytes()
    for keep in (len(content) // 2, 2000, 1200, 600, 300, 140):
        file.write_bytes(content[:keep])
        with pytest.raises(BadInputError):
            read_volume(file)


@pytest.mark.shared
@real
def test_real_enhanced_mr_is_refused():
    with pytest.raises(BadInputError, match="MR"):
        read_volume(REAL / "siemens_mr")
    assert [name for name, _ in find_cases(REAL)] == ["ge_tilt", "philips", "siemens_mr"]
