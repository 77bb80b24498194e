"""A volume in one file, or in a header with its data beside it: NRRD, MetaImage and NIfTI."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError, CannotRunError
from .checks import by, check_geometry
from .ct import CTVolume, hash_files
from .geometry import Grid, Vector
from .itk import quiet, read_header, to_hu_array
from .memory import require_memory
from .nifti import NiftiFile

FORMATS = {"NRRD": (".nrrd", ".nhdr"), "MetaImage": (".mha", ".mhd"), "NIfTI": (".nii.gz", ".nii", ".hdr")}
SUFFIXES = sum(FORMATS.values(), ())
ANATOMICAL = {"left-posterior-superior", "lps", "left-anterior-superior", "las", "right-anterior-superior", "ras"}
AXES = ("transformmatrix", "rotation", "orientation")
UNITS = ("space units", "units", "distanceunits")
SPACINGS = ("spacings", "space directions", "elementspacing", "elementsize")
# How many numbers a MetaImage header must give a dimension: with fewer, MetaIO ends the whole process.
METAIMAGE_NUMBERS = {"dimsize": 1, "elementspacing": 1, "elementsize": 1, "offset": 1, "position": 1, "origin": 1}
METAIMAGE_NUMBERS |= {"centerofrotation": 1, "transformmatrix": 3, "rotation": 3, "orientation": 3}
DATA_FILES = ("data file", "datafile", "elementdatafile")
TEXT_BYTES = 1 << 20
MAX_DATA_FILES = 10_000
NUMBERED = re.compile(r"([^%]*%0?\d{0,3}d[^%]*?)\s+(-?\d+)\s+(-?\d+)\s+([1-9]\d*)(?:\s+\d+)?")
PIXELS = {getattr(sitk, f"sitk{kind}Int{bits}"): bits // 8 for kind in ("", "U") for bits in (8, 16, 32, 64)}
PIXELS |= {sitk.sitkFloat32: 4, sitk.sitkFloat64: 8}
LISTS = {getattr(sitk, f"sitkVector{kind}Int{bits}"): bits // 8 for kind in ("", "U") for bits in (8, 16, 32, 64)}
LISTS |= {sitk.sitkVectorFloat32: 4, sitk.sitkVectorFloat64: 8}


def suffix_of(path: Path) -> str | None:
    """Which of SUFFIXES the name ends with."""
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def files_of(path: Path) -> list[Path]:
    """`path` and, of a volume file, those beside it that hold its voxels.

    Raises BadInputError, CannotRunError or OSError for a header that cannot be read.
    """
    suffix = suffix_of(path)
    if suffix == ".hdr":
        return [path, NiftiFile(path).data]
    return [path, *_data_files(path, _text_fields(path))] if suffix and suffix not in FORMATS["NIfTI"] else [path]


def read_file(path: Path, spacing: Vector | None = None) -> CTVolume:
    """The voxels of `path` as stored, int16 or float32. `spacing`: (3,) mm along its axes, for a file that gives none.

    Raises BadInputError, and CannotRunError where memory does not suffice, from the header where that tells.
    """
    suffix = suffix_of(path)
    if suffix is None:
        raise BadInputError(f"'{path}' is not a volume: give {', '.join(SUFFIXES)} or a DICOM folder.")
    _check_content(path, suffix)
    nifti = NiftiFile(path) if suffix in FORMATS["NIfTI"] else None
    if nifti:
        files, oriented, stored = [nifti.data] if nifti.data != path else [], nifti.oriented, nifti.stores_spacing
    else:
        fields = _text_fields(path)
        if suffix in FORMATS["MetaImage"]:
            _check_metaimage(path, fields)
        _check_units(path, fields)
        files = _data_files(path, fields)
        oriented = fields.get("space", "").lower() in ANATOMICAL or any(name in fields for name in AXES)
        stored = any(name in fields and "nan" not in fields[name].lower() for name in SPACINGS)
    for file in files:
        if not file.is_file():
            raise BadInputError(f"'{path}' is a header whose data, '{file.name}', are missing: put them beside it.")
    if not stored and spacing is None:
        raise BadInputError(f"'{path}' gives no voxel spacing: export it again, or give it by --spacing X Y Z in mm.")
    if nifti:
        nifti.check_complete()
    given = None if stored else np.array(spacing, dtype=float)
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(hash_files, [path, *files])
        if nifti and nifti.version == 2:
            grid = nifti.grid()
            check_geometry(grid.size, grid.spacing, grid.direction, str(path), grid.origin)
            _check_room(path, nifti.size, nifti.dtype.itemsize)
            array = nifti.read()
        else:
            array, grid = _read_by_itk(path, given)
    warnings = [] if oriented else ["The file stores no orientation: taken as LPS axes."]
    if nifti and stored:
        warnings += nifti.contradictions(grid)
    if given is not None:
        grid = Grid(grid.size, given, grid.origin, grid.direction)
        warnings.append(f"The file gives no spacing: taken as {by(given)} mm, as told.")
    return CTVolume(to_hu_array(array), grid, str(path), digest.result(), None, warnings)


def _check_content(path: Path, suffix: str) -> None:
    with open(path, "rb") as file:
        start = file.read(352)
    packed = start[:2] == b"\x1f\x8b"
    if packed:
        try:
            with gzip.open(path) as unpacked:
                start = unpacked.read(352)
        except (EOFError, OSError, zlib.error) as error:
            raise BadInputError(f"'{path}' is cut off or damaged: copy or export it again.") from error
    marks = {
        "NRRD": start[:4] == b"NRRD",
        "MetaImage": b"NDims" in start or start[:10] == b"ObjectType",
        "NIfTI": start[344:347] in (b"n+1", b"ni1") or start[4:7] in (b"n+2", b"ni2"),
        "DICOM": start[128:132] == b"DICM",
    }
    content = next((name for name, marked in marks.items() if marked), None)
    if content and suffix not in FORMATS.get(content, ()):
        raise BadInputError(f"'{path}' is {content} by its content, which its name denies: name it as what it is.")
    if content and packed != (suffix == ".nii.gz"):  # ITK would take bytes of a header for voxels
        advice = "is packed by gzip, which its name denies: unpack it" if packed else "is not packed: name it .nii"
        raise BadInputError(f"'{path}' {advice}.")
    if content is None and suffix in FORMATS["NRRD"]:
        raise BadInputError(f"'{path}' is not what its name says or has a damaged header: export it again.")
    if content is None and suffix == ".hdr":
        raise BadInputError(f"'{path}' is not NIfTI (Analyze, which knows no left and right?): export it as NIfTI.")


def _text_fields(path: Path) -> dict[str, str]:
    """The fields of a NRRD or MetaImage header by name in small letters; "listed" are data files, one a line."""
    with open(path, "rb") as file:
        lines = re.split(r"\r?\n", file.read(TEXT_BYTES).decode("utf-8", "surrogateescape"))
    fields: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, mark, value = line.partition(":" if lines[0].startswith("NRRD") else "=")
        name, value = name.strip().lower(), value.strip()
        if mark and not value.startswith("="):  # := is a remark of NRRD
            fields.setdefault(name, value)
        if name in DATA_FILES and value.startswith("LIST"):
            fields["listed"] = "\n".join(lines[number:])
        if not line.strip() or name in DATA_FILES and "listed" in fields or name == "elementdatafile":
            break
    return fields


def _check_metaimage(path: Path, fields: dict[str, str]) -> None:
    if fields.get("ndims") != "3" and (fields.get("ndims") or "").isdigit():
        raise BadInputError(f"'{path}' has {fields['ndims']} dimensions, {fields.get('dimsize')}: give one 3D volume.")
    try:
        numbers = {name: [float(n) for n in fields[name].split()] for name in METAIMAGE_NUMBERS if name in fields}
        sound = all(len(values) == 3 * METAIMAGE_NUMBERS[name] for name, values in numbers.items())
        sound &= fields["ndims"] == "3" and min(numbers["dimsize"]) >= 1
    except (KeyError, ValueError):
        sound = False
    if not sound:
        raise BadInputError(f"'{path}' is not what its name says or has a damaged header: export it again.")


def _check_units(path: Path, fields: dict[str, str]) -> None:
    """ITK, and so the application, takes every length for mm."""
    named = {unit.lower() for name in UNITS for unit in re.findall(r"\w+", fields.get(name, ""))}
    if other := named - {"mm", "millimeter", "millimeters", "millimetre", "millimetres", "none"}:
        raise BadInputError(f"'{path}' gives its lengths in {', '.join(sorted(other))}: export it again in mm.")


def _data_files(path: Path, fields: dict[str, str]) -> list[Path]:
    value = next((fields[name] for name in DATA_FILES if name in fields), "LOCAL")
    numbered = NUMBERED.fullmatch(value)
    if "listed" in fields:
        names = [name.strip() for name in fields["listed"].split("\n") if name.strip()]
    elif numbered:
        first, last, step = (int(n) for n in numbered.groups()[1:])
        names = [numbered[1] % number for number in range(first, last + 1, step)[:MAX_DATA_FILES]]
    else:
        names = [] if value.upper() == "LOCAL" else [value]
    return [path.parent / name for name in names[:MAX_DATA_FILES]]


def _read_by_itk(path: Path, spacing: np.ndarray | None) -> tuple[np.ndarray, Grid]:
    try:
        reader = read_header(path, "MetaImageIO" if suffix_of(path) in (".mha", ".mhd") else "")
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise BadInputError(
                f"'{path}' has axes that are not at right angles: resample it to an orthogonal grid."
            ) from error
        raise BadInputError(f"'{path}' is not what its name says or has a damaged header: export it again.") from error
    size, count, pixel = reader.GetSize(), reader.GetNumberOfComponents(), reader.GetPixelID()
    if reader.GetDimension() != 3:
        raise BadInputError(f"'{path}' has {reader.GetDimension()} dimensions, {size}: give one 3D volume.")
    if count != 1:
        raise BadInputError(
            f"'{path}' has voxels of {count} components (colour, vectors or a list of volumes), not one HU: export the "
            "original CT."
        )
    if pixel not in PIXELS | LISTS:
        kind = sitk.GetPixelIDValueAsString(pixel)
        raise BadInputError(f"'{path}' has voxels of the type {kind}, not one HU: export the original CT.")
    check_geometry(size, reader.GetSpacing() if spacing is None else spacing, np.eye(3), str(path))
    _check_room(path, size, (PIXELS | LISTS)[pixel])
    try:
        with quiet():
            image = reader.Execute()
            if pixel in LISTS:
                image = sitk.VectorIndexSelectionCast(image, 0)
    except MemoryError as error:
        raise CannotRunError(f"'{path}' does not fit into memory: crop the volume to the neck.") from error
    except RuntimeError as error:
        raise BadInputError(f"'{path}' is cut off or damaged: copy or export it again.") from error
    grid = Grid(size, image.GetSpacing(), image.GetOrigin(), np.reshape(image.GetDirection(), (3, 3)))
    return sitk.GetArrayFromImage(image), grid


def _check_room(path: Path, size: Sequence[int], stored: int) -> None:
    require_memory(math.prod(size) * (stored + (2 if stored <= 2 else 4)), str(path))
