"""A folder of DICOM files to one CT volume, by SimpleITK's GDCM reader."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from .checks import MIN_SLICES
from .ct import CTVolume, hash_files
from .enhanced import is_cut_off, read_frames
from .itk import quiet, read_header
from .memory import require_memory
from .stack import SAME_PLACE_MM, Slice, along_normal, axes_of, lay_out, resample

TAGS = {
    "modality": "0008|0060",
    "image_type": "0008|0008",
    "patient_name": "0010|0010",
    "patient_id": "0010|0020",
    "series": "0020|000e",
    "description": "0008|103e",
    "series_number": "0020|0011",
    "acquisition": "0020|0012",
    "number": "0020|0013",
    "position": "0020|0032",
    "orientation": "0020|0037",
    "rows": "0028|0010",
    "columns": "0028|0011",
    "samples": "0028|0002",
    "frames": "0028|0008",
    "pixel_spacing": "0028|0030",
}
Tags = dict[str, str]


def is_dicom(path: Path) -> bool:
    """Whether the first bytes of the file are those of a DICOM file (with preamble, or old style without)."""
    try:
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[128:] == b"DICM" or start[:4] in (b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00")


def dicom_files(folder: Path) -> list[Path]:
    """The DICOM files in `folder` and below, in the order of their paths; hidden ones are left out."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [path for name in names if not name.startswith(".") and is_dicom(path := Path(root, name))]
    return sorted(found)


def read_dicom(path: Path, series: str | None = None) -> CTVolume:
    """The CT series with most slices under folder (or in file) `path`, or the one whose UID is `series`.

    Raises BadInputError where there is no CT, more than one patient, or a stack that cannot be made regular.
    """
    files = dicom_files(path) if path.is_dir() else [path]
    images = [(str(file), tags) for file in files if (tags := _read_tags(file))]
    if not images:
        raise BadInputError(f"No DICOM image is in '{path}': give the folder that holds the CT slices.")
    by_series: dict[str, list[tuple[str, Tags]]] = defaultdict(list)
    for file, tags in images:
        by_series[tags["series"]].append((file, tags))
    if series is not None and series not in by_series:
        raise BadInputError(f"Series '{series}' is not in '{path}': it holds {', '.join(sorted(by_series))}.")
    considered = by_series if series is None else {series: by_series[series]}
    patients = {tags["patient_id"] or tags["patient_name"] for group in considered.values() for _, tags in group}
    if len(patients) > 1:
        raise BadInputError(f"'{path}' holds {len(patients)} patients: give a folder with one, or choose a series.")
    slices = {uid: found for uid, group in considered.items() if (found := _ct_slices(group))}
    if not slices:
        kinds = Counter(tags["modality"] or "unknown" for group in considered.values() for _, tags in group)
        if set(kinds) != {"CT"}:
            raise BadInputError(f"'{path}' holds {', '.join(sorted(kinds))} and no CT: give a CT series.")
        raise BadInputError(f"'{path}' holds only scouts or pictures without a place: give the CT slices.")
    uid = min(slices, key=lambda u: (-len(slices[u]), u))
    warnings = []
    if len(slices) > 1:
        name = by_series[uid][0][1]["description"] or "no description"
        warnings.append(
            f"{len(slices)} CT series in the folder: read '{name}' ({uid}), which has most slices, {len(slices[uid])}."
        )
    volume = _read_stack(slices[uid], str(path), warnings)
    volume.series_uid = uid
    return volume


def _read_tags(path: Path) -> Tags | None:
    try:
        reader = read_header(path, "GDCMImageIO")
    except RuntimeError:
        _refuse_cut_off(str(path))
        return None
    tags = {name: reader.GetMetaData(tag).strip() if reader.HasMetaDataKey(tag) else "" for name, tag in TAGS.items()}
    tags["float"] = "yes" if reader.GetPixelID() in (sitk.sitkFloat32, sitk.sitkFloat64) else ""
    return tags


def _refuse_cut_off(path: str) -> None:
    if is_cut_off(path):
        raise BadInputError(f"'{path}' is cut off: copy the series again.")


def _ct_slices(group: list[tuple[str, Tags]]) -> list[Slice]:
    slices: list[Slice] = []
    for path, tags in group:
        if tags["modality"] != "CT" or tags["samples"] not in ("", "1") or "LOCALIZER" in tags["image_type"].upper():
            continue
        if int(tags["frames"] or 1) > 1:
            places = read_frames(path)
        else:
            texts = {"position": tags["position"], "orientation": tags["orientation"], "spacing": tags["pixel_spacing"]}
            places = [{key: tuple(float(v) for v in text.split("\\")) for key, text in texts.items() if text}]
        for frame, place in enumerate(places):
            if [len(place.get(key, ())) for key in ("position", "orientation", "spacing")] == [3, 6, 2]:
                slices.append(
                    Slice(
                        path=path,
                        frame=frame,
                        position=place["position"],
                        orientation=place["orientation"],
                        spacing=(place["spacing"][1], place["spacing"][0]),
                        size=(int(tags["columns"]), int(tags["rows"])),
                        number=int(float(tags["number"] or 0)),
                        acquisition=tags["acquisition"],
                        rescale=place.get("rescale", (1.0, 0.0)),
                        applied=places[0].get("rescale", (1.0, 0.0)),
                        fractional=bool(tags["float"]) or any(v % 1 for v in place.get("rescale", ())),
                    )
                )
    return slices


