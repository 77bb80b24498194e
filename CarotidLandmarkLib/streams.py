"""Standard output and error, whatever they lead to: a terminal, a file, a full disk, nowhere."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from typing import Any, TextIO


class Lenient:
    """A text stream without which the work goes on: after a write that fails it takes no more, and `error` says why.

    That the reader has left (BrokenPipeError) is raised.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        self._attempt(self.stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._attempt(self.stream.flush)

    def _attempt(self, action: Callable[..., Any], *words: str) -> None:
        if self.error is None:
            try:
                action(*words)
            except BrokenPipeError:
                raise
            except OSError as error:
                self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def open_closed_streams() -> None:
    """Lead those of the three standard streams that are closed to nowhere.

    Otherwise the next file that is opened gets the number of one, and what is printed to that would end up in it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open until the process ends


class Live:
    """A line on stderr that the next one replaces; nothing where stderr is no terminal that can do so."""

    def __init__(self, wanted: bool = True) -> None:
        self.on = wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, text: str) -> None:
        if self.on:
            line = one_line(text)[: shutil.get_terminal_size().columns - 1]
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.on:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def counter(what: str) -> Callable[[int, int], None]:
    """Says "3 of 8 `what`": on a terminal after each, elsewhere after the last."""
    live = Live()

    def count(done: int, total: int) -> None:
        live.show(f"{done} of {total} {what}")
        if done == total:
            live.clear()
            print(f"{done} of {total} {what}", file=sys.stderr, flush=True)

    return count


def one_line(text: object) -> str:
    """The text with control characters, which names of files may hold, and bytes that are no text made visible."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: repr(found[0])[1:-1], str(text))
