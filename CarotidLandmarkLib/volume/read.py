"""Read a CT from a file or a DICOM folder, and find the cases that a path stands for."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

import numpy as np

from ..errors import BadInputError, CarotidLandmarkError
from .checks import MIN_SLICES, by, check_geometry
from .ct import CTVolume
from .dicom import read_dicom
from .files import SUFFIXES, files_of, read_file, suffix_of
from .folders import dicom_cases, entries_of, walk
from .geometry import Vector
from .headers import is_dicom
from .hu import check_hu
from .itk import require_itk_name

DICOM_SUFFIX = re.compile(r"(?<=.)\.(dcm|dicom|ima)$", re.IGNORECASE)
SEGMENTATION = re.compile(r"[._-](seg|segmentation|label|labels|labelmap|mask)$", re.IGNORECASE)
SEGMENTATIONS = re.compile(r"(.*[._-])?(seg|segmentations?|labels?(tr|ts)?|labelmaps?|masks?)", re.IGNORECASE)
RESULTS = (".json", ".csv", ".png", ".sr.dcm")  # that may be written into a folder of slices, and are none


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
    dicom = is_series(path)
    if series is not None and not dicom:
        raise BadInputError(f"'{path}' is not DICOM and has no series to choose: leave the series out.")
    try:
        volume = read_dicom(path, series) if dicom else read_file(path, spacing)
    except OSError as error:
        name, why = error.filename or path, error.strerror or error
        raise BadInputError(f"'{name}' went away or cannot be read ({why}): copy it again.") from error
    grid = volume.grid
    if spacing is not None and not np.allclose(grid.spacing, spacing, rtol=1e-3):
        volume.warnings.append(f"The volume has a spacing of its own, {by(grid.spacing)} mm: kept.")
    volume.warnings += check_geometry(grid.size, grid.spacing, grid.direction, str(path), grid.origin)
    volume.array, warnings = check_hu(volume.array, str(path))
    volume.warnings += warnings
    return volume


def is_series(path: Path) -> bool:
    """Whether ``path`` is read as DICOM: a folder, or a file that is DICOM."""
    return os.path.isdir(path) or (suffix_of(path) is None and is_dicom(path))


def state_of(*paths: Path) -> str:
    """Another text as soon as a file of `paths` (volumes; folders less RESULTS) is other than it was, comes or goes.

    A digest of their absolute paths, sizes and times of change.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            if path.is_dir():
                files = [file for _, inside in walk(path) for file in inside if not file.name.endswith(RESULTS)]
            else:
                files = files_of(path)
        except (CarotidLandmarkError, OSError):  # whoever reads it says why it cannot be read
            files = [path]
        for file in files:
            try:
                told = os.stat(file)
                known = (os.path.abspath(file), told.st_size, told.st_mtime_ns)
            except (OSError, ValueError):  # it is not there, or cannot be
                known = (str(file), 0, 0)
            digest.update(repr(known).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def find_cases(path: str | os.PathLike[str]) -> list[tuple[str, Path]]:
    """(name, path) of every case in `path`: a volume file, a DICOM folder, or a folder of such; by path, names unique.

    A DICOM case is a folder that holds one examination (see `dicom_cases`). Below `path` a case has the names of its
    folders, and its own name where it shares them with other volumes. Files that are no volumes, or segmentations by
    their or their folder's name (`x.seg.nrrd`, `labelsTr`), are left out. Cases that cannot be read are links to
    nothing with a volume's name, folders of nothing but such links with the names of slices, and folders that may not
    be looked into. Raises BadInputError where nothing is left.
    """
    root = _require(path)
    if root.is_file():
        if suffix_of(root) is None and not is_dicom(root):
            raise BadInputError(f"'{root}' is not a volume: give {', '.join(SUFFIXES)} or a DICOM folder.")
        return _named([(case_name(root), root)])
    found = [("-".join(folder.relative_to(root).parts) or case_name(root), folder) for folder in dicom_cases(root)]
    dicom = {folder for _, folder in found}
    above = {parent for folder in dicom for parent in (folder, *folder.parents)}
    for folder, files in walk(root):
        parts = folder.relative_to(root).parts
        if parts and dicom.intersection((folder, *folder.parents)) or any(map(SEGMENTATIONS.fullmatch, parts)):
            continue
        volumes = [file for file in files if suffix_of(file) and not SEGMENTATION.search(case_name(file))]
        lost = not volumes and folder not in above and _is_lost_series(files)
        if lost or (not files and entries_of(folder) is None):
            found.append(("-".join(parts) or case_name(root), folder))
        alone = parts and len(volumes) == 1
        found += [("-".join(parts if alone else (*parts, case_name(file))), file) for file in volumes]
    if not found:
        raise BadInputError(f"No volume ({', '.join(SUFFIXES)}) or DICOM series is in '{root}'.")
    return _named(sorted(found, key=lambda case: case[1]))


def _is_lost_series(files: list[Path]) -> bool:
    """Whether those of `files` that are named as DICOM are links to nothing, and as many as a series has."""
    slices = [file for file in files if DICOM_SUFFIX.search(file.name) and not file.name.endswith(RESULTS)]
    return len(slices) >= MIN_SLICES and not any(map(os.path.exists, slices))


def _named(found: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The same cases, each name as text and with a number where another case has it."""
    cases: dict[str, tuple[str, Path]] = {}
    for wanted, path in found:
        text = name = wanted.encode("utf-8", "backslashreplace").decode()
        number = 1
        while name.lower() in cases:
            number += 1
            name = f"{text}-{number}"
        cases[name.lower()] = (name, path)
    return list(cases.values())


def _require(path: str | os.PathLike[str]) -> Path:
    """`path`, if there is a file or folder that can be read, and where it is can be told; else BadInputError."""
    if not os.fspath(path):
        raise BadInputError("The path is empty: name a volume, a DICOM folder or a folder of cases ('.' is this one).")
    try:
        kind, size = os.stat(path).st_mode, os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(path):
            raise BadInputError(f"'{path}' is a link to what is not there: fetch or copy that first.") from error
        raise BadInputError(f"'{path}' does not exist: check the path.") from error
    except (OSError, ValueError) as error:
        raise BadInputError(f"'{path}' cannot be opened ({error}): check the path.") from error
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        raise BadInputError(f"'{path}' is neither a file nor a folder: give a volume or a DICOM folder.")
    if not os.access(path, os.R_OK) or (stat.S_ISDIR(kind) and entries_of(Path(path)) is None):
        raise BadInputError(f"'{path}' cannot be read: check its permissions.")
    if stat.S_ISREG(kind) and size == 0:
        raise BadInputError(f"'{path}' is an empty file: copy or export it again.")
    try:
        os.path.abspath(path)
    except OSError as error:
        raise BadInputError(f"'{path}' is in the current folder, which was deleted: change to another one.") from error
    return Path(path)


def case_name(path: Path) -> str:
    """The name of the case in a volume's path: of a folder its name, of a file its name without what tells the format.

    Other dots stay: `1.2.840.113.7` and `1.2.840.113.7.dcm` are `1.2.840.113.7`.
    """
    if os.path.isdir(path):
        return path.resolve().name or "case"
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else DICOM_SUFFIX.sub("", path.name)
