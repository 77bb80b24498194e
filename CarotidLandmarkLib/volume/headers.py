"""What the header of a DICOM file says: by SimpleITK's GDCM reader, and where that gives up, by its bytes."""

from __future__ import annotations

import io
import math
import mmap
import os
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import SimpleITK as sitk

from ..errors import BadInputError
from .itk import read_header, require_itk_name

TAGS = {
    "charset": "0008|0005",
    "image_type": "0008|0008",
    "class": "0008|0016",
    "modality": "0008|0060",
    "description": "0008|103e",
    "patient_name": "0010|0010",
    "patient_id": "0010|0020",
    "agent": "0018|0010",
    "thickness": "0018|0050",
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
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4."
READABLE = {JPEG + end for end in ("50", "51", "57", "70", "80", "81", "90", "91")}
READABLE |= {*UNCOMPRESSED, DEFLATED, "1.2.840.10008.1.2.5"}
JPEG_XL = {JPEG + end for end in ("110", "111", "112")}
PEEKED = {0x00020010: "syntax", 0x00020002: "class", 0x00080016: "class", 0x00100020: "patient", 0x0020000D: "study"}
PEEKED |= {0x0020000E: "series", 0x00020003: "instance", 0x00080018: "instance"}
LAST_PEEKED = max(PEEKED)
VR = re.compile(b"[A-Z][A-Z]")
LONG_LENGTH = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}  # PS3.5 7.1.2
FRAGMENTS = [b"\xe0\x7f\x10\x00" + kind + b"\0\0\xff\xff\xff\xff" for kind in (b"OB", b"OW")]
END_OF_FRAGMENTS = bytes.fromhex("feffdde000000000")
UNDEFINED, ENDS = 0xFFFFFFFF, (0xFFFEE00D, 0xFFFEE0DD)  # of an item, of a sequence
PEEK_BYTES = 1 << 20  # of what is deflated or damaged
MOST_ELEMENTS = 100_000  # before the series UID: more are noise that a damaged length has led into
NUMBER = re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *", re.ASCII)
LARGEST = 1e6


def is_dicom(path: Path) -> bool:
    """Whether the first bytes of the file are those of a DICOM file (with preamble, or old style without)."""
    try:
        with open(path, "rb") as file:
            return _begins_dicom(file.read(132))
    except OSError:
        return False


def kind_of_name(path: str | os.PathLike[str]) -> str:
    """The same for files that one program has named: the suffix, else, as of 'IM0012' and of a UID, the name less its
    numbers."""
    name, suffix = os.path.splitext(os.path.basename(path))
    return suffix.lower() if suffix.strip(".0123456789") else re.sub(r"[\da-f]*\d[\da-f]*", "#", name + suffix)


def is_empty(path: Path) -> bool:
    """Whether the file is too short for DICOM, begins with nothing but zeros, or cannot be opened."""
    try:
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError:
        return True
    return len(start) < 132 or not any(start)


def _begins_dicom(start: bytes) -> bool:
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
    """Transfer syntax, storage class, patient ID and the UIDs of study, series and instance; "" for what is not told.

    Those of the file itself, not of others that its sequences refer to, by no more than the bytes before them. It reads
    what GDCM does not: files cut off, compressed in a way of their own, or without an image. Raises OSError.
    """
    found: dict[str, str] = {}
    with open(path, "rb") as file:
        if not _begins_dicom(start := file.read(132)):
            return dict.fromkeys(PEEKED.values(), "")
        file.seek(132 if start[128:] == b"DICM" else 0)
        with suppress(struct.error, zlib.error):  # it ends too early, or is damaged
            _walk(file, found)
        if not found.keys() & {"study", "series"}:
            file.seek(0)
            _search(file.read(PEEK_BYTES), found)
    return {**dict.fromkeys(PEEKED.values(), ""), **found}


def _walk(file: BinaryIO, found: dict[str, str]) -> None:
    """What PEEKED names of the elements that follow into `found`; raises struct.error where the file ends before."""
    order, explicit, in_meta, depth = "<", True, True, 0
    for _ in range(MOST_ELEMENTS):
        begin = file.tell()
        tag, length = _element(file, order, explicit)
        if in_meta and tag >> 16 != 2:  # what came before is explicit and little endian, whatever follows
            file.seek(begin)
            if found.get("syntax") == DEFLATED:
                packed, begin = file.read(PEEK_BYTES), 0
                file = io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, PEEK_BYTES))
            in_meta, order = False, ">" if found.get("syntax") == UNCOMPRESSED[2] else "<"
            explicit = VR.fullmatch(file.read(6)[4:]) is not None
            file.seek(begin)
            continue
        if depth == 0 and tag > LAST_PEEKED:
            return
        if depth == 0 and (name := PEEKED.get(tag)) and length != UNDEFINED:
            value = file.read(min(length, 64))  # no UID and no ID is longer (PS3.5 6.2)
            found[name] = found.get(name) or decode(value.decode("latin-1"), "")
            length -= len(value)
        if length == UNDEFINED:  # a sequence or an item, to be walked through up to its end
            depth += 1
        elif depth and tag in ENDS:
            depth -= 1
        else:
            file.seek(length, os.SEEK_CUR)


def _element(file: BinaryIO, order: str, explicit: bool) -> tuple[int, int]:
    """Tag of the element that begins here, and the bytes of its value, to which the file is brought."""
    start = file.read(8)
    group, number = struct.unpack(f"{order}HH", start[:4])
    if not explicit or group == 0xFFFE or not VR.fullmatch(start[4:6]):
        (length,) = struct.unpack(f"{order}I", start[4:])
    elif start[4:6] in LONG_LENGTH:
        (length,) = struct.unpack(f"{order}I", file.read(4))
    else:
        (length,) = struct.unpack(f"{order}H", start[6:])
    return group << 16 | number, length


def _search(start: bytes, found: dict[str, str]) -> None:
    """What of PEEKED is missing into `found`, of a damaged file, by the tags wherever in its first bytes they stand."""
    for tag, name in PEEKED.items():  # explicit: two letters and 16 bits of length; implicit: 32 bits
        stored = re.escape(struct.pack("<HH", tag >> 16, tag & 0xFFFF))
        if match := re.search(rb"%b(?:[A-Z]{2}(..)|(..)\0\0)" % stored, start, re.DOTALL):
            (length,) = struct.unpack("<H", match[1] or match[2])
            value = start[match.end() : match.end() + min(length, 64)]
            found.setdefault(name, decode(value.decode("latin-1"), ""))


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
    """BadInputError if the file ends before its pixels do, which GDCM silently fills up: uncompressed ones before their
    length, those in fragments without the mark behind them that PS3.5 A.4 demands."""
    length = math.prod(reader.GetSize()) * count(reader.GetMetaData(TAGS["bits"]), 16) // 8
    length += length % 2
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        syntax = peek(Path(path))["syntax"]
        end = length if syntax in UNCOMPRESSED else 0
        begin = -1 if syntax in (*UNCOMPRESSED, DEFLATED) else max(map(data.rfind, FRAGMENTS))
        if begin >= 0 and data.find(END_OF_FRAGMENTS, begin) < 0:
            raise BadInputError(f"'{path}' is cut off: copy the series again.")
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
