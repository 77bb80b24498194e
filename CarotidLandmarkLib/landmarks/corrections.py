"""Corrections: what a reader made of a detection, in folders that are a data set as they stand.

    FOLDER/case-1a2b3c4d5e6f/r001/correction.json       who, which model, and each side's decision
                                  prediction.mrk.json   the engine's points
                                  correction.mrk.json   the points as the reader left them
                                  volume.nrrd           where the volume was copied
                            correction.sr.dcm     a DICOM SR of it, where one was wanted
                            r002/…                      the same case exported again; the newest revision counts

Positions are LPS mm in the volume's own space. A case is named after its voxels, never after its patient. Only
what was reviewed is truth: "accepted" and "moved" give the point, "missing" says that there is none, and "unreviewed"
says nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import rename_to_next, revision_number, write_bytes, write_json
from ..errors import BadInputError, CannotRunError
from ..volume.ct import hash_files
from ..volume.folders import entries_of
from .detection import STATUSES
from .files import read_points, write_markups
from .points import SIDES, LandmarkSet
from .text import read_text

SCHEMA = "carotid-landmark/correction/1"
DECISIONS = ("unreviewed", "accepted", "moved", "missing")
FILE, PREDICTION, CORRECTED, VOLUME = "correction.json", "prediction.mrk.json", "correction.mrk.json", "volume.nrrd"
REPORT = "correction.sr.dcm"

_MODEL_KEYS = ("name", "version", "sha256")
_SETTING_KEYS = ("samples", "confidence", "device", "seed")
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass
class Correction:
    """One reader's review of one case.

    ``prediction`` and ``corrected`` are the engine's points and the reader's, the latter with an unreviewed point where
    it stood. ``statuses`` and ``decisions`` map each side to one of STATUSES and of DECISIONS. ``volume`` holds "path"
    (absolute, or relative to ``folder``), "series_uid" and "sha256"; ``model`` and ``settings`` are the detection's.
    ``anonymised`` ones hold no path outside of the export, no UID and no time. ``worklist`` is the key of the case in
    the worklist that the reader had it from, see ``worklist.cases``; None where it was from none.
    Raises BadInputError for what contradicts itself.
    """

    case: str
    reader: str
    statuses: dict[str, str]
    decisions: dict[str, str]
    prediction: LandmarkSet
    corrected: LandmarkSet
    volume: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    anonymised: bool = True
    exported_at: str | None = None
    folder: Path | None = None
    worklist: str | None = None

    def __post_init__(self) -> None:
        if not _CASE.fullmatch(self.case):
            raise BadInputError(f"A case cannot be named {self.case!r}; use letters, digits, '.', '_' and '-'.")
        if not re.fullmatch(r"[^\W\d_]{1,8}", self.reader):
            raise BadInputError(f"The reader's initials {self.reader!r} must be 1 to 8 letters.")
        for side in SIDES:
            status, decision = self.statuses.get(side), self.decisions.get(side)
            if status not in STATUSES or decision not in DECISIONS:
                raise BadInputError(f"The {side} landmark has the status {status!r} and the decision {decision!r}.")
            if decision == "moved" and self.corrected.points[side] is None:
                raise BadInputError(f"The {side} landmark was moved but has no position.")

    @property
    def unreviewed(self) -> tuple[str, ...]:
        """The sides that nobody has looked at."""
        return tuple(side for side in SIDES if self.decisions[side] == "unreviewed")

    def truth(self) -> LandmarkSet:
        """The reviewed positions; None where the landmark is missing, and for sides that are ``unreviewed``."""
        there = ("accepted", "moved")
        return LandmarkSet({side: p for side, p in self.corrected.points.items() if self.decisions[side] in there})

    def displacement_mm(self, side: str) -> float | None:
        """How far the reader moved the point of ``side``; None where either position is missing."""
        before, after = self.prediction.points[side], self.corrected.points[side]
        if before is None or after is None or self.decisions[side] == "missing":
            return None
        return float(np.linalg.norm(after - before))

    @property
    def volume_path(self) -> Path:
        """Where the volume is, a file or a DICOM folder."""
        return Path(os.path.normpath((self.folder or Path()) / self.volume["path"]))

    @property
    def series(self) -> str | None:
        """The UID of the DICOM series to read, None for a volume file."""
        return self.volume.get("series_uid") if os.path.isdir(self.volume_path) else None


def case_name(content_sha256: str) -> str:
    """The pseudonym of the volume with this hash of its voxels and geometry."""
    return f"case-{content_sha256[:12]}"


def all_revisions(folder: str | os.PathLike[str], failed: dict[str, str] | None = None) -> dict[str, list[Path]]:
    """Case name to the folders of its revisions, oldest first, by name; empty where there are none.

    ``failed`` gets a sentence about each case that may not be looked into, by its name.
    """
    found: dict[str, list[Path]] = {}
    for home in (entries_of(Path(folder)) or []) if os.path.isdir(folder) else []:
        inside = entries_of(home)
        if inside is None and failed is not None and os.path.isdir(home) and _CASE.fullmatch(home.name):
            failed[home.name] = f"{home} may not be looked into: check its permissions."
        if revisions := [place for place in inside or [] if revision_number(place) and _may_hold(place / FILE)]:
            found[home.name] = sorted(revisions, key=revision_number)
    return found


def latest_revisions(folder: str | os.PathLike[str], failed: dict[str, str] | None = None) -> dict[str, Path]:
    """Case name to the folder of its newest revision, in the order of the names; ``failed`` as in all_revisions."""
    return {case: revisions[-1] for case, revisions in all_revisions(folder, failed).items()}


def write_correction(
    folder: str | os.PathLike[str],
    correction: Correction,
    copy_volume: Callable[[Path], None] | None = None,
    report: bytes | None = None,
) -> Path:
    """Write ``correction`` as the next revision of its case in ``folder``, whole or not at all; return its folder.

    ``copy_volume`` writes the volume to the .nrrd path that it is given; where an earlier revision holds a copy, that
    is referred to. Without it ``correction.volume`` must say where the volume is. ``report`` is a DICOM SR to be
    beside them.

    Raises BadInputError where nothing was reviewed and CannotRunError where the folder cannot be written.
    """
    if len(correction.unreviewed) == len(SIDES):
        raise BadInputError("Nothing was reviewed: accept, move or mark as missing at least one landmark, then export.")
    if correction.anonymised and copy_volume is None:
        raise ValueError("an anonymised correction needs a copy of its volume")
    if correction.anonymised and report is not None:
        raise ValueError("a DICOM SR names the patient, whom an anonymised correction must not")
    home = Path(folder) / correction.case
    part = home / f".{uuid.uuid4().hex}.part"
    try:
        part.mkdir(parents=True)
        volume = dict(correction.volume)
        if copy_volume is not None:
            volume.update(_copied(home, part, copy_volume))
        write_markups(part / PREDICTION, correction.prediction, correction.statuses)
        write_markups(part / CORRECTED, correction.corrected, correction.decisions)
        if report is not None:
            write_bytes(part / REPORT, report)
        write_json(part / FILE, _to_dict(correction, volume))
        return rename_to_next(part, home)
    except OSError as error:
        raise CannotRunError(
            f"Cannot write corrections to {folder} ({error.strerror or error}); choose a folder that can be written."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):  # it holds revisions
            home.rmdir()


def read_correction(folder: str | os.PathLike[str]) -> Correction:
    """Read the correction in a revision's folder; raise BadInputError if it is none or contradicts itself."""
    folder = Path(folder)
    path = folder / FILE
    try:
        values = json.loads(read_text(path, "a folder of exported corrections"))
        if values["schema"] != SCHEMA:
            raise ValueError(_other_schema(values["schema"]))
        sides = {landmark["side"]: landmark for landmark in values["landmarks"]}
        volume = values["volume"]
        if not isinstance(volume["path"], str) or not isinstance(volume.get("series_uid"), (str, type(None))):
            raise TypeError("the volume's path or series is no text")
        if not isinstance(values["model"], dict) or not isinstance(values["settings"], dict):
            raise TypeError("the model or the settings are no object")
        return Correction(
            case=values["case"],
            reader=values["reader"],
            statuses={side: sides[side]["status"] for side in SIDES},
            decisions={side: sides[side]["decision"] for side in SIDES},
            prediction=read_points(folder / PREDICTION),
            corrected=read_points(folder / CORRECTED),
            volume=volume,
            model=values["model"],
            settings=values["settings"],
            anonymised=values["anonymised"],
            exported_at=values["exported_at"],
            folder=folder,
            worklist=values.get("worklist"),
        )
    except BadInputError as error:
        raise BadInputError(f"Cannot use {path}. {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadInputError(f"{path} is no correction ({error}); export the case again.") from error


def read_revision(folder: str | os.PathLike[str]) -> Correction:
    """As read_correction; also raise BadInputError for one in the folder of another case, as in a copy kept by hand."""
    correction = read_correction(folder)
    if Path(folder).parent.name != correction.case:
        raise BadInputError(
            f"It is of {correction.case} by its {FILE}, which its folder {Path(folder).parent} denies: move it back, "
            "and keep copies elsewhere."
        )
    return correction


def read_displacements(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Side to the displacement that the file of a revision, which ``read_correction`` can read, gives in mm."""
    values = json.loads(read_text(Path(folder) / FILE, "a folder of exported corrections"))
    return {landmark["side"]: landmark.get("displacement_mm") for landmark in values["landmarks"]}


def _may_hold(file: Path) -> bool:
    """Whether ``file`` is there, or that cannot be told: then whoever reads it says why."""
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _other_schema(schema: Any) -> str:
    kind, _, number = str(schema).rpartition("/")
    known, _, ours = SCHEMA.rpartition("/")
    newer = kind == known and number.isdecimal() and int(number) > int(ours)
    advice = "; a newer version wrote it: update this one" if newer else ""
    return f"its schema is {schema!r} and this version reads {SCHEMA!r}{advice}"


def _to_dict(correction: Correction, volume: dict[str, Any]) -> dict[str, Any]:
    hidden = correction.anonymised
    return {
        "schema": SCHEMA,
        "case": correction.case,
        "reader": correction.reader,
        "anonymised": hidden,
        "exported_at": None if hidden else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "volume": {
            "path": volume["path"],
            "sha256": volume.get("sha256"),
            "series_uid": None if hidden else volume.get("series_uid"),
        },
        "model": {key: correction.model.get(key) for key in _MODEL_KEYS},
        "settings": {key: correction.settings.get(key) for key in _SETTING_KEYS},
        "worklist": correction.worklist,
        "landmarks": [
            {
                "side": side,
                "status": correction.statuses[side],
                "decision": correction.decisions[side],
                "displacement_mm": correction.displacement_mm(side),
            }
            for side in SIDES
        ],
    }


def _copied(home: Path, part: Path, copy_volume: Callable[[Path], None]) -> dict[str, Any]:
    """The copy of the volume, made unless an earlier revision has one, as seen from the new revision."""
    copies = [file for file in home.glob(f"r*/{VOLUME}") if revision_number(file.parent)]  # not those copied by hand
    if earlier := sorted(copies, key=lambda file: revision_number(file.parent)):
        return {"path": f"../{earlier[-1].parent.name}/{VOLUME}", "sha256": hash_files(earlier[-1:])}
    copy_volume(part / VOLUME)
    return {"path": VOLUME, "sha256": hash_files([part / VOLUME])}
