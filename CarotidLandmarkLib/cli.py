"""The command line. Each command's arguments and work are in a file of `commands`, imported only when used.

Exit codes: 0 done, 2 bad input or usage, 3 cannot run here (weights, memory, device), 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from . import __version__
from .errors import CarotidLandmarkError

COMMANDS = {
    "detect": "find both carotid bifurcations in one or many CT volumes",
    "demo": "make a phantom, detect in it, and draw the result",
    "model": "say what a weights file holds",
    "phantom": "write synthetic neck CT angiograms with their true landmarks",
    "train": "train a model on phantoms or on volumes with landmarks",
    "evaluate": "measure detections against the truth",
    "benchmark": "train and measure the paper's methods and ours on equal terms",
    "corrections": "list what readers made of detections",
}
INTERRUPTED = 130


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; only the `chosen` one has its arguments."""
    parser = argparse.ArgumentParser(
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), None)
    args = build_parser(chosen).parse_args(words)
    try:
        code = importlib.import_module(f"CarotidLandmarkLib.commands.{args.command}").run(args)
        sys.stdout.flush()
        return code
    except CarotidLandmarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted; what was finished before is kept.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
