"""Whose the cases are, and which of them weights have learned from: so that nothing is judged by what it was taught."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..model.weights import read_weights

if TYPE_CHECKING:
    from .cases import Case

CLOCKS = ("date", "minutes")  # of a training: a run that was interrupted is to end with the same file
# Seeds of the phantoms, by split, that the weights of the package were trained, calibrated and measured on: see
# weights/CARD.md and Testing/benchmarks/test_sets.py. First and last.
OWN = {
    "train": ((0, 1999), (40000, 40599), (100000, 101999)),
    "val": ((0, 63), (1000, 1419)),
    "test": ((20000, 20399), (40000, 40999), (60000, 60059)),
}


def fingerprint(array: np.ndarray) -> str:
    """Stands for the voxels (z, y, x) in whatever order a file has them: their histogram."""
    limits = np.iinfo(np.int16)
    low, high = (int(np.clip(n, limits.min, limits.max)) for n in (array.min(), array.max()))
    counts = np.zeros(high - low + 2, np.int64)
    for plane in array:  # one at a time: counting takes eight bytes a voxel
        counts += np.bincount((np.clip(plane, low, high) - float(low)).astype(np.int64).ravel(), minlength=len(counts))
    return hashlib.sha256(f"{low} {counts.tolist()}".encode()).hexdigest()


def patients_of(cases: Iterable[Case]) -> dict[str, int]:
    """Case name -> patient, a number: cases of the same voxels or of the same PatientID are of one."""
    return same_patients({case.name: [mark for mark in (case.voxels, case.patient) if mark] for case in cases})


def same_patients(marks: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Case name -> patient: those of cases that share a mark are the same, also by way of a third case."""
    numbers: dict[str, int] = {}
    pairs = [(case, numbers.setdefault(mark, len(numbers))) for case, own in enumerate(marks.values()) for mark in own]
    cases, of_marks = np.array(pairs, int).reshape(-1, 2).T
    size = len(marks) + len(numbers)
    shared = coo_array((np.ones(len(pairs)), (cases, len(marks) + of_marks)), shape=(size, size))
    _, patients = connected_components(shared, directed=False)
    return dict(zip(marks, patients.tolist()))


def members(patients: Mapping[str, int]) -> dict[int, list[str]]:
    """Patient -> the names of the cases."""
    names: dict[int, list[str]] = {}
    for name, patient in patients.items():
        names.setdefault(patient, []).append(name)
    return names


def twins(cases: Iterable[Case]) -> list[list[str]]:
    """The names of cases that show the same voxels, each such group once."""
    of_voxels: dict[str, list[str]] = {}
    for case in cases:
        if case.voxels:
            of_voxels.setdefault(case.voxels, []).append(case.name)
    return [names for names in of_voxels.values() if len(names) > 1]


def marks_of(cases: Iterable[Case]) -> set[str]:
    """What a header tells of volumes that were learned from: checksums of their files and of their voxels."""
    return {mark for case in cases for mark in (case.sha256, case.voxels) if mark}


def learned_from(header: Mapping[str, Any]) -> set[str]:
    """The marks of all volumes that these weights were trained, calibrated or adapted on, as far as they tell."""
    told = (header.get("volumes"), _table(header.get("site")).get("volumes"))
    return {str(mark) for marks in told if isinstance(marks, list) for mark in marks}


def known_cases(cases: Iterable[Case], header: Mapping[str, Any], splits: Collection[str] = tuple(OWN)) -> list[str]:
    """The names of those that the weights with this header were made or measured with. To whatever was made from those
    of the package their phantoms, of these splits, are known by their seeds."""
    from .cases import read_phantom

    marks = learned_from(header)
    ours = _descends(header, read_weights(None).header)
    return [case.name for case in cases if marks_of([case]) & marks or (ours and _is_own(read_phantom(case), splits))]


def say_known(cases: Iterable[Case], header: Mapping[str, Any]) -> None:
    """Name on stderr the cases that these weights have learned from."""
    if known := known_cases(cases, header, ("train", "val")):
        print(
            f"{len(known)} case(s) were used to make these weights, which are better there than on others: "
            f"{', '.join(known)}.",
            file=sys.stderr,
        )


def _is_own(about: Mapping[str, Any], splits: Collection[str]) -> bool:
    split = str(about.get("split"))
    seed, ranges = about.get("seed"), OWN[split] if split in OWN and split in splits else ()
    return isinstance(seed, int) and any(first <= seed <= last for first, last in ranges)


def _descends(header: Mapping[str, Any], package: Mapping[str, Any]) -> bool:
    training = _table(header.get("training"))
    stages = training.get("stages")
    known = [_plain(stage) for stage in (training, *(stages if isinstance(stages, list) else ()))]
    base = _table(_table(header.get("site")).get("base"))
    return base.get("name") == package.get("name") or _plain(package.get("training")) in known


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _plain(training: Any) -> dict[str, Any]:
    training = _table(training)
    return {key: value for key, value in training.items() if key not in (*CLOCKS, "stages")}
