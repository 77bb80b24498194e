"""Text files as people and spreadsheets save them: any separator, quotes, decimal commas, byte order marks."""

from __future__ import annotations

import codecs
import csv
import os
import re
import stat
from pathlib import Path

from ..errors import BadInputError

DELIMITERS = (",", ";", "\t")


def read_text(path: str | os.PathLike[str], instead: str) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark, as Excel's "Unicode text" is.

    Raises BadInputError, which advises to give ``instead``, for what is no regular file (a pipe may never end), cannot
    be read or is no text.
    """
    path = Path(path)
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise BadInputError(f"Cannot read {path} ({kind}, no file); give {instead}.")
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"Cannot read {path} ({error.strerror}); give {instead}.") from error
    try:
        return data.decode("utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInputError(f"{path} is not text in UTF-8; give {instead}.") from error


def split_lines(text: str) -> list[str]:
    """The lines of ``text``, ended as on any system; str.splitlines would also cut at U+2028, which names may hold."""
    return re.split(r"\r\n|\r|\n", text)


def split_row(line: str, delimiter: str) -> list[str]:
    """The cells of one line of a table, without blanks around them; raises BadInputError for a quote left open."""
    try:
        (row,) = csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
    except csv.Error as error:
        raise BadInputError(f"a quote is not closed or stands in the wrong place ({error})") from error
    return [cell.strip(" \t") for cell in row]


def to_number(text: str) -> float:
    """The number in ``text``, whose decimals may stand behind a comma; raises ValueError if it is none."""
    return float(text if "." in text else text.replace(",", ".", 1))
