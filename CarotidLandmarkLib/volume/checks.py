"""Is this a CT that the engine can work with? What can be repaired is repaired with a warning, the rest is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import BadInputError
from .geometry import Vector

MIN_SLICES = 4
MIN_EXTENT_MM = 20.0
MAX_EXTENT_MM = 3000.0
MIN_SPACING_MM = 0.1
COARSE_SPACING_MM = 3.0
MAX_REPAIRED_FRACTION = 1e-3
MIN_RANGE_HU = 200
MAX_LABELS = 100
AIR_HU = -1024


def check_geometry(size: Sequence[int], spacing: Vector, direction: np.ndarray, where: str) -> list[str]:
    """Warnings about a grid of `size` (nx, ny, nz), `spacing` mm and `direction` (3, 3); BadInputError if unusable."""
    steps, lengths = np.array(spacing), np.array(size) * np.array(spacing)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise BadInputError(f"'{where}' has a voxel spacing of {_by(steps)} mm: export it again with a true spacing.")
    if min(size) < MIN_SLICES:
        raise BadInputError(f"'{where}' has {_by(size)} voxels: give a whole CT, of at least {MIN_SLICES} slices.")
    if lengths.max() < MIN_EXTENT_MM or steps.max() < MIN_SPACING_MM:
        raise BadInputError(
            f"'{where}' is only {_by(lengths)} mm large: its spacing is probably in metres or centimetres, not mm; "
            "export it again in mm."
        )
    if lengths.max() > MAX_EXTENT_MM:
        raise BadInputError(f"'{where}' is {_by(lengths)} mm large: its spacing is not in mm; export it again in mm.")
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-3):
        raise BadInputError(f"'{where}' has axes that are not at right angles: resample it to an orthogonal grid.")
    if steps.max() > COARSE_SPACING_MM:
        return [f"Slices of {steps.max():.3g} mm are coarse for this task: expect larger errors."]
    return []


def check_hu(array: np.ndarray, where: str) -> tuple[np.ndarray, list[str]]:
    """The voxels (z, y, x) in HU, repaired if needed, and the warnings; BadInputError if they are no CT.

    Up to one voxel in a thousand may be NaN or infinite and becomes air. Values that are all >= 0 and look like HU plus
    1024 or 1000 (air near 0, soft tissue as one peak above 1000) are shifted.
    """
    warnings: list[str] = []
    if array.dtype.kind == "f":
        array = _repair_not_finite(array, where, warnings)
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise BadInputError(f"'{where}' has the same value, {low:g}, in every voxel: give a CT with an image in it.")
    some = array.reshape(-1)[:: max(array.size // 2_000_000, 1)]
    if low >= 0 and len(np.unique(some)) <= MAX_LABELS and (some == np.round(some)).all():
        raise BadInputError(f"'{where}' looks like a segmentation, with few whole numbers >= 0: give the CT itself.")
    if high - low < MIN_RANGE_HU or (low >= 0 and high <= 255):
        raise BadInputError(
            f"'{where}' has values from {low:g} to {high:g}, an 8-bit or rescaled picture and not Hounsfield units: "
            "export the original CT."
        )
    if low >= 0:
        offset = _ct_offset(some)
        if offset is None:
            raise BadInputError(
                f"'{where}' has values from {low:g} to {high:g}, none below 0, so they are not Hounsfield units "
                "(an MR, or a windowed picture?): export the original CT."
            )
        array = array - array.dtype.type(offset)
        warnings.append(f"Values were all >= 0: taken as HU + {offset} and shifted.")
    return array, warnings


def _repair_not_finite(array: np.ndarray, where: str, warnings: list[str]) -> np.ndarray:
    bad = sum(int(np.count_nonzero(~np.isfinite(part))) for part in array)
    if bad > MAX_REPAIRED_FRACTION * array.size:
        raise BadInputError(f"'{where}' has {bad} voxels that are NaN or infinite: export it again without them.")
    if bad:
        warnings.append(f"{bad} voxels that were NaN or infinite were set to air.")
        return np.where(np.isfinite(array), array, array.dtype.type(AIR_HU))
    return array


def _ct_offset(values: np.ndarray) -> int | None:
    counts, _ = np.histogram(values, bins=np.arange(0, 1251))
    air, partial, tissue = counts[:200].sum(), counts[350:750].sum(), counts[900:1200].sum()
    if air < 0.01 * values.size or tissue < 0.02 * values.size or tissue < 1.5 * partial:
        return None
    return 1024 if counts[1:200].argmax() >= 10 else 1000


def _by(numbers: Vector) -> str:
    return " x ".join(f"{number:.5g}" for number in numbers)
