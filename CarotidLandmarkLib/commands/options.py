"""Options that every command with a Detector shares."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..detect import DEVICES


def some_path(text: str) -> Path:
    """A path; an empty one, as an unset variable leaves it, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError(f"give a path, not {text!r}")
    return Path(text)


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """--device, --samples, --confidence, --weights and --seed, as the contract has them."""
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="where to compute (auto: a CUDA GPU, else the CPU)"
    )
    parser.add_argument(
        "--samples", type=_count, default=50, metavar="N", help="passes of the finest scale (default: 50)"
    )
    parser.add_argument(
        "--confidence", type=_probability, default=0.90, metavar="P", help="of the ellipsoid (default: 0.90)"
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file (default: those of the package)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random shifts (default: 0)")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _probability(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number
