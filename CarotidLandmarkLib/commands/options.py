"""What the arguments of the commands may be: each type of argument once, and the options that those with a Detector
share.

A type's error says what to give, and what was given instead; `cli` puts the name of the option before it.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from ..detect import BACKENDS, DEVICES, LARGEST_SEED, SAMPLES

CONFIDENCE = 0.9
CONFIDENCE_HELP = (
    "of the ellipsoid, which speaks of the bifurcation as the weights were trained on it: those of the package on the "
    "carina, where the lumens of the internal and external carotid part (default: 0.90)"
)

WEIGHTS_HELP = "a weights file or the name of installed weights (default: those in use, see `model list`)"


def whole_number(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """The type of a whole number from ``least`` to ``most``, which is told only to whoever gives more."""
    wanted = f"a whole number from {least}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise _wrong(wanted, text) from None
        if not least <= number <= most:
            raise _wrong(wanted if number < least else f"{wanted} to {most}", text)
        return number

    return read


seed = whole_number(0, LARGEST_SEED)


def positive_number(text: str) -> float:
    """A finite number above 0."""
    return _number(text, "a number above 0", lambda number: number > 0)


def share(text: str) -> float:
    """A number from 0 to 1, both included."""
    return _number(text, "a number from 0 to 1", lambda number: 0 <= number <= 1)


def probability(text: str) -> float:
    """A number between 0 and 1, neither included."""
    return _number(text, "a number between 0 and 1", lambda number: 0 < number < 1)


def part_of(text: str) -> tuple[int, int]:
    """Which part of how many, as 2/4 has it."""
    number, _, of = text.partition("/")
    try:
        part = int(number), int(of)
    except ValueError:
        raise _wrong("two whole numbers as 2/4", text) from None
    if not 1 <= part[0] <= part[1]:
        raise _wrong("a part that there is, as 2/4", text)
    return part


def some_path(text: str) -> Path:
    """A path; an empty one, as an unset variable leaves it, would be the current folder."""
    if not text:
        raise _wrong("a path", text)
    return Path(text)


def some_weights(text: str) -> Path:
    """A weights file, or the name of installed weights (see model.store)."""
    from ..model.store import resolve

    return resolve(os.fspath(some_path(text)))


def chosen_weights(args: argparse.Namespace) -> Path | None:
    """The file of --weights, else of the weights in use; None for those of the package."""
    from ..model.store import file_in_use

    return args.weights or file_in_use()


def add_engine_arguments(parser: argparse._ActionsContainer) -> None:
    """--device, --backend, --samples, --confidence, --weights, --seed and --no-fork, as the contract has them."""
    add = parser.add_argument
    add("--device", choices=DEVICES, default="auto", help="where to compute (auto: a CUDA GPU, else the CPU)")
    add(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="what runs the networks (auto: torch for a CUDA GPU, else OpenVINO, else torch)",
    )
    passes = f"passes of the finest scale (default: {SAMPLES})"
    add("--samples", type=whole_number(1), default=SAMPLES, metavar="N", help=passes)
    add("--confidence", type=probability, default=CONFIDENCE, metavar="P", help=CONFIDENCE_HELP)
    add("--weights", type=some_weights, metavar="FILE|NAME", help=WEIGHTS_HELP)
    add("--seed", type=seed, default=0, metavar="N", help="of the random shifts (default: 0)")
    add("--no-fork", action="store_false", dest="fork", help="do not trace the lumen, nor check the points by it")


def _number(text: str, wanted: str, fits: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _wrong(wanted, text) from None
    if not (math.isfinite(number) and fits(number)):
        raise _wrong(wanted, text)
    return number


def _wrong(wanted: str, text: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"give {wanted}, not {text!r}")
