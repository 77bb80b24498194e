from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import ndimage

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.sample_data import VOLUME
from CarotidLandmarkLib.volume.hu import check_hu
from CarotidLandmarkLib.volume.read import read_volume

MADE = [(seed, kind) for seed, kind in enumerate(("neck", "slab", "head", "chest", "slab", "head"), 9100)]
PHANTOMS = ["sample", *(pytest.param(of, marks=pytest.mark.torch, id=f"{of[1]}-{of[0]}") for of in MADE)]
PADDINGS = (-32768, -3024, -2000, -1024, -1000, -1, 0)


@pytest.fixture(scope="module", params=PHANTOMS)
def phantom(request) -> np.ndarray:
    if request.param == "sample":
        array = read_volume(VOLUME).array[:, ::2, ::2]
        air = np.random.default_rng(0).normal(-1000, 6, array.shape).astype(np.int16)  # a scanner's has noise
        return np.where(array == -1000, air, array)
    from CarotidLandmarkLib.phantom.files import phantom_volume

    return phantom_volume(request.param[0], kind=request.param[1], spacing=(1.4, 2.0))[0].array


def disc(array):
    """Where a scanner has nothing: outside of the disc that it reconstructs."""
    y, x = np.ogrid[: array.shape[1], : array.shape[2]]
    outside = (y / array.shape[1] - 0.5) ** 2 + (x / array.shape[2] - 0.5) ** 2 > 0.24
    return np.broadcast_to(outside, array.shape)


def test_a_proper_ct_is_never_shifted_nor_refused(phantom):
    body = np.argwhere(phantom > -300)
    low, high = np.percentile(body, [25, 75], axis=0).astype(int)
    table, metal = phantom.copy(), phantom.copy()
    table[:, -12:-6], table[:, -14:-12] = 1000, 80
    metal.reshape(-1)[:: metal.size // 1000] = 3071
    wide = np.random.default_rng(0).normal(-1000, 12, (len(phantom), *(3 * n for n in phantom.shape[1:])))
    y, x = phantom.shape[1:]
    wide[:, y : 2 * y, x : 2 * x] = phantom
    two = np.where(disc(phantom), -3024, phantom)
    two[:, :9] = -2000
    cases = {
        "whole": phantom,
        "a field of view of 600 mm": wide,
        "two values that stand for nothing": two,
        "resampled with padding": ndimage.zoom(np.where(disc(phantom), -3024.0, phantom), (1, 0.7, 0.7), order=3),
        "slab": phantom[:8],
        "without air": phantom[tuple(slice(a, b) for a, b in zip(low, high))],
        "a table as dense as bone": table,
        "metal": metal,
        "windowed": np.clip(phantom, -200, 800),
        "masked": np.where(phantom < -300, -1024, phantom),
        "contrast": np.where((phantom > 150) & (phantom < 800), phantom + 500, phantom),
        **{f"padded with {value}": np.where(disc(phantom), value, phantom) for value in PADDINGS},
    }
    for name, array in cases.items():
        for dtype in (np.int16, np.float32):
            same, warnings = check_hu(array.astype(dtype), "neck.nrrd")
            assert warnings == [] and np.array_equal(same, array.astype(dtype)), name


def test_an_offset_of_1024_is_found_whatever_the_padding(phantom):
    stored = np.maximum(phantom.astype(np.float32) + 1024, 0)
    overshoot = stored.copy()
    overshoot[0, 0, 0] = -0.7
    cases = {"clipped": stored, "overshoot": overshoot, "not clipped": phantom.astype(np.float32) + 1024}
    cases |= {f"padded with {value}": np.where(disc(phantom), np.float32(value), stored) for value in PADDINGS}
    for name, array in cases.items():
        for dtype in (np.float32, np.int16)[: 1 if name == "overshoot" else 2]:
            repaired, warnings = check_hu(array.astype(dtype), "neck.nrrd")
            assert len(warnings) == 1 and "HU + 1024" in warnings[0], name
            seen = ~disc(phantom) if "padded" in name else np.ones_like(phantom, dtype=bool)
            seen[0, 0, 0] = False
            assert repaired.dtype == dtype and np.array_equal(repaired[seen], np.maximum(phantom, -1024)[seen]), name
            assert repaired.min() >= -1024, name  # padding does not wrap around


@pytest.mark.parametrize("offset", [1000, 8192, 32768])
def test_other_offsets_of_scanners_are_told_apart(phantom, offset):
    stored = np.maximum(phantom.astype(np.float32) + offset, 0)
    repaired, warnings = check_hu(stored, "neck.nrrd")
    air = ((phantom > -1100) & (phantom < -500)).mean() > 0.005
    told = offset if air or offset != 1000 else 1024  # of two that are so alike the likelier, where no air shows which
    assert f"HU + {told}" in warnings[0]
    assert np.array_equal(repaired, np.maximum(phantom, -min(offset, 1024)) + (offset - told))


@pytest.mark.parametrize(
    ("rescaled", "told"),
    [
        (lambda hu: hu - 1024, "twice as dark|soft tissue"),
        (lambda hu: np.maximum(hu, -1024) - 1024, "twice as dark|soft tissue"),
        (lambda hu: hu + 300, "soft tissue|none below 0"),
        (lambda hu: -hu, "inverted"),
        (lambda hu: 10 * hu, "twice as dark|metal"),
    ],
    ids=["intercept twice", "clipped, intercept twice", "offset of no scanner", "inverted", "ten times"],
)
def test_values_that_are_no_hounsfield_units_are_told_or_refused(rescaled, told, phantom):
    if told == "inverted" and not (np.abs(phantom + 1000) < 100).any():
        pytest.skip("without air an inverted picture is like another")
    stored = rescaled(phantom.astype(np.float32))
    try:
        same, (said,) = check_hu(stored, "neck.nrrd")
        assert np.array_equal(same, stored)
    except BadInputError as error:
        said = str(error)
    assert re.search(told, said)


def test_padding_does_not_make_hounsfield_units_of_a_magnetic_resonance_image(phantom):
    rng = np.random.default_rng(0)
    magnitude = np.abs(np.where(phantom > -500, 600, 0) + rng.normal(0, 150, phantom.shape)).astype(np.float32)
    for value in (-2000, -1024, -0.7):
        padded = np.where(disc(phantom), np.float32(value), magnitude)
        with pytest.raises(BadInputError, match="next to none below 0, so they are not Hounsfield units"):
            check_hu(padded, "mr.nrrd")
