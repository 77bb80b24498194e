"""Read a CT from a file or a DICOM folder, and find the cases that a path stands for."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import numpy as np

from ..errors import BadInputError
from .checks import by, check_geometry
from .ct import CTVolume
from .dicom import dicom_files, is_dicom, read_dicom
from .files import SUFFIXES, read_file, suffix_of
from .geometry import Vector
from .hu import check_hu
from .itk import require_itk_name

SEGMENTATION = re.compile(r"[._-](seg|segmentation|label|labels|labelmap|mask)$", re.IGNORECASE)


def read_volume(path: str | os.PathLike[str], series: str | None = None, spacing: Vector | None = None) -> CTVolume:
    """The CT in `path`, a volume file or a DICOM folder or file, in HU; its warnings say what was assumed or repaired.

    `series` chooses a DICOM series by UID. `spacing`: (3,) mm along the file's axes x, y and z, for a file that gives
    none; one that does keeps its own. Raises BadInputError for what is no usable CT, CannotRunError where memory does
    not suffice.
    """
    if spacing is not None and not (len(spacing) == 3 and all(0 < step < np.inf for step in spacing)):
        raise BadInputError(f"A spacing of {by(spacing)} mm cannot be: give three numbers above 0.")
    path = _require(path)
    require_itk_name(path)
    if path.is_dir() or (suffix_of(path) is None and is_dicom(path)):
        volume = read_dicom(path, series)
    elif series is not None:
        raise BadInputError(f"'{path}' is not DICOM and has no series to choose: leave the series out.")
    else:
        volume = read_file(path, spacing)
    grid = volume.grid
    if spacing is not None and not np.allclose(grid.spacing, spacing, rtol=1e-3):
        volume.warnings.append(f"The volume has a spacing of its own, {by(grid.spacing)} mm: kept.")
    volume.warnings += check_geometry(grid.size, grid.spacing, grid.direction, str(path), grid.origin)
    volume.array, warnings = check_hu(volume.array, str(path))
    volume.warnings += warnings
    return volume


def find_cases(path: str | os.PathLike[str]) -> list[tuple[str, Path]]:
    """(name, path) of every case in `path`: a volume file, a DICOM folder, or a folder of such; by name, names unique.

    In a folder of cases each sub-folder with DICOM files is one. Files that are no volumes, or segmentations by name
    (`x.seg.nrrd`, `x_mask.nii`), are left out. Raises BadInputError where nothing is left.
    """
    path = _require(path)
    if path.is_file():
        if suffix_of(path) is None and not is_dicom(path):
            raise BadInputError(f"'{path}' is not a volume: give {', '.join(SUFFIXES)} or a DICOM folder.")
        return [(_name(path), path)]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    volumes = [e for e in entries if e.is_file() and suffix_of(e) and not SEGMENTATION.search(_name(e))]
    if any(entry.is_file() and is_dicom(entry) for entry in entries):
        found = [path, *volumes]
    else:
        found = sorted(volumes + [e for e in entries if e.is_dir() and dicom_files(e)])
    if not found:
        raise BadInputError(f"No volume ({', '.join(SUFFIXES)}) or DICOM series is in '{path}'.")
    cases: dict[str, tuple[str, Path]] = {}
    for case in found:
        name, number = _name(case), 1
        while name.lower() in cases:
            number += 1
            name = f"{_name(case)}-{number}"
        cases[name.lower()] = (name, case)
    return list(cases.values())


def _require(path: str | os.PathLike[str]) -> Path:
    """`path`, if there is a file or folder that can be read; else BadInputError."""
    if not os.fspath(path):
        raise BadInputError("The path is empty: name a volume, a DICOM folder or a folder of cases ('.' is this one).")
    try:
        kind, size = os.stat(path).st_mode, os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInputError(f"'{path}' does not exist: check the path.") from error
    except (OSError, ValueError) as error:
        raise BadInputError(f"'{path}' cannot be opened ({error}): check the path.") from error
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise BadInputError(f"'{path}' is neither a file nor a folder: give a volume or a DICOM folder.")
    if not os.access(path, os.R_OK):
        raise BadInputError(f"'{path}' cannot be read: check its permissions.")
    if stat.S_ISREG(kind) and size == 0:
        raise BadInputError(f"'{path}' is an empty file: copy or export it again.")
    return Path(path)


def _name(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name or "case"
    return path.name[: -len(suffix_of(path) or path.suffix)] if suffix_of(path) or path.suffix else path.name
