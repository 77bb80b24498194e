"""Volumes with their truth: what is trained on and measured with, and everything that is wrong with it, at once."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..detect.case import unique_names
from ..errors import BadInputError, CarotidLandmarkError
from ..exchange import nnlandmark
from ..exchange.dicom_source import frames_of_reference
from ..exchange.dicom_sr_reading import find_reports, read_report
from ..landmarks.corrections import latest_revisions, read_revision
from ..landmarks.detection import is_undecided, read_detection
from ..landmarks.files import WRITERS, NamedPoint, read_described_points
from ..landmarks.points import SAME_MM, SIDES, LandmarkSet
from ..landmarks.table import read_points_table
from ..landmarks.text import read_text
from ..volume.ct import CTVolume
from ..volume.geometry import Grid
from ..volume.read import case_name, find_cases, read_volume
from .patients import fingerprint, twins

REPORT = ".sr.dcm"
POINT_SUFFIXES = (*WRITERS, REPORT)
SEPARATION_MM = (15.0, 130.0)


@dataclass(frozen=True)
class Case:
    """One volume and its truth: points is side -> (3,) LPS mm, or None where the landmark is not in the volume.

    Of ``unreviewed`` sides nothing is known; they are None, too. ``series`` chooses one of a DICOM folder. ``sha256``
    is that of the volume's files, ``voxels`` stands for what they hold in whatever format, ``patient`` for whose they
    are, and ``grid`` says where they lie: None before it was read, ``patient`` also where nothing tells.
    """

    name: str
    volume: Path
    points: dict[str, np.ndarray | None]
    unreviewed: tuple[str, ...] = ()
    series: str | None = None
    sha256: str | None = None
    grid: Grid | None = None
    voxels: str | None = None
    patient: str | None = None


def read_cases(
    path: str | os.PathLike[str],
    failed: dict[str, str] | None = None,
) -> list[Case]:
    """The cases of a folder (each volume with its points beside it, exported corrections, or a data set of nnLandmark)
    or of a CSV ``volume,side,x,y,z,space``. Points are Slicer's, or those of a DICOM report beside or in the series.

    A side is unreviewed unless its point is placed, or there and marked as missing (in a CSV: a row with empty x, y
    and z). What `detect` found is no truth. Of corrections each case's newest revision counts. Every volume is read
    once and every point checked against it. What is left out or taken as unreviewed is said on stderr, as are warnings
    about volumes, and which show the same.

    Raises BadInputError that lists all that is wrong. With ``failed``, which gets the sentences by case name, only
    where no case is left, and else they are said as well.
    """
    path = Path(path)
    problems: dict[str, list[str]] = {}
    entries: dict[str, nnlandmark.Entry] = {}
    closed: dict[str, str] = {}
    if revisions := latest_revisions(path, closed):
        problems.update({name: [sentence] for name, sentence in closed.items()})
        cases = _from_corrections(path, revisions, problems)
    elif nnlandmark.is_dataset(path):
        entries = _read_entries(path, problems)
        cases = [_case(name, entry.volume, entry.voxels) for name, entry in entries.items()]
    else:
        cases = _from_folder(path, problems) if os.path.isdir(path) else _from_table(path)
    half = [case.name for case in cases if case.unreviewed]
    if half and not revisions:
        _say(
            f"Only one side is annotated in {len(half)} case(s): {', '.join(half)}. The other counts as unreviewed; "
            "where it is not in the volume, mark its point as missing (in a CSV: a row with empty x, y and z)."
        )
    read = []
    for case in cases:
        if case.unreviewed and all(point is None for point in case.points.values()):
            _say(f"{case.name}: left out; one side was not reviewed, the other has no point to learn from")
            continue
        try:
            volume = read_volume(case.volume, case.series)
            if case.name in entries:
                case = replace(case, points=LandmarkSet(entries[case.name].place(volume.grid)).points)
        except CarotidLandmarkError as error:
            problems[case.name] = [str(error)]
            continue
        for warning in volume.warnings:
            _say(f"{case.name}: {warning}")
        if wrong := check_case(case, volume):
            problems[case.name] = wrong
        else:
            whose, voxels = volume.patient, fingerprint(volume.array)
            read.append(replace(case, sha256=volume.sha256, grid=volume.grid, voxels=voxels, patient=whose))
    if problems and (failed is None or not read):
        listing = "; ".join(f"{name}: {sentence.rstrip('.')}" for name, of in problems.items() for sentence in of)
        number = sum(map(len, problems.values()))
        raise BadInputError(f"The data set {path} can't be used; {number} thing(s) to mend: {listing}.")
    if not read:
        raise BadInputError(f"The data set {path} has no case that can be used; review both sides of one.")
    for names in twins(read):
        _say(f"{' and '.join(names)} show the same voxels and count {len(names)} times: keep one of them.")
    if failed is not None:
        failed.update({name: "; ".join(of) for name, of in problems.items()})
        for name, sentence in failed.items():
            _say(f"{name}: {sentence}")
    return read


def digest(cases: Iterable[Case]) -> str:
    """Stands for the voxels and the truth of cases that were read, in whatever order."""
    facts = []
    for case in cases:
        told = [None if point is None else point.tolist() for point in map(case.points.get, SIDES)]
        facts.append(repr((case.name, case.sha256, told, case.unreviewed)))
    return hashlib.sha256("\n".join(sorted(facts)).encode("utf-8", "backslashreplace")).hexdigest()


def kept_name(name: str, key: str) -> str:
    """What a file is called that keeps something of a case, which depends on all that ``key``, hexadecimal, stands for;
    80 bytes of the case's own name and 16 digits are left of the two."""
    return f"{name.encode('utf-8', 'backslashreplace')[:80].decode('utf-8', 'ignore')}-{key[:16]}"


