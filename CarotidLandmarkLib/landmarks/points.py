"""The two landmarks of a patient: sides, labels, positions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

SIDES = ("left", "right")
LABELS = {"left": "L", "right": "R"}

_SIDE_WORDS = {"l": "left", "lt": "left", "left": "left", "r": "right", "rt": "right", "right": "right"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass
class LandmarkSet:
    """Both carinas of one patient.

    ``points`` maps each of SIDES (the patient's sides) to an LPS position in mm, float64 (3,), or to None where the
    landmark is missing. A side left out is missing. Raises ValueError for an unknown side or a position that is not
    three finite numbers.
    """

    points: dict[str, np.ndarray | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.points) - set(SIDES))
        if unknown:
            raise ValueError(f"a landmark has the side {unknown[0]!r} instead of one of {', '.join(SIDES)}")
        given = {side: self.points.get(side) for side in SIDES}
        self.points = {side: None if point is None else as_position(point) for side, point in given.items()}


def as_position(values: ArrayLike) -> np.ndarray:
    """Return ``values`` as a float64 position (3,); raise ValueError if they are not three finite numbers."""
    position = np.array(values, dtype=np.float64)
    if position.shape != (3,) or not np.isfinite(position).all():
        raise ValueError(f"{position.tolist()} are not three finite numbers")
    return position


def side_of_label(label: str) -> str | None:
    """Return the side that a point's label names ("L", "right", "L carotid", "LeftCarotid", "R-2"), or None."""
    words = (word.lower() for word in _WORD.findall(label))
    sides = {_SIDE_WORDS[word] for word in words if word in _SIDE_WORDS}
    return sides.pop() if len(sides) == 1 else None
