"""The cases of a worklist: a folder of scans, a table of volumes, or what `detect -o` has left."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import BadInputError, CarotidLandmarkError
from ..landmarks.corrections import FILE as CORRECTION
from ..landmarks.detection import REPORT, Detection, LandmarkDetection, read_detection
from ..landmarks.points import SIDES
from ..landmarks.table import read_rows
from ..volume.files import TEXT_BYTES, files_of
from ..volume.folders import NO_IMAGES, dicom_files, walk
from ..volume.headers import peek
from ..volume.read import RESULTS as WRITTEN
from ..volume.read import case_name, find_cases

RESULTS, ALL_RESULTS = "detections.csv", "detections*.csv"  # those of parts have a number in their name
TABLES = (".csv", ".tsv", ".txt")
INSTEAD = "a folder of scans, a folder of results of detect, or a CSV with a column `volume`"
PART = 1 << 16  # bytes of a file that are looked at to know it again


@dataclass(frozen=True)
class WorkCase:
    """A case to look at. ``name`` is unique in its list.

    ``key`` is the same for the same files, whatever they are called and wherever they lie; None where they are gone.
    That of a DICOM series with a result is another than that of its folder in a list without results.
    ``volume`` is a file or a DICOM folder, of which ``series`` is meant, or None where it is not known. ``report`` is
    the detection's file and ``statuses`` maps each side to one of STATUSES; None and {} where nothing was detected.
    ``sha256`` is the volume's at the time of detection. ``problem`` is a sentence about what is wrong with the case.
    """

    name: str
    volume: str | None
    key: str | None = None
    series: str | None = None
    report: str | None = None
    sha256: str | None = None
    statuses: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def read_list(source: str | os.PathLike[str]) -> list[WorkCase]:
    """The cases of ``source``, by name; a case that is not as it should be is there with its problem.

    Of a folder with results of detect, or their detections.csv, these, also the cases that failed, and what scans lie
    beside them. Raises BadInputError where nothing is left.
    """
    path = Path(source)
    rows = []
    if path.name == RESULTS:
        path = path.parent
    elif path.is_file() and path.suffix.lower() in TABLES:
        rows = read_rows(path, ("volume", "path", "case"), INSTEAD)
        if rows and {"case", "status", "presence"} <= rows[0].keys():  # of a part of detect's cases, or renamed
            if not any(path.parent.glob(f"*{REPORT}")):
                raise BadInputError(f"{path} is a table of what detect found: give the folder with those results.")
            path = path.parent
    if path.is_file() and path.suffix.lower() in TABLES:
        cases = list(_from_table(path, rows))
    else:
        cases = list(_from_results(path)) if path.is_dir() else []
        try:
            known = {os.path.realpath(case.volume) for case in cases if case.volume}
            scans = [
                (name, file)
                for name, file in find_cases(path)
                if os.path.realpath(file) not in known and not _exists(file.with_name(CORRECTION))
                if file != path or not cases or _holds_image(path)
            ]
        except BadInputError:
            if not cases:
                raise
            scans = []
        cases += [WorkCase(name, str(file)) for name, file in scans]
    if not cases:
        raise BadInputError(f"{path} holds no cases; give {INSTEAD}.")
    return sorted(_unique(map(_recognised, cases)), key=lambda case: case.name)


def no_detection(case: WorkCase) -> Detection:
    """What stands for the detection of a case without any: both points are the reader's to place."""
    reason = "Nothing was detected here: place the point by hand, or mark it as missing."
    volume = {"path": case.volume, "sha256": None, "series_uid": case.series}
    model = {"name": None, "version": None, "sha256": None}
    return Detection(case.name, volume, model, {}, [LandmarkDetection(side, "absent", [reason]) for side in SIDES])


