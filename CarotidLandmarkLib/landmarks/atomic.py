"""Text files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import CannotRunError


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` by renaming a finished file; raise CannotRunError if it cannot be written."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode("utf-8"))
        os.replace(part, target)
    except OSError as error:
        reason = error.strerror or error
        raise CannotRunError(f"Cannot write {target} ({reason}); choose a folder that can be written.") from error
    finally:
        part.unlink(missing_ok=True)
