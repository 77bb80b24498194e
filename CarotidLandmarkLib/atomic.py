"""Files that appear whole or not at all, JSON that every reader takes, and folders of one process at a time."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .errors import BadInputError, CannotRunError

_held: dict[Path, IO[bytes]] = {}
_REVISION = re.compile(r"r(\d{3,})")


@contextmanager
def replacing(path: str | os.PathLike[str], suffix: str = ".part") -> Iterator[Path]:
    """A hidden path beside ``path`` to write to, renamed to it when that is done, and removed where it fails.

    ``suffix`` is for writers that go by it. Raises CannotRunError if the file cannot be written: for an OSError, or the
    RuntimeError that torch and ITK raise instead, as on a full disk.
    """
    target = Path(path)
    part = target.with_name(f".{secrets.token_hex(8)}{suffix}")  # short: the target's name may fill the system's limit
    try:
        yield part
        put(part, target)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}; the disk may be full"
        raise CannotRunError(f"Cannot write {target} ({reason}); choose a folder that can be written.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` as ``replacing`` does; raise CannotRunError if it cannot be written."""
    with replacing(path) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, lone surrogates (bytes of a name that are no text) spelled out; else as write_bytes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def put(part: Path, target: Path) -> None:
    """Rename ``part``, a file in place of the one that is there, or a whole folder to where none is.

    Raises OSError where that cannot be.
    """
    os.replace(part, target)


def rename_to_next(part: Path, home: Path) -> Path:
    """Rename the folder ``part``, which must hold something, to the next revision in ``home``: r001, r002, …

    Two processes that do so at once get two numbers. Raises OSError where the folder cannot be renamed.
    """
    while True:
        target = home / f"r{1 + max(map(revision_number, home.iterdir())):03d}"
        try:
            os.rename(part, target)
            return target
        except OSError as error:  # someone else has just taken this number
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def revision_number(revision: Path) -> int:
    """The number of a revision's folder, 0 for what is none."""
    match = _REVISION.fullmatch(revision.name)
    return int(match.group(1)) if match else 0


def remove_folder(folder: Path) -> None:
    """Remove ``folder``: gone at once and whole, whatever ends the process. Raises OSError where that cannot be."""
    part = folder.with_name(f".{secrets.token_hex(8)}.part")
    os.rename(folder, part)
    shutil.rmtree(part, ignore_errors=True)


def write_json(path: str | os.PathLike[str], values: Any, indent: int = 2) -> None:
    """Write ``values`` as ``as_json`` has them; else as write_bytes."""
    write_text(path, as_json(values, indent) + "\n")


@contextmanager
def reading_back(file: Path) -> Iterator[Any]:
    """What is in a JSON file that an earlier run has written, to be taken apart in the block.

    Raises BadInputError where it is not what was written, as after a power cut, and OSError where it cannot be read.
    """
    text = file.read_bytes()
    try:
        yield json.loads(text)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise BadInputError(f"{file} is damaged: remove it, and the same command makes it anew.") from error


def hold(folder: Path) -> None:
    """Make ``folder`` that of this process alone until it ends, where the system can. Raises CannotRunError where
    another process works in it."""
    folder = folder.resolve()
    if folder in _held:
        return
    try:
        import fcntl

        file = open(folder / ".lock", "wb")  # noqa: SIM115 - until the process ends
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            file.close()
            raise
    except BlockingIOError as error:
        raise CannotRunError(f"Another process works in {folder}: let it end, or choose another --out.") from error
    except (ImportError, OSError):  # Windows; file systems without locks
        return
    _held[folder] = file


def as_json(values: Any, indent: int | None = None) -> str:
    """Strict JSON of ``values``: a number that is not finite is null, a lone surrogate is spelled out (``\\udce9``)."""
    return json.dumps(_strict(values), indent=indent, allow_nan=False)


def _strict(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_strict(key): _strict(of) for key, of in value.items()}
    return [_strict(of) for of in value] if isinstance(value, (list, tuple)) else value
