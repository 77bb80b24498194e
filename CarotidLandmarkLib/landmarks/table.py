"""CSV tables that give the landmarks of many volumes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import BadInputError
from .points import TO_LPS, parse_position, side_of_label
from .text import DELIMITERS, read_text, split_lines, split_row

COLUMNS = ("volume", "side", "x", "y", "z", "space")
INSTEAD = f"a folder of volumes with points, or a CSV with the columns {','.join(COLUMNS)}"
NAMED_ROWS = 20


def read_points_table(path: str | os.PathLike[str]) -> dict[Path, dict[str, np.ndarray | None]]:
    """Read a table with the columns ``volume,side,x,y,z,space`` (mm; ``space`` is LPS or RAS), one row a landmark.

    Columns are separated by commas, semicolons or tabs and may stand in any order and case, with others between them;
    decimals may stand behind a comma. Returns volume path to side to (3,) LPS mm, in the order of the file; relative
    paths are taken from the table's folder. A row with empty x, y and z is a missing landmark (None); of a side without
    a row nothing is known.

    Raises:
        BadInputError: not such a table; the message names the bad rows.
    """
    path = Path(path)
    lines, delimiter, names = _lines(path, COLUMNS, INSTEAD)
    absent = [name for name in COLUMNS if name not in names]
    if {"case", "status", "presence"} <= set(names):
        raise BadInputError(f"{path} is the table of what detect found, which is no truth; give {INSTEAD}.")
    if absent:
        raise BadInputError(f"{path} lacks the column {', '.join(absent)}; its first line must be {','.join(COLUMNS)}.")
    found: dict[Path, dict[str, np.ndarray | None]] = {}
    problems = []
    for number, line in lines:
        try:
            cells = split_row(line, delimiter)
            if any(cells[len(names) :]):
                raise BadInputError(f"{len(cells)} cells for {len(names)} columns; quote what holds a {delimiter!r}")
            cells += [""] * (len(names) - len(cells))
            volume, side, position = _parse_row({name: cells[names.index(name)] for name in COLUMNS})
            sides = found.setdefault(Path(os.path.normpath(path.parent / volume)), {})
            if side in sides:
                raise BadInputError(f"the {side} landmark of {volume} stands there twice")
            sides[side] = position
        except BadInputError as error:
            problems.append(f"line {number}: {str(error).rstrip('.')}")
    if problems:
        more = [f"and {len(problems) - NAMED_ROWS} more"] if len(problems) > NAMED_ROWS else []
        raise BadInputError(f"{path} has rows to mend: {'; '.join([*problems[:NAMED_ROWS], *more])}.")
    if not found:
        raise BadInputError(f"{path} has no rows; give one row for each landmark.")
    return found


def read_rows(path: str | os.PathLike[str], columns: Sequence[str], instead: str) -> list[dict[str, str]]:
    """The rows of a table that has some of ``columns``, by column, whose names are in small letters here.

    Separators and blanks are as in ``read_points_table``. Raises BadInputError, which advises to give ``instead``.
    """
    path = Path(path)
    lines, delimiter, names = _lines(path, columns, instead)
    if not set(names) & set(columns):
        raise BadInputError(f"{path} has none of the columns {', '.join(columns)}; give {instead}.")
    rows = []
    for number, line in lines:
        try:
            rows.append(dict(zip(names, split_row(line, delimiter))))
        except BadInputError as error:
            raise BadInputError(f"{path} has a row to mend: line {number}: {error}.") from error
    return rows


def _lines(path: Path, columns: Sequence[str], instead: str) -> tuple[list[tuple[int, str]], str, list[str]]:
    """The numbered lines below the header that hold something, the delimiter, and the names of the columns."""
    lines = [(number, line) for number, line in enumerate(split_lines(read_text(path, instead)), start=1)]
    lines = [(number, line) for number, line in lines if line.strip(' \t,;"')]
    if lines and lines[0][1].lower().startswith("sep="):  # a line for Excel alone
        del lines[0]
    return lines[1:], *_header(lines[0][1] if lines else "", columns)


def _header(line: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """The delimiter that finds most of the columns in a table's first line, and the names it finds."""
    found: list[tuple[str, list[str]]] = [(",", [])]
    for delimiter in DELIMITERS:
        with suppress(BadInputError):  # quotes that are wrong for this delimiter
            found.append((delimiter, [name.strip().lower() for name in split_row(line, delimiter)]))
    return max(found, key=lambda of: len(set(of[1]) & set(columns)))


def _parse_row(row: Mapping[str, str]) -> tuple[str, str, np.ndarray | None]:
    side, space = side_of_label(row["side"]), row["space"].strip().upper()
    if not row["volume"] or "\0" in row["volume"] or side is None:
        raise BadInputError(f"volume {row['volume']!r} and side {row['side']!r} need a file and left or right")
    values = [row[axis].strip() for axis in "xyz"]
    if not any(values):
        return row["volume"], side, None
    if space not in TO_LPS:
        raise BadInputError(f"the space {row['space']!r} must be LPS or RAS")
    return row["volume"], side, parse_position(values, f"the {side} landmark") * TO_LPS[space]
