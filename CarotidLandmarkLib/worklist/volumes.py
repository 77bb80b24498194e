"""A case's volume made ready to be shown at once: whatever it was stored as, its voxels in one file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ..atomic import replacing
from ..errors import BadInputError, CarotidLandmarkError
from ..volume.folders import walk
from ..volume.read import read_volume

READY = "voxels"
MOMENT_S = 60
UNDER_WAY = "It may still be under way to this folder: wait for the copy to end, then choose the case again."


def make_ready(
    volume: str | os.PathLike[str], folder: Path, series: str | None = None, sha256: str | None = None
) -> dict[str, Any]:
    """Read the CT in ``volume`` and write its voxels, in HU, to the file READY in ``folder``.

    Returns "file", which holds nothing but the voxels, x fastest; their "type" as numpy names it, and "size" (nx, ny,
    nz); "affine" (4, 4) from indices (i, j, k) to LPS mm; "warnings" about the volume; "files" that it was read from;
    "changed", whether it is not the one with that ``sha256`` (None: any).
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
    with replacing(file) as part:
        ct.array.tofile(part)
    return {
        "file": str(file),
        "type": ct.array.dtype.name,
        "size": list(ct.grid.size),
        "affine": ct.grid.affine.tolist(),
        "warnings": ct.warnings,
        "files": sorted(os.path.abspath(file) for file in ct.files),
        "changed": sha256 not in (None, ct.sha256),
    }


def _state(path: Path) -> tuple[int, int, float] | None:
    """Number of files, their bytes, and when one of them was changed last; None where that cannot be told."""
    try:
        files = [path]
        if path.is_dir():
            files = [file for _, inside in walk(path) for file in inside if os.path.exists(file)]
        told = [file.stat() for file in files]
    except (OSError, CarotidLandmarkError):
        return None
    return len(told), sum(of.st_size for of in told), max((of.st_mtime for of in told), default=0.0)