def fingerprint(volume: str | os.PathLike[str], series: str | None = None, sha256: str | None = None) -> str:
    """Of a file its size, beginning, middle and end, of a folder those of three of its files, as a hash of 16 digits.

    Of a header the same of what holds its voxels. Of a folder's ``series``, whose ``sha256`` is known, these two: other
    series come and go, and to look for its files would take minutes on a network. Raises OSError where they cannot be
    read.
    """
    digest = hashlib.sha256()
    files = [Path(volume)]
    if os.path.isdir(volume):
        os.scandir(volume).close()  # raises where it is gone or may not be looked into
        if series:
            digest.update(f"series {series} {sha256}".encode())
        files = []
        if not (series and sha256):
            files = [f for _, found in walk(Path(volume)) for f in found if not f.name.endswith(WRITTEN)]
            inside = [file for file in files if os.path.exists(file)]
            if files and not inside:
                raise FileNotFoundError(errno.ENOENT, "links to nothing", str(volume))
            digest.update(f"{len(inside)} files".encode())
            files = _three(inside)
    elif os.path.getsize(volume) <= TEXT_BYTES:  # else its voxels are in it
        with contextlib.suppress(CarotidLandmarkError):  # whoever opens it says what is wrong with it
            files += _three(files_of(Path(volume))[1:])
    for path in files:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(f"{size} bytes".encode())
            for at in (0, size // 2, size - PART):  # the ends alone may be air without noise
                file.seek(max(at, 0))
                digest.update(file.read(PART))
    return digest.hexdigest()[:16]


def _holds_image(folder: Path) -> bool:
    """Whether a DICOM file in it is more than a report."""
    return any(not peek(file)["class"].startswith(NO_IMAGES) for file in dicom_files(folder))


def _three(files: list[Path]) -> list[Path]:
    return [files[at] for at in (0, len(files) // 2, -1)] if files else []


def _from_table(path: Path, rows: list[dict[str, str]]) -> Iterator[WorkCase]:
    seen = set()
    if rows and not rows[0].keys() & {"volume", "path"}:
        raise BadInputError(f"{path} has no column `volume`; give {INSTEAD}.")
    for row in rows:
        volume = row.get("volume") or row.get("path") or ""
        file = Path(os.path.normpath(path.parent / volume))
        if volume and file not in seen:
            seen.add(file)
            yield WorkCase(row.get("case") or case_name(file), str(file))


def _from_results(folder: Path) -> Iterator[WorkCase]:
    names = set()
    for report in sorted(folder.glob(f"*{REPORT}")):
        name = report.name[: -len(REPORT)]
        names.add(name)
        try:
            detection = read_detection(report)
        except BadInputError as error:
            yield WorkCase(name, None, report=str(report), problem=str(error))
            continue
        told = detection.volume
        yield WorkCase(
            name,
            _found(folder, told.get("path")),
            series=told.get("series_uid"),
            report=str(report),
            sha256=told.get("sha256"),
            statuses={landmark.side: landmark.status for landmark in detection.landmarks},
        )
    tables = sorted(folder.glob(ALL_RESULTS))
    for name, path, sentence in (row for table in tables for row in _failed(table)):
        if name not in names:
            names.add(name)
            yield WorkCase(name, _found(folder, path), problem=sentence)


def _failed(table: Path) -> Iterator[tuple[str, str, str]]:
    """Name, volume and sentence of the cases of which this table says that detect failed; or of the table itself, if it
    cannot be read."""
    try:
        with open(table, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row.get("status") == "error" and row.get("case"):
                    yield row["case"], row.get("path") or "", row.get("error") or "Nothing could be detected."
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        name = table.name
        yield name, "", f"{name} cannot be read ({error}): cases in which detection failed may be missing here."


def _found(folder: Path, told: object) -> str | None:
    """Where the volume of a result is now: as told, or, where it was told from another folder, near the results."""
    if not isinstance(told, str) or not told:
        return None
    places = [folder / told, folder.parent / told, folder / Path(told).name, folder.parent / Path(told).name]
    there = [Path(told), *([] if os.path.isabs(told) else places[:2]), *places[2:]]
    return str(next((place.absolute() for place in there if _exists(place)), Path(told)))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _recognised(case: WorkCase) -> WorkCase:
    if case.volume is None:
        return replace(case, problem=case.problem or "The result does not say where its volume is.")
    try:
        return replace(case, key=fingerprint(case.volume, case.series, case.sha256))
    except (OSError, ValueError, CarotidLandmarkError) as error:
        gone = isinstance(error, FileNotFoundError)
        what = "is not there" if gone else f"cannot be read ({getattr(error, 'strerror', None) or error})"
        name = getattr(error, "filename", None) or case.volume  # of a header the file that holds its voxels
        return replace(case, problem=f"'{name}' {what}: was it moved or renamed?")


def _unique(cases: Iterable[WorkCase]) -> Iterator[WorkCase]:
    taken = set()
    for case in cases:
        name, number = case.name, 1
        while name in taken:
            number += 1
            name = f"{case.name}-{number}"
        taken.add(name)
        yield replace(case, name=name)
