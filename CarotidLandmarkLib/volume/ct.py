"""A CT volume in memory, and how it is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..atomic import replacing
from ..errors import BadInputError, CannotRunError
from .geometry import Grid

WRITABLE_SUFFIXES = (".nrrd", ".nii.gz", ".nii", ".mha")


@dataclass
class CTVolume:
    """array: (z, y, x) HU, int16 or float32, of the shape of `grid`; `warnings` are sentences for the user.

    `files`: those that the slices of a DICOM series were read from. `patient`: a digest of the ID that DICOM gives, to
    tell whose scans are the same person's; None where there is none.
    """

    array: np.ndarray
    grid: Grid
    path: str | None = None
    sha256: str | None = None
    series_uid: str | None = None
    warnings: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    patient: str | None = None

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array of shape {self.array.shape} on a grid of shape {self.grid.shape}")
        if self.array.dtype not in (np.int16, np.float32):
            raise ValueError(f"a CT volume is int16 or float32, not {self.array.dtype}")


def write_volume(volume: CTVolume, path: str | os.PathLike[str], compress: bool = True) -> None:
    """Write `volume` as .nrrd, .nii, .nii.gz or .mha; the file appears by rename, whole or not at all.

    Raises BadInputError for another suffix and CannotRunError when the folder cannot be written to.
    """
    import SimpleITK as sitk

    from .itk import quiet
    from .nifti import NiftiFile

    target = Path(path)
    suffix = next((s for s in WRITABLE_SUFFIXES if target.name.lower().endswith(s)), None)
    if suffix is None:
        raise BadInputError(f"Cannot write a volume as '{target}': name it {', '.join(WRITABLE_SUFFIXES)}.")
    image = sitk.GetImageFromArray(volume.array)
    image.SetSpacing(volume.grid.spacing.tolist())
    image.SetOrigin(volume.grid.origin.tolist())
    image.SetDirection(volume.grid.direction.ravel().tolist())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, suffix) as part:
            with quiet():
                sitk.WriteImage(image, str(part), useCompression=compress)
            if suffix.startswith(".nii"):  # ITK does not say when the disk is full
                NiftiFile(part).check_complete()
    except (OSError, BadInputError) as error:
        raise CannotRunError(f"Cannot write '{target}': check that its folder is writable and not full.") from error


def hash_files(paths: Iterable[str | os.PathLike[str]]) -> str:
    """sha256 of one file; of several, the sha256 of their sorted hashes, so that names and order do not matter."""
    hashes = []
    for path in paths:
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
        hashes.append(digest.hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