def _read_stack(slices: list[Slice], where: str, warnings: list[str]) -> CTVolume:
    load = _Pixels()
    stack = _one_per_place(along_normal(_parallel(slices, warnings)), where, load, warnings)
    if len(stack) < MIN_SLICES:
        raise BadInputError(f"'{where}' has {len(stack)} CT slices: give a whole series, of at least {MIN_SLICES}.")
    layout = lay_out(stack, where)
    dtype = np.dtype(np.float32 if any(s.fractional for s in stack) else np.int16)
    require_memory(int(np.prod(layout.grid.size)) * dtype.itemsize, where)
    array = resample(layout, lambda k: load(stack[k]), dtype)
    digest = hash_files({s.path for s in stack})
    return CTVolume(array, layout.grid, path=where, sha256=digest, warnings=warnings + layout.warnings)


def _parallel(slices: list[Slice], warnings: list[str]) -> list[Slice]:
    """The slices of the most common orientation, size and spacing."""

    def look(s: Slice) -> tuple[object, ...]:
        return tuple(np.round(s.orientation, 2)), s.size, tuple(np.round(s.spacing, 3))

    counts = Counter(look(s) for s in slices)
    like = next(s for s in slices if look(s) == max(counts, key=lambda key: counts[key]))
    kept = [
        s
        for s in slices
        if s.size == like.size
        and np.allclose(s.spacing, like.spacing, atol=1e-3)
        and np.allclose(s.orientation, like.orientation, atol=1e-2)
    ]
    if len(kept) < len(slices):
        left = len(slices) - len(kept)
        warnings.append(f"{left} of {len(slices)} images of the series have another orientation or size: left out.")
    return kept


class _Pixels:
    """HU of a slice, (rows, columns), within the range of int16 unless fractional; keeps the file read last."""

    def __init__(self) -> None:
        self.path = ""
        self.array = np.empty(0)

    def __call__(self, s: Slice) -> np.ndarray:
        if s.path != self.path:
            _refuse_cut_off(s.path)
            reader = read_header(s.path, "GDCMImageIO")
            try:
                with quiet():
                    array = sitk.GetArrayFromImage(reader.Execute())
            except RuntimeError as error:
                raise BadInputError(f"'{s.path}' is damaged: copy the series again.") from error
            self.path, self.array = s.path, array.reshape(-1, *array.shape[-2:])
        image = self.array[s.frame]
        if s.rescale != s.applied:  # GDCM gives every frame the rescale of the first
            (slope, intercept), (slope0, intercept0) = s.rescale, s.applied
            image = (image - intercept0) / slope0 * slope + intercept
        return image.astype(np.float32) if s.fractional else np.clip(np.round(image), -32768, 32767).astype(np.int16)


def _one_per_place(slices: list[Slice], where: str, load: _Pixels, warnings: list[str]) -> list[Slice]:
    """Slices (in order of depth) without copies; of several acquisitions in the same places, the fullest one."""
    normal = axes_of(slices[0].orientation)[:, 2]
    places: list[list[Slice]] = []
    for s in slices:
        if places and (np.array(s.position) - places[-1][0].position) @ normal < SAME_PLACE_MM:
            places[-1].append(s)
        else:
            places.append([s])
    if len(places) == len(slices):
        return slices
    extra = len(slices) - len(places)
    if all(
        np.allclose(s.position, first.position, atol=SAME_PLACE_MM) and np.array_equal(load(first), load(s))
        for first, *others in places
        for s in others
    ):
        warnings.append(f"{extra} copies of slices were left out.")
        return [place[0] for place in places]
    acquisitions: dict[str, list[Slice]] = defaultdict(list)
    for s in slices:
        acquisitions[s.acquisition].append(s)
    number = max(acquisitions, key=lambda key: len(acquisitions[key]))
    fullest = acquisitions[number]
    if sum(any(s in fullest for s in place) for place in places) != len(fullest) or len(fullest) < 0.9 * len(places):
        raise BadInputError(f"'{where}' has {extra} different images in the same places (phases?): export one phase.")
    warnings.append(f"{len(acquisitions)} acquisitions lie in the same places: read number {number}.")
    return fullest
