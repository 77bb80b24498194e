"""Volumes with their points as a data set: what is found, and everything that is wrong with it, at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from CarotidLandmarkLib.errors import BadInputError, CarotidLandmarkError
from CarotidLandmarkLib.landmarks.files import read_points, read_points_table
from CarotidLandmarkLib.landmarks.points import SIDES, LandmarkSet
from CarotidLandmarkLib.volume.read import find_cases, read_volume

POINT_SUFFIXES = (".mrk.json", ".fcsv")
SEPARATION_MM = (15.0, 130.0)


@dataclass(frozen=True)
class Sample:
    """One volume and its landmarks: points is side -> (3,) LPS mm, or None where the landmark is not in the volume."""

    name: str
    volume: Path
    points: dict[str, np.ndarray | None]


def read_dataset(path: str | Path) -> list[Sample]:
    """The cases of a folder (each volume with its points beside it) or of a CSV ``volume,side,x,y,z,space``.

    Every volume is opened once and every point checked against it. Raises BadInputError that lists all that is wrong.
    """
    path = Path(path)
    problems: list[str] = []
    pairs = _from_table(path) if path.is_file() else _from_folder(path, problems)
    samples = []
    for name, volume, points in pairs:
        wrong = _problems(volume, points)
        problems += [f"{name}: {sentence}" for sentence in wrong]
        if not wrong:
            samples.append(Sample(name, volume, {side: points.points[side] for side in SIDES}))
    if not pairs and not problems:
        problems.append("no volume with points beside it (<case>.mrk.json or <case>.fcsv) was found")
    if problems:
        listing = "\n".join(f"  - {problem}" for problem in problems)
        raise BadInputError(f"The data set {path} can't be used; {len(problems)} thing(s) to mend:\n{listing}")
    return samples


def _from_table(path: Path) -> list[tuple[str, Path, LandmarkSet]]:
    return [(volume.name, volume, points) for volume, points in read_points_table(path).items()]


def _from_folder(folder: Path, problems: list[str]) -> list[tuple[str, Path, LandmarkSet]]:
    pairs = []
    for name, volume in find_cases(folder):
        beside = [volume.parent / f"{name}{suffix}" for suffix in POINT_SUFFIXES]
        found = [p for p in beside if p.is_file()]
        if not found:
            problems.append(f"{name}: {beside[0].name} (or .fcsv) is missing beside {volume.name}")
            continue
        try:
            pairs.append((name, volume, read_points(found[0])))
        except CarotidLandmarkError as error:
            problems.append(f"{name}: {error}")
    return pairs


def _problems(path: Path, points: LandmarkSet) -> list[str]:
    try:
        grid = read_volume(path).grid
    except CarotidLandmarkError as error:
        return [str(error)]
    out = []
    placed = {side: p for side, p in points.points.items() if p is not None}
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
