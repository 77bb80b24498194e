"""Read a CT from a file or a DICOM folder, and find the cases that a path stands for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError, CannotRunError
from .checks import check_geometry
from .ct import CTVolume, hash_files
from .dicom import dicom_files, is_dicom, read_dicom
from .geometry import Grid
from .hu import check_hu
from .itk import quiet, read_header, to_hu_array
from .memory import require_memory
from .nifti import check_nifti

SUFFIXES = (".nii.gz", ".nrrd", ".nhdr", ".nii", ".mha", ".mhd")
SEGMENTATION = re.compile(r"[._-](seg|segmentation|label|labels|labelmap|mask)$", re.IGNORECASE)
BYTES = dict.fromkeys((sitk.sitkInt8, sitk.sitkUInt8), 1)
BYTES |= dict.fromkeys((sitk.sitkInt16, sitk.sitkUInt16), 2)
BYTES |= dict.fromkeys((sitk.sitkInt32, sitk.sitkUInt32, sitk.sitkFloat32), 4)
BYTES |= dict.fromkeys((sitk.sitkInt64, sitk.sitkUInt64, sitk.sitkFloat64), 8)


def read_volume(path: str | os.PathLike[str], series: str | None = None) -> CTVolume:
    """The CT in `path`, a volume file or a DICOM folder or file, in HU; its warnings say what was assumed or repaired.

    `series` chooses a DICOM series by UID. Raises BadInputError for what is no usable CT, CannotRunError where memory
    does not suffice.
    """
    path = Path(path)
    _require(path)
    if path.is_dir() or (_suffix(path) is None and is_dicom(path)):
        volume = read_dicom(path, series)
    elif series is not None:
        raise BadInputError(f"'{path}' is not DICOM and has no series to choose: leave the series out.")
    else:
        volume = _read_file(path)
    grid = volume.grid
    volume.warnings += check_geometry(grid.size, grid.spacing, grid.direction, str(path))
    volume.array, warnings = check_hu(volume.array, str(path))
    volume.warnings += warnings
    return volume


def find_cases(path: str | os.PathLike[str]) -> list[tuple[str, Path]]:
    """(name, path) of every case in `path`: a volume file, a DICOM folder, or a folder of such; by name, names unique.

    In a folder of cases each sub-folder with DICOM files is one. Files that are no volumes, or segmentations by name
    (`x.seg.nrrd`, `x_mask.nii`), are left out. Raises BadInputError where nothing is left.
    """
    path = Path(path)
    _require(path)
    if path.is_file():
        if _suffix(path) is None and not is_dicom(path):
            raise BadInputError(f"'{path}' is not a volume: give {', '.join(SUFFIXES)} or a DICOM folder.")
        return [(_name(path), path)]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    volumes = [e for e in entries if e.is_file() and _suffix(e) and not SEGMENTATION.search(_name(e))]
    if any(entry.is_file() and is_dicom(entry) for entry in entries):
        found = [path, *volumes]
    else:
        found = sorted(volumes + [e for e in entries if e.is_dir() and dicom_files(e)])
    if not found:
        raise BadInputError(f"No volume ({', '.join(SUFFIXES)}) or DICOM series is in '{path}'.")
    cases: dict[str, tuple[str, Path]] = {}
    for case in found:
        name, number = _name(case), 1
        while name.lower() in cases:
            number += 1
            name = f"{_name(case)}-{number}"
        cases[name.lower()] = (name, case)
    return list(cases.values())


def _require(path: Path) -> None:
    if not path.exists():
        raise BadInputError(f"'{path}' does not exist: check the path.")
    if not os.access(path, os.R_OK):
        raise BadInputError(f"'{path}' cannot be read: check its permissions.")
    if path.is_file() and path.stat().st_size == 0:
        raise BadInputError(f"'{path}' is an empty file: copy or export it again.")


def _suffix(path: Path) -> str | None:
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def _name(path: Path) -> str:
    if path.is_dir():
        return path.resolve().name or "case"
    return path.name[: -len(_suffix(path) or path.suffix)] if _suffix(path) or path.suffix else path.name


def _read_file(path: Path) -> CTVolume:
    suffix = _suffix(path)
    if suffix is None:
        raise BadInputError(f"'{path}' is not a volume: give {', '.join(SUFFIXES)} or a DICOM folder.")
    if suffix in (".nrrd", ".nhdr"):
        _check_nrrd_spacing(path)
    try:
        reader = read_header(path)
    except RuntimeError as error:
        raise BadInputError(f"'{path}' is not what its name says or has a damaged header: export it again.") from error
    _check_header(reader, path)
    if suffix.startswith(".nii"):
        check_nifti(path)
    try:
        with quiet():
            image = reader.Execute()
        array = to_hu_array(sitk.GetArrayFromImage(image))
    except MemoryError as error:
        raise CannotRunError(f"'{path}' does not fit into memory: crop the volume to the neck.") from error
    except RuntimeError as error:
        raise BadInputError(f"'{path}' is cut off or damaged: copy or export it again.") from error
    grid = Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), np.reshape(image.GetDirection(), (3, 3)))
    warnings = [] if _has_orientation(reader, suffix) else ["The file stores no orientation: taken as LPS axes."]
    return CTVolume(array, grid, str(path), hash_files([path, *_data_files(path, suffix)]), None, warnings)


def _check_header(reader: sitk.ImageFileReader, path: Path) -> None:
    size = reader.GetSize()
    if reader.GetDimension() != 3:
        raise BadInputError(f"'{path}' has {reader.GetDimension()} dimensions, {size}: give one 3D volume.")
    if reader.GetNumberOfComponents() != 1 or reader.GetPixelID() not in BYTES:
        raise BadInputError(
            f"'{path}' has voxels of {reader.GetNumberOfComponents()} components (colour or vectors), not one HU: "
            "export the original CT."
        )
    check_geometry(size, reader.GetSpacing(), np.eye(3), str(path))
    stored = BYTES[reader.GetPixelID()]
    require_memory(int(np.prod(size, dtype=np.int64)) * (stored + (2 if stored <= 2 else 4)), str(path))


def _check_nrrd_spacing(path: Path) -> None:
    """NRRD takes a spacing of NaN for an unknown one, which ITK reads as 1 mm."""
    with open(path, "rb") as file:
        header = file.read(1 << 16).split(b"\n\n")[0].decode("latin-1")
    spacing = re.search(r"(?im)^(?:space directions|spacings):(.*nan.*?)\s*$", header)
    if spacing:
        raise BadInputError(f"'{path}' has a voxel spacing of{spacing.group(1)}: export it again with a true spacing.")


def _has_orientation(reader: sitk.ImageFileReader, suffix: str) -> bool:
    if suffix.startswith(".nii"):
        codes = [reader.GetMetaData(key) for key in ("qform_code", "sform_code") if reader.HasMetaDataKey(key)]
        return any(code.strip() not in ("", "0") for code in codes)
    return suffix not in (".nrrd", ".nhdr") or reader.HasMetaDataKey("NRRD_space")


def _data_files(path: Path, suffix: str) -> list[Path]:
    if suffix not in (".nhdr", ".mhd"):
        return []
    named = re.findall(r"(?im)^(?:data file|elementdatafile)\s*[:=]\s*(.+?)\s*$", path.read_text(errors="replace"))
    return [path.parent / name for name in named if (path.parent / name).is_file()]
