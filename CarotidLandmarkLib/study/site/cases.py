"""What a site brings: its cases, whose they are, and everything that speaks against learning from them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BadInputError
from ...landmarks.corrections import latest_revisions
from ...landmarks.points import SIDES
from ..cases import Case, digest, read_cases
from ..corrections.check import check
from ..corrections.readings import read_all
from ..corrections.summary import accepted_unseen, model_name, unseen_warning
from ..patients import known_cases, members, patients_of, twins

LEAST_FOR_OFFSET, LEAST_FOR_TUNING = 6, 8  # patients


@dataclass(frozen=True)
class SiteCases:
    """patients: case name -> patient, a number. truths: case name -> side -> (3,) LPS mm, None where it is marked as
    missing, of the reviewed sides. warnings: sentences for the user. digest: stands for volumes and points."""

    cases: list[Case]
    patients: dict[str, int]
    truths: dict[str, dict[str, np.ndarray | None]]
    warnings: list[str]
    digest: str

    @property
    def useful(self) -> int:
        """The number of patients of whom at least one landmark is placed."""
        placed = {name for name, of in self.truths.items() if any(point is not None for point in of.values())}
        return len({self.patients[name] for name in placed})

    def without(self, failed: Mapping[str, str]) -> SiteCases:
        """The same without these cases. Raises BadInputError where too few are left."""
        left = replace(
            self,
            cases=[case for case in self.cases if case.name not in failed],
            patients={name: of for name, of in self.patients.items() if name not in failed},
            truths={name: of for name, of in self.truths.items() if name not in failed},
        )
        left.require()
        return left

    def require(self) -> None:
        """Raise BadInputError where there are too few patients to learn anything."""
        if self.useful < LEAST_FOR_OFFSET:
            raise BadInputError(
                f"There are landmarks of {self.useful} patient(s) in {len(self.cases)} case(s) that can be read: "
                f"{LEAST_FOR_OFFSET} patients are needed to learn where your readers put the point, {LEAST_FOR_TUNING} "
                f"to train on; {self._advice()}."
            )

    def _advice(self) -> str:
        most = max(map(len, members(self.patients).values()), default=0)
        return "correct some more" if most < 2 else f"of {most} scans the PatientID is the same: is that one patient?"

    def folds(self, count: int) -> dict[str, int]:
        """Case name -> the fold that its patient is judged in, of so many or, with fewer patients, as many as these."""
        names = sorted(self.patients, key=lambda name: hashlib.sha256(name.encode()).digest())
        order = list(dict.fromkeys(self.patients[name] for name in names))
        return {name: order.index(patient) % min(count, len(order)) for name, patient in self.patients.items()}


def read_site(data: Path, header: Mapping[str, Any]) -> SiteCases:
    """Read the data set and look for all that would make its figures worthless. header: of the weights to start from.

    Raises BadInputError where something must be mended first: all that `read_cases` and `corrections check` find, two
    cases of the same voxels, cases that these weights were made with, too few patients.
    """
    corrected = bool(latest_revisions(data)) if os.path.isdir(data) else False
    warnings = _check_corrections(data, header) if corrected else []
    cases = read_cases(data)
    patients = patients_of(cases)
    if same := twins(cases):
        raise BadInputError(f"{' and '.join(same[0])} show the same voxels: keep one of them in {data}.")
    if own := known_cases(cases, header):
        raise BadInputError(
            f"{len(own)} case(s) of {data} were used to make or to measure these weights, which would judge "
            f"themselves: leave out {', '.join(own)}, or start from other --weights."
        )
    truths = {c.name: {side: c.points[side] for side in SIDES if side not in c.unreviewed} for c in cases}
    site = SiteCases(cases, patients, truths, warnings, digest(cases))
    several = [names for names in members(patients).values() if len(names) > 1]
    if several:
        warnings.append(
            f"Judged together, since they are of one patient: {'; '.join(', '.join(of) for of in several)}."
        )
    site.require()
    return site


def _check_corrections(data: Path, header: Mapping[str, Any]) -> list[str]:
    """What is odd about corrections; raises BadInputError for what is wrong with their newest revisions."""
    newest = {f"{case}/{folder.name}" for case, folder in latest_revisions(data).items()}
    wrong = [f"{where}: {sentence}" for where, sentence in check(data) if where in newest]
    if wrong:
        raise BadInputError(f"{len(wrong)} thing(s) to mend in {data}: {' '.join(wrong)}")
    corrections = [of for of in read_all(data) if of.folder and f"{of.case}/{of.folder.name}" in newest]
    said = [unseen_warning(reader, *counts) for reader, counts in accepted_unseen(corrections).items()]
    others = Counter(model_name(of) for of in corrections if of.model.get("sha256") != header.get("sha256"))
    if others:
        said.append(
            f"{sum(others.values())} of {len(corrections)} cases were read with the answers of another model before "
            f"the reader's eyes ({', '.join(others)}): what was accepted there favours that model."
        )
    return said
