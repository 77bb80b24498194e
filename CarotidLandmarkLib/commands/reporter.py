"""What a run of detect says while it works: lines for a person, or JSON objects for a program."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..detect.results import Outcome, describe
from ..landmarks.detection import Detection


class TextReporter:
    """Results on stdout; errors, warnings and, on a terminal, progress on stderr. `quiet`: nothing but errors."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.live = not quiet and sys.stderr.isatty()
        self.prefix = ""

    def begin(self, case: str, number: int, count: int) -> None:
        self.prefix = f"{case}: " if count == 1 else f"{number}/{count} {case}: "

    def progress(self, text: str, fraction: float) -> None:
        if self.live:
            print(f"\r\033[K{self.prefix}{100 * fraction:3.0f} %  {text}", end="", file=sys.stderr, flush=True)

    def result(self, detection: Detection, files: Sequence[Path]) -> None:
        self.clear()
        if self.quiet:
            return
        for warning in detection.warnings:
            print(f"{detection.case}: {warning}", file=sys.stderr)
        print(f"{detection.case}  ({detection.timing_s['total']:.1f} s)")
        for landmark in detection.landmarks:
            place = "-"
            if landmark.position_lps_mm is not None:
                place = "({:.1f}, {:.1f}, {:.1f}) mm LPS".format(*landmark.position_lps_mm)
            print(f"  {landmark.side:<6} {place:<32} {describe(landmark)}")
        print(f"  -> {', '.join(map(str, files))}", flush=True)

    def error(self, outcome: Outcome) -> None:
        self.clear()
        print(f"{outcome.name}: {outcome.error}", file=sys.stderr)

    def summary(self, outcomes: Sequence[Outcome], seconds: float, table: Path | None) -> None:
        if table is None or self.quiet:
            return
        counts = count_outcomes(outcomes)
        statuses = ", ".join(f"{counts[status]} {status}" for status in ("found", "review", "absent"))
        print(f"{len(outcomes)} cases in {seconds:.1f} s, {counts['failed']} failed; landmarks: {statuses}; {table}")

    def clear(self) -> None:
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


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

    def result(self, detection: Detection, files: Sequence[Path]) -> None:
        _emit("result", case=detection.case, detection=detection.to_dict(), files=[str(file) for file in files])

    def error(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            _emit("error", case=outcome.name, message=str(outcome.error), exit_code=outcome.error.exit_code)
        print(f"{outcome.name}: {outcome.error}", file=sys.stderr)

    def summary(self, outcomes: Sequence[Outcome], seconds: float, table: Path | None) -> None:
        counts = count_outcomes(outcomes)
        landmarks = {status: counts[status] for status in ("found", "review", "absent")}
        path = None if table is None else str(table)
        _emit(
            "summary", cases=len(outcomes), failed=counts["failed"], **landmarks, seconds=round(seconds, 2), table=path
        )


def count_outcomes(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How many landmarks are found, review and absent, and how many cases failed."""
    counts: Counter[str] = Counter(failed=sum(outcome.detection is None for outcome in outcomes))
    for outcome in outcomes:
        counts.update(landmark.status for landmark in (outcome.detection.landmarks if outcome.detection else ()))
    return counts


def _emit(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}, allow_nan=False), flush=True)
