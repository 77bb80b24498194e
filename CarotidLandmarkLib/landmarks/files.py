"""Point files: which formats there are, and which points of a file are the left and the right landmark.

Every reader returns LPS mm, whatever the file's coordinate system, and raises BadInputError for a file that does not
say which points these are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import BadInputError
from .fcsv import parse_fcsv, write_fcsv
from .markups import parse_markups, write_markups
from .points import LABELS, LandmarkSet, parse_position, side_of_label
from .text import read_text

# The end of a file's name to who parses it, and to who writes it.
PARSERS = {".mrk.json": parse_markups, ".json": parse_markups, ".fcsv": parse_fcsv}
WRITERS = {".mrk.json": write_markups, ".fcsv": write_fcsv}
POINT_SUFFIXES = tuple(PARSERS)
INSTEAD = "a point file that Slicer wrote (.mrk.json or .fcsv)"
NAMED_LABELS = 10


class NamedPoint(NamedTuple):
    """position: (3,) LPS mm, or None where the landmark is marked as missing."""

    position: np.ndarray | None
    description: str


def read_points(path: str | os.PathLike[str]) -> LandmarkSet:
    """Read both landmarks from a Slicer markups file (.mrk.json or .fcsv); LPS mm.

    Labels are L and R, or what else ``side_of_label`` takes. A side that the file lacks, or whose position is undefined
    or missing, is None.

    Raises:
        BadInputError: unreadable file, unknown coordinate system or unit, a label without a side, a side twice.
    """
    return LandmarkSet(read_named_points(path))


def read_named_points(path: str | os.PathLike[str]) -> dict[str, np.ndarray | None]:
    """The points of such a file by side, as ``read_points``, but only those that are placed or marked as missing."""
    return {side: point.position for side, point in read_described_points(path).items()}


def read_described_points(path: str | os.PathLike[str]) -> dict[str, NamedPoint]:
    """The points of ``read_named_points`` with their descriptions."""
    path = Path(path)
    parse = next((parse for suffix, parse in PARSERS.items() if path.name.lower().endswith(suffix)), None)
    if parse is None:
        raise BadInputError(f"{path} is no point file; give one of {', '.join(POINT_SUFFIXES)}.")
    points, to_lps = parse(read_text(path, INSTEAD), path)
    if not points:
        raise BadInputError(f"{path} holds no points; place two points labelled L and R.")
    points = [point for point in points if point.status in ("defined", "missing")]
    unknown = [point.label for point in points if side_of_label(point.label) is None]
    if unknown:
        raise BadInputError(_nameless(path, unknown))
    found: dict[str, NamedPoint] = {}
    for point in points:
        side = side_of_label(point.label)
        assert side is not None
        if side in found:
            raise BadInputError(f"{path} has more than one {side} point; leave one labelled {LABELS[side]}.")
        where = f"The point {point.label!r} in {path}"
        position = parse_position(point.position, where) * to_lps if point.status == "defined" else None
        found[side] = NamedPoint(position, point.description)
    return found


def _nameless(path: Path, labels: list[str]) -> str:
    named = ", ".join(map(repr, labels[:NAMED_LABELS]))
    more = f" and {len(labels) - NAMED_LABELS} more" if len(labels) > NAMED_LABELS else ""
    points = (
        f"a point labelled {named}, which names" if len(labels) == 1 else f"points labelled {named}{more}, which name"
    )
    return f"{path} has {points} no side; label the points L and R (the patient's left and right), and no others."
