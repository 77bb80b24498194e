"""A case's volume made ready to be shown at once: whatever it was stored as, one raw file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ..errors import BadInputError, CarotidLandmarkError
from ..volume.ct import write_volume
from ..volume.folders import walk
from ..volume.read import read_volume

READY = "volume.nrrd"
MOMENT_S = 60
UNDER_WAY = "It may still be under way to this folder: wait for the copy to end, then choose the case again."


def make_ready(
    volume: str | os.PathLike[str], folder: Path, series: str | None = None, sha256: str | None = None
) -> dict[str, Any]:
    """Read the CT in ``volume`` and write it to ``folder`` as READY, uncompressed, in HU.

    Returns "file" and "warnings"; "changed", whether the volume is not the one with that ``sha256`` (None: any).
    Raises BadInputError for what is no CT, is damaged, or was changed meanwhile, CannotRunError where memory or disk do
    not suffice.
    """
    path = Path(volume)
    before = _state(path)
    try:
        ct = read_volume(path, series)
    except BadInputError as error:
        if before and 0 <= time.time() - before[2] < MOMENT_S:
            raise BadInputError(f"{error} {UNDER_WAY}") from error
        raise
    if _state(path) != before:
        raise BadInputError(f"'{path}' was changed while it was read. {UNDER_WAY}")
    file = folder / READY
    write_volume(ct, file, compress=False)
    return {"file": str(file), "warnings": ct.warnings, "changed": sha256 not in (None, ct.sha256)}


def _state(path: Path) -> tuple[int, int, float] | None:
    """Number of files, their bytes, and when one of them was changed last; None where that cannot be told."""
    try:
        files = [file for _, inside in walk(path) for file in inside] if path.is_dir() else [path]
        told = [file.stat() for file in files]
    except (OSError, CarotidLandmarkError):
        return None
    return len(told), sum(of.st_size for of in told), max((of.st_mtime for of in told), default=0.0)
