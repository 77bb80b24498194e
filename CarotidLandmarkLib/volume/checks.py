"""Is this a CT that the engine can work with? What can be repaired is repaired with a warning, the rest is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import BadInputError
from .geometry import Vector

MIN_SLICES = 4
MIN_EXTENT_MM = 20.0
MAX_EXTENT_MM = 3000.0
FAR_MM = 1e6
MIN_SPACING_MM = 0.1
COARSE_SPACING_MM = 3.0


def check_geometry(
    size: Sequence[int], spacing: Vector, direction: np.ndarray, where: str, origin: Vector = (0, 0, 0)
) -> list[str]:
    """Warnings about a grid of `size` (nx, ny, nz), `spacing` mm, `direction` (3, 3) and `origin` LPS mm.

    Raises BadInputError where it is unusable.
    """
    steps, lengths = np.array(spacing), np.array(size) * np.array(spacing)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise BadInputError(f"'{where}' has a voxel spacing of {by(steps)} mm: export it again with a true spacing.")
    if min(size) < MIN_SLICES:
        raise BadInputError(f"'{where}' has {by(size)} voxels: give a whole CT, of at least {MIN_SLICES} slices.")
    if lengths.max() < MIN_EXTENT_MM or steps.max() < MIN_SPACING_MM:
        raise BadInputError(
            f"'{where}' is only {by(lengths)} mm large: its spacing is probably in metres or centimetres, not mm; "
            "export it again in mm."
        )
    if lengths.max() > MAX_EXTENT_MM:
        raise BadInputError(f"'{where}' is {by(lengths)} mm large: its spacing is not in mm; export it again in mm.")
    if not (np.abs(origin) < FAR_MM).all():
        raise BadInputError(f"'{where}' has its origin at {by(origin)} mm: export it again with a true position.")
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-3):
        raise BadInputError(f"'{where}' has axes that are not at right angles: resample it to an orthogonal grid.")
    if steps.max() > COARSE_SPACING_MM:
        return [f"Slices of {steps.max():.3g} mm are coarse for this task: expect larger errors."]
    return []


def by(numbers: Vector) -> str:
    """The numbers as a text, "512 x 512 x 300"."""
    return " x ".join(f"{number:.5g}" for number in numbers)
