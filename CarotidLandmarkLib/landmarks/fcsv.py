"""Slicer's .fcsv: lists of fiducials of Slicer 3, of 4 and 5, and as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..atomic import write_text
from ..errors import BadInputError
from .points import LABELS, SIDES, TO_LPS, LandmarkSet, StoredPoint, lps_signs
from .text import DELIMITERS, split_lines, split_row

_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
# The numbers of vtkMRMLMarkupsNode's position statuses, written behind the named columns.
_STATUSES = {"0": "undefined", "1": "preview", "2": "defined", "3": "missing"}
_DEFINED, _MISSING = "2", "3"
# A line that a spreadsheet took for one cell.
_QUOTED = re.compile(r'^"([^"]*)"[,;\t]*$')


def write_fcsv(
    path: str | os.PathLike[str], landmarks: LandmarkSet, descriptions: Mapping[str, str] | None = None
) -> None:
    """Write both landmarks for any Slicer 4 or 5, as ``write_markups`` does.

    The coordinate system is RAS under its number 0, since versions before 4.11 take a name for it, too. A missing
    landmark lies at 0, 0, 0 and is not shown, since these versions know of no missing points.
    """
    described = descriptions or {}
    text = io.StringIO(f"# Markups fiducial file version = 4.10\n# CoordinateSystem = 0\n# columns = {_COLUMNS}\n")
    text.seek(0, io.SEEK_END)
    rows = csv.writer(text, lineterminator="\n")
    for number, side in enumerate(SIDES, start=1):
        point = landmarks.points[side]
        ras = [0.0, 0.0, 0.0] if point is None else (point * TO_LPS["RAS"]).tolist()
        visible, status = (0, _MISSING) if point is None else (1, _DEFINED)
        rows.writerow([number, *ras, 0, 0, 0, 1, visible, 1, 0, LABELS[side], described.get(side, ""), "", status, 0])
    write_text(path, text.getvalue())


def parse_fcsv(text: str, path: Path) -> tuple[list[StoredPoint], np.ndarray]:
    """The points of such a file, and the signs (3,) that make their positions LPS.

    Raises BadInputError if it is none, or has a version and no coordinate system, as no Slicer writes it: 5 reads that
    as LPS, 4 as RAS. Without a version, as of Slicer 3, both read RAS.
    """
    system, columns, delimiter, rows, versioned = "", _COLUMNS.split(","), ",", [], False
    for line in split_lines(text):
        line = _QUOTED.sub(r"\1", line)
        if not line.startswith("#"):
            rows.append(line)
            continue
        key, _, value = line.strip("#,; \t").partition("=")  # spreadsheets fill comments up with empty cells
        if key.strip() == "CoordinateSystem":
            system = value.strip()
        elif key.strip() == "Markups fiducial file version":
            versioned = True
        elif key.strip() == "columns":
            delimiter = next((each for each in DELIMITERS if each in value), delimiter)
            columns = [name.strip() for name in value.split(delimiter)]
    points = []
    try:
        at = [columns.index(name) for name in ("x", "y", "z")]
        label_at, description_at = columns.index("label"), columns.index("desc") if "desc" in columns else None
        for row in (split_row(line, delimiter) for line in rows if line.strip(" \t,;")):
            status = _STATUSES.get("".join(row[len(columns) : len(columns) + 1]) or _DEFINED, "undefined")
            description = row[description_at] if description_at is not None and description_at < len(row) else ""
            points.append(StoredPoint(row[label_at], [row[i] for i in at], status, description))
    except (ValueError, IndexError, BadInputError) as error:
        raise BadInputError(f"{path} is no Slicer .fcsv file; save the points from Slicer as .mrk.json.") from error
    if versioned and not system:
        raise BadInputError(
            f"{path} says neither LPS nor RAS, and Slicers differ in which they take: add a line such as "
            "'# CoordinateSystem = LPS'."
        )
    return points, lps_signs(system or "RAS", path)
