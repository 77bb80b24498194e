"""What ITK lets pass in a NIfTI file: a spacing of 0 or NaN becomes 1 mm, and cut-off data become zeros."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

from ..errors import BadInputError

BLOCK = 1 << 22


def check_nifti(path: Path) -> None:
    """Raise BadInputError for a NIfTI file whose header has no true spacing or whose voxels are not all there.

    A compressed file is unpacked only where its recorded length does not tell.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else open(path, "rb") as file:
        try:
            header = file.read(352)
            order = "<" if struct.unpack_from("<i", header)[0] == 348 else ">"
            dim = struct.unpack_from(order + "8h", header, 40)
            bits = struct.unpack_from(order + "h", header, 72)[0]
            pixdim = struct.unpack_from(order + "8f", header, 76)
            offset = struct.unpack_from(order + "f", header, 108)[0]
        except (struct.error, EOFError, OSError, zlib.error) as error:
            raise BadInputError(f"'{path}' is cut off in its header: copy it again.") from error
    if not all(math.isfinite(step) and step > 0 for step in pixdim[1:4]):
        steps = " x ".join(f"{step:g}" for step in pixdim[1:4])
        raise BadInputError(f"'{path}' has a voxel spacing of {steps} mm: export it again with a true spacing.")
    needed = int(offset) + math.prod(max(n, 1) for n in dim[1 : dim[0] + 1]) * bits // 8
    if (_unpacked_size(path, needed) if packed else os.path.getsize(path)) < needed:
        raise BadInputError(f"'{path}' is cut off: its voxels are not all there; copy it again.")


def _unpacked_size(path: Path, needed: int) -> int:
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        if struct.unpack("<I", file.read(4))[0] == needed % 2**32:
            return needed
    size = 0
    try:
        with gzip.open(path) as unpacked:
            while block := unpacked.read(BLOCK):
                size += len(block)
    except (EOFError, OSError, zlib.error):
        return 0
    return size
