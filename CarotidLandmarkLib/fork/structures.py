"""How high a carina lies beside bones that surgeons measure from, by label maps of a segmentation program.

TotalSegmentator (Wasserthal et al., Radiology: Artificial Intelligence 2023) writes one file a structure: `skull` and
`vertebrae_C2` to `C7` by its task total, `hyoid` by headneck_bones_vessels, `mandible` by craniofacial_structures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

import numpy as np
from scipy import ndimage

from ..errors import BadInputError
from ..landmarks.forks import Measure
from ..volume.ct import CTVolume
from ..volume.files import read_file
from ..volume.geometry import Grid
from ..volume.padding import without_padding

FILES = {
    "mandible_angle_mm": "mandible",
    "hyoid_mm": "hyoid",
    **{f"c{level}_mm": f"vertebrae_C{level}" for level in range(2, 8)},
    "skull_base_mm": "skull",
}
SUFFIX = ".nii.gz"
NAMED = ", ".join(f"{structure}{SUFFIX}" for structure in FILES.values())
CORNER_MM = 2.0  # voxels so near to the outermost make up the angle of the mandible
COLUMN_MM = 10.0  # the skull base counts so near to the line straight up from the carina
STRAY = 0.1  # a piece of less than this share of the largest is no part of the structure
WHOLE_ABOVE = ("mandible_angle_mm", "skull_base_mm")  # what is measured of them lies at their lower end

Structures = dict[str, Union[np.ndarray, str]]


def maps_in(folder: Path) -> dict[str, Path]:
    """Measure -> the file in `folder` for its structure, which need not be there."""
    return {name: folder / f"{structure}{SUFFIX}" for name, structure in FILES.items()}


def read_structures(folder: str | os.PathLike[str], volume: CTVolume) -> Structures:
    """Measure -> (n, 3) LPS mm of the voxels of its structure, or the sentence why there are none.

    The maps may have another grid than `volume`; every label but 0 counts, but for small pieces away from the rest. Of
    a structure that the scan ends in there is none. Raises BadInputError for a folder that is
    none, a file that cannot be read and a map that lies elsewhere than the volume.
    """
    root = Path(folder)
    if not root.is_dir():
        raise BadInputError(f"'{root}' is no folder: give one with label maps such as mandible{SUFFIX}.")
    lower, upper = volume.grid.bounds()
    scan = without_padding(volume)[0].grid
    found: Structures = {}
    for name, path in maps_in(root).items():
        if not path.is_file():
            found[name] = f"The folder of structures holds no {path.name}."
            continue
        label_map = read_file(path)
        low, high = label_map.grid.bounds()
        if (np.minimum(high, upper) <= np.maximum(low, lower)).any():
            raise BadInputError(f"'{path}' lies elsewhere than the volume: give label maps of the same scan.")
        points = label_map.grid.index_to_world(_without_strays(label_map.array != 0))
        if not len(points):
            found[name] = f"{path.name} holds no voxel of its structure."
        elif _is_cut(name, points, scan, float(label_map.grid.spacing[label_map.grid.slice_axis])):
            found[name] = f"The structure of {path.name} is cut off by the end of the scan."
        else:
            found[name] = points
    return found


def _without_strays(mask: np.ndarray) -> np.ndarray:
    """(n, 3) index (i, j, k) of the voxels of `mask` (z, y, x) in its large pieces."""
    boxes = ndimage.find_objects(mask.view(np.uint8))
    if not boxes:
        return np.zeros((0, 3), int)
    pieces, _ = ndimage.label(mask[boxes[0]], np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    voxels = np.argwhere((sizes >= STRAY * sizes.max())[pieces])
    return (voxels + [part.start for part in boxes[0]])[:, ::-1]


def _is_cut(name: str, points: np.ndarray, scan: Grid, map_mm: float) -> bool:
    """Whether the end of the structure (n, 3), LPS mm, that counts lies at an end of the scan, or a slice before it;
    map_mm: between the slices of its map."""
    axis = scan.slice_axis
    spacing = float(scan.spacing[axis])
    along = scan.world_to_index(points)[:, axis] * spacing
    near = (map_mm - spacing) / 2 + 1.25 * max(spacing, map_mm)  # from its outermost centres to that of the last slice
    ends = along.min() < near, along.max() > (scan.size[axis] - 1) * spacing - near
    below, above = ends if scan.direction[2, axis] > 0 else ends[::-1]
    return bool(below or (above and name not in WHOLE_ABOVE))


def measure_structures(
    structures: Structures, carina: np.ndarray, side: str, covariance: np.ndarray | None = None
) -> dict[str, Measure]:
    """mm by which `carina` (3,), LPS mm, of `side` lies above (+) or below (-) each structure, by name as in FILES.

    Along the patient's cranial direction, to: the angle of the mandible on that side, its hindmost and lowest corner;
    the middles of the hyoid and of the vertebrae C2 to C7; the skull base, the lowest of the skull that lies above the
    carina within COLUMN_MM aside. covariance: (3, 3) mm^2 of the carina, None: there is no `sd`.
    """
    sd = None if covariance is None else float(np.sqrt(max(float(np.asarray(covariance)[2, 2]), 0.0)))
    out = {}
    for name, points in structures.items():
        height = points if isinstance(points, str) else _height(name, points, carina, side)
        if isinstance(height, str):
            out[name] = Measure(None, None, "mm", height)
        else:
            out[name] = Measure(float(carina[2] - height), sd, "mm")
    return out


def _height(name: str, points: np.ndarray, carina: np.ndarray, side: str) -> float | str:
    """The height of a structure (n, 3) that counts for a carina, LPS mm, or why there is none."""
    if name == "skull_base_mm":
        aside = np.linalg.norm(points[:, :2] - carina[:2], axis=1)
        above = points[(aside <= COLUMN_MM) & (points[:, 2] > carina[2]), 2]
        return float(above.min()) if len(above) else "The skull is not seen above the carina."
    if name == "mandible_angle_mm":
        outwards = 1.0 if side == "left" else -1.0
        middle = (points[:, 0].min() + points[:, 0].max()) / 2
        half = points[outwards * (points[:, 0] - middle) > 0]
        if not len(half):
            return f"The {side} half of the mandible is not seen."
        corner = (half[:, 1] - half[:, 2]) / np.sqrt(2)
        return float(half[corner > corner.max() - CORNER_MM, 2].mean())
    return float(points[:, 2].mean())
