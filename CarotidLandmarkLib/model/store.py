"""Weights that are installed on this computer, and which of them are in use.

    models/site/r001/site.safetensors   weights, as they were given
                     manifest.json      their sha256, against which they are checked whenever they are read
                     installed.json     where they came from, when, and what they say of themselves
                     CARD.md, site.json as they lay beside the file
                r002/…                  the name installed again, with other weights; the newest revision is meant
    models/in-use.json                  absent: the weights of the package

A revision appears whole or not at all, and is never written to again.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import revision_number
from ..errors import BadInputError, CannotRunError
from .header import DEFAULT

VARIABLE = "CAROTID_LANDMARK_DATA"
FOLDER = "carotid-landmark"
PACKAGE = "default"  # what the weights of the package are called here
SUFFIX = ".safetensors"
SUFFIXES = (SUFFIX, ".pt", ".pth", ".ckpt")
INSTALLED, IN_USE, CARD = "installed.json", "in-use.json", "CARD.md"

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_REFERENCE = re.compile(f"({NAME.pattern})" + r"(?:@(\d{1,6}))?")
COMMAND = "carotid-landmark model"


@dataclass(frozen=True)
class Installed:
    """One revision of installed weights. ``about`` is what installed.json holds: "sha256", "source", "installed_at",
    "model" and "version" (by the weights' header), "worse" (by their site report), …; {} where it cannot be read."""

    name: str
    revision: int
    folder: Path
    about: dict[str, Any] = field(compare=False)

    @property
    def reference(self) -> str:
        """What this revision is called on the command line."""
        return f"{self.name}@{self.revision}"

    @property
    def file(self) -> Path:
        """The weights."""
        return self.folder / f"{self.name}{SUFFIX}"


def data_folder() -> Path:
    """The user's folder for what this program keeps: that of the environment variable CAROTID_LANDMARK_DATA, else the
    system's (XDG_DATA_HOME, Application Support, LOCALAPPDATA). Raises CannotRunError where there is none."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            told = os.environ.get("XDG_DATA_HOME", "")
            base = Path(told) if os.path.isabs(told) else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise CannotRunError(f"There is no home folder to keep weights in; set {VARIABLE} to a folder.") from error
    return base / FOLDER


def installed() -> list[Installed]:
    """All that is installed, by name, oldest revision first."""
    root = models()
    with _reading(root):
        homes = sorted(home for home in root.iterdir() if NAME.fullmatch(home.name)) if root.is_dir() else []
        found = [
            revision for home in homes if home.is_dir() for revision in home.iterdir() if revision_number(revision)
        ]
    return [
        Installed(revision.parent.name, revision_number(revision), revision, _about(revision))
        for revision in sorted(found, key=lambda revision: (revision.parent.name, revision_number(revision)))
    ]


def find(reference: str) -> Installed:
    """The newest revision of ``NAME``, or that of ``NAME@NUMBER``; raises BadInputError where there is none."""
    name, number = split(reference)
    there = installed()
    fitting = [one for one in there if one.name == name and number in (None, one.revision)]
    if not fitting:
        names = ", ".join(dict.fromkeys([PACKAGE, *(one.name for one in there)]))
        raise BadInputError(f"No weights are installed as {reference}; there are {names}. `{COMMAND} list` shows them.")
    return fitting[-1]


def resolve(text: str) -> Path:
    """The weights file that ``text`` means: a path, or else a name (NAME, NAME@NUMBER, default).

    Raises BadInputError for a name that is neither a file nor installed; what looks like a path is not looked at.
    """
    path = Path(text)
    if not _REFERENCE.fullmatch(text) or path.suffix.lower() in SUFFIXES or path.is_file():
        return path
    return DEFAULT if text == PACKAGE else find(text).file


def in_use() -> Installed | None:
    """The weights in use; None: those of the package. Raises CannotRunError where those that were chosen are gone."""
    path = models() / IN_USE
    again = f"choose again with `{COMMAND} use NAME` ({PACKAGE} for those of the package)"
    try:
        chosen = json.loads(path.read_text(encoding="utf-8"))
        name, number, sha256 = chosen["name"], chosen["revision"], chosen["sha256"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotRunError(f"{path}, which says what weights are in use, cannot be read; {again}.") from error
    for one in installed():
        if (one.name, one.revision) == (name, number):
            if one.about.get("sha256") != sha256:
                raise CannotRunError(f"The weights {one.reference} are others than were chosen for use; {again}.")
            return one
    raise CannotRunError(f"The weights in use, {name}@{number}, are no longer in {models()}; {again}.")


def file_in_use() -> Path | None:
    """The file of the weights in use, None for those of the package; raises as ``in_use`` does."""
    one = in_use()
    return one.file if one else None


def card_of(weights: str | os.PathLike[str]) -> str | None:
    """The text of the card beside a weights file, None where none lies there that can be read."""
    try:
        return Path(weights).with_name(CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def models() -> Path:
    """The folder of the store, which need not be there."""
    return data_folder() / "models"


def split(reference: str) -> tuple[str, int | None]:
    """The name and the number, if there is one, in ``reference``; raises BadInputError for what is no reference."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise BadInputError(f"{reference!r} is no name of installed weights; give NAME or NAME@NUMBER.")
    return match[1], int(match[2]) if match[2] else None


def _about(revision: Path) -> dict[str, Any]:
    try:
        told = json.loads((revision / INSTALLED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and isinstance(told.get("sha256"), str) else {}


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotRunError(f"{folder} cannot be read ({error.strerror or error}); check its permissions.") from error
