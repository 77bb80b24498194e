"""NIfTI, of which ITK says too little: a spacing of 0 or NaN becomes 1 mm there, and cut-off data become zeros.

ITK reads version 1 nevertheless, so that a volume lies where the application shows it; version 2 it cannot read.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..errors import BadInputError, CannotRunError
from .geometry import Grid

BLOCK = 1 << 22
MAGIC = {b"n+1", b"ni1", b"n+2", b"ni2"}  # with i the image is a file of its own
UNITS_MM = {1: 1000.0, 3: 0.001}  # metres and micrometres; ITK takes all others for mm, too


class NiftiFile:
    """The header of a NIfTI file, or of a pair of header (.hdr) and image (.img), and where its voxels are.

    Raises BadInputError for what is no NIfTI volume of three dimensions with one number a voxel, CannotRunError without
    nibabel.
    """

    def __init__(self, path: Path) -> None:
        try:
            from nibabel.nifti1 import Nifti1Header
            from nibabel.nifti2 import Nifti2Header
            from nibabel.wrapstruct import WrapStructError
        except ImportError as error:  # an application's own Python may lack it
            raise CannotRunError(
                f"'{path}' is NIfTI, which needs nibabel: install it with pip install nibabel."
            ) from error

        self.path = self.data = path
        try:
            with _open(path) as file:
                start = file.read(Nifti2Header.sizeof_hdr)
            self.version = 2 if start[:4] in (struct.pack("<i", 540), struct.pack(">i", 540)) else 1
            kind = Nifti2Header if self.version == 2 else Nifti1Header
            self.header = kind(start[: kind.sizeof_hdr], check=False)
        except (EOFError, OSError, WrapStructError, zlib.error) as error:
            raise BadInputError(f"'{path}' is cut off in its header: copy it again.") from error
        magic = bytes(self.header["magic"])[:3]
        size = [int(n) for n in self.header["dim"][1:][: max(int(self.header["dim"][0]), 0)]]
        if magic not in MAGIC or min(size, default=0) < 1:
            raise BadInputError(f"'{path}' is not what its name says or has a damaged header: export it again.")
        if b"i" in magic:
            images = [path.with_suffix(suffix) for suffix in (".img", ".img.gz", ".IMG")]
            self.data = next((image for image in images if image.is_file()), images[0])
        while len(size) > 3 and size[-1] == 1:
            size.pop()
        if len(size) != 3:
            raise BadInputError(f"'{path}' has {len(size)} dimensions, {tuple(size)}: give one 3D volume.")
        self.size = (size[0], size[1], size[2])
        try:
            self.dtype = self.header.get_data_dtype()
        except KeyError:
            self.dtype = np.dtype("V")
        if self.dtype.kind not in "iuf" or self.dtype.itemsize > 8:
            raise BadInputError(
                f"'{path}' has voxels of type {int(self.header['datatype'])} of NIfTI (colour, complex, or none that "
                "is known), not one HU: export the original CT."
            )

    @property
    def oriented(self) -> bool:
        return int(self.header["qform_code"]) > 0 or int(self.header["sform_code"]) > 0

    @property
    def stores_spacing(self) -> bool:
        """Whether the steps are numbers above 0, and more than what a writer leaves who knows none."""
        steps, units = self.header["pixdim"][1:4], int(self.header["xyzt_units"]) & 7
        if not (np.isfinite(steps).all() and (steps > 0).all()):
            return False
        return self.oriented or units > 0 or bool((steps != 1).any())

    def check_complete(self) -> None:
        """BadInputError where voxels are missing. A packed file is unpacked only where its length does not tell."""
        offset = float(self.header["vox_offset"])
        needed = math.prod(self.size) * self.dtype.itemsize + (int(offset) if math.isfinite(offset) else 0)
        with open(self.data, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        if (_unpacked_size(self.data, needed) if packed else os.path.getsize(self.data)) < needed:
            raise BadInputError(f"'{self.path}' is cut off: its voxels are not all there; copy it again.")

    def read(self) -> tuple[np.ndarray, Grid]:
        """The voxels (z, y, x), scaled as the header says, and their grid by sform or, without it, qform."""
        with _open(self.data) as file:
            file.read(int(self.header["vox_offset"]))
            content = file.read(math.prod(self.size) * self.dtype.itemsize)
        array = np.frombuffer(content, self.dtype).reshape(self.size[::-1]).astype(self.dtype.newbyteorder("="))
        slope, intercept = self.header.get_slope_inter()
        if slope is not None and (slope, intercept) != (1, 0):
            array = array.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.header.get_best_affine()
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        scale = UNITS_MM.get(int(self.header["xyzt_units"]) & 7, 1.0)
        return array, Grid(self.size, lengths * scale, affine[:3, 3] * scale, affine[:3, :3] / lengths)


def _open(path: Path) -> BinaryIO:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path) if packed else open(path, "rb"))  # noqa: SIM115


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
