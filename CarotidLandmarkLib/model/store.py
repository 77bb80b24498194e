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

import hashlib
import json
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import remove_folder, rename_to_next, revision_number, write_bytes, write_json
from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from .header import DEFAULT

VARIABLE = "CAROTID_LANDMARK_DATA"
FOLDER = "carotid-landmark"
PACKAGE = "default"  # what the weights of the package are called here
SUFFIX = ".safetensors"
SUFFIXES = (SUFFIX, ".pt", ".pth", ".ckpt")
INSTALLED, IN_USE, CARD = "installed.json", "in-use.json", "CARD.md"
LARGEST_NOTE = 1 << 20
ABANDONED_S = 3600  # a file is installed in much less

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_REFERENCE = re.compile(f"({_NAME.pattern})" + r"(?:@(\d{1,6}))?")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file can have these on Windows
_COMMAND = "carotid-landmark model"


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
    root = _models()
    with _reading(root):
        homes = sorted(home for home in root.iterdir() if _NAME.fullmatch(home.name)) if root.is_dir() else []
        found = [
            revision for home in homes if home.is_dir() for revision in home.iterdir() if revision_number(revision)
        ]
    return [
        Installed(revision.parent.name, revision_number(revision), revision, _about(revision))
        for revision in sorted(found, key=lambda revision: (revision.parent.name, revision_number(revision)))
    ]


def find(reference: str) -> Installed:
    """The newest revision of ``NAME``, or that of ``NAME@NUMBER``; raises BadInputError where there is none."""
    name, number = _split(reference)
    there = installed()
    fitting = [one for one in there if one.name == name and number in (None, one.revision)]
    if not fitting:
        names = ", ".join(dict.fromkeys([PACKAGE, *(one.name for one in there)]))
        raise BadInputError(
            f"No weights are installed as {reference}; there are {names}. `{_COMMAND} list` shows them."
        )
    return fitting[-1]


def resolve(text: str) -> Path:
    """The weights file that ``text`` means: a path, or else a name (NAME, NAME@NUMBER, default).

    Raises BadInputError for a name that is neither a file nor installed; what looks like a path is not looked at.
    """
    path = Path(text)
    if not _REFERENCE.fullmatch(text) or path.suffix.lower() in SUFFIXES or path.exists():
        return path
    return DEFAULT if text == PACKAGE else find(text).file


