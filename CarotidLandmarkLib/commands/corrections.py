"""`carotid-landmark corrections`: a folder of exported corrections at a glance."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from statistics import median

from ..errors import BadInputError
from ..landmarks.corrections import DECISIONS, Correction, latest_revisions, read_correction
from ..landmarks.points import SIDES
from .options import some_path

HEADER = ("case", "revision", "reader", "side", "status -> decision", "moved, mm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("folder", type=some_path, metavar="DIR", help="where corrections were exported to")


def run(args: argparse.Namespace) -> int:
    """Print a line for each landmark of each case's newest revision, and a summary.

    Returns 0, or 2 where some revisions could not be read. Raises BadInputError for a folder without corrections.
    """
    revisions = latest_revisions(args.folder)
    if not revisions:
        raise BadInputError(f"{args.folder} holds no corrections; give the folder that they were exported to.")
    corrections = []
    for revision in revisions.values():
        try:
            corrections.append(read_correction(revision))
        except BadInputError as error:
            print(error, file=sys.stderr)
    rows = [HEADER, *(row for correction in corrections for row in _rows(correction))]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(_summary(corrections))
    return 0 if len(corrections) == len(revisions) else 2


def _rows(correction: Correction) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for side in SIDES:
        distance = correction.displacement_mm(side)
        change = f"{correction.statuses[side]} -> {correction.decisions[side]}"
        revision = correction.folder.name if correction.folder else ""
        moved = "-" if distance is None else f"{distance:.2f}"
        rows.append((correction.case, revision, correction.reader, side, change, moved))
    return rows


def _summary(corrections: Sequence[Correction]) -> str:
    counts = Counter(decision for correction in corrections for decision in correction.decisions.values())
    parts = [f"{counts[decision]} {decision}" for decision in DECISIONS if counts[decision]]
    moved = [
        distance
        for correction in corrections
        for side in SIDES
        if correction.decisions[side] == "moved" and (distance := correction.displacement_mm(side)) is not None
    ]
    far = f"; moved by {median(moved):.2f} mm (median), {max(moved):.2f} mm at most" if moved else ""
    return f"{len(corrections)} case(s): {', '.join(parts) or 'none could be read'}{far}"
