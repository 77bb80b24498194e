"""The books of a run of many cases, written while it works: its table, and run.json, which tells how far it is."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from .. import __version__
from ..atomic import write_json
from ..detect.results import HEADER, TABLE, Outcome, rows_of, write_table
from ..errors import CannotRunError

SCHEMA = "carotid-landmark/run/1"
EVERY_S = 10.0
STATUSES = ("found", "review", "absent")


class Ledger:
    """Counts what became of cases. Of many (``folder`` given) it writes `detections.csv`, a few lines as each ends and
    at the end all in the order of the cases, and `run.json`, at most every EVERY_S seconds.

    part: "", or what is put behind the names of both files. about: what else run.json says.
    """

    def __init__(self, cases: Sequence[str], folder: Path | None, part: str, about: Mapping[str, Any]) -> None:
        self.order = {case: None for case in cases}
        self.folder = folder
        self.about = about
        self.table = None if folder is None else folder / TABLE.replace(".", f"{part}.")
        self.manifest = None if folder is None else folder / f"run{part}.json"
        self.rows: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.started, self.began, self.written = time.time(), time.perf_counter(), -EVERY_S
        self._stream: TextIO | None = None
        if self.table is not None:
            try:
                self._stream = open(self.table, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
                self._append(HEADER)
            except OSError as error:
                raise _unwritable(self.table, error) from error
        self._tell("running")

    def add(self, outcome: Outcome) -> None:
        """Take in a case that has ended. What cannot be written now, as on a full disk, is left to close."""
        self.counts["done"] += 1
        if outcome.error is not None:
            self.counts["failed"] += 1
            self.errors[type(outcome.error).__name__] += 1
        if outcome.detection is not None:
            self.counts["kept"] += outcome.kept
            self.counts.update(landmark.status for landmark in outcome.detection.landmarks)
            if not outcome.kept:
                self.seconds.append(outcome.detection.timing_s["total"])
        if self._stream is not None and self.table is not None:
            self.rows[outcome.name] = rows_of(outcome)
            with suppress(OSError):
                self._append(self.rows[outcome.name])
        if time.perf_counter() - self.written > EVERY_S:
            with suppress(CannotRunError):
                self._tell("running")

    def seconds_left(self) -> float | None:
        """How long the cases that are left will take at the pace so far; None before any was done."""
        done = self.counts["done"] - self.counts["kept"]
        left = len(self.order) - self.counts["done"]
        return left * (time.perf_counter() - self.began) / done if done else None

    def close(self, state: str) -> Path | None:
        """Write both files as they stay, with this state of the run ("finished", "interrupted" or "failed"); return the
        table. Raises CannotRunError where they cannot be written; of a table that cannot, the run has failed."""
        if self._stream is not None and self.table is not None:
            with suppress(OSError):  # it tries once more to write what it could not
                self._stream.close()
            try:
                write_table(self.table, [self.rows[case] for case in self.order if case in self.rows])
            except CannotRunError:
                with suppress(CannotRunError):
                    self._tell("failed")
                raise
        self._tell(state)
        return self.table

    def _append(self, text: str) -> None:
        assert self._stream is not None
        self._stream.write(text)
        self._stream.flush()

    def _tell(self, state: str) -> None:
        if self.manifest is None:
            return
        self.written = time.perf_counter()
        left = self.seconds_left()
        values = {
            "schema": SCHEMA,
            "version": __version__,
            "state": state,
            **self.about,
            "host": {"name": platform.node(), "system": platform.platform(), "cores": os.cpu_count()},
            "started_at": _clock(self.started),
            "written_at": _clock(time.time()),
            "seconds": round(self.written - self.began, 1),
            "seconds_left": None if left is None else round(left, 1),
            "cases": {"all": len(self.order), **{name: self.counts[name] for name in ("done", "kept", "failed")}},
            "landmarks": {status: self.counts[status] for status in STATUSES},
            "errors": dict(self.errors),
            "seconds_a_case": {
                "median": round(statistics.median(self.seconds), 2) if self.seconds else None,
                "largest": round(max(self.seconds), 2) if self.seconds else None,
            },
        }
        write_json(self.manifest, values)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _unwritable(path: Path, error: OSError) -> CannotRunError:
    return CannotRunError(f"Cannot write {path} ({error.strerror}); choose another folder with -o.")
