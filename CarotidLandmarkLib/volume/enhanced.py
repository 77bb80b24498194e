"""What GDCM does not tell of a DICOM file: where the frames of an enhanced CT lie, and whether all pixels are there.

Of shuffled or uneven frames it silently makes a spacing of 1 mm, a tilt it overlooks, and cut-off pixels it fills up.
So the header is read here, as far as it is needed (DICOM PS3.5 section 7, PS3.3 C.7.6.16).
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import Any

from ..errors import BadInputError

PIXEL_DATA, ITEM, ITEM_END, SEQUENCE_END = 0x7FE00010, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SHARED, PER_FRAME = 0x52009229, 0x52009230
PLANE_POSITION, PLANE_ORIENTATION, PIXEL_MEASURES, PIXEL_VALUES = 0x00209113, 0x00209116, 0x00289110, 0x00289145
POSITION, ORIENTATION, PIXEL_SPACING, INTERCEPT, SLOPE = 0x00200032, 0x00200037, 0x00280030, 0x00281052, 0x00281053
TRANSFER_SYNTAX = 0x00020010
SEQUENCES = {SHARED, PER_FRAME, PLANE_POSITION, PLANE_ORIENTATION, PIXEL_MEASURES, PIXEL_VALUES}
IMPLICIT, BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
UNDEFINED = 0xFFFFFFFF
LONG_HEADERS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")

DAMAGED = (struct.error, KeyError, IndexError, ValueError)

Data = Any  # bytes-like: bytes or an mmap


def read_frames(path: str) -> list[dict[str, tuple[float, ...]]]:
    """For each frame its position (3,), orientation (6,), spacing (row, column) and rescale (slope, intercept).

    What the file does not say is missing in the frame's dictionary. Raises BadInputError for a damaged header or a
    transfer syntax that is not little-endian.
    """
    try:
        tags = _header(path)[0]
        shared = (tags.get(SHARED) or [{}])[0]
        return [_frame(shared, own) for own in tags.get(PER_FRAME, [])]
    except NotImplementedError as error:
        raise BadInputError(f"'{path}' is deflated or big-endian multi-frame DICOM: export it uncompressed.") from error
    except DAMAGED as error:
        raise BadInputError(f"'{path}' has a damaged DICOM header: export the series again.") from error


def is_cut_off(path: str) -> bool:
    """Whether the file ends before its uncompressed pixels do; False where that cannot be told."""
    try:
        return _header(path)[1] > os.path.getsize(path)
    except (NotImplementedError, *DAMAGED):
        return False


def _header(path: str) -> tuple[dict[int, Any], int]:
    """All tags before the pixels, and where the pixels should end (0 where the file does not say)."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        meta_end = 144 + struct.unpack_from("<I", data, 140)[0]
        meta, _ = _dataset(data, 132, meta_end, explicit=True)
        syntax = meta[TRANSFER_SYNTAX].decode().strip("\0 ")
        if syntax in (BIG_ENDIAN, DEFLATED):
            raise NotImplementedError(syntax)
        tags, at = _dataset(data, meta_end, len(data), explicit=syntax != IMPLICIT)
        long = 4 if syntax == IMPLICIT else 8
        length = struct.unpack_from("<I", data, at + long)[0] if at + 12 <= len(data) else UNDEFINED
        return tags, 0 if length == UNDEFINED else at + long + 4 + length


def _frame(shared: dict[int, Any], own: dict[int, Any]) -> dict[str, tuple[float, ...]]:
    def numbers(group: int, *tags: int) -> tuple[float, ...]:
        values = ((own.get(group) or shared.get(group)) or [{}])[0]
        return tuple(float(v) for tag in tags if tag in values for v in values[tag].decode().strip("\0 ").split("\\"))

    found = {
        "position": numbers(PLANE_POSITION, POSITION),
        "orientation": numbers(PLANE_ORIENTATION, ORIENTATION),
        "spacing": numbers(PIXEL_MEASURES, PIXEL_SPACING),
        "rescale": numbers(PIXEL_VALUES, SLOPE, INTERCEPT),
    }
    return {key: values for key, values in found.items() if values}


def _dataset(data: Data, start: int, end: int, explicit: bool) -> tuple[dict[int, Any], int]:
    """Tags of one data set (bytes, or lists of data sets for sequences), and where it ends."""
    tags: dict[int, Any] = {}
    at = start
    while at + 8 <= end:
        group, element = struct.unpack_from("<HH", data, at)
        tag = group << 16 | element
        if tag == PIXEL_DATA:
            break
        if tag == ITEM_END:
            return tags, at + 8
        kind = bytes(data[at + 4 : at + 6]) if explicit else b""
        if not explicit:
            length, at = struct.unpack_from("<I", data, at + 4)[0], at + 8
        elif kind in LONG_HEADERS:
            length, at = struct.unpack_from("<I", data, at + 8)[0], at + 12
        else:
            length, at = struct.unpack_from("<H", data, at + 6)[0], at + 8
        if kind == b"SQ" or length == UNDEFINED or (not explicit and tag in SEQUENCES):
            tags[tag], at = _sequence(data, at, length, explicit and kind != b"UN")
        else:
            if at + length > end:
                raise ValueError("a value runs past the end")
            tags[tag], at = (data[at : at + length] if length <= 1024 else b""), at + length
    return tags, at


def _sequence(data: Data, at: int, length: int, explicit: bool) -> tuple[list[dict[int, Any]], int]:
    items = []
    end = len(data) if length == UNDEFINED else at + length
    while at + 8 <= end:
        group, element, size = struct.unpack_from("<HHI", data, at)
        tag = group << 16 | element
        at += 8
        if tag == SEQUENCE_END:
            break
        if tag != ITEM:
            raise ValueError("a sequence without items")
        item, at = _dataset(data, at, end if size == UNDEFINED else at + size, explicit)
        items.append(item)
    return items, at
