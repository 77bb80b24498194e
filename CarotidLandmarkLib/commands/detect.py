"""`carotid-landmark detect`: one volume or many, results as files and on the terminal."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInputError, CancelledError, as_sentence
from .options import add_engine_arguments, positive_number, some_path

if TYPE_CHECKING:
    from ..detect.results import Outcome

EPILOG = """
For each case: <case>.mrk.json for Slicer and <case>.detection.json with everything known; where the lumen of a fork was
traced <case>.fork.mrk.json, its vessels with radii, and <case>.seeds.mrk.json, where SlicerVMTK's Extract Centerline
may start and end; with --picture <case>.png, both forks in three cuts each, to paste into a report; with --sr
<case>.sr.dcm, a DICOM SR (TID 1500) in the study of the CT, which then must be DICOM; for many cases also
detections.csv. A case that fails is reported on stderr and is a row with an error; the others go on.
Exit code: 0 when every case was read and searched (found or not), else, after all others are done, the highest of the
failed ones: 2 bad input, 3 cannot run here; 130 when interrupted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of DESIGN.md's contract."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH", help="a volume file, a DICOM folder, or a folder of cases")
    add("-o", "--output", type=some_path, default=Path(), metavar="DIR", help="where results go (default: here)")
    add_engine_arguments(parser)
    add("--series", metavar="UID", help="the series to read in a DICOM folder that holds several")
    add(
        "--spacing",
        nargs=3,
        type=positive_number,
        metavar=("X", "Y", "Z"),
        help="mm between voxels, for files that give none",
    )
    add(
        "--structures",
        type=some_path,
        metavar="DIR",
        help="label maps as TotalSegmentator names them (mandible, hyoid, vertebrae_C2 to C7, skull), or a folder of "
        "them for each case: how high the carinas lie beside these",
    )
    add("--picture", action="store_true", help="also draw a key image of each case (<case>.png)")
    add("--sr", action="store_true", help="also write a DICOM SR of each case, all of which are DICOM (<case>.sr.dcm)")
    add("--quiet", action="store_true", help="print nothing but errors (and results with --json)")
    add("--json", action="store_true", help="print progress and results as one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Detect in every case of args.paths; return the exit code."""
    from ..detect.case import Settings, detect_case
    from ..detect.detector import Detector
    from ..detect.results import check_case, mend_cases, prepare_folder, write_case, write_table
    from ..exchange.dicom_source import NO_SERIES, read_source
    from ..exchange.dicom_sr import make_report, require_highdicom
    from ..volume.read import is_series
    from .reporter import JsonReporter, TextReporter

    if args.sr:
        require_highdicom()
    started = time.perf_counter()
    reporter = (JsonReporter if args.json else TextReporter)(args.quiet)
    outcomes = _gather(args.paths)
    some = any(outcome.error is None for outcome in outcomes)
    if some:
        detector = Detector.from_weights(args.weights, args.device, args.backend)
    if some or len(outcomes) > 1:
        prepare_folder(args.output)
        mend_cases(args.output)
    settings = Settings(
        args.samples,
        args.confidence,
        args.seed,
        args.series,
        args.spacing,
        args.fork,
        args.picture,
        args.structures,
    )
    for number, outcome in enumerate(outcomes, start=1):
        try:
            if outcome.error is not None:
                raise outcome.error
            if args.sr and not is_series(outcome.path):
                raise BadInputError(NO_SERIES.format(path=outcome.path))
            check_case(args.output, outcome.name, picture=args.picture, sr=args.sr)
            reporter.begin(outcome.name, number, len(outcomes))
            outcome.detection = detect_case(detector, outcome.name, outcome.path, settings, reporter.progress)
            if args.sr:
                detection = outcome.detection
                detection.report = make_report(detection, read_source(detection.files))
            files = write_case(args.output, outcome.detection)
        except BrokenPipeError:  # nobody listens any more
            raise
        except KeyboardInterrupt:
            reporter.clear()
            done = sum(earlier.detection is not None for earlier in outcomes[: number - 1])
            kept = f"; the results of {done} case(s) are in {args.output}" if done else ""
            raise CancelledError(f"Interrupted{kept}.") from None
        except Exception as error:
            outcome.error, outcome.detection = as_sentence(error), None
            reporter.error(outcome)
        else:
            reporter.result(outcome.detection, files)
    table = write_table(args.output, outcomes) if len(outcomes) > 1 else None
    reporter.summary(outcomes, time.perf_counter() - started, table)
    return max((outcome.error.exit_code for outcome in outcomes if outcome.error), default=0)


def _gather(paths: list[str]) -> list[Outcome]:
    """The cases of all `paths`, each under a name of its own; a path that cannot be used is one with an error."""
    from ..detect.case import unique_names
    from ..detect.results import Outcome
    from ..volume.read import find_cases

    found: list[Outcome] = []
    for path in paths:
        try:
            found += [Outcome(name, Path(volume)) for name, volume in find_cases(path)]
        except Exception as error:
            found.append(Outcome(Path(path).name, Path(path), error=as_sentence(error)))
    for outcome, name in zip(found, unique_names(outcome.name for outcome in found)):
        outcome.name = name
    return found
