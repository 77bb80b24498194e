"""A folder of DICOM files to one CT volume, by SimpleITK's GDCM reader."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError, CarotidLandmarkError
from .checks import MIN_SLICES
from .ct import CTVolume, hash_files
from .enhanced import read_frames
from .folders import walk
from .headers import (
    CT_IMAGES,
    NUMBER,
    TAGS,
    Tags,
    bad_value,
    count,
    is_dicom,
    is_empty,
    kind_of_name,
    numbers,
    peek,
    read_tags,
    require_all_pixels,
    unreadable,
)
from .itk import quiet, read_header
from .memory import require_memory
from .series import LIKE, SHARP_KERNEL, Series, choose, parallel
from .stack import SAME_PLACE, SAME_PLACE_MM, Slice, along_normal, depths_of, lay_out, resample

PLACE = {
    "position": ("ImagePositionPatient", 3),
    "orientation": ("ImageOrientationPatient", 6),
    "spacing": ("PixelSpacing", 2),
    "slope": ("RescaleSlope", 1),
    "intercept": ("RescaleIntercept", 1),
}
RIGHT_ANGLE = 0.05
KINDS = ("image types", "slice thicknesses", "kernels", "acquisitions")  # that a series may hold, as in Slice.kind
ROUNDED = 0.05  # share that thicknesses which are meant to be the same differ by
FEW = 3  # slices that acquisitions which follow each other may share


def read_dicom(path: Path, series: str | None = None) -> CTVolume:
    """The CT series under folder (or in file) `path` that shows most of a neck, or the one whose UID is `series`.

    Raises BadInputError where there is no CT, more than one patient, or a stack that cannot be made regular.
    """
    everything = [file for _, inside in walk(path) for file in inside] if path.is_dir() else [path]
    files = sorted(filter(is_dicom, everything))
    by_uid: dict[str, Series] = {}
    for file in files:
        _add(by_uid, file)
    if not by_uid:
        if everything and not any(map(os.path.exists, everything)):
            raise _incomplete(path, everything, len(everything))
        raise BadInputError(f"No DICOM image is in '{path}': give the folder that holds the CT slices.")
    if series is not None and series not in by_uid:
        raise BadInputError(f"Series '{series}' is not in '{path}': it holds {', '.join(sorted(set(by_uid) - {''}))}.")
    considered = list(by_uid.values()) if series is None else [by_uid[series]]
    found = [one for one in considered if one.slices or one.fault]
    if not found:
        _refuse_without_slices(path, {one.tags["modality"] or "unknown" for one in considered})
    if (patients := _patients(found)) > 1:
        raise BadInputError(f"'{path}' holds {patients} patients: give a folder with one, or choose a series.")
    if len(found) >= MIN_SLICES and all(len(one.slices) == 1 for one in found):
        raise BadInputError(
            f"'{path}' has {len(found)} CT slices and a series UID for each of them: export them as one series."
        )
    chosen, warnings = choose(found)
    if chosen.fault is not None:
        raise chosen.fault
    _require_whole(path, chosen.slices, set(everything).difference(files))
    volume = _read_stack(chosen.slices, str(path), warnings)
    volume.series_uid = chosen.uid
    if ids := {of for of, _ in chosen.patients if of}:
        volume.patient = hashlib.sha256(ids.pop().encode()).hexdigest()
    return volume


def _patients(found: list[Series]) -> int:
    """How many there are: by their IDs, and by the names of images without one that no image with an ID has."""
    told = set().union(*(one.patients for one in found))
    names = {name for of, name in told if name and not of} - {name for of, name in told if of}
    return len({of for of, _ in told if of}) + len(names)


def _add(by_uid: dict[str, Series], file: Path) -> None:
    """The image in `file` to its series; what is wrong with it becomes the fault of the series."""
    slices: list[Slice] = []
    fault, tags = None, None
    try:
        if not (tags := read_tags(file)):
            return
        slices = _slices(str(file), tags)
    except CarotidLandmarkError as error:
        fault = error
    tags = tags or {**dict.fromkeys(TAGS, ""), "series": peek(file)["series"]}
    one = by_uid.setdefault(tags["series"], Series(tags["series"], tags))
    one.slices += slices
    one.fault = one.fault or fault
    if slices:
        one.patients.add((tags["patient_id"], tags["patient_name"]))


def _require_whole(where: Path, slices: list[Slice], others: set[Path]) -> None:
    """BadInputError where files that are no DICOM have names like those of the slices beside them, and no content."""
    alike = {(str(Path(s.path).parent), kind_of_name(s.path)) for s in slices}
    empty = sorted(file for file in others if (str(file.parent), kind_of_name(file)) in alike and is_empty(file))
    if empty:
        raise _incomplete(where, empty, len(empty) + len({s.path for s in slices}))


def _incomplete(where: Path, empty: list[Path], all_files: int) -> BadInputError:
    return BadInputError(
        f"{len(empty)} of {all_files} files in '{where}' are empty, cut off or cannot be opened, '{empty[0].name}' "
        "first: copy the series again."
    )


def _refuse_without_slices(where: Path, kinds: set[str]) -> None:
    if "CT" not in kinds:
        raise BadInputError(f"'{where}' holds {', '.join(sorted(kinds))} and no CT: give a CT series.")
    raise BadInputError(f"'{where}' holds only scouts or pictures without a place: give the CT slices.")


def _slices(path: str, tags: Tags) -> list[Slice]:
    """The CT slices of an image, [] if it is something else; BadInputError for values that give no place or no HU."""
    if tags["modality"] != "CT" or tags["samples"] not in ("", "1") or "LOCALIZER" in tags["image_type"].upper():
        return []
    enhanced = count(tags["frames"], 1) > 1 or tags["class"] in CT_IMAGES[1:]
    frames: list[Tags] = read_frames(path) if enhanced else [tags]
    slices: list[Slice] = []
    applied: tuple[float, ...] = ()
    for k, frame in enumerate(frames):
        place = {key: numbers(path, name, frame[key], n) for key, (name, n) in PLACE.items()}
        rescale = (*(place["slope"] or (1.0,)), *(place["intercept"] or (0.0,)))
        applied = rescale if k == 0 else applied
        if not (place["position"] and place["orientation"] and place["spacing"]):
            continue
        _check_place(path, frame, place, rescale[0])
        slices.append(
            Slice(
                path=path,
                frame=k,
                position=place["position"],
                orientation=place["orientation"],
                spacing=(place["spacing"][1], place["spacing"][0]),
                size=(count(tags["columns"], 0), count(tags["rows"], 0)),
                number=count(tags["number"], 0),
                kind=(tags["image_type"].upper(), tags["thickness"].strip(), tags["kernel"], tags["acquisition"]),
                rescale=rescale,
                applied=applied,
                fractional=any(v % 1 for v in rescale),
            )
        )
    if slices and tags["photometric"] == "MONOCHROME1":
        raise BadInputError(f"'{path}' is stored inverted (MONOCHROME1), so its HU are unsure: export the original CT.")
    if slices and min(slices[0].size) < 1:
        raise BadInputError(f"'{path}' has a damaged DICOM header, without rows or columns: export the series again.")
    return slices


def _check_place(path: str, frame: Tags, place: dict[str, tuple[float, ...]], slope: float) -> None:
    """PS3.3 C.7.6.2.1.1, 10.7.1.3 and C.11.1.1.2: right-angled unit vectors, a spacing > 0, a slope that is not 0."""
    axes = np.reshape(place["orientation"], (2, 3))
    if np.abs(axes @ axes.T - np.eye(2)).max() > RIGHT_ANGLE:
        raise bad_value(path, PLACE["orientation"][0], frame["orientation"], "two unit vectors at right angles")
    if min(place["spacing"]) <= 0:
        raise bad_value(path, PLACE["spacing"][0], frame["spacing"], "two distances above 0 mm")
    if slope == 0:
        raise bad_value(path, PLACE["slope"][0], frame["slope"], "a number other than 0")


def _read_stack(slices: list[Slice], where: str, warnings: list[str]) -> CTVolume:
    load = _Pixels()
    alike = parallel(slices)
    if len(alike) < len(slices):
        left = len(slices) - len(alike)
        warnings.append(f"{left} of {len(slices)} images of the series have another orientation or size: left out.")
    stack = _one_per_place(along_normal(alike), where, load, warnings)
    if len(stack) < MIN_SLICES:
        raise BadInputError(f"'{where}' has {len(stack)} CT slices: give a whole series, of at least {MIN_SLICES}.")
    layout = lay_out(stack, where)
    dtype = np.dtype(np.float32 if any(s.fractional for s in stack) else np.int16)
    require_memory(int(np.prod(layout.grid.size)) * dtype.itemsize, where)
    files = list(dict.fromkeys(s.path for s in stack))
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(hash_files, files)
        array = resample(layout, lambda k: load(stack[k]), dtype)
    return CTVolume(array, layout.grid, where, digest.result(), warnings=warnings + layout.warnings, files=files)


class _Pixels:
    """HU of a slice, (rows, columns), within the range of int16 unless fractional; keeps the file read last."""

    def __init__(self) -> None:
        self.path = ""
        self.array = np.empty(0)

    def __call__(self, s: Slice) -> np.ndarray:
        if s.path != self.path:
            try:
                reader = read_header(s.path, "GDCMImageIO")
                require_all_pixels(s.path, reader)
                with quiet():
                    array = sitk.GetArrayFromImage(reader.Execute())
            except RuntimeError as error:
                raise unreadable(s.path) from error
            self.path, self.array = s.path, array.reshape(-1, *array.shape[-2:])
        if self.array.shape[1:] != s.size[::-1] or len(self.array) <= s.frame:
            raise unreadable(s.path)
        image = self.array[s.frame]
        if s.rescale != s.applied:  # GDCM gives every frame the rescale of the first
            (slope, intercept), (slope0, intercept0) = s.rescale, s.applied
            image = (image - intercept0) / slope0 * slope + intercept
        return image.astype(np.float32) if s.fractional else np.clip(np.round(image), -32768, 32767).astype(np.int16)


def _one_per_place(slices: list[Slice], where: str, load: _Pixels, warnings: list[str]) -> list[Slice]:
    """Slices (in order of depth) without copies; of several acquisitions in the same places, the fullest one."""
    slices = _without_copies(slices, load, warnings)
    slices = _without_copies(_of_one_kind(slices, where, warnings), load, warnings)
    if extra := len(slices) - len(_places(slices)):
        raise BadInputError(f"'{where}' has {extra} different images in the same places (phases?): export one phase.")
    return slices


def _places(slices: list[Slice]) -> list[list[Slice]]:
    depths = depths_of(slices)
    within = min(SAME_PLACE_MM, SAME_PLACE * (depths[-1] - depths[0]) / max(len(slices) - 1, 1))
    places: list[list[Slice]] = []
    first = -np.inf
    for s, depth in zip(slices, depths):
        if depth - first > within:
            first = depth
            places.append([])
        places[-1].append(s)
    return places


def _without_copies(slices: list[Slice], load: _Pixels, warnings: list[str]) -> list[Slice]:
    """The slices less copies of others; all of them where one shares the place of another and is no copy."""
    places = _places(slices)
    if len(places) == len(slices) or not all(
        np.allclose(s.position, first.position, atol=SAME_PLACE_MM) and np.array_equal(load(first), load(s))
        for first, *others in places
        for s in others
    ):
        return slices
    warnings.append(f"{len(slices) - len(places)} copies of slices were left out.")
    return [place[0] for place in places]


def _of_one_kind(slices: list[Slice], where: str, warnings: list[str]) -> list[Slice]:
    """The slices (in order of depth) less those of another kind that lie among them, and not before or behind."""
    for k, kinds in enumerate(KINDS):
        kind_of = [s.kind[k] for s in slices]
        told, depths = np.array(_alike(kind_of) if kinds == "slice thicknesses" else kind_of), depths_of(slices)
        groups = {kind: depths[told == kind] for kind in dict.fromkeys(told.tolist())}
        order = sorted(groups, key=lambda kind: (-len(groups[kind]), SHARP_KERNEL.search(kind) is not None, kind))
        kept: list[str] = []
        for kind in order:
            if not any(_shared(groups[kind], groups[other]) > FEW for other in kept):
                kept.append(kind)
        if len(kept) == len(order):
            continue
        left = [f"'{kind}'" for kind in order if kind not in kept]
        named, stays = ", ".join(left[:3]) + ", …" * (len(left) > 3), np.isin(told, kept)
        if np.ptp(depths[stays]) < LIKE * np.ptp(depths):
            raise BadInputError(
                f"'{where}' has {len(groups)} {kinds} that lie in the same places in part ('{kept[0]}', {named}): "
                "export one of them."
            )
        warnings.append(
            f"{len(groups)} {kinds} lie in the same places: read '{kept[0]}'; {(~stays).sum()} of {len(slices)} images "
            f"were left out, of {named}."
        )
        slices = [s for s, stay in zip(slices, stays) if stay]
    return slices


def _alike(thicknesses: list[str]) -> list[str]:
    """Of the slices, those within a few percent as one, and those that do not tell as most others."""
    written = {text: float(text) for text in thicknesses if NUMBER.fullmatch(text)}
    same: dict[str, str] = {}
    first = -math.inf
    for text in sorted(written, key=lambda text: written[text]):
        first = first if written[text] <= (1 + ROUNDED) * first else written[text]
        same[text] = f"{first:g}"
    told = [same.get(text, text) for text in thicknesses if text]
    most = Counter(told).most_common(1)
    return [same.get(text, text) or (most[0][0] if most else "") for text in thicknesses]


def _shared(one: np.ndarray, other: np.ndarray) -> int:
    """How many slices each of two stacks has, at least, where both are; by their depths (n,) mm, in order."""
    low, high = max(one[0], other[0]), min(one[-1], other[-1])
    if low > high:
        return 0
    return min(int(((depths >= low) & (depths <= high)).sum()) for depths in (one, other))
