"""Who has done which case, and who is where: kept with the corrections, so that no two people write to one file.

What a reader has done is what he has exported: each revision says which case of a worklist it is of. Where he is, and
what he has exported just now, is in a file that only his session writes:

    CORRECTIONS/.worklist/QA-1a2b3c4d.json

A file whose session has ended, or was killed, claims nothing once it is CLAIM_S old.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..atomic import write_json
from ..errors import BadInputError, CannotRunError
from ..landmarks.corrections import FILE, all_revisions
from ..landmarks.points import SIDES
from ..landmarks.text import read_text

SCHEMA = "carotid-landmark/worklist/1"
FOLDER = ".worklist"
BEAT_S, CLAIM_S = 30, 120


class Mark(NamedTuple):
    """A reader's last word on the case with that key: on how many sides he has decided."""

    key: str
    reader: str
    decided: int

    @property
    def done(self) -> bool:
        """Whether both sides were decided."""
        return self.decided == len(SIDES)


def read_marks(folder: str | os.PathLike[str]) -> list[Mark]:
    """The marks that the revisions in ``folder`` make, each reader's newest of each case; what cannot be read or is in
    another case's folder is none.

    `corrections check` says what is wrong with those.
    """
    marks: dict[tuple[str, str], Mark] = {}
    for revisions in all_revisions(folder).values():
        for revision in revisions:
            with contextlib.suppress(BadInputError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                told = json.loads(read_text(revision / FILE, "a folder of exported corrections"))
                if isinstance(key := told.get("worklist"), str) and told["case"] == revision.parent.name:
                    decided = sum(landmark["decision"] != "unreviewed" for landmark in told["landmarks"])
                    marks[key, told["reader"]] = Mark(key, told["reader"], decided)
    return list(marks.values())


class Session:
    """One reader at one worklist; ``folder`` is that of the corrections. Every method may be called at any time.

    Raises CannotRunError where its file cannot be written; the next write holds all that was to be written before.
    """

    def __init__(self, folder: str | os.PathLike[str], reader: str) -> None:
        self.folder = Path(folder) / FOLDER
        self.file = self.folder / f"{reader}-{secrets.token_hex(4)}.json"
        self.reader = reader
        self._open: str | None = None
        self._place: str | None = None
        self._exported: dict[str, int] = {}
        self._times: dict[str, float] = {}
        self._skew_s: float | None = None

    def enter(self, key: str | None) -> None:
        """The reader has this case before him, or, with None, no case any more."""
        if key is None and self._open is None:
            return
        self._open = key
        self._place = key or self._place
        self._write()

    def exported(self, key: str, decided: int) -> None:
        """The reader has exported this case, with so many sides decided."""
        self._exported[key], self._times[key] = decided, self._now()
        self._write()

    def beat(self) -> None:
        """Say that the session is alive, every BEAT_S while a case is open."""
        if self._open is not None:
            self._write()

    def last_place(self, keys: Iterable[str | None]) -> str | None:
        """Which of ``keys`` this reader had before him last, in whatever session; None for none of them."""
        wanted = set(keys) - {None}
        mine = (told for _, told in self._files() if told.get("reader") == self.reader)
        return next((told["place"] for told in mine if told.get("place") in wanted), None)

    def others(self) -> tuple[list[Mark], dict[str, list[str]]]:
        """What all sessions have exported, in that order, and, by key, the other readers who have a case open now."""
        marks: list[tuple[float, Mark]] = []
        claims: dict[str, list[str]] = {}
        files = self._files()
        if files and self._skew_s is None:  # nothing of this session's own tells the time there yet
            self._skew_s = self._measured_skew_s()
        now = self._now()
        for file, told in reversed(files):
            reader, exported, key = told.get("reader"), told.get("exported"), told.get("open")
            if not isinstance(reader, str) or not isinstance(exported, dict):
                continue
            times = told.get("times")
            for of, decided in exported.items():
                when = times.get(of) if isinstance(times, dict) else None
                when = when if isinstance(when, (int, float)) else _modified(file)
                if isinstance(decided, int):
                    marks.append((when, Mark(of, reader, decided)))
            if reader != self.reader and isinstance(key, str) and now - _modified(file) < CLAIM_S:
                claims.setdefault(key, []).append(reader)
        return [mark for _, mark in sorted(marks, key=lambda of: of[0])], claims

    def is_open_twice(self, key: str | None) -> bool:
        """Whether another session under the same initials has this case open, or did until it was killed just now."""
        mine = [file for file, told in self._files() if told.get("reader") == self.reader and told.get("open") == key]
        return key is not None and any(self._now() - _modified(file) < CLAIM_S for file in mine if file != self.file)

    def _write(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise CannotRunError(
                f"Your place cannot be kept in {self.folder} ({reason}); choose another folder of corrections."
            ) from error
        values = {"schema": SCHEMA, "reader": self.reader, "open": self._open, "place": self._place}
        isnew = not os.path.exists(self.file)  # of one that may not be looked at the next line says so
        write_json(self.file, {**values, "exported": self._exported, "times": self._times})
        self._skew_s = _modified(self.file) - time.time()
        if isnew:
            self._remove_older()

    def _remove_older(self) -> None:
        """Of this reader's ended sessions the newest is enough: their revisions say the rest."""
        ended = [
            file
            for file, told in self._files()
            if told.get("reader") == self.reader and file != self.file and self._now() - _modified(file) > CLAIM_S
        ]
        for file in ended[1:]:
            with contextlib.suppress(OSError):
                file.unlink()

    def _files(self) -> list[tuple[Path, dict[str, Any]]]:
        """Every session's file and what it says, the newest first; a file that cannot be read says nothing."""
        found, files = [], list[Path]()
        with contextlib.suppress(OSError):  # a network that has gone says nothing, either
            files = list(self.folder.glob("*.json"))
        for file in files:
            with contextlib.suppress(BadInputError, ValueError, RecursionError):
                told = json.loads(read_text(file, "a session's file"))
                if isinstance(told, dict) and told.get("schema") == SCHEMA:
                    found.append((file, told))
        return sorted(found, key=lambda of: _modified(of[0]), reverse=True)

    def _now(self) -> float:
        """By the clock that gives the files their times, which may be another machine's."""
        return time.time() + (self._skew_s or 0.0)

    def _measured_skew_s(self) -> float:
        probe = self.folder / f".{secrets.token_hex(8)}.part"
        try:
            probe.write_bytes(b" ")
            return probe.stat().st_mtime - time.time()
        except OSError:  # whoever may only read here trusts his own clock
            return 0.0
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
