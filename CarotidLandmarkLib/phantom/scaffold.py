"""Real organs as a scaffold: a folder of label maps (see ``LABELS``) under which the vessel tree is drawn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from ..errors import BadInputError
from ..volume.geometry import Grid
from ..volume.itk import quiet
from ..volume.nifti import NiftiFile
from ..volume.read import case_name
from .shapes import Field

# Organs painted from the labels; the others of a map are not used. The larger ones are kept on a coarser grid.
ORGANS = {
    "Mandible": 1,
    "Parotid-Lt": 1,
    "Parotid-Rt": 1,
    "Submandibular-Lt": 1,
    "Submandibular-Rt": 1,
    "Orbit-Lt": 1,
    "Orbit-Rt": 1,
    "Lung-Lt": 3,
    "Lung-Rt": 3,
    "Brain": 3,
}
AROUND_MM = 16.0
CANAL = "Spinal-Canal"
LEAST_HEIGHTS = 5  # of the canal, for a curve of the fourth order
GLAND_Z = 4.0  # height of the submandibular glands, and of the jaw's lower border, in body mm


@dataclass(frozen=True)
class Scaffold:
    """One patient's organs in body mm: ``fields`` (HU to be set), the canal's course and where the glands lie."""

    name: str
    fields: dict[str, Field]
    curve: np.ndarray
    curve_range: tuple[float, float]
    gland_y: float


def list_scaffolds(folder: str | Path) -> list[Path]:
    """The label maps (``*.nii.gz``) of a folder that also has ``labels.json``, sorted. Raises BadInputError."""
    folder = Path(folder)
    maps = sorted(folder.glob("*.nii.gz"))
    if not (folder / "labels.json").is_file() or not maps:
        raise BadInputError(f"{folder} is no scaffold folder: it needs labels.json and label maps named *.nii.gz.")
    _read_labels(folder / "labels.json")
    return maps


def _read_labels(path: Path) -> dict[str, int]:
    """Organ to its value in the maps."""
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path} can't be read as JSON ({error}): save it anew as UTF-8.") from error
    if not isinstance(labels, dict) or not all(type(value) is int for value in labels.values()):
        raise BadInputError(f'{path} must be one object of organs and whole numbers, such as {{"{CANAL}": 18}}.')
    lacking = [organ for organ in (CANAL, "Mandible") if organ not in labels]
    if lacking:
        raise BadInputError(f"{path} gives no number for {' and '.join(lacking)}: add what the maps use.")
    return labels


def _read_map(path: Path) -> sitk.Image:
    try:
        with quiet():
            image = sitk.ReadImage(str(path), sitk.sitkInt32)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise BadInputError(f"{path} can't be read as a label map ({reason}): replace or remove it.") from error
    if image.GetDimension() != 3:
        raise BadInputError(f"{path} has {image.GetDimension()} axes, and a label map has three: replace or remove it.")
    NiftiFile(path).check_complete()
    return sitk.DICOMOrient(image, "LPS")


@lru_cache(maxsize=32)  # about 10 MB each
def load_scaffold(path: str | Path) -> Scaffold:
    """Read one label map (RAS or LPS axis-aligned NIfTI) with the ``labels.json`` beside it; once in a process.

    Raises BadInputError.
    """
    path = Path(path)
    labels, image = _read_labels(path.parent / "labels.json"), _read_map(path)
    array = sitk.GetArrayViewFromImage(image)
    spacing, origin = np.array(image.GetSpacing()), np.array(image.GetOrigin())

    def centres(label: str) -> np.ndarray:
        return np.argwhere(array == labels.get(label, -1))[:, ::-1] * spacing + origin

    canal = centres(CANAL)
    if not len(canal) or not (array == labels["Mandible"]).any():
        raise BadInputError(f"{path} has no spinal canal or no mandible, so it can't carry a vessel tree.")
    glands = [centres(f"Submandibular-{side}") for side in ("Lt", "Rt")]
    glands = [g.mean(0) for g in glands if len(g) > 500]
    z0 = (np.mean([g[2] for g in glands]) if glands else centres("Mandible")[:, 2].min()) - GLAND_Z
    heights = np.unique(canal[:, 2])
    middle = np.array([canal[canal[:, 2] == z][:, :2].mean(0) for z in heights])
    near = np.abs(heights - z0) < 150
    if near.sum() < LEAST_HEIGHTS:
        raise BadInputError(f"The spinal canal in {path} is not where its jaw is, so it can't carry a vessel tree.")
    at = int(np.abs(heights - z0).argmin())
    center = np.array([*middle[at], z0])
    t = (heights[near] - z0) / 100
    curve = np.stack([np.polynomial.polynomial.polyfit(t, middle[near, a] - center[a], 4) for a in range(2)])
    canal_y = middle[at, 1]
    gland_y = np.mean([g[1] for g in glands]) - canal_y if glands else -50.9
    found = sitk.LabelShapeStatisticsImageFilter()
    found.ComputePerimeterOff()
    found.Execute(image)
    fields = {}
    for organ, coarse in ORGANS.items():
        if organ in labels and found.HasLabel(labels[organ]):
            fields[organ] = _field(image, labels[organ], found.GetBoundingBox(labels[organ]), coarse, center)
    return Scaffold(case_name(path), fields, curve, (float(t.min()), float(t.max())), float(gland_y))


def _field(image: sitk.Image, label: int, box: tuple[int, ...], coarse: int, center: np.ndarray) -> Field:
    pad = [int(np.ceil(AROUND_MM / step)) for step in image.GetSpacing()]
    low = [max(0, b - p) for b, p in zip(box[:3], pad)]
    high = [min(n, b + s + p) for b, s, n, p in zip(box[:3], box[3:], image.GetSize(), pad)]
    part = sitk.RegionOfInterest(image, [h - a for a, h in zip(low, high)], low) == label
    distance = sitk.SignedMaurerDistanceMap(part, squaredDistance=False, useImageSpacing=True)
    distance = sitk.DiscreteGaussian(distance, [1.0] * 3)
    if coarse > 1:
        distance = sitk.Shrink(distance, [coarse, coarse, 1])
    grid = Grid(distance.GetSize(), distance.GetSpacing(), np.array(distance.GetOrigin()) - center, np.eye(3))
    return Field(torch.from_numpy(sitk.GetArrayFromImage(distance)).float(), grid, 0.0)
