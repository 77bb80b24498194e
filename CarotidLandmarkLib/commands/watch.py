"""`carotid-landmark watch`: series that a DICOM receiver puts into a folder, each answered once."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError, CancelledError
from .options import add_engine_arguments, chosen_weights, positive_number, some_path

if TYPE_CHECKING:
    from ..intake.arrivals import Arrivals
    from ..intake.books import Books
    from ..intake.watch import Answer

EPILOG = """
A series is all CT images with one Series Instance UID, wherever they lie in IN; other modalities are left alone. It is
done once: again only when images have been added or have another size, not when they are sent again. OUT gets the
files that detect writes, and a DICOM SR (extra [dicom]); NAME in their names is made of the UID, and told by --list.
OUT/.watch holds what is done and a log; a kill at any moment loses nothing, and no result is ever half there. A series
that cannot be answered is noted with the reason, and tried again when its files change. SIGTERM ends the program after
the series that it is at, with exit code 0, Ctrl-C with 130, a second Ctrl-C at once.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two folders, when a series is whole, and the options of detect that make sense here."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("source", type=some_path, metavar="IN", help="the folder that the receiver writes to")
    add("output", type=some_path, metavar="OUT", help="where results go, outside of IN")
    add(
        "--quiet-for",
        type=positive_number,
        default=60.0,
        metavar="S",
        help="a series is whole when nothing of it has changed for so many seconds (default: 60)",
    )
    add(
        "--marker",
        default=".complete",
        metavar="NAME",
        help="or when a file of this name lies in its folder, or in one between that and IN (default: .complete)",
    )
    add("--every", type=positive_number, default=5.0, metavar="S", help="look so often, in seconds (default: 5)")
    add_engine_arguments(parser)
    add("--picture", action="store_true", help="also draw a key image of each series")
    add("--no-sr", action="store_false", dest="sr", help="write no DICOM SR")
    add("--once", action="store_true", help="do what is there, as if it were whole, and end")
    add("--list", action="store_true", help="only say what became of each series in IN, and where it lies")
    add("--quiet", action="store_true", help="print nothing but warnings and errors")


def run(args: argparse.Namespace) -> int:
    """Watch until a signal comes; return the exit code."""
    from ..intake.arrivals import Arrivals
    from ..intake.books import Books
    from ..intake.watch import Watch, open_log

    require_apart(args.source, args.output)
    books = Books(args.output)
    if args.list:
        return _list(Arrivals(args.source, 0.0), books)
    answer, model = answering(args)
    books.open()
    arrivals = Arrivals(args.source, 0.0 if args.once else args.quiet_for, args.marker)
    with open_log(books.home, args.quiet) as log, _signals() as heard:
        watch = Watch(arrivals, books, answer, log, keep=args.once)
        log.info("watching, with weights %s %s", model.get("name"), model.get("version"))
        if args.once:
            while not heard and watch.step():
                pass
        else:
            watch.run(args.every, lambda: bool(heard))
        log.info("ended, %d done, %d failed", watch.counts["done"], watch.counts["failed"])
    if signal.SIGINT in heard:
        raise CancelledError("Interrupted; what is done is kept.")
    return max((error.exit_code for error in watch.failed.values()), default=0)


def require_apart(source: Path, output: Path) -> None:
    """Raise BadInputError where ``source`` is no folder, or ``output`` is it or lies in it."""
    if not source.is_dir():
        raise BadInputError(f"'{source}' is no folder: give the one that the receiver writes to.")
    if source.resolve() in (output.resolve(), *output.resolve().parents):
        raise BadInputError(f"'{output}' lies in '{source}', where results would be taken for scans: choose another.")


def answering(args: argparse.Namespace) -> tuple[Answer, dict[str, Any]]:
    """What answers a series as the options want it, its model loaded once, and the model's header."""
    from ..detect.case import Settings, detect_case
    from ..detect.detector import Detector
    from ..exchange.dicom_source import read_source
    from ..exchange.dicom_sr import make_report, require_highdicom
    from ..landmarks.detection import Detection

    if args.sr:
        require_highdicom()
    detector = Detector.from_weights(chosen_weights(args), args.device, args.backend)
    settings = Settings(args.samples, args.confidence, args.seed, fork=args.fork, picture=args.picture)

    def answer(name: str, folder: Path) -> Detection:
        detection = detect_case(detector, name, folder, settings)
        if args.sr:
            detection.report = make_report(detection, read_source(detection.files))
        return detection

    return answer, detector.header


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Those that have come while in here; the second Ctrl-C raises KeyboardInterrupt."""
    heard: list[int] = []

    def hear(number: int, frame: Any) -> None:
        if number == signal.SIGINT in heard:
            raise KeyboardInterrupt
        heard.append(number)

    before = [(number, signal.signal(number, hear)) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield heard
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _list(arrivals: Arrivals, books: Books) -> int:
    for series in sorted(arrivals.look(), key=lambda series: series.folder):
        state = books.told(series) or "waiting"
        print(f"{series.name}  {len(series.images)} images in {series.folder}: {state}")
        for image in series.empty:
            print(f"  named like them, and empty, cut off or closed: {image.path}")
    return 0
