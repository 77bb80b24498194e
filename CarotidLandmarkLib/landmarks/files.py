"""Point files: Slicer's .mrk.json and .fcsv, and CSV tables of many volumes.

Every reader returns LPS mm, whatever the file's coordinate system, and raises BadInputError for a file that does not
say which points are the left and the right landmark.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..atomic import write_text
from ..errors import BadInputError
from .points import LABELS, SIDES, LandmarkSet, as_position, side_of_label

TABLE_COLUMNS = ("volume", "side", "x", "y", "z", "space")
POINT_SUFFIXES = (".mrk.json", ".json", ".fcsv")

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_TO_LPS = {"LPS": np.ones(3), "RAS": np.array([-1.0, -1.0, 1.0])}
# Before Slicer 4.11 .fcsv files gave the number of the system instead of its name.
_FCSV_SYSTEMS = {"0": "RAS", "1": "LPS", "RAS": "RAS", "LPS": "LPS"}
_FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
# The numbers of vtkMRMLMarkupsNode's position statuses, written behind the named columns of .fcsv.
_FCSV_STATUSES = {"0": "undefined", "1": "preview", "2": "defined", "3": "missing"}
_FCSV_DEFINED, _FCSV_MISSING = "2", "3"


class _Point(NamedTuple):
    label: str
    position: Any
    status: str


def read_points(path: str | os.PathLike[str]) -> LandmarkSet:
    """Read both landmarks from a Slicer markups file (.mrk.json or .fcsv); LPS mm.

    Labels may be L, R, left, right or hold one of them as a word ("L carotid"). A side that the file lacks, or whose
    position is undefined or missing, is None.

    Raises:
        BadInputError: unreadable file, unknown coordinate system or unit, a label without a side, a side twice.
    """
    return LandmarkSet(read_named_points(path))


def read_named_points(path: str | os.PathLike[str]) -> dict[str, np.ndarray | None]:
    """The points of such a file by side, as ``read_points``, but only those that are placed or marked as missing."""
    path = Path(path)
    name = path.name.lower()
    if name.endswith(".json"):
        points, to_lps = _parse_markups(_read_text(path), path)
    elif name.endswith(".fcsv"):
        points, to_lps = _parse_fcsv(_read_text(path), path)
    else:
        raise BadInputError(f"{path} is no point file; give one of {', '.join(POINT_SUFFIXES)}.")
    if not points:
        raise BadInputError(f"{path} holds no points; place two points labelled L and R.")
    found: dict[str, np.ndarray | None] = {}
    for point in points:
        if point.status not in ("defined", "missing"):
            continue
        side = side_of_label(point.label)
        if side is None:
            raise BadInputError(
                f"{path} has a point labelled {point.label!r}, which names no side; label the points L and R "
                "(the patient's left and right)."
            )
        if side in found:
            raise BadInputError(f"{path} has more than one {side} point; leave one labelled {LABELS[side]}.")
        where = f"The point {point.label!r} in {path}"
        found[side] = _parse_position(point.position, where) * to_lps if point.status == "defined" else None
    return found


def read_points_table(path: str | os.PathLike[str]) -> dict[Path, LandmarkSet]:
    """Read a CSV with the columns ``volume,side,x,y,z,space`` (mm; ``space`` is LPS or RAS), one row a landmark.

    Returns the landmarks by volume path, in the order of the file; relative paths are taken from the table's folder.
    A row with empty x, y and z is a missing landmark.

    Raises:
        BadInputError: not such a table; the message names every bad row.
    """
    path = Path(path)
    reader = csv.DictReader(io.StringIO(_read_text(path)), skipinitialspace=True)
    absent = [name for name in TABLE_COLUMNS if name not in (reader.fieldnames or ())]
    if absent:
        raise BadInputError(
            f"{path} lacks the column {', '.join(absent)}; its first line must be {','.join(TABLE_COLUMNS)}."
        )
    found: dict[Path, dict[str, np.ndarray | None]] = {}
    problems = []
    for row in reader:
        try:
            volume, side, position = _parse_row({name: (row[name] or "").strip() for name in TABLE_COLUMNS})
            sides = found.setdefault(path.parent / volume, {})
            if side in sides:
                raise BadInputError(f"the {side} landmark of {volume} stands there twice")
            sides[side] = position
        except BadInputError as error:
            problems.append(f"line {reader.line_num}: {str(error).rstrip('.')}")
    if problems:
        raise BadInputError(f"{path} has rows to mend: {'; '.join(problems)}.")
    if not found:
        raise BadInputError(f"{path} has no rows; give one row for each landmark.")
    return {volume: LandmarkSet(sides) for volume, sides in found.items()}


def write_markups(
    path: str | os.PathLike[str], landmarks: LandmarkSet, descriptions: Mapping[str, str] | None = None
) -> None:
    """Write a Slicer .mrk.json with two points, L then R, in LPS mm; a missing landmark has the status "missing".

    ``descriptions`` maps a side to the text of its point. Raises CannotRunError if the file cannot be written.
    """
    points = []
    for number, side in enumerate(SIDES, start=1):
        position = landmarks.points[side]
        points.append(
            {
                "id": str(number),
                "label": LABELS[side],
                "description": (descriptions or {}).get(side, ""),
                "associatedNodeID": "",
                "position": "" if position is None else position.tolist(),
                "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "missing" if position is None else "defined",
            }
        )
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": points,
        "measurements": [],
        "display": {
            "visibility": True,
            "opacity": 1.0,
            "color": [0.4, 1.0, 1.0],
            "selectedColor": [1.0, 0.5, 0.5],
            "activeColor": [0.4, 1.0, 0.0],
            "propertiesLabelVisibility": False,
            "pointLabelsVisibility": True,
            "textScale": 3.0,
            "glyphType": "Sphere3D",
            "glyphScale": 3.0,
            "glyphSize": 5.0,
            "useGlyphScale": True,
            "snapMode": "toVisibleSurface",
        },
    }
    write_text(path, json.dumps({"@schema": _SCHEMA, "markups": [markup]}, indent=4, allow_nan=False) + "\n")


def write_fcsv(path: str | os.PathLike[str], landmarks: LandmarkSet) -> None:
    """Write a Slicer .fcsv with two points, L then R, in LPS mm; raise CannotRunError if it cannot be written."""
    lines = [
        "# Markups fiducial file version = 4.11",
        "# CoordinateSystem = LPS",
        f"# columns = {_FCSV_COLUMNS}",
    ]
    for number, side in enumerate(SIDES, start=1):
        position = landmarks.points[side]
        x, y, z = (0.0, 0.0, 0.0) if position is None else position.tolist()
        status = _FCSV_MISSING if position is None else _FCSV_DEFINED
        lines.append(f"{number},{x!r},{y!r},{z!r},0,0,0,1,1,1,0,{LABELS[side]},,,{status},0")
    write_text(path, "\n".join(lines) + "\n")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(f"Cannot read {path} ({error.strerror}); give an existing point file.") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not text; give a point file that Slicer wrote, or a CSV table.") from error


def _parse_markups(text: str, path: Path) -> tuple[list[_Point], np.ndarray]:
    try:
        markups = json.loads(text)["markups"]
        systems = {str(markup.get("coordinateSystem", "LPS")).upper() for markup in markups}
        units = {_unit(markup.get("coordinateUnits", "mm")) for markup in markups}
        points = [
            _Point(
                str(point.get("label", "")),
                point.get("position"),
                point.get("positionStatus", "defined"),
            )
            for markup in markups
            for point in markup.get("controlPoints", [])
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path} is no Slicer markups file; save the points from Slicer as .mrk.json.") from error
    if units - {"mm"}:
        raise BadInputError(f"{path} is in the unit {', '.join(units - {'mm'})}; save the points in mm.")
    if len(systems) > 1:
        raise BadInputError(f"{path} mixes the coordinate systems {', '.join(sorted(systems))}; save it in one.")
    return points, _sign(systems.pop() if systems else "LPS", path)


def _unit(unit: Any) -> str:
    return str(unit[0] if isinstance(unit, list) and unit else unit)


def _parse_fcsv(text: str, path: Path) -> tuple[list[_Point], np.ndarray]:
    system, columns = "RAS", _FCSV_COLUMNS.split(",")
    rows = []
    for line in text.splitlines():
        key, _, value = line.lstrip("# ").partition("=")
        if not line.startswith("#"):
            rows.append(line)
        elif key.strip() == "CoordinateSystem":
            system = value.strip()
        elif key.strip() == "columns":
            columns = [name.strip() for name in value.split(",")]
    points = []
    try:
        at = [columns.index(name) for name in ("x", "y", "z")]
        label_at = columns.index("label")
        for row in csv.reader(rows):
            if row:
                status = row[len(columns)] if len(row) > len(columns) else _FCSV_DEFINED
                points.append(_Point(row[label_at], [row[i] for i in at], _FCSV_STATUSES.get(status, "undefined")))
    except (ValueError, IndexError, csv.Error) as error:
        raise BadInputError(f"{path} is no Slicer .fcsv file; save the points from Slicer as .mrk.json.") from error
    return points, _sign(_FCSV_SYSTEMS.get(system.upper(), system), path)


def _parse_row(row: Mapping[str, str]) -> tuple[str, str, np.ndarray | None]:
    side = side_of_label(row["side"])
    if not row["volume"] or side is None:
        raise BadInputError(f"volume {row['volume']!r} and side {row['side']!r} need a file and left or right")
    values = [row[axis] for axis in "xyz"]
    if not any(values):
        return row["volume"], side, None
    if row["space"].upper() not in _TO_LPS:
        raise BadInputError(f"the space {row['space']!r} must be LPS or RAS")
    return row["volume"], side, _parse_position(values, f"the {side} landmark") * _TO_LPS[row["space"].upper()]


def _parse_position(values: Any, what: str) -> np.ndarray:
    try:
        return as_position(values)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"{what} has the position {values!r}; give three finite numbers in mm.") from error


def _sign(system: str, path: Path) -> np.ndarray:
    if system not in _TO_LPS:
        raise BadInputError(f"{path} is in the coordinate system {system!r}; save it in LPS or RAS.")
    return _TO_LPS[system]
