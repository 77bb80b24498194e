"""Files that appear whole or not at all, and JSON that every reader takes."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import CannotRunError


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
        os.replace(part, target)
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


def write_json(path: str | os.PathLike[str], values: Any, indent: int = 2) -> None:
    """Write ``values`` as ``to_json`` has them; else as write_bytes."""
    write_text(path, to_json(values, indent) + "\n")


def to_json(values: Any, indent: int | None = None) -> str:
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
