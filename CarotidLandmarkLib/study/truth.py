"""The truth that detections are measured against, and what else is known of its cases."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadInputError, CarotidLandmarkError
from ..landmarks.corrections import latest_revisions, read_correction
from ..landmarks.files import read_points, read_points_table
from ..landmarks.points import LandmarkSet
from ..volume.geometry import Grid

TRUTH_SUFFIXES = (".mrk.json", ".fcsv")


class Truth(NamedTuple):
    """What is known of a case: ``points`` but for the sides that are ``unreviewed``; ``series`` of a DICOM folder."""

    volume: Path
    points: LandmarkSet
    unreviewed: tuple[str, ...] = ()
    series: str | None = None


def read_truths(data: Path) -> dict[str, Truth]:
    """Case name to what is known of it: of a folder of volumes with points, of a table, or of exported corrections.

    Raises BadInputError where no case has a truth.
    """
    from ..detect.case import unique_names
    from ..volume.read import find_cases

    if data.suffix.lower() == ".csv":
        table = read_points_table(data)
        return dict(zip(unique_names(path.name.split(".")[0] for path in table), map(Truth, table, table.values())))
    revisions = latest_revisions(data)
    if revisions:
        read = [read_correction(revision) for revision in revisions.values()]
        return {c.case: Truth(c.volume_path, c.truth(), c.unreviewed, c.series) for c in read}
    found: dict[str, Truth] = {}
    for name, path in find_cases(data):
        beside = [path.with_name(name + suffix) for suffix in TRUTH_SUFFIXES]
        truth = next((file for file in beside if file.is_file()), None)
        if truth is not None:
            found[name] = Truth(path, read_points(truth))
    if not found:
        raise BadInputError(f"No volume in {data} has its landmarks beside it; put <case>.mrk.json beside <case>.nrrd.")
    return found


def read_grid(truth: Truth) -> Grid | None:
    """Where the voxels of the case's volume lie, without reading them if it is a file; None if they cannot be had."""
    from ..volume.itk import read_header
    from ..volume.read import read_volume

    try:
        if truth.volume.is_dir():
            return read_volume(truth.volume, truth.series).grid
        reader = read_header(truth.volume)
        direction = np.reshape(reader.GetDirection(), (3, 3))
        return Grid(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), direction)
    except (CarotidLandmarkError, RuntimeError, ValueError):
        return None


def read_stenoses(truth: Truth) -> dict[str, float]:
    """Side to the narrowing of its internal carotid, 0 to 1 (occluded), where a phantom's facts lie beside it."""
    name = re.sub(r"(\.nii\.gz|\.[^.]+)$", "", truth.volume.name)
    try:
        about = json.loads(truth.volume.with_name(f"{name}.phantom.json").read_text(encoding="utf-8"))
        facts: dict[str, Any] = about["facts"]
        return {side: 1.0 if of.get("occluded") else float(of["stenosis"]) for side, of in facts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
