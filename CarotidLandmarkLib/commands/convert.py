"""`carotid-landmark convert`: a data set, or detections of its cases, in another tool's format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BadInputError
from ..exchange import nnlandmark
from ..landmarks.detection import Detection
from ..landmarks.files import WRITERS
from ..landmarks.points import SIDES, LandmarkSet
from ..volume.ct import CTVolume
from ..volume.read import read_volume
from .options import some_path

if TYPE_CHECKING:
    from ..study.cases import Case

NNLANDMARK = "nnlandmark"
FORMATS = (NNLANDMARK, *(suffix[1:] for suffix in WRITERS))
EPILOG = """
nnlandmark: a data set with images and label maps to train that tool with, or, with --detections, predictions that it
can evaluate. mrk.json, fcsv: the points of each case, for 3D Slicer (fcsv: of any version).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to convert, to what, and where to."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("data", type=some_path, metavar="DATA", help="a data set, as evaluate --data and train --data take it")
    add("--to", choices=FORMATS, required=True, help="the format to write")
    add("--out", type=some_path, required=True, metavar="DIR", help="folder to write to")
    add("--detections", type=some_path, metavar="DIR", help="write what these detections of its cases say instead")


def run(args: argparse.Namespace) -> int:
    """Convert and say how many cases were written; returns 0, or 2 where cases could not be read or written."""
    from ..detect.results import prepare_folder
    from ..study.cases import read_cases

    failed: dict[str, str] = {}
    cases = {case.name: case for case in read_cases(args.data, failed)}
    prepare_folder(args.out, "--out")
    if args.detections:
        written = _write_detections(args, cases, failed)
    elif args.to == NNLANDMARK:
        written = nnlandmark.write_dataset(args.out, _with_volumes(_with_landmarks(cases.values())))
    else:
        _require_new(args.out / f"{name}.{args.to}" for name in cases)
        for case in cases.values():
            unreviewed = dict.fromkeys(case.unreviewed, "unreviewed")
            WRITERS[f".{args.to}"](args.out / f"{case.name}.{args.to}", LandmarkSet(case.points), unreviewed)
        written = len(cases)
    print(f"{written} case(s) written to {args.out}")
    return 2 if failed else 0


def _with_landmarks(cases: Iterable[Case]) -> list[Case]:
    """The cases that have a landmark; raises BadInputError where none has. Says what the format has no word for."""
    for case in cases:
        missing = [side for side in SIDES if case.points[side] is None and side not in case.unreviewed]
        if missing:
            _say(f"{case.name}: {' and '.join(missing)} not in the volume, for which the format has no word: left out")
    found = [case for case in cases if any(point is not None for point in case.points.values())]
    if not found:
        raise BadInputError("No case has a landmark, and the format has no word for missing ones: nothing to write.")
    return found


def _with_volumes(cases: Iterable[Case]) -> Iterator[tuple[str, CTVolume, dict[str, np.ndarray]]]:
    for case in cases:
        points = {side: point for side, point in case.points.items() if point is not None}
        yield case.name, read_volume(case.volume, case.series), points


def _write_detections(args: argparse.Namespace, cases: Mapping[str, Case], failed: dict[str, str]) -> int:
    from ..study.report.methods import read_detections

    detections, without = read_detections(args.detections, cases)
    failed.update(without)
    if not detections:
        raise BadInputError(f"{args.detections} has a detection of none of the {len(cases)} cases of {args.data}.")
    if args.to == NNLANDMARK:
        nnlandmark.require_no_other(args.out)
    _require_new(args.out / f"{name}.{'json' if args.to == NNLANDMARK else args.to}" for name in detections)
    for name, detection in detections.items():
        _write_detection(args.out, args.to, name, detection, cases[name])
    return len(detections)


def _write_detection(folder: Path, to: str, name: str, detection: Detection, case: Case) -> None:
    if to == NNLANDMARK:
        assert case.grid is not None
        nnlandmark.write_prediction(folder, name, detection, case.grid)
    else:
        statuses = {landmark.side: landmark.status for landmark in detection.landmarks}
        WRITERS[f".{to}"](folder / f"{name}.{to}", detection.points(), statuses)


def _require_new(files: Iterable[Path]) -> None:
    """Raise BadInputError, before anything is written, where one of the files is there: it may be the only truth."""
    for file in files:
        if file.exists():
            raise BadInputError(f"{file} is there already: choose another folder.")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
