"""`carotid-landmark detect`: one volume or many, results as files and on the terminal."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from ..errors import BadInputError, CancelledError, as_sentence
from .options import add_engine_arguments, chosen_weights, part_of, positive_number, some_path, whole_number

if TYPE_CHECKING:
    from ..detect.detector import Detector
    from ..detect.results import Outcome
    from .batch import Job
    from .reporter import JsonReporter, TextReporter

    Reporter = Union[JsonReporter, TextReporter]

EPILOG = """
For each case: <case>.mrk.json for Slicer and <case>.detection.json with everything known; where the lumen of a fork was
traced <case>.fork.mrk.json, its vessels with radii, and <case>.seeds.mrk.json, where SlicerVMTK's Extract Centerline
may start and end; with --picture <case>.png, both forks in three cuts each, to paste into a report; with --sr
<case>.sr.dcm, a DICOM SR (TID 1500) in the study of the CT, which then must be DICOM; for many cases also
detections.csv, a row a landmark, and run.json, which tells how far the run is. A case that fails is reported on stderr
and is a row with an error; the others go on.
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
    add(
        "--continue",
        action="store_true",
        dest="keep",
        help="keep what is finished: results in DIR of the same volume, unchanged, and the same version, weights and "
        "settings",
    )
    add("--part", type=part_of, metavar="I/N", help="do only every Nth case, from the Ith on")
    add("--workers", type=whole_number(1), metavar="N", help="do so many cases beside each other, in processes")
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="do the cases on a Dask cluster, all of whose machines see the same files; 'local' makes one of --workers "
        "processes here",
    )
    add("--quiet", action="store_true", help="print nothing but errors (with --json also results and the summary)")
    add("--json", action="store_true", help="print progress and results as one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Detect in every case of args.paths; return the exit code."""
    from ..detect.case import Settings
    from ..detect.detector import Detector
    from ..detect.results import mend_cases, prepare_folder
    from ..exchange.dicom_sr import require_highdicom
    from ..model.weights import calibration_warning, read_weights
    from .batch import Job
    from .ledger import Ledger
    from .reporter import JsonReporter, TextReporter

    if args.sr:
        require_highdicom()
    if args.scheduler is not None:  # its workers have folders of their own
        paths = ("output", "weights", "structures")
        vars(args).update({name: of.absolute() for name in paths if (of := getattr(args, name)) is not None})
    started = time.perf_counter()
    reporter = (JsonReporter if args.json else TextReporter)(args.quiet)
    cases = _gather(args.paths, absolute=args.scheduler is not None)
    many = len(cases) > 1 or args.part is not None
    part = ""
    if args.part is not None:
        number, of = args.part
        cases, part = cases[number - 1 :: of], f"-{number}of{of}"
    some = any(case.error is None for case in cases)
    beside = args.workers is not None or args.scheduler is not None
    detector, header = None, {}
    weights = chosen_weights(args) if some else None
    if some and beside:
        header = read_weights(weights).header
    elif some:
        detector = Detector.from_weights(weights, args.device, args.backend)
        header = detector.header
    if some and not args.quiet and (warning := calibration_warning(header)):
        print(f"The weights {header.get('name')}: {warning}", file=sys.stderr)
    if many and args.structures is not None:
        _require_own_structures(args.structures, [case.name for case in cases])
    if some or many:
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
    keep = 0.0 if args.keep else time.time() if beside else None  # of what a worker has finished before it died
    job = Job(weights, args.device, args.backend, settings, args.output, args.sr, keep)
    ledger = Ledger([case.name for case in cases], args.output if many else None, part, _about(args, header))
    worst, state = 0, "failed"
    try:
        for outcome in _outcomes(args, job, detector, cases, reporter):
            ledger.add(outcome)
            if outcome.error is not None:
                worst = max(worst, outcome.error.exit_code)
                reporter.error(outcome)
            elif outcome.kept:
                reporter.kept(outcome)
            elif outcome.detection is not None:
                reporter.result(outcome.detection, outcome.files)
            if many:
                reporter.advance(ledger.counts, len(cases), ledger.seconds_left())
        state = "finished"
    except KeyboardInterrupt:
        state = "interrupted"
        reporter.clear()
        done = ledger.counts["done"] - ledger.counts["failed"]
        kept = f"; the results of {done} case(s) are in {args.output}" if done else ""
        raise CancelledError(f"Interrupted{kept}.") from None
    finally:
        table = ledger.close(state)
    reporter.summary(ledger.counts, len(cases), time.perf_counter() - started, table)
    return worst


def _outcomes(
    args: argparse.Namespace, job: Job, detector: Detector | None, cases: list[Outcome], reporter: Reporter
) -> Iterator[Outcome]:
    """The cases as they end, those that cannot be begun first where they are done beside each other."""
    from .batch import do_case, in_processes, on_cluster, work

    if args.workers is None and args.scheduler is None:
        for number, case in enumerate(cases, start=1):
            if case.error is None:
                reporter.begin(case.name, number, len(cases))
                assert detector is not None
                case = do_case(detector, job, case, reporter.progress)
            yield case
        return
    yield from (case for case in cases if case.error is not None)
    good = [case for case in cases if case.error is None]
    workers, doing = args.workers or os.cpu_count() or 1, functools.partial(work, job)
    if args.scheduler is not None:
        yield from on_cluster(doing, good, args.scheduler, workers)
    else:
        yield from in_processes(doing, good, workers)


def _about(args: argparse.Namespace, header: dict[str, Any]) -> dict[str, Any]:
    """What run.json says of how the cases were done."""
    names = ("samples", "confidence", "seed", "fork", "series", "spacing", "device", "backend", "picture", "sr")
    return {
        "model": {name: header.get(name) for name in ("name", "version", "sha256")},
        "settings": {
            **{name: getattr(args, name) for name in (*names, "workers", "scheduler")},
            "structures": None if args.structures is None else str(args.structures),
        },
        "part": args.part,
    }


def _require_own_structures(folder: Path, names: list[str]) -> None:
    """BadInputError where label maps that lie in the folder itself, and so are of one scan, would be several cases'."""
    from ..fork.structures import maps_in

    without = [name for name in names if not (folder / name).is_dir()]
    if len(without) > 1 and any(path.exists() for path in maps_in(folder).values()):
        raise BadInputError(
            f"The label maps in {folder} are of one scan, and {len(without)} cases have no folder of their own there: "
            f"make {folder / without[0]} and the like."
        )


def _gather(paths: list[str], absolute: bool = False) -> list[Outcome]:
    """The cases of all `paths`, each under a name of its own; a path that cannot be used is one with an error.

    absolute: name their files from the root on.
    """
    from ..detect.case import unique_names
    from ..detect.results import Outcome
    from ..volume.read import find_cases

    found: list[Outcome] = []
    for path in paths:
        try:
            of = os.path.abspath(path) if absolute and path else path
            found += [Outcome(name, Path(volume)) for name, volume in find_cases(of)]
        except Exception as error:
            found.append(Outcome(Path(path).name, Path(path), error=as_sentence(error)))
    for outcome, name in zip(found, unique_names(outcome.name for outcome in found)):
        outcome.name = name
    return found
