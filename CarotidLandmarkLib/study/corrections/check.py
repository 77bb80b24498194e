"""Everything that is wrong with a folder of corrections, before anybody trains on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import CarotidLandmarkError
from ...landmarks.corrections import CORRECTED, FILE, PREDICTION, Correction, all_revisions, read_displacements
from ...landmarks.files import read_described_points
from ...landmarks.points import SAME_MM, SIDES
from ...volume.ct import CTVolume
from ...volume.folders import entries_of
from ...volume.read import read_volume
from ..cases import Case, check_case, strays
from .readings import read_all


class Problem(NamedTuple):
    """``where`` is "case/revision", "case", or a name in the folder; ``sentence`` says what is wrong there."""

    where: str
    sentence: str


def check(folder: str | os.PathLike[str]) -> list[Problem]:
    """Read every revision of every case in ``folder``, and each volume once; return all that is wrong, by place.

    Raises BadInputError for a folder without corrections.
    """
    failed: dict[str, str] = {}
    corrections = read_all(folder, failed)
    problems = [Problem(where, sentence) for where, sentence in failed.items()]
    problems += _strays(Path(folder))
    volumes: dict[tuple[Path, str | None], CTVolume | CarotidLandmarkError] = {}
    seen: dict[str, str] = {}
    for correction in corrections:
        where = _where(correction)
        problems += [Problem(where, sentence) for sentence in _contradictions(correction)]
        key = (correction.volume_path, correction.series)
        if key not in volumes:
            volumes = {key: _read(*key)}  # revisions of a case share one; two cases at once may not fit
        volume = volumes[key]
        if isinstance(volume, CarotidLandmarkError):
            problems.append(Problem(where, f"Its volume cannot be read. {volume}"))
            continue
        truth = Case(where, key[0], correction.truth().points, sha256=correction.volume.get("sha256"))
        problems += [Problem(where, f"{sentence}.") for sentence in check_case(truth, volume)]
        if volume.sha256 and (other := seen.setdefault(volume.sha256, correction.case)) != correction.case:
            problems.append(Problem(where, f"It has the same volume as {other}: keep one of the two cases."))
    return sorted(dict.fromkeys(problems))


def _where(correction: Correction) -> str:
    folder = correction.folder or Path()
    return f"{folder.parent.name}/{folder.name}"


def _read(path: Path, series: str | None) -> CTVolume | CarotidLandmarkError:
    try:
        return read_volume(path, series)
    except CarotidLandmarkError as error:
        return error


def _strays(folder: Path) -> Iterator[Problem]:
    """What lies beside the revisions and is none: exports that were cut off, copies that lack their file."""
    known = {revision for revisions in all_revisions(folder).values() for revision in revisions}
    homes = {revision.parent for revision in known}
    for name in strays(folder, {*homes, *_incomplete(folder)}):
        yield Problem(name, "Points that are no correction are not read here: keep them in another folder.")
    for place in sorted(inner for home in folder.iterdir() for inner in entries_of(home) or []):
        if not os.path.isdir(place) or place in known:
            continue
        where = f"{place.parent.name}/{place.name}"
        if place.name.endswith(".part"):
            yield Problem(where, "An export is under way here or was cut off: delete it if none is under way.")
        elif place.parent in homes or any(map(os.path.exists, (place / PREDICTION, place / CORRECTED))):
            yield Problem(where, f"It is no revision (r001, r002, … with a {FILE}): copy it again, whole.")


def _incomplete(folder: Path) -> Iterator[Path]:
    """Folders in which something was exported that is no revision, or not yet."""
    for home in folder.iterdir():
        if any(place.name.endswith(".part") or (place / PREDICTION).exists() for place in entries_of(home) or []):
            yield home


def _contradictions(correction: Correction) -> Iterator[str]:
    """Where the files of a revision do not say the same: somebody has edited one of them by hand."""
    folder = correction.folder or Path()
    if len(correction.unreviewed) == len(SIDES):
        yield "Neither side was reviewed: export it again."
    stored = read_displacements(folder)
    files = {CORRECTED: correction.decisions, PREDICTION: correction.statuses}
    described = {name: read_described_points(folder / name) for name in files}
    for side in SIDES:
        for name, expected in files.items():
            text = described[name][side].description if side in described[name] else expected[side]
            if text.strip() not in ("", expected[side]):
                yield _edited(f"the {side} landmark is {text!r} in {name} and {expected[side]!r} in {FILE}")
        moved, told = correction.displacement_mm(side), stored.get(side)
        if not _same(moved, told):
            yield _edited(f"the {side} displacement is {_mm(told)} in {FILE} and {_mm(moved)} by the points")
        predicted, corrected = correction.prediction.points[side], correction.corrected.points[side]
        if (predicted is None) != (correction.statuses[side] == "absent"):
            yield _edited(f"the {side} landmark was {correction.statuses[side]}, which {PREDICTION} denies")
        if correction.decisions[side] == "accepted" and (
            (predicted is None) != (corrected is None) or (moved or 0) > SAME_MM
        ):
            yield _edited(f"the {side} landmark was accepted, but is not where it was predicted")


def _edited(sentence: str) -> str:
    return f"{sentence[0].upper()}{sentence[1:]}: edited by hand? Export it again."


def _same(moved: float | None, told: Any) -> bool:
    if moved is None or not _is_number(told):
        return moved is told
    return abs(moved - told) <= SAME_MM


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9


def _mm(value: Any) -> str:
    return f"{value:.2f} mm" if _is_number(value) else "none" if value is None else repr(value)
