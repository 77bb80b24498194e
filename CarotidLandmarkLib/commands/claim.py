"""Folders of runs that go on where they were, of one kind each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..atomic import hold, reading_back, write_json
from ..detect.results import prepare_folder
from ..errors import BadInputError


def claim(out: Path, settings: dict[str, Any], name: str) -> None:
    """Make ``out`` the folder of a run with these settings, kept in its file ``name``. Raises BadInputError if it is
    that of another, and CannotRunError where that is at work."""
    prepare_folder(out, "--out")
    hold(out)
    file = out / name
    if file.is_file():
        with reading_back(file) as there:
            other = [key for key, value in settings.items() if there.get(key) != value]
        if other:
            raise BadInputError(
                f"{out} holds a {file.stem} with another {other[0]} ({there.get(other[0])}, not {settings[other[0]]}): "
                "choose another --out."
            )
    write_json(file, settings, indent=1)
