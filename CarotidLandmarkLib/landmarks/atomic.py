"""Text files that appear whole or not at all, and JSON that every reader takes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CannotRunError


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` by renaming a finished file; raise CannotRunError if it cannot be written."""
    target = Path(path)
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(text.encode("utf-8"))
        os.replace(part, target)
    except OSError as error:
        reason = error.strerror or error
        raise CannotRunError(f"Cannot write {target} ({reason}); choose a folder that can be written.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def as_json(values: Any, indent: int | None = None) -> str:
    """JSON of ``values``: NaN and infinity are null, bytes of a file's name that are no text are spelt out."""
    return json.dumps(_plain(values), indent=indent, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
