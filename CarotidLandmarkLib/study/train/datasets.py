"""Volumes with their points as a data set: what is found, and everything that is wrong with it, at once."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BadInputError, CarotidLandmarkError
from ...landmarks.corrections import latest_revisions, read_correction
from ...landmarks.files import read_points, read_points_table
from ...volume.read import find_cases, read_volume

POINT_SUFFIXES = (".mrk.json", ".fcsv")
SEPARATION_MM = (15.0, 130.0)


@dataclass(frozen=True)
class Sample:
    """One volume and its landmarks: points is side -> (3,) LPS mm, or None where the landmark is not in the volume.

    Of ``unreviewed`` sides nothing is known. ``series`` chooses one of a DICOM folder. ``sha256`` is that of the file
    when its points were placed.
    """

    name: str
    volume: Path
    points: dict[str, np.ndarray | None]
    unreviewed: tuple[str, ...] = ()
    series: str | None = None
    sha256: str | None = None


def read_dataset(path: str | Path) -> list[Sample]:
    """The cases of a folder (each volume with its points beside it, or exported corrections) or of a CSV
    ``volume,side,x,y,z,space``.

    Of corrections each case's newest revision counts. Every volume is opened once and every point checked against it.
    Raises BadInputError that lists all that is wrong.
    """
    path = Path(path)
    problems: list[str] = []
    if path.is_file():
        samples = [Sample(volume.name, volume, points.points) for volume, points in read_points_table(path).items()]
    elif revisions := latest_revisions(path):
        samples = _from_corrections(revisions.values(), problems)
    else:
        samples = _from_folder(path, problems)
    for sample in samples:
        problems += [f"{sample.name}: {sentence}" for sentence in _problems(sample)]
    if not samples and not problems:
        problems.append("no volume with points beside it (<case>.mrk.json or <case>.fcsv) was found")
    if problems:
        listing = "\n".join(f"  - {problem}" for problem in problems)
        raise BadInputError(f"The data set {path} can't be used; {len(problems)} thing(s) to mend:\n{listing}")
    return samples


def _from_corrections(revisions: Iterable[Path], problems: list[str]) -> list[Sample]:
    samples = []
    for folder in revisions:
        name = f"{folder.parent.name}-{folder.name}"
        try:
            c = read_correction(folder)
        except CarotidLandmarkError as error:
            problems.append(f"{name}: {error}")
            continue
        points = c.truth().points
        if c.unreviewed and all(point is None for point in points.values()):
            print(f"{name}: left out; one side was not reviewed, the other has no point to learn from", file=sys.stderr)
            continue
        samples.append(Sample(name, c.volume_path, points, c.unreviewed, c.series, c.volume.get("sha256")))
    return samples


def _from_folder(folder: Path, problems: list[str]) -> list[Sample]:
    samples = []
    for name, volume in find_cases(folder):
        beside = [volume.parent / f"{name}{suffix}" for suffix in POINT_SUFFIXES]
        found = [p for p in beside if p.is_file()]
        if not found:
            problems.append(f"{name}: {beside[0].name} (or .fcsv) is missing beside {volume.name}")
            continue
        try:
            samples.append(Sample(name, volume, read_points(found[0]).points))
        except CarotidLandmarkError as error:
            problems.append(f"{name}: {error}")
    return samples


def _problems(sample: Sample) -> list[str]:
    try:
        volume = read_volume(sample.volume, sample.series)
    except CarotidLandmarkError as error:
        return [str(error)]
    grid = volume.grid
    out = []
    if sample.sha256 and sample.volume.is_file() and volume.sha256 != sample.sha256:
        out.append(f"{sample.volume} is not the file that was corrected (another sha256): restore it or export again")
    placed = {side: p for side, p in sample.points.items() if p is not None}
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


def _hint(grid: object, point: np.ndarray) -> str:
    """What would bring a stray point inside: the mistakes that people make."""
    guesses = {
        "in RAS": point * [-1, -1, 1],
        "in centimetres": point * 10,
        "in metres": point * 1000,
        "voxel indices": grid.index_to_world(point),  # type: ignore[attr-defined]
    }
    inside = [name for name, p in guesses.items() if float(grid.distance_inside(p)) > 0]  # type: ignore[attr-defined]
    return f" (it would be inside if it were {' or '.join(inside)})" if inside else ""
