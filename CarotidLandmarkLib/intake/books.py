"""What `watch` has done, kept so that a kill at any moment leaves each series done once, and never half a result.

All is in the folder of results, in HOME: `making` and `staged`, of the series that is worked on; `ready`, folders of
results that are whole and on their way out; `done` and `failed`, a small file a series; `begun`, how often the process
has died of one. A series is done when its results have been renamed into `ready`: what is found there at the start is
brought out, and what was in the making is thrown away. No file here holds a UID, a path or what else is a patient's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .. import __version__
from ..atomic import put, write_json
from ..detect.results import FORK, MARKUPS, PICTURE, SEEDS, SR, prepare_folder, write_case
from ..errors import CannotRunError
from ..landmarks.detection import Detection
from .arrivals import Arrived

HOME = ".watch"
RECORD, SCHEMA = "record.json", "carotid-landmark/watched/1"
ENDINGS = (MARKUPS, FORK, SEEDS, PICTURE, SR)  # of results that another answer may not have


class Books:
    """Of the folder ``out``. ``open`` must be called before anything is written."""

    def __init__(self, out: Path) -> None:
        self.out, self.home = out, out / HOME
        self.deaths: dict[str, int] = {}  # series to how often the process died while it was at work on it

    def open(self) -> None:
        """Make the folders, be the only one to use them, and end what a killed process has left.

        Raises CannotRunError where that cannot be.
        """
        prepare_folder(self.out, "")
        with self._writing():
            self.home.mkdir(exist_ok=True)
            self._lock()
            for name in ("making", "staged"):
                shutil.rmtree(self.home / name, ignore_errors=True)
            for name in ("ready", "done", "failed", "begun"):
                (self.home / name).mkdir(exist_ok=True)
            for begun in (self.home / "begun").iterdir():
                told = begun.read_bytes()  # nothing, or zeros, after a power cut
                self.deaths[begun.name] = int(told) if told.isdigit() else 1
        self.bring_out()

    def bring_out(self) -> None:
        """Move out the results that are ready, as after a kill or a full disk. Raises CannotRunError if that fails."""
        with self._writing():
            for ready in sorted((self.home / "ready").iterdir()):
                self._bring_out(ready)

    def told(self, series: Arrived) -> str:
        """ "done" or "failed: …" of a series that was answered as it is now, "" where that is still to be done.

        One of which images have gone meanwhile is none to do again: somebody is clearing up. If it has failed, and has
        other files than then, somebody has mended it.
        """
        failed, done = (self.record(kind, series.name) for kind in ("failed", "done"))
        if failed and (failed.get("state") == series.state or set(series.marks) < set(failed.get("marks", ()))):
            return f"failed: {failed.get('message')}"
        fewer = len(series.images) < done.get("images", 0)
        return "done" if done and (done.get("identity") == series.identity or fewer) else ""

    def record(self, kind: str, name: str) -> dict[str, Any]:
        """What is written in "done" or "failed" of the series of this name; {} where nothing is.

        Raises CannotRunError where it cannot be read.
        """
        with self._writing():
            return _read(self._file(kind, name))

    @contextmanager
    def working_on(self, series: Arrived) -> Iterator[Path]:
        """A folder of links to the files of the series; should the process die in here, that is counted."""
        folder, begun = self.home / "staged" / series.name, self.home / "begun" / series.name
        with self._writing():
            begun.write_text(str(self.deaths.get(series.name, 0) + 1))
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for number, image in enumerate([*series.images, *series.empty]):  # those, so that they are seen
                os.symlink(image.path, folder / f"{number:06}")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                self._end(series)

    def publish(self, series: Arrived, detection: Detection) -> None:
        """Write the results, all or none. Raises CannotRunError where they cannot be written."""
        making, ready = self.home / "making" / series.name, self.home / "ready" / series.name
        with self._writing():
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            files = [file.name for file in write_case(making, detection, "")]
            revision = self.record("done", series.name).get("revision", 0) + 1
            told = {"identity": series.identity, "images": len(series.images), "revision": revision, "files": files}
            write_json(making / RECORD, {"schema": SCHEMA, "version": __version__, **told})
            put(making, ready)
            self._bring_out(ready)

    def fail(self, series: Arrived, sentence: str) -> None:
        """Note that the series cannot be answered as it is. Raises CannotRunError where that cannot be written."""
        file = self._file("failed", series.name)
        with self._writing():
            file.parent.mkdir(parents=True, exist_ok=True)
            told = {"state": series.state, "marks": series.marks, "message": sentence}
            write_json(file, {"schema": SCHEMA, "version": __version__, **told})
            self._end(series)

    def _end(self, series: Arrived) -> None:
        (self.home / "begun" / series.name).unlink(missing_ok=True)
        self.deaths.pop(series.name, None)

    def _bring_out(self, ready: Path) -> None:
        """The record, by which the series is known as done, goes last, so this can be done again at any point."""
        files = _read(ready / RECORD).get("files")
        if files:
            for name in {f"{ready.name}{ending}" for ending in ENDINGS} - set(files):
                (self.out / name).unlink(missing_ok=True)
            for name in files[1:] + files[:1]:  # the markups last, as write_case has it
                with suppress(FileNotFoundError):
                    put(ready / name, self.out / name)
            done, failed = self._file("done", ready.name), self._file("failed", ready.name)
            done.parent.mkdir(parents=True, exist_ok=True)
            put(ready / RECORD, done)
            for old in (failed, self.home / "begun" / ready.name):
                old.unlink(missing_ok=True)
        shutil.rmtree(ready)

    def _file(self, kind: str, name: str) -> Path:
        return self.home / kind / name[:2] / f"{name}.json"

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError as error:  # Windows
            raise CannotRunError("A folder can be watched on Linux and macOS only: use detect.") from error
        self._held = open(self.home / "lock", "w")  # noqa: SIM115 - until the process ends
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotRunError(
                f"Another watch writes to {self.out}: end that one, or choose another folder."
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CannotRunError(
                f"Cannot write to {self.out} ({reason}): see that it can be written and is not full."
            ) from error


def _read(file: Path) -> dict[str, Any]:
    """What a record says, {} where there is none, or none that is whole, as after a power cut."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}
