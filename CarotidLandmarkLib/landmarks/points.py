"""The two landmarks of a patient: sides, labels, positions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInputError
from .text import to_number

SIDES = ("left", "right")
LABELS = {"left": "L", "right": "R"}
AXES = ("lateral", "posterior", "cranial")
SAME_MM = 0.01  # nobody places a point as near as this to where it was detected
TO_LPS = {"LPS": np.ones(3), "RAS": np.array([-1.0, -1.0, 1.0])}
# Before 4.11 Slicer gave the number of a coordinate system instead of its name.
SYSTEMS = {"0": "RAS", "1": "LPS", "RAS": "RAS", "LPS": "LPS"}

# What a label may call a side, in any case: words, and abbreviations of "left carotid bifurcation" and the like. LICA,
# LCCA and so on are not among them: they name another place.
SIDE_WORDS = {
    "left": (
        *(
            "l",
            "lt",
            "left",
            "links",
            "gauche",
            "sinistra",
            "sinistro",
            "izquierda",
            "izquierdo",
            "esquerda",
            "esquerdo",
        ),
        *("sinister", "sx", "lcb", "lcbif", "lbif", "cbl", "lcarotid", "leftcarotid", "carotidleft"),
    ),
    "right": (
        *("r", "rt", "right", "rechts", "droite", "destra", "destro", "derecha", "derecho", "direita", "direito"),
        *("dexter", "dx", "rcb", "rcbif", "rbif", "cbr", "rcarotid", "rightcarotid", "carotidright"),
    ),
}
_SIDE_OF = {word: side for side, words in SIDE_WORDS.items() for word in words}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBERED = re.compile(r"[^\W\d_][\W_]*\d+")


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


def mirrored(side: str, vectors: ArrayLike) -> np.ndarray:
    """LPS vectors (..., 3) of ``side`` along AXES, float64: those of the right side are mirrored onto the left, so that
    lateral is away from the midline on both, and figures of both can be pooled."""
    return np.asarray(vectors, dtype=np.float64) * (1.0 if side == "left" else -1.0, 1.0, 1.0)


def as_position(values: ArrayLike) -> np.ndarray:
    """Return ``values`` as a float64 position (3,); raise ValueError if they are not three finite numbers."""
    try:
        position = np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise ValueError("a number is too large") from error
    if position.shape != (3,) or not np.isfinite(position).all():
        raise ValueError(f"{position.tolist()} are not three finite numbers")
    return position


class StoredPoint(NamedTuple):
    """A point as a file has it: ``position`` in the file's system and unchecked, ``status`` as Slicer calls it."""

    label: str
    position: Any
    status: str
    description: str


def lps_signs(system: str, path: object) -> np.ndarray:
    """What (3,) makes positions of Slicer's coordinate ``system`` LPS; raises BadInputError about the file ``path``."""
    known = SYSTEMS.get(system.upper())
    if known is None:
        raise BadInputError(f"{path} is in the coordinate system {system!r}; save it in LPS or RAS.")
    return TO_LPS[known]


def parse_position(values: Any, what: str) -> np.ndarray:
    """``values`` of a file, a list of numbers or of text, as a position (3,); raise BadInputError about ``what``."""
    try:
        if not isinstance(values, list):
            raise TypeError("no list")
        return as_position([to_number(value) if isinstance(value, str) else value for value in values])
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{what} has the position {values!r}; give three finite numbers in mm.") from error


def side_of_label(label: str) -> str | None:
    """Return the side that a point's label names, or None.

    A side is named by one of SIDE_WORDS, in any case, anywhere in the label, where words end at whatever is no letter
    and at a capital ("L", "right", "L carotid", "CCA-R", "LeftCarotid", "LCB"); words of both sides name none. A letter
    with a number ("R-1", "L2") names none either: so Slicer numbers the points of any list, line or ROI, and vertebrae
    are called.
    """
    if _NUMBERED.fullmatch(label.strip()):
        return None
    words = (word.lower() for word in _WORD.findall(label))
    sides = {_SIDE_OF[word] for word in words if word in _SIDE_OF}
    return sides.pop() if len(sides) == 1 else None
