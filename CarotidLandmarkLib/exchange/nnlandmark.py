"""The data sets and predictions of nnLandmark, read and written.

    DATASET/dataset.json              {"labels": {"background": 0, "left": 1, "right": 2}, "file_ending": ".nii.gz", …}
            all_landmarks_voxel.json  {"CASE": {"left": [i, j, k], …}, …}
            spacing.json              {"CASE": {"image_spacing": [x, y, z], "annotation_spacing": null}, …}
            imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz (a cube of 3 x 3 x 3 voxels a landmark); imagesTs/…
    PREDICTIONS/dataset.json, CASE.json  {"1": {"coordinates": [i, j, k], "likelihood": 0.9}, …}

Coordinates are voxels, not mm: indices along the axes x, y and z of the image file, from 0 in the centre of the first
voxel, whatever its orientation. Truths may lie between voxels, predictions are whole numbers there. A landmark that is
not in the image has no word in a data set; a prediction that found nothing has three nulls.

Source: README.md, `dataset_conversion/nnLandmark`, `inference/nnLandmark/export_prediction.py` and
`evaluation/nnLandmark` of github.com/MIC-DKFZ/nnLandmark, as of March 2026 (A. Ertl et al., MIDL 2026).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..atomic import write_json
from ..errors import BadInputError, CannotRunError
from ..landmarks.detection import Detection, LandmarkDetection
from ..landmarks.points import SIDES, side_of_label
from ..landmarks.text import read_text
from ..volume.ct import CTVolume, write_volume
from ..volume.geometry import Grid

ABOUT, LANDMARKS, SPACING, PLANS = "dataset.json", "all_landmarks_voxel.json", "spacing.json", "plans.json"
IMAGES, LABELS, TEST_IMAGES = "imagesTr", "labelsTr", "imagesTs"
CHANNEL, ENDING = "_0000", ".nii.gz"
NUMBERS = {"left": 1, "right": 2}
LARGEST = 1e9  # of any number here
CUBE = 1  # voxels on each side of a landmark's own
REORIENTING = "NibabelIOWithReorient"
INSTEAD = "a data set or predictions of nnLandmark"


class Entry(NamedTuple):
    """One case of a data set. ``voxels``: side to (3,) indices (i, j, k), or None where the file gives null; sides
    that it does not name are not there. ``spacing_mm``: what the annotation says, where the image's is not to be
    believed, else None."""

    name: str
    volume: Path
    voxels: dict[str, np.ndarray | None]
    spacing_mm: tuple[float, ...] | None

    def place(self, grid: Grid) -> dict[str, np.ndarray | None]:
        """Side to (3,) LPS mm in the image with this ``grid``; raises BadInputError where its spacing is denied."""
        if self.spacing_mm and not np.allclose(grid.spacing, self.spacing_mm, rtol=1e-2):
            raise BadInputError(
                f"{SPACING} gives it a spacing of {list(self.spacing_mm)} mm, and its image {grid.spacing.tolist()}: "
                "write the right one into the image."
            )
        return {side: None if at is None else grid.index_to_world(at) for side, at in self.voxels.items()}


def is_dataset(folder: str | os.PathLike[str]) -> bool:
    """Whether ``folder`` looks like a data set of nnLandmark."""
    return all(os.path.isfile(os.path.join(folder, name)) for name in (ABOUT, LANDMARKS))


def read_dataset(
    folder: str | os.PathLike[str], problems: dict[str, list[str]] | None = None
) -> tuple[list[Entry], list[str]]:
    """The cases of a data set, in its order, and the names of its landmarks that name no side, which are left out.

    ``problems`` gets what is wrong with single cases, by their names. Raises BadInputError for files that are not as
    above, a side that no landmark or more than one names, and without ``problems`` also for these.
    """
    folder = Path(folder)
    about, marks = _read(folder / ABOUT), _read(folder / LANDMARKS)
    spacings = _read(folder / SPACING) if (folder / SPACING).is_file() else {}
    ending = about.get("file_ending", ENDING)
    described = (name for of in marks.values() if isinstance(of, dict) for name in of)
    names = dict.fromkeys([*_labels(folder / ABOUT, about), *described])
    sides = _sides(folder, names)
    entries = []
    for case, of in marks.items():
        try:
            entries.append(_entry(folder, case, f"{CHANNEL}{ending}", of, spacings.get(case), sides))
        except BadInputError as error:
            if problems is None:
                raise
            problems[case] = [str(error)]
    return entries, [name for name in names if name not in sides]


def write_dataset(
    folder: str | os.PathLike[str], cases: Iterable[tuple[str, CTVolume, Mapping[str, np.ndarray]]]
) -> int:
    """Write cases (name, volume, side to (3,) LPS mm of each landmark that is there) as a data set; return how many.

    All images are of the training set. The JSON files come last, so that what was cut off is no data set. Raises
    BadInputError where ``folder`` holds any of one already, CannotRunError where it cannot be written.
    """
    folder = Path(folder)
    if there := [name for name in (ABOUT, LANDMARKS, SPACING, IMAGES, LABELS) if (folder / name).exists()]:
        raise BadInputError(f"{folder} holds a data set already, or some of one ({there[0]}): choose another folder.")
    marks: dict[str, Any] = {}
    spacings: dict[str, Any] = {}
    for name, volume, points in cases:
        voxels = {side: volume.grid.world_to_index(point) for side, point in points.items()}
        write_volume(volume, folder / IMAGES / f"{name}{CHANNEL}{ENDING}")
        write_volume(_label_map(volume.grid, voxels), folder / LABELS / f"{name}{ENDING}")
        marks[name] = {side: at.tolist() for side, at in voxels.items()}
        spacings[name] = {"image_spacing": volume.grid.spacing.tolist(), "annotation_spacing": None}
    write_json(folder / SPACING, spacings)
    write_json(folder / LANDMARKS, marks)
    write_json(folder / ABOUT, _about(folder, len(marks)))
    return len(marks)


def read_prediction(folder: str | os.PathLike[str], case: str, path: str, grid: Grid) -> Detection:
    """What nnLandmark predicted for ``case``, whose volume is ``path`` with this ``grid``.

    Likelihoods are taken as presences; every landmark with coordinates is "found", since the method has no threshold.
    There are no covariances. Raises BadInputError for what is no prediction, and for one of a net that read its images
    reoriented: its coordinates are not those of the file.
    """
    folder = Path(folder)
    about, values = _read(folder / ABOUT), _read(folder / f"{case}.json")
    labels = _labels(folder / ABOUT, about)
    sides = _sides(folder, labels)
    is_ras = np.array_equal(np.round(grid.direction), np.diag([-1.0, -1.0, 1.0]))
    if not is_ras and (folder / PLANS).is_file() and _read(folder / PLANS).get("image_reader_writer") == REORIENTING:
        raise BadInputError(
            f"{folder} was predicted with {REORIENTING}, so that the coordinates of {case} are those of a reoriented "
            "image: reorient the images to RAS, or predict with SimpleITKIO."
        )
    found = []
    for side in SIDES:
        name = next(name for name, of in sides.items() if of == side)
        key = next((key for key in (str(labels[name]), name) if key in values), None)
        if key is None:
            raise BadInputError(f"{folder / f'{case}.json'} has no landmark {labels[name]} ({name}); predict it again.")
        found.append(_predicted(side, values[key], f"Landmark {key} in {folder / f'{case}.json'}", grid))
    volume = {"path": path, "size": list(grid.size), "spacing_mm": grid.spacing.tolist(), "series_uid": None}
    model = {"name": "nnLandmark", "version": None, "sha256": None}
    return Detection(case, {"sha256": None, **volume}, model, {}, found)


def write_prediction(folder: str | os.PathLike[str], case: str, detection: Detection, grid: Grid) -> None:
    """Write a detection as nnLandmark's prediction for ``case``, with the data set's description beside it.

    Coordinates lie between voxels. Raises BadInputError where the folder is another data set's, CannotRunError where it
    cannot be written.
    """
    require_no_other(folder)
    values = {}
    for side, number in NUMBERS.items():
        landmark = detection.landmark(side)
        at = landmark.position_lps_mm
        coordinates = [None] * 3 if at is None else grid.world_to_index(at).tolist()
        values[str(number)] = {"coordinates": coordinates, "likelihood": landmark.presence}
    folder = Path(folder)
    _make(folder)
    write_json(folder / f"{case}.json", values)
    write_json(folder / ABOUT, _about(folder, 0))


def require_no_other(folder: str | os.PathLike[str]) -> None:
    """Raise BadInputError where ``folder`` describes a data set, and not one of predictions of ours."""
    folder = Path(folder)
    if (folder / ABOUT).exists() and _read(folder / ABOUT) != _about(folder, 0):
        raise BadInputError(f"{folder} holds a data set: choose another folder for predictions.")


def _entry(folder: Path, case: str, ending: str, marks: Any, spacing: Any, sides: Mapping[str, str]) -> Entry:
    if not isinstance(marks, dict):
        raise BadInputError(f"{folder / LANDMARKS} has no landmarks for {case}; give {INSTEAD}.")
    if case in (".", "..") or re.search(r"[/\\]", case):
        raise BadInputError(f"{case!r} in {folder / LANDMARKS} is a path, not the name of a case.")
    images = [folder / place / f"{case}{ending}" for place in (IMAGES, TEST_IMAGES)]
    image = next((image for image in images if image.is_file()), None)
    if image is None:
        raise BadInputError(f"It has no image: put {images[0].name} into {IMAGES} or {TEST_IMAGES} of {folder}.")
    voxels = {sides[name]: _coordinates(at, f"{name} of {case}") for name, at in marks.items() if name in sides}
    return Entry(case, image, voxels, _annotated(spacing, f"{case} in {SPACING}"))


def _about(folder: Path, cases: int) -> dict[str, Any]:
    return {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **NUMBERS},
        "numTraining": cases,
        "file_ending": ENDING,
        "name": Path(os.path.abspath(folder)).name,
    }


def _label_map(grid: Grid, voxels: Mapping[str, np.ndarray]) -> CTVolume:
    labels = np.zeros(grid.shape, np.int16)
    for side, at in voxels.items():
        middle = np.rint(at[::-1]).astype(int)
        box = tuple(slice(*of) for of in np.clip([middle - CUBE, middle + CUBE + 1], 0, None).T)
        labels[box] = NUMBERS[side]
    return CTVolume(labels, grid)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(read_text(path, INSTEAD))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not JSON; give {INSTEAD}.") from error
    if not isinstance(values, dict):
        raise BadInputError(f"{path} is no object of JSON; give {INSTEAD}.")
    return values


def _labels(path: Path, about: Mapping[str, Any]) -> dict[str, int]:
    """Name to number of the landmarks in a description."""
    labels = about.get("labels")
    if not isinstance(labels, dict) or not all(isinstance(number, int) for number in labels.values()):
        raise BadInputError(f"{path} does not number its labels; give {INSTEAD}.")
    return {name: number for name, number in labels.items() if name != "background"}


def _sides(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Name of a landmark to its side, of those that name one."""
    named = {name: side for name in names if (side := side_of_label(name))}
    for side in SIDES:
        of = [name for name, its in named.items() if its == side]
        if len(of) != 1:
            which = f"more than one of its landmarks does: {', '.join(of)}" if of else f"none does: {', '.join(names)}"
            raise BadInputError(
                f"One landmark of {folder} should name the {side} side, but {which}. Rename them in {ABOUT} and "
                f"{LANDMARKS}."
            )
    return named


