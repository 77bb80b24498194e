"""What the header of a DICOM file says: by SimpleITK's GDCM reader, and where that gives up, by its bytes."""

from __future__ import annotations

import math
import mmap
import os
import re
import struct
from pathlib import Path

import SimpleITK as sitk

from ..errors import BadInputError
from .itk import read_header, require_itk_name

TAGS = {
    "charset": "0008|0005",
    "image_type": "0008|0008",
    "modality": "0008|0060",
    "description": "0008|103e",
    "patient_name": "0010|0010",
    "patient_id": "0010|0020",
    "agent": "0018|0010",
    "protocol": "0018|1030",
    "kernel": "0018|1210",
    "series": "0020|000e",
    "acquisition": "0020|0012",
    "number": "0020|0013",
    "position": "0020|0032",
    "orientation": "0020|0037",
    "samples": "0028|0002",
    "photometric": "0028|0004",
    "frames": "0028|0008",
    "rows": "0028|0010",
    "columns": "0028|0011",
    "spacing": "0028|0030",
    "bits": "0028|0100",
    "intercept": "0028|1052",
    "slope": "0028|1053",
}
Tags = dict[str, str]

# Python's codecs know most terms of PS3.3 C.12.1.1.2 by name (iso_ir_100, gb18030); these they do not.
CODECS = {"ISO_IR_13": "shift_jis", "ISO_IR_192": "utf-8", "ISO_IR_203": "iso8859-15", "ISO_IR_149": "euc_kr"}
CODECS |= dict.fromkeys(("ISO_IR_87", "ISO_IR_159"), "iso2022_jp_2")

CT_IMAGES = tuple("1.2.840.10008.5.1.4.1.1.2" + end for end in ("", ".1", ".2"))  # slices, enhanced, converted to that
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
JPEG = "1.2.840.10008.1.2.4."
READABLE = {JPEG + end for end in ("50", "51", "57", "70", "80", "81", "90", "91")}
READABLE |= {*UNCOMPRESSED, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"}
JPEG_XL = {JPEG + end for end in ("110", "111", "112")}
PEEKED = {
    "syntax": b"\x02\x00\x10\x00",
    "class": b"\x02\x00\x02\x00|\x08\x00\x16\x00",
    "patient": b"\x10\x00\x20\x00",
    "study": b"\x20\x00\x0d\x00",
    "series": b"\x20\x00\x0e\x00",
    "instance": b"\x02\x00\x03\x00|\x08\x00\x18\x00",
}
NUMBER = re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *", re.ASCII)
LARGEST = 1e6


def is_dicom(path: Path) -> bool:
    """Whether the first bytes of the file are those of a DICOM file (with preamble, or old style without)."""
    try:
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or start[:4] in (b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00")


def read_tags(path: Path) -> Tags | None:
    """The texts of TAGS, "" where one is missing; None for a file that holds no image.

    Raises BadInputError for a CT image that GDCM cannot read.
    """
    try:
        require_itk_name(path)
        reader = read_header(path, "GDCMImageIO")
    except (BadInputError, RuntimeError) as error:
        if peek(path)["class"] not in CT_IMAGES:
            return None
        raise (error if isinstance(error, BadInputError) else unreadable(path)) from error
    tags = {name: reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else "" for name, tag in TAGS.items()}
    return {name: decode(text, tags["charset"]) for name, text in tags.items()}


def decode(text: str, charset: str) -> str:
    """`text` as SimpleITK gives it (UTF-8, other bytes as surrogates), by its Specific Character Set (0008,0005)."""
    stored = text.encode("utf-8", "surrogateescape")
    stored = re.sub(rb"\x1b\$\)[AC]", b"", stored)  # Python's codecs need no escape to Korean and Chinese
    term = charset.split("\\")[-1].strip("\0 ").replace("ISO 2022 IR", "ISO_IR").replace(" ", "_")
    known = re.fullmatch(r"ISO_IR_\d+|GBK|GB18030", term) is not None
    for codec in (*[CODECS.get(term, term)] * known, "utf-8", "latin-1"):
        try:
            return re.sub(r"[\0-\x1f\x7f-\x9f]+", " ", stored.decode(codec)).strip()
        except (LookupError, UnicodeError):
            continue
    raise AssertionError("latin-1 decodes every byte")


def peek(path: Path) -> dict[str, str]:
    """Transfer syntax, storage class, patient ID and the UIDs of study, series and instance; "" for what the first
    bytes do not show.

    It reads what GDCM does not: files cut off, compressed in a way of their own, or without an image.
    """
    with open(path, "rb") as file:
        start = file.read(1 << 16)
    found = dict.fromkeys(PEEKED, "")
    for name, tag in PEEKED.items():  # explicit: two letters and 16 bits of length; implicit: 32 bits
        match = re.search(rb"(?:%b)(?:[A-Z]{2}(..)|(..)\0\0)" % tag, start, re.DOTALL)
        if match:
            length = struct.unpack("<H", match[1] or match[2])[0]
            value = start[match.end() : match.end() + min(length, 64)]  # 64: no UID and no ID is longer (PS3.5 6.2)
            found[name] = decode(value.decode("latin-1"), "")
    return found


def unreadable(path: str | os.PathLike[str]) -> BadInputError:
    """Why GDCM reads no header or no pixels of the image at `path`, in a sentence."""
    syntax = peek(Path(path))["syntax"]
    if syntax and syntax not in READABLE:
        name = "JPEG XL, " if syntax in JPEG_XL else ""
        return BadInputError(
            f"'{path}' is compressed in a way that cannot be read ({name}transfer syntax {syntax!a}): "
            "export the series uncompressed."
        )
    return BadInputError(f"'{path}' is cut off or damaged: copy or export the series again.")


def require_all_pixels(path: str, reader: sitk.ImageFileReader) -> None:
    """BadInputError if the file ends before its uncompressed pixels do, which GDCM silently fills up."""
    length = math.prod(reader.GetSize()) * count(reader.GetMetaData(TAGS["bits"]), 16) // 8
    length += length % 2
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = length if peek(Path(path))["syntax"] in UNCOMPRESSED else 0
        for kind in (b"OW\0\0", b"OB\0\0", b""):
            element = b"\xe0\x7f\x10\x00" + kind + struct.pack("<I", length & 0xFFFFFFFF)
            if (at := data.find(element)) >= 0:
                end = at + len(element) + length
                break
        if end > len(data):
            raise BadInputError(f"'{path}' is cut off: copy the series again.")


def count(text: str, missing: int) -> int:
    """The whole number in `text`, `missing` where there is none (PS3.5 6.2, IS and US)."""
    return int(text) if re.fullmatch(r" *[-+]?\d{1,12} *", text, re.ASCII) else missing


def numbers(path: str, name: str, text: str, length: int) -> tuple[float, ...]:
    """`length` finite decimal numbers out of `text`, none if it is empty; BadInputError for anything else."""
    if not text:
        return ()
    parts = text.split("\\")
    values = tuple(float(part) for part in parts if NUMBER.fullmatch(part))
    if len(parts) == len(values) == length and all(math.isfinite(v) and abs(v) < LARGEST for v in values):
        return values
    raise bad_value(path, name, text, f"{length} decimal numbers" if length > 1 else "a decimal number")


def bad_value(path: str, name: str, text: str, wanted: str) -> BadInputError:
    """The sentence for a tag whose value is not what the standard wants."""
    shown = text if len(text) <= 80 else f"{text[:80]}…"
    return BadInputError(f"'{path}' has '{shown}' as its {name}, not {wanted}: export the series again.")
