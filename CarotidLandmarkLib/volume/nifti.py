"""NIfTI, of which ITK says too little: a spacing of 0 or NaN becomes 1 mm there, and cut-off data become zeros.

ITK reads version 1 nevertheless, so that a volume lies where the application shows it; version 2 it cannot read.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..errors import BadInputError, CannotRunError
from .checks import FAR_MM
from .geometry import Grid

BLOCK = 1 << 22
MAGIC = {b"n+1", b"ni1", b"n+2", b"ni2"}  # with i the image is a file of its own
UNITS_MM = {1: 1000.0, 3: 0.001}  # metres and micrometres; ITK takes all others for mm, too
SCANNER = 1  # the code of a place that the scanner gave
SAME_PLACE_MM = 1.0


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
            raise self._damaged()
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

    def read(self) -> np.ndarray:
        """The voxels (z, y, x), scaled as the header says; BadInputError for a damaged header."""
        from nibabel.spatialimages import HeaderDataError

        try:
            slope, intercept = self.header.get_slope_inter()
        except HeaderDataError as error:
            raise self._damaged() from error
        with _open(self.data) as file:
            file.read(max(int(self.header["vox_offset"]), 0))
            content = file.read(math.prod(self.size) * self.dtype.itemsize)
        array = np.frombuffer(content, self.dtype).reshape(self.size[::-1]).astype(self.dtype.newbyteorder("="))
        if slope is not None and (slope, intercept) != (1, 0):
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is met by who checks the HU
                array = array.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        return array

    def grid(self) -> Grid:
        """Where the voxels are by sform or qform, whichever ITK would take; along the LPS axes without both.

        Raises BadInputError where that one cannot be.
        """
        if not self.oriented:
            return Grid(self.size, self.header["pixdim"][1:4] * self._unit_mm, np.zeros(3), np.eye(3))
        affines = self._affines()
        by = "sform" if int(self.header["sform_code"]) == SCANNER or "qform" not in affines else "qform"
        if by not in affines:
            raise self._damaged()
        affine = affines[by]
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        return Grid(self.size, lengths, affine[:3, 3], affine[:3, :3] / lengths)

    def contradictions(self, grid: Grid) -> list[str]:
        """A warning where `grid`, as it was read, is not where each of the header's two orientations puts it."""
        corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(grid.size) - 1)
        corners = np.concatenate([corners, np.ones((8, 1))], axis=1)
        apart = max((np.abs(corners @ (one - grid.affine).T).max() for one in self._affines().values()), default=0.0)
        if apart <= SAME_PLACE_MM:
            return []
        return [
            f"The file's orientations (sform, qform, voxel spacing) contradict each other by up to {apart:.3g} mm, and "
            "programs differ in which they follow: check sides and positions."
        ]

    def _affines(self) -> dict[str, np.ndarray]:
        """(4, 4) index to LPS mm by "sform" and by "qform": those that the header gives and that can be."""
        from nibabel.spatialimages import HeaderDataError

        header = self.header.copy()
        header["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1  # 0 means 1
        scale = np.diag([-self._unit_mm, -self._unit_mm, self._unit_mm, 1.0])
        found = {}
        for name in ("sform", "qform"):
            with contextlib.suppress(HeaderDataError, ValueError), np.errstate(over="ignore", invalid="ignore"):
                affine = scale @ getattr(header, f"get_{name}")()
                possible = (np.abs(affine) < FAR_MM).all() and affine[:3, :3].any(axis=0).all()
                if int(header[f"{name}_code"]) > 0 and possible:
                    found[name] = affine
        return found

    @property
    def _unit_mm(self) -> float:
        return UNITS_MM.get(int(self.header["xyzt_units"]) & 7, 1.0)

    def _damaged(self) -> BadInputError:
        return BadInputError(f"'{self.path}' is not what its name says or has a damaged header: export it again.")


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