def _coordinates(values: Any, what: str) -> np.ndarray | None:
    """Three numbers as an array, None for null or three nulls."""
    if values is None or values == [None] * 3:
        return None
    numbers = isinstance(values, list) and len(values) == 3 and all(map(_is_number, values))
    if not numbers:
        raise BadInputError(f"{what} has the coordinates {values!r}; give three voxel indices.")
    return np.array(values, dtype=np.float64)


def _annotated(values: Any, what: str) -> tuple[float, ...] | None:
    spacing = values.get("annotation_spacing") if isinstance(values, dict) else None
    if spacing is None:
        return None
    steps = spacing if isinstance(spacing, list) else [spacing] * 3
    if len(steps) != 3 or not all(_is_number(step) and step > 0 for step in steps):
        raise BadInputError(f"The spacing {spacing!r} of {what} is not three numbers above 0.")
    return tuple(float(step) for step in steps)


def _predicted(side: str, values: Any, what: str, grid: Grid) -> LandmarkDetection:
    likelihood = values.get("likelihood", 0.0) if isinstance(values, dict) else None
    if likelihood is None or not _is_number(likelihood):
        raise BadInputError(f"{what} is {values!r}; give coordinates and a likelihood.")
    at = _coordinates(values.get("coordinates"), what)
    position = None if at is None else grid.index_to_world(at)
    return LandmarkDetection(side, "absent" if at is None else "found", [], float(likelihood), position)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRunError(
            f"Cannot write {folder} ({error.strerror}); choose a folder that can be written."
        ) from error
