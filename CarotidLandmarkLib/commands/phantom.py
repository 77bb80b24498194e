"""`carotid-landmark phantom`: write phantoms with their truth."""

from __future__ import annotations

import argparse
import sys

from ..errors import BadInputError
from ..phantom.streams import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `carotid-landmark phantom`."""
    add = parser.add_argument
    add("--out", required=True, metavar="DIR", help="where <case>.nrrd, <case>.mrk.json and <case>.phantom.json go")
    add("--count", type=int, default=1, metavar="N", help="how many (default 1)")
    add("--seed", type=int, default=0, metavar="S", help="seed of the first; the next ones count on (default 0)")
    add("--split", choices=SPLITS, default="train", help="no two splits share a phantom (default train)")
    add("--scaffold", metavar="DIR", help="label maps to build the phantoms on (labels.json and *.nii.gz)")


def run(args: argparse.Namespace) -> int:
    """Do as the arguments say and return the exit code."""
    from ..phantom.files import write_phantoms

    if args.count < 1 or args.seed < 0:
        raise BadInputError(
            f"--count {args.count} and --seed {args.seed}: give at least 1 phantom and a seed of 0 or more."
        )

    def progress(done: int, total: int) -> None:
        print(f"\r{done} of {total} phantoms", end="\n" if done == total else "", file=sys.stderr, flush=True)

    write_phantoms(args.out, args.count, args.seed, args.split, args.scaffold, progress)
    return 0