def read_phantom(case: Case) -> dict[str, Any]:
    """What a phantom's file beside the case tells of it, see phantom.files; empty where there is none to be read."""
    try:
        file = _beside(case.volume, f"{case_name(case.volume)}.phantom.json")
        about = json.loads(read_text(file, "a phantom's facts"))
    except (CarotidLandmarkError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def read_stenoses(case: Case) -> dict[str, float]:
    """Side to the narrowing of its internal carotid, 0 to 1 (occluded), where a phantom's facts lie beside it."""
    try:
        facts = read_phantom(case)["facts"]
        return {side: 1.0 if of.get("occluded") else float(of["stenosis"]) for side, of in facts.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return {}


def _from_table(path: Path) -> list[Case]:
    table = read_points_table(path)
    return [_case(name, *row) for name, row in zip(unique_names(map(case_name, table)), table.items())]


def _from_corrections(path: Path, revisions: Mapping[str, Path], problems: dict[str, list[str]]) -> list[Case]:
    homes = {folder.parent for folder in revisions.values()} | {path / name for name in problems}
    if stray := list(strays(path, homes)):
        _say(f"{path} holds corrections, which are read; left out are {', '.join(stray)}: keep them in another folder.")
    cases = []
    for name, folder in revisions.items():
        try:
            c = read_revision(folder)
        except CarotidLandmarkError as error:
            problems[name] = [str(error)]
            continue
        cases.append(Case(name, c.volume_path, c.truth().points, c.unreviewed, c.series, c.volume.get("sha256")))
    return cases


def strays(path: Path, homes: Collection[Path]) -> Iterator[str]:
    """The names of point files in a folder of corrections, and of folders that hold some, but for the cases' own."""
    for entry in sorted(path.iterdir()):
        inner = entry.rglob("*") if entry.is_dir() and entry not in homes else (entry,)
        shown = (file for file in inner if not any(part.startswith(".") for part in file.relative_to(path).parts))
        if any(file.name.lower().endswith(POINT_SUFFIXES) for file in shown):
            yield entry.name


def _read_entries(path: Path, problems: dict[str, list[str]]) -> dict[str, nnlandmark.Entry]:
    entries, others = nnlandmark.read_dataset(path, problems)
    if others:
        _say(f"{path} has landmarks that name no side and are left out: {', '.join(others)}.")
    return {entry.name: entry for entry in entries}


def _from_folder(path: Path, problems: dict[str, list[str]]) -> list[Case]:
    cases = []
    taken: dict[Path, Path] = {}
    for name, volume in find_cases(path):
        try:
            file, points, series = _points_of(name, volume)
            if file in taken:
                raise BadInputError(f"{file.name} is beside {taken[file].name} and {volume.name}: rename one of them")
        except CarotidLandmarkError as error:
            problems[name] = [str(error)]
            continue
        taken[file] = volume
        cases.append(replace(_case(name, volume, points), series=series))
    return cases


def _case(name: str, volume: Path, points: dict[str, np.ndarray | None]) -> Case:
    return Case(name, volume, LandmarkSet(points).points, tuple(side for side in SIDES if side not in points))


def _points_of(name: str, volume: Path) -> tuple[Path, dict[str, np.ndarray | None], str | None]:
    """The first point file of a case that holds a truth, what it says of the sides that it names, and of a DICOM report
    the series that it is about."""
    stems = dict.fromkeys((name, case_name(volume)))
    files = [(stem, _beside(volume, stem + suffix)) for stem in stems for suffix in POINT_SUFFIXES]
    there = [(stem, file) for stem, file in files if os.path.lexists(file)]
    found = [] if there or not os.path.isdir(volume) else find_reports(volume)
    reports = {report.path: report for report in found if report.points}
    there += [(name, file) for file in reports]
    if not there:
        others = f"; those of {found[0].path} are not said to be at a carotid bifurcation" if found else ""
        raise BadInputError(f"it has no points: put {name}.mrk.json beside {volume.name} (or {name}.fcsv){others}")
    for stem, file in there:
        report = reports.get(file) or (read_report(file) if file.name.endswith(REPORT) else None)
        named = report.points if report else read_described_points(file)
        if not named:
            raise BadInputError(f"{file} has no point that is placed or marked as missing: place L and R")
        detection = _beside(volume, f"{stem}.detection.json")
        told = read_detection(detection).points().points if detection.is_file() else {}
        points = {side: point.position for side, point in named.items() if not _is_told(point, told.get(side))}
        if not points:
            continue
        in_folder = report is not None and os.path.isdir(volume)
        series = report.series[0] if report and in_folder and len(report.series) == 1 else None
        if report and in_folder and report.frame_of_reference not in ("", *frames_of_reference(volume, series)):
            raise BadInputError(f"the points of {file} are in another frame of reference than {volume.name}: remove it")
        return file, points, series
    raise BadInputError(
        f"{there[0][1]} holds what detect found, which is no truth: export corrections, or place the points yourself "
        "and detect into another folder"
    )


def _is_told(point: NamedPoint, told: np.ndarray | None) -> bool:
    """Whether the point is the engine's: by its description, or, where it has none, by its place."""
    if point.description.strip():
        return is_undecided(point.description)
    return point.position is not None and told is not None and bool(np.linalg.norm(point.position - told) < SAME_MM)


def _beside(volume: Path, name: str) -> Path:
    return Path(os.path.abspath(volume)).with_name(name)


def check_case(case: Case, volume: CTVolume) -> list[str]:
    """What is wrong with the points of ``case`` in its ``volume``, a sentence each."""
    grid = volume.grid
    out = []
    if case.sha256 and case.volume.is_file() and volume.sha256 != case.sha256:
        out.append(f"{case.volume} is not the file that was corrected (another sha256): restore it or export again")
    placed = {side: p for side, p in case.points.items() if p is not None}
    for side, point in placed.items():
        outside = -float(grid.distance_inside(point))
        if outside > 0:
            out.append(
                f"the {side} point {np.round(point, 1).tolist()} (LPS mm) lies {outside:.1f} mm outside the volume"
                + _hint(grid, point)
            )
    if len(placed) == 2:
        across = float(placed["left"][0] - placed["right"][0])
        apart = float(np.linalg.norm(placed["left"] - placed["right"]))
        if across < 0:
            out.append(
                "the left point lies to the patient's right of the right point: sides swapped, or RAS read as LPS"
            )
        if not SEPARATION_MM[0] <= apart <= SEPARATION_MM[1]:
            out.append(
                f"left and right are {apart:.3g} mm apart, {SEPARATION_MM[0]:g} to {SEPARATION_MM[1]:g} mm are"
                " possible: are the units millimetres?"
            )
    return out


def _hint(grid: Grid, point: np.ndarray) -> str:
    """What would bring a stray point inside: the mistakes that people make."""
    guesses = {
        "in RAS": point * [-1, -1, 1],
        "in centimetres": point * 10,
        "in metres": point * 1000,
        "voxel indices": grid.index_to_world(point),
    }
    inside = [name for name, p in guesses.items() if float(grid.distance_inside(p)) > 0]
    return f" (it would be inside if it were {' or '.join(inside)})" if inside else ""


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
