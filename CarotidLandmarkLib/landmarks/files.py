"""Point files: Slicer's .mrk.json and .fcsv.

Every reader returns LPS mm, whatever the file's coordinate system, and raises BadInputError for a file that does not
say which points are the left and the right landmark.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..atomic import write_json
from ..errors import BadInputError
from .points import LABELS, SIDES, TO_LPS, LandmarkSet, parse_position, side_of_label
from .text import DELIMITERS, read_text, split_lines, split_row

POINT_SUFFIXES = (".mrk.json", ".json", ".fcsv")
INSTEAD = "a point file that Slicer wrote (.mrk.json or .fcsv)"

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
# Before Slicer 4.11 .fcsv files gave the number of the system instead of its name.
_FCSV_SYSTEMS = {"0": "RAS", "1": "LPS", "RAS": "RAS", "LPS": "LPS"}
_FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
# The numbers of vtkMRMLMarkupsNode's position statuses, written behind the named columns of .fcsv.
_FCSV_STATUSES = {"0": "undefined", "1": "preview", "2": "defined", "3": "missing"}
_FCSV_DEFINED = "2"
# A line that a spreadsheet took for one cell.
_QUOTED = re.compile(r'^"([^"]*)"[,;\t]*$')


class _Point(NamedTuple):
    label: str
    position: Any
    status: str
    description: str


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
    name = path.name.lower()
    if name.endswith(".json"):
        points, to_lps = _parse_markups(read_text(path, INSTEAD), path)
    elif name.endswith(".fcsv"):
        points, to_lps = _parse_fcsv(read_text(path, INSTEAD), path)
    else:
        raise BadInputError(f"{path} is no point file; give one of {', '.join(POINT_SUFFIXES)}.")
    if not points:
        raise BadInputError(f"{path} holds no points; place two points labelled L and R.")
    found: dict[str, NamedPoint] = {}
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
        position = parse_position(point.position, where) * to_lps if point.status == "defined" else None
        found[side] = NamedPoint(position, point.description)
    return found


def write_markups(
    path: str | os.PathLike[str], landmarks: LandmarkSet, descriptions: Mapping[str, str] | None = None
) -> None:
    """Write a Slicer .mrk.json with two points, L then R, in LPS mm; a missing landmark has the status "missing".

    ``descriptions`` maps a side to the text of its point. Raises CannotRunError if the file cannot be written.
    """
    described = descriptions or {}
    points = [
        control_point(number, LABELS[side], landmarks.points[side], described.get(side, ""))
        for number, side in enumerate(SIDES, start=1)
    ]
    write_markup_file(path, [markup("Fiducial", points)])


def control_point(
    number: int, label: str, position: np.ndarray | None, description: str = "", selected: bool = True
) -> dict[str, Any]:
    """A point of a `markup`, at (3,) LPS mm; None: marked as missing."""
    return {
        "id": str(number),
        "label": label,
        "description": description,
        "associatedNodeID": "",
        "position": "" if position is None else position.tolist(),
        "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
        "selected": selected,
        "locked": False,
        "visibility": True,
        "positionStatus": "missing" if position is None else "defined",
    }


def markup(
    kind: str,
    points: Sequence[Mapping[str, Any]],
    measurements: Sequence[Mapping[str, Any]] = (),
    display: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """A list of points ("Fiducial") or a "Curve" in LPS mm, as Slicer writes it; ``display`` changes how it looks.

    ``name`` is what Slicer calls it; None: after its file.
    """
    return {
        "type": kind,
        **({} if name is None else {"name": name}),
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": list(points),
        "measurements": list(measurements),
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
            **(display or {}),
        },
    }


def write_markup_file(path: str | os.PathLike[str], markups: Sequence[Mapping[str, Any]]) -> None:
    """Write a Slicer .mrk.json of these; raise CannotRunError if it cannot be written."""
    write_json(path, {"@schema": _SCHEMA, "markups": list(markups)}, indent=4)


def _parse_markups(text: str, path: Path) -> tuple[list[_Point], np.ndarray]:
    try:
        markups = json.loads(text)["markups"]
        kinds = [str(markup.get("type", "Fiducial")) for markup in markups]
        lists = [markup for markup, kind in zip(markups, kinds) if kind == "Fiducial"]
        systems = {str(markup.get("coordinateSystem", "LPS")).upper() for markup in lists}
        units = {_unit(markup.get("coordinateUnits", "mm")) for markup in lists}
        points = [
            _Point(
                str(point.get("label", "")),
                point.get("position"),
                point.get("positionStatus", "defined"),
                str(point.get("description", "")),
            )
            for markup in lists
            for point in markup.get("controlPoints", [])
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInputError(f"{path} is no Slicer markups file; save the points from Slicer as .mrk.json.") from error
    if kinds and not lists:
        raise BadInputError(f"{path} holds a markup {kinds[0]!r}, which is no landmark; save a list of points L and R.")
    if units - {"mm"}:
        raise BadInputError(f"{path} is in the unit {', '.join(units - {'mm'})}; save the points in mm.")
    if len(systems) > 1:
        raise BadInputError(f"{path} mixes the coordinate systems {', '.join(sorted(systems))}; save it in one.")
    return points, _sign(systems.pop() if systems else "LPS", path)


def _unit(unit: Any) -> str:
    return str(unit[0] if isinstance(unit, list) and unit else unit)


def _parse_fcsv(text: str, path: Path) -> tuple[list[_Point], np.ndarray]:
    system, columns, delimiter, rows = "RAS", _FCSV_COLUMNS.split(","), ",", []
    for line in split_lines(text):
        line = _QUOTED.sub(r"\1", line)
        if not line.startswith("#"):
            rows.append(line)
            continue
        key, _, value = line.strip("#,; \t").partition("=")  # spreadsheets fill comments up with empty cells
        if key.strip() == "CoordinateSystem":
            system = value.strip()
        elif key.strip() == "columns":
            delimiter = next((each for each in DELIMITERS if each in value), delimiter)
            columns = [name.strip() for name in value.split(delimiter)]
    points = []
    try:
        at = [columns.index(name) for name in ("x", "y", "z")]
        label_at, description_at = columns.index("label"), columns.index("desc") if "desc" in columns else None
        for row in (split_row(line, delimiter) for line in rows if line.strip(" \t,;")):
            status = _FCSV_STATUSES.get("".join(row[len(columns) : len(columns) + 1]) or _FCSV_DEFINED, "undefined")
            description = row[description_at] if description_at is not None and description_at < len(row) else ""
            points.append(_Point(row[label_at], [row[i] for i in at], status, description))
    except (ValueError, IndexError, BadInputError) as error:
        raise BadInputError(f"{path} is no Slicer .fcsv file; save the points from Slicer as .mrk.json.") from error
    return points, _sign(_FCSV_SYSTEMS.get(system.upper(), system), path)


def _sign(system: str, path: Path) -> np.ndarray:
    if system not in TO_LPS:
        raise BadInputError(f"{path} is in the coordinate system {system!r}; save it in LPS or RAS.")
    return TO_LPS[system]
