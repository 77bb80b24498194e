"""The loop that answers each series once, and its log, in which no patient can be recognised."""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CannotRunError, CarotidLandmarkError, FaultError, as_sentence
from ..landmarks.detection import Detection
from ..streams import one_line
from .arrivals import Arrivals, Arrived
from .books import Books

LOG, LOG_BYTES, LOG_FILES = "watch.log", 5_000_000, 5
MOST_DEATHS = 3
TROUBLE_S = 60.0  # between two tries to do what a full disk or a network prevented
NAP_S = 0.2  # a signal is heard after no more
Answer = Callable[[str, Path], Detection]


class Watch:
    """Gives the files of each series that has arrived whole to ``answer(name, folder)``, and writes what comes back.

    Where ``keep`` asks for it, ``done`` has the detections and ``failed`` the errors by the series' names. ``counts``
    says how many were "done" and "failed".
    """

    def __init__(
        self, arrivals: Arrivals, books: Books, answer: Answer, log: logging.Logger, keep: bool = False
    ) -> None:
        self.arrivals, self.books, self.answer, self.log, self.keep = arrivals, books, answer, log, keep
        self.done: dict[str, Detection] = {}
        self.failed: dict[str, CarotidLandmarkError] = {}
        self.counts: Counter[str] = Counter()

    def step(self) -> bool:
        """Answer the series that has waited longest; return whether there was one.

        Those of which the process has died come last. Raises CannotRunError where the folder cannot be looked into,
        results cannot be written, or memory does not suffice; unless ``keep``, this is tried MOST_DEATHS times.
        """
        self.books.bring_out()
        due = []
        for series in self.arrivals.look():
            if self.books.told(series):
                self.arrivals.answered(series)
            else:
                due.append(series)
        if due:
            self._do(min(due, key=lambda series: self.books.deaths.get(series.name, 0)))
        return bool(due)

    def run(self, every: float, stopped: Callable[[], bool]) -> None:
        """Go on until ``stopped``, which is asked after each series; look every so many seconds."""
        trouble = ""
        while not stopped():
            pause = every
            try:
                if self.step():
                    pause = 0.0
                trouble = ""
            except CannotRunError as error:
                if str(error) != trouble:
                    self.log.error("%s Tried again every %.0f s.", one_line(error), TROUBLE_S)
                trouble, pause = str(error), TROUBLE_S
            until = time.monotonic() + pause
            while not stopped() and (left := until - time.monotonic()) > 0:
                time.sleep(min(left, NAP_S))

    def _do(self, series: Arrived) -> None:
        started = time.perf_counter()
        self.log.info("%s: begun, %d images", series.name, len(series.images))
        if self.books.deaths.get(series.name, 0) >= MOST_DEATHS:
            self._fail(series, CannotRunError(f"The process died {MOST_DEATHS} times while it worked on this."))
            return
        tries, detection, put_off = self.books.deaths.get(series.name, 0) + 1, None, None
        with self.books.working_on(series) as folder:
            try:
                detection = self.answer(series.name, folder)
            except Exception as error:
                known = as_sentence(error)
                if series.is_gone():
                    self.log.info("%s: has gone", series.name)
                elif self.keep or tries >= MOST_DEATHS or not _may_pass(known):
                    self._fail(series, known)
                else:
                    put_off = known
            else:
                detection.volume["path"] = series.folder
                self.books.publish(series, detection)
        if put_off is not None:
            self.books.deaths[series.name] = tries
            raise CannotRunError(f"{series.name}: {without_names(put_off)}") from put_off
        if detection is None:
            return
        self.arrivals.answered(series)
        self.counts["done"] += 1
        if self.keep:
            self.done[series.name] = detection
        statuses = ", ".join(f"{landmark.side} {landmark.status}" for landmark in detection.landmarks)
        self.log.info("%s: done in %.1f s, %s", series.name, time.perf_counter() - started, statuses)

    def _fail(self, series: Arrived, error: CarotidLandmarkError) -> None:
        sentence = without_names(error)
        self.books.fail(series, sentence)
        self.arrivals.answered(series)
        self.counts["failed"] += 1
        if self.keep:
            self.failed[series.name] = error
        self.log.warning("%s: failed. %s", series.name, sentence)


def _may_pass(error: CarotidLandmarkError) -> bool:
    """Whether it is this computer that could not, as for want of memory, and not the series."""
    return isinstance(error, CannotRunError) and not isinstance(error, FaultError)


def without_names(error: CarotidLandmarkError) -> str:
    """The sentence without what it quotes of files and paths; of an error that nobody foresaw its type and place."""
    text = one_line(error)
    if isinstance(error, FaultError):
        text = ":".join(text.split(":")[:2])
    quoted = r"'.*'" if text.count("'") % 2 else r"(?<!\w)'.*?'(?!\w)"  # one more is an apostrophe in what is quoted
    return re.sub(quoted, "'…'", text)


class _Log(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """The work goes on while a full disk takes no more lines."""


@contextmanager
def open_log(folder: Path, quiet: bool) -> Iterator[logging.Logger]:
    """The log in ``folder``, in no more than LOG_FILES + 1 files of LOG_BYTES; also on stderr, ``quiet``: its warnings.

    Raises CannotRunError where it cannot be written.
    """
    log = logging.Logger("watch")
    try:
        file = _Log(folder / LOG, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    except OSError as error:
        raise CannotRunError(f"Cannot write {folder / LOG} ({error.strerror}): choose another folder.") from error
    screen = logging.StreamHandler(sys.stderr)
    screen.setLevel(logging.WARNING if quiet else logging.INFO)
    for handler in (file, screen):
        form = logging.Formatter("%(asctime)sZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        form.converter = time.gmtime
        handler.setFormatter(form)
        log.addHandler(handler)
    try:
        yield log
    finally:
        file.close()
