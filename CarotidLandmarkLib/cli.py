"""The command line. Each command's arguments and work are in a file of `commands`, imported only when used.

Exit codes: 0 done, 2 bad input or usage, 3 cannot run here (weights, memory, device, output), 130 interrupted. An error
that nobody foresaw is a sentence with its type, message and place and the exit code 3; its traceback is printed where
the environment variable CAROTID_LANDMARK_TRACEBACK is set.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .atomic import as_json
from .errors import BadInputError, CancelledError, CannotRunError, CarotidLandmarkError, as_sentence
from .streams import Lenient, one_line, open_closed_streams

COMMANDS = {
    "detect": "find both carotid bifurcations in one or many CT volumes",
    "watch": "detect in each series that a DICOM receiver puts into a folder",
    "mercure": "detect as a processing module of the DICOM router mercure",
    "demo": "detect in a phantom that comes with the package, and draw the result",
    "model": "say what a weights file holds; install, choose and check weights",
    "phantom": "write synthetic neck CT angiograms with their true landmarks",
    "train": "train a model on phantoms or on volumes with landmarks",
    "calibrate": "calibrate a model's ellipsoids, and what it trusts, on scans with landmarks",
    "site": "how the weights do on your own cases, and weights that have learned from them",
    "evaluate": "measure detections against the truth",
    "benchmark": "train and measure the paper's methods and ours on equal terms",
    "convert": "write a data set, or detections, in another tool's format",
    "corrections": "list, check and compare what readers made of detections",
}
# Commands of several actions: which there are, the first one meant where none is named.
ACTIONS = {
    "corrections": ("list", "check", "summary", "agreement"),
    "model": ("show", "list", "install", "use", "verify", "remove"),
}


class UsageError(BadInputError):
    """The words of the command line are not as they should be."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError: a sentence that names the option, or, where the words do not fit at all, after the usage."""

    def error(self, message: str) -> NoReturn:
        if message.startswith("argument "):
            raise UsageError(f"{message[len('argument ') :]}.")
        self.print_usage(sys.stderr)
        raise UsageError(f"{self.prog}: {message}.")


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; only the `chosen` one has its arguments."""
    parser = Parser(
        prog="carotid-landmark",
        description="Both carotid bifurcations in a neck CT, each with its uncertainty. Not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen:
            importlib.import_module(f"CarotidLandmarkLib.commands.{name}").add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a wrong use of it exits with 2, as argparse does."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
    words = list(sys.argv[1:] if argv is None else argv)
    out, err = Lenient(sys.stdout), Lenient(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        leaving = None
        try:
            try:
                code = _run(words)
            except SystemExit as left:  # argparse has given help, or refused
                leaving, code = left, left.code if isinstance(left.code, int) else int(left.code is not None)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output, such as `head`, has left
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 1
        if out.error:
            print(f"Not everything could be printed ({out.error.strerror}).", file=sys.stderr)
            code = code or CannotRunError.exit_code
        for stream in (out, err):
            if stream.error:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or the end of the process would try again
        if leaving and not out.error:
            raise leaving
        return code


def _with_action(words: list[str], chosen: str | None) -> list[str]:
    """``words`` with the action that is meant where a command of several has none: `corrections DIR` lists."""
    actions = ACTIONS.get(chosen or "", ())
    at = words.index(chosen) + 1 if actions and chosen else 0
    if not actions or (words[at:] and words[at] in (*actions, "-h", "--help")):
        return words
    return [*words[:at], actions[0], *words[at:]]


def _run(words: list[str]) -> int:
    chosen = next((word for word in words if not word.startswith("-")), None)
    try:
        args = build_parser(chosen).parse_args(_with_action(words, chosen))
        return importlib.import_module(f"CarotidLandmarkLib.commands.{args.command}").run(args)
    except KeyboardInterrupt:
        error: CarotidLandmarkError = CancelledError("Interrupted.")
    except BrokenPipeError:
        raise
    except Exception as fault:
        error = as_sentence(fault)
    if "--json" in words:
        print(as_json({"event": "error", "case": None, "message": str(error), "exit_code": error.exit_code}))
    print(one_line(error), file=sys.stderr)
    if isinstance(error, UsageError):
        sys.exit(error.exit_code)
    return error.exit_code
