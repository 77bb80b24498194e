"""`carotid-landmark phantom`: write phantoms with their truth."""

from __future__ import annotations

import argparse

from ..errors import CancelledError
from ..phantom.streams import SPLITS
from ..streams import counter
from .options import seed, some_path, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `carotid-landmark phantom`."""
    add = parser.add_argument
    add(
        "--out",
        type=some_path,
        required=True,
        metavar="DIR",
        help="where <case>.nrrd, <case>.mrk.json and <case>.phantom.json go",
    )
    add("--count", type=whole_number(1), default=1, metavar="N", help="how many (default 1)")
    add("--seed", type=seed, default=0, metavar="S", help="seed of the first; the next ones count on (default 0)")
    add("--split", choices=SPLITS, default="train", help="no two splits share a phantom (default train)")
    add(
        "--scaffold",
        type=some_path,
        metavar="DIR",
        help="label maps to build the phantoms on (labels.json and *.nii.gz)",
    )


def run(args: argparse.Namespace) -> int:
    """Do as the arguments say and return the exit code."""
    from ..detect.results import prepare_folder
    from ..phantom.files import write_phantoms

    prepare_folder(args.out, "--out")
    count, written = counter("phantoms"), 0

    def progress(done: int, total: int) -> None:
        nonlocal written
        written = done
        count(done, total)

    try:
        write_phantoms(args.out, args.count, args.seed, args.split, args.scaffold, progress)
    except KeyboardInterrupt:
        kept = f"; {written} phantom(s) are in {args.out}" if written else ""
        raise CancelledError(f"Interrupted{kept}.") from None
    return 0
