"""Spoiled volume files, the same every time: cut off, with flipped bits, and with values that no header should have."""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk

NUMBERS = ("nan", "-1", "0", "1e300", "99999999999", "2147483647 2147483647 2147483647", "x", "")
FIELDS = {  # of a header in text: what is spoiled
    ".nrrd": ("dimension", "type", "sizes", "space directions", "space origin", "encoding", "endian", "kinds", "space"),
    ".mha": (
        "NDims",
        "DimSize",
        "ElementSpacing",
        "Offset",
        "TransformMatrix",
        "ElementType",
        "BinaryData",
        "ObjectType",
    ),
}
FIELDS |= {".nhdr": (*FIELDS[".nrrd"], "data file"), ".mhd": (*FIELDS[".mha"], "ElementDataFile")}
# By the header's size: place and format of sizes, type, bits, spacing, offset, scale, codes, quaternion and matrix.
BINARY = {
    348: {
        **{40 + 2 * i: "<h" for i in range(5)},
        **{70: "<h", 72: "<h", 252: "<h", 254: "<h"},
        **{76 + 4 * i: "<f" for i in range(4)},
        **{place: "<f" for place in (108, 112, 116, 256, 260, 268, 280, 284, 300)},
    },
    540: {
        **{16 + 8 * i: "<q" for i in range(5)},
        **{12: "<h", 14: "<h", 168: "<q", 344: "<i", 348: "<i"},
        **{104 + 8 * i: "<d" for i in range(4)},
        **{place: "<d" for place in (176, 184, 352, 360, 376, 400, 408, 440)},
    },
}


def whole(folder: Path, array: np.ndarray) -> list[Path]:
    """One good file of each format; `array` is (z, y, x)."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.1, 1.2, 1.3))
    paths = [folder / f"good{suffix}" for suffix in (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".hdr")]
    for path in paths:
        sitk.WriteImage(image, str(path), useCompression=path.suffix != ".mha")
    for by in ("sform", "qform"):
        second = nibabel.Nifti2Image(array.T, None)
        second.header.set_xyzt_units("mm")
        getattr(second, f"set_{by}")(np.diag([-1.1, -1.2, 1.3, 1]), 1)
        paths.append(folder / f"second{by}.nii")
        nibabel.save(second, paths[-1])
    return paths


def spoiled(path: Path, folder: Path, rng: np.random.Generator) -> Iterator[Path]:
    """Spoiled copies of a good file, in `folder`."""
    good = path.read_bytes()
    header = min(len(good), 500)
    copies = [good[:length] for length in (1, 3, 40, header - 60, header, len(good) // 2, len(good) - 3)]
    for _ in range(14):
        flipped = bytearray(good)
        for place in rng.integers(0, header, rng.integers(1, 9)):
            flipped[place] ^= 1 << rng.integers(8)
        copies.append(bytes(flipped))
    suffix = "".join(path.suffixes)
    for field in FIELDS.get(suffix, ()):
        for value in NUMBERS:
            lines = good.split(b"\n")
            for number, line in enumerate(lines):
                mark = ":" if good[:4] == b"NRRD" else " ="
                if line.startswith(f"{field}{mark}".encode()):
                    lines[number] = f"{field}{mark} {value}".encode()
            copies.append(b"\n".join(lines))
    if suffix in (".nii", ".hdr"):
        for place, kind in BINARY[struct.unpack_from("<i", good)[0]].items():
            for value in (
                (-1, 0, 7, 32767) if kind in ("<h", "<i", "<q") else (float("nan"), float("inf"), -1.0, 0.0, 3e38)
            ):
                content = bytearray(good)
                struct.pack_into(kind, content, place, value)
                copies.append(bytes(content))
    for number, content in enumerate(copies):
        copy = folder / f"{path.name.split('.')[0]}-{suffix[1:].replace('.', '')}-{number}{suffix}"
        copy.write_bytes(content)
        if suffix == ".hdr":
            copy.with_suffix(".img").write_bytes(path.with_suffix(".img").read_bytes())
        yield copy


def main() -> None:
    """What reading each of some hundred spoiled files comes to, a line each; the last names what ended the process."""
    from CarotidLandmarkLib.errors import CarotidLandmarkError
    from CarotidLandmarkLib.volume.read import read_volume

    folder, rng = Path(sys.argv[1]), np.random.default_rng(int(sys.argv[2]))
    with contextlib.suppress(ImportError):  # Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    for path in whole(folder, np.load(folder / "hu.npy")):
        for copy in spoiled(path, folder, rng):
            print(json.dumps(copy.name), end=" ", flush=True)
            try:
                grid = read_volume(copy).grid
                outcome = "read" if np.isfinite(grid.affine).all() and min(grid.size) > 0 else "read without a place"
            except CarotidLandmarkError as error:
                outcome = "refused" if str(error).startswith(f"'{copy}' ") and "\n" not in str(error) else str(error)
            except BaseException as error:
                outcome = repr(error)
            print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
