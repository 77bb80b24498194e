"""Weights are installed, checked, put to use and removed; see ``store``."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic import remove_folder, rename_to_next, revision_number, write_bytes, write_json
from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from .store import (
    CARD,
    COMMAND,
    IN_USE,
    INSTALLED,
    NAME,
    PACKAGE,
    SUFFIX,
    VARIABLE,
    Installed,
    find,
    in_use,
    installed,
    models,
    split,
)
from .weights import read_weights

LARGEST_NOTE = 1 << 20
ABANDONED_S = 3600  # a file is installed in much less

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # no file can have these on Windows


def install(path: str | os.PathLike[str], name: str | None = None, force: bool = False) -> Installed:
    """Copy a weights file into the store as the next revision of ``name`` (None: the name in its header), checked.

    What is installed already under this name, unchanged, is returned as it is. Raises BadInputError for a file that
    holds no usable weights, a name that cannot be, and, unless ``force``, weights that their site report found worse
    than those that they were started from; CannotRunError where the store cannot be written to.
    """
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
        home = models() / name
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
            (models() / IN_USE).unlink()
        return None
    one = find(reference)
    if wrong := problem(one):
        raise BadInputError(f"{one.reference} cannot be used. {wrong}")
    with _writing():
        write_json(models() / IN_USE, {"name": one.name, "revision": one.revision, "sha256": one.about["sha256"]})
    return one


def remove(reference: str) -> list[Installed]:
    """Remove one revision (NAME@NUMBER), or all of a NAME; return them.

    Raises BadInputError for what is not installed or in use, CannotRunError where it cannot be removed.
    """
    name, number = split(reference)
    if name == PACKAGE:
        raise BadInputError(f"The weights {PACKAGE} are the package's own and cannot be removed.")
    find(reference)
    doomed = [one for one in installed() if one.name == name and number in (None, one.revision)]
    with suppress(CannotRunError):  # what is in use cannot be told, so nothing here is
        if (used := in_use()) in doomed and used is not None:
            raise BadInputError(f"{used.reference} is in use; use others first: `{COMMAND} use {PACKAGE}`.")
    with _writing():
        for one in doomed:
            remove_folder(one.folder)
        with suppress(OSError):  # it holds other revisions
            doomed[0].folder.parent.rmdir()
    return doomed


def _new_name(given: str | None, told: str) -> str:
    """``given``, if weights can be called so, else what their header says in letters that every system takes."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", told).strip("-._")[:64].rstrip(".") if given is None else given
    if not NAME.fullmatch(name) or _DEVICES.fullmatch(name) or name.lower() == PACKAGE or name.endswith(SUFFIX):
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


def _remove_abandoned(home: Path) -> None:
    """What a process that was killed has left."""
    for part in home.glob(".*.part"):
        if time.time() - part.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except (OSError, CannotRunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or error
        raise CannotRunError(
            f"Cannot write to {models()} ({reason}); make it writable, or set {VARIABLE} to another folder."
        ) from error
