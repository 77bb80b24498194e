"""What a run of detect says while it works: lines for a person, or JSON objects for a program."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic import as_json
from ..detect.results import Outcome, describe
from ..landmarks.detection import Detection
from ..streams import Live, one_line
from .ledger import STATUSES


class TextReporter:
    """Results on stdout; errors, warnings and, on a terminal, progress on stderr. `quiet`: nothing but errors."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.live = Live(not quiet)
        self.prefix = ""

    def begin(self, case: str, number: int, count: int) -> None:
        self.prefix = f"{case}: " if count == 1 else f"{number}/{count} {case}: "

    def progress(self, text: str, fraction: float) -> None:
        self.live.show(f"{self.prefix}{100 * fraction:3.0f} %  {text}")

    def clear(self) -> None:
        self.live.clear()

    def result(self, detection: Detection, files: Sequence[Path]) -> None:
        self.clear()
        if self.quiet:
            return
        for warning in detection.warnings:
            print(one_line(f"{detection.case}: {warning}"), file=sys.stderr)
        print(one_line(f"{detection.case}  ({detection.timing_s['total']:.1f} s)"))
        for landmark in detection.landmarks:
            place = "-"
            if landmark.position_lps_mm is not None:
                place = "({:.1f}, {:.1f}, {:.1f}) mm LPS".format(*landmark.position_lps_mm)
            print(f"  {landmark.side:<6} {place:<32} {describe(landmark)}")
        print(one_line(f"  -> {', '.join(map(str, files))}"), flush=True)

    def error(self, outcome: Outcome) -> None:
        self.clear()
        print(_told(outcome), file=sys.stderr)

    def kept(self, outcome: Outcome) -> None:
        """That a case was finished before is told by the summary."""

    def advance(self, counts: Mapping[str, int], cases: int, seconds_left: float | None) -> None:
        left = "" if seconds_left is None else f", about {in_words(seconds_left)} left"
        self.live.show(f"{counts['done']} of {cases} cases{left}")

    def summary(self, counts: Mapping[str, int], cases: int, seconds: float, table: Path | None) -> None:
        self.clear()
        if table is None or self.quiet:
            return
        statuses = ", ".join(f"{counts[status]} {status}" for status in STATUSES)
        kept = f", {counts['kept']} finished before" if counts["kept"] else ""
        failed = f"{counts['failed']} failed{kept}"
        print(f"{cases} cases in {seconds:.1f} s, {failed}; landmarks: {statuses}; {table}")


class JsonReporter:
    """One JSON object a line on stdout, told apart by "event": progress, result, error, summary.

    Errors are also sentences on stderr. `quiet`: no progress.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.case = ""

    def begin(self, case: str, number: int, count: int) -> None:
        self.case = case

    def progress(self, text: str, fraction: float) -> None:
        if not self.quiet:
            _emit("progress", case=self.case, text=text, fraction=round(fraction, 4))

    def clear(self) -> None:
        """There is nothing to clear."""

    def result(self, detection: Detection, files: Sequence[Path]) -> None:
        _emit("result", case=detection.case, detection=detection.to_dict(), files=[str(file) for file in files])

    def error(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            _emit("error", case=outcome.name, message=str(outcome.error), exit_code=outcome.error.exit_code)
        print(_told(outcome), file=sys.stderr)

    def kept(self, outcome: Outcome) -> None:
        assert outcome.detection is not None
        _emit("result", case=outcome.name, detection=outcome.detection.to_dict(), files=[], kept=True)

    def advance(self, counts: Mapping[str, int], cases: int, seconds_left: float | None) -> None:
        if not self.quiet:
            left = None if seconds_left is None else round(seconds_left, 1)
            _emit("progress", case=None, text="cases", fraction=counts["done"] / cases, seconds_left=left)

    def summary(self, counts: Mapping[str, int], cases: int, seconds: float, table: Path | None) -> None:
        told = {name: counts[name] for name in ("failed", "kept", *STATUSES)}
        _emit("summary", cases=cases, **told, seconds=round(seconds, 2), table=None if table is None else str(table))


def in_words(seconds: float) -> str:
    """A time in the unit that suits it."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _emit(event: str, **values: Any) -> None:
    print(as_json({"event": event, **values}), flush=True)


def _told(outcome: Outcome) -> str:
    return one_line(f"{outcome.name}: {outcome.error}" if outcome.name else outcome.error)