def install(path: str | os.PathLike[str], name: str | None = None, force: bool = False) -> Installed:
    """Copy a weights file into the store as the next revision of ``name`` (None: the name in its header), checked.

    What is installed already under this name, unchanged, is returned as it is. Raises BadInputError for a file that
    holds no usable weights, a name that cannot be, and, unless ``force``, weights that their site report found worse
    than those that they were started from; CannotRunError where the store cannot be written to.
    """
    from .weights import read_weights

    source = Path(path)
    if source.suffix.lower() != SUFFIX:
        raise BadInputError(f"{source} is no {SUFFIX} file; give one, as `train` and `site` write it.")
    weights = read_weights(source)
    weights.check()
    header = weights.header
    site = header.get("site")
    worse = isinstance(site, dict) and site.get("worse") is True
    if worse and not force:
        raise BadInputError(
            f"{source} was found worse than the weights that it began with, by its own site report; keep those, or "
            "install it all the same with --force."
        )
    name = _new_name(name, str(header.get("name")))
    for one in installed():
        if one.name == name and one.about.get("sha256") == header["sha256"] and problem(one) is None:
            return one
    with _writing():
        data = source.read_bytes()
        if hashlib.sha256(data).hexdigest() != header["sha256"]:
            raise BadInputError(
                f"{source} was changed while it was installed; wait until it is written, and try again."
            )
        home = _models() / name
        _remove_abandoned(home)
        part = home / f".{uuid.uuid4().hex}.part"
        try:
            part.mkdir(parents=True)
            write_bytes(part / f"{name}{SUFFIX}", data)
            write_json(part / "manifest.json", {f"{name}{SUFFIX}": header["sha256"]})
            for note in (source.with_name(CARD), source.with_suffix(".json")):
                if (
                    note.is_file()
                    and note.stat().st_size <= LARGEST_NOTE
                    and note.name not in (INSTALLED, "manifest.json")
                ):
                    shutil.copyfile(note, part / note.name)
            about = {
                "schema": "carotid-landmark/installed/1",
                "sha256": header["sha256"],
                "bytes": len(data),
                "source": str(source.resolve()),
                "installed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "model": header.get("name"),
                "version": header.get("version"),
                "worse": worse,
            }
            write_json(part / INSTALLED, about)
            revision = rename_to_next(part, home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return Installed(name, revision_number(revision), revision, about)


def problem(one: Installed) -> str | None:
    """What is wrong with installed weights, in a sentence: gone, changed since, damaged; None where all is well."""
    from .weights import read_weights  # not at the top: whoever only lists what is there needs no safetensors

    if not one.about:
        return f"{one.folder / INSTALLED} cannot be read: install {one.name} again."
    try:
        weights = read_weights(one.file)
        weights.check()
    except CarotidLandmarkError as error:
        return str(error)
    if weights.header["sha256"] != one.about.get("sha256"):  # with a manifest that was changed, or deleted, as well
        return f"{one.file} is not the file that was installed: install {one.name} again."
    return None


def use(reference: str) -> Installed | None:
    """Make these weights the ones in use; ``default`` (then None is returned) are those of the package.

    Raises BadInputError for what is not installed or not as it was installed, CannotRunError where that cannot be
    written.
    """
    if reference == PACKAGE:
        with _writing(), suppress(FileNotFoundError):
            (_models() / IN_USE).unlink()
        return None
    one = find(reference)
    if wrong := problem(one):
        raise BadInputError(f"{one.reference} cannot be used. {wrong}")
    with _writing():
        write_json(_models() / IN_USE, {"name": one.name, "revision": one.revision, "sha256": one.about["sha256"]})
    return one


def in_use() -> Installed | None:
    """The weights in use; None: those of the package. Raises CannotRunError where those that were chosen are gone."""
    path = _models() / IN_USE
    again = f"choose again with `{_COMMAND} use NAME` ({PACKAGE} for those of the package)"
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
    raise CannotRunError(f"The weights in use, {name}@{number}, are no longer in {_models()}; {again}.")


def file_in_use() -> Path | None:
    """The file of the weights in use, None for those of the package; raises as ``in_use`` does."""
    one = in_use()
    return one.file if one else None


def remove(reference: str) -> list[Installed]:
    """Remove one revision (NAME@NUMBER), or all of a NAME; return them.

    Raises BadInputError for what is not installed or in use, CannotRunError where it cannot be removed.
    """
    name, number = _split(reference)
    find(reference)
    doomed = [one for one in installed() if one.name == name and number in (None, one.revision)]
    with suppress(CannotRunError):  # what is in use cannot be told, so nothing here is
        if (used := in_use()) in doomed and used is not None:
            raise BadInputError(f"{used.reference} is in use; use others first: `{_COMMAND} use {PACKAGE}`.")
    with _writing():
        for one in doomed:
            remove_folder(one.folder)
        with suppress(OSError):  # it holds other revisions
            doomed[0].folder.parent.rmdir()
    return doomed


def _models() -> Path:
    return data_folder() / "models"


def _split(reference: str) -> tuple[str, int | None]:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise BadInputError(f"{reference!r} is no name of installed weights; give NAME or NAME@NUMBER.")
    return match[1], int(match[2]) if match[2] else None


def _new_name(given: str | None, told: str) -> str:
    """``given``, if weights can be called so, else what their header says in letters that every system takes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", told).strip("-._")[:64].rstrip(".") if given is None else given
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name) or name.lower() == PACKAGE or name.endswith(SUFFIX):
        wanted = told if given is None else given
        raise BadInputError(
            f"Weights cannot be installed as {wanted!r}; give another name with --name: up to 64 letters from A to Z, "
            f"digits, '-', '_' and '.', and not {PACKAGE}."
        )
    for one in installed():
        if one.name != name and one.name.lower() == name.lower():
            raise BadInputError(
                f"{one.name} is there already, which some systems take for {name}; give --name {one.name}."
            )
    return name


def _about(revision: Path) -> dict[str, Any]:
    try:
        told = json.loads((revision / INSTALLED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and isinstance(told.get("sha256"), str) else {}


def _remove_abandoned(home: Path) -> None:
    """What a process that was killed has left."""
    for part in home.glob(".*.part"):
        if time.time() - part.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotRunError(f"{folder} cannot be read ({error.strerror or error}); check its permissions.") from error


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except (OSError, CannotRunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or error
        raise CannotRunError(
            f"Cannot write to {_models()} ({reason}); make it writable, or set {VARIABLE} to another folder."
        ) from error
