"""Slicer's .mrk.json, as it writes them since 4.11."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_json
from ..errors import BadInputError
from .points import LABELS, SIDES, LandmarkSet, StoredPoint, lps_signs

_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


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


def parse_markups(text: str, path: Path) -> tuple[list[StoredPoint], np.ndarray]:
    """The points of all lists in such a file, and the signs (3,) that make their positions LPS.

    Raises BadInputError for what is no such file, another unit than mm, or more than one coordinate system.
    """
    try:
        markups = json.loads(text)["markups"]
        kinds = [str(markup.get("type", "Fiducial")) for markup in markups]
        lists = [markup for markup, kind in zip(markups, kinds) if kind == "Fiducial"]
        systems = {str(markup.get("coordinateSystem", "LPS")).upper() for markup in lists}
        units = {_unit(markup.get("coordinateUnits", "mm")) for markup in lists}
        points = [
            StoredPoint(
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
    return points, lps_signs(systems.pop() if systems else "LPS", path)


def _unit(unit: Any) -> str:
    return str(unit[0] if isinstance(unit, list) and unit else unit)
