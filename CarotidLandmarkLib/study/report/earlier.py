"""An earlier report, read again from its files, to be compared with."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import BadInputError
from ...landmarks.detection import STATUSES, Detection, LandmarkDetection
from ...landmarks.points import SIDES
from ..cases import Case
from ..patients import patients_of
from ..scores import Score

OFFSET = ("dx_mm", "dy_mm", "dz_mm")  # columns of report.csv: from the truth to the answer
TRUTH = ("true_x_lps_mm", "true_y_lps_mm", "true_z_lps_mm")
ROUNDED = 1e-3  # more than what is lost of a number in report.csv
SAME_MM = 0.01  # between truths that are the same


class Line(NamedTuple):
    """A landmark as a report's table has it. ``truth`` and ``position`` (3,) are LPS mm, None where they are not there
    or, in tables of older versions, not told."""

    score: Score
    presence: float
    truth: np.ndarray | None
    position: np.ndarray | None

    def is_of(self, answer: LandmarkDetection) -> bool:
        """Whether it tells of this answer."""
        pairs = [(self.presence, answer.presence)]
        if not math.isnan(self.score.volume_mm3):
            volume = answer.confidence_volume_mm3
            pairs.append((self.score.volume_mm3, math.nan if volume is None else volume))
        if self.position is not None and answer.position_lps_mm is not None:
            pairs += zip(self.position, answer.position_lps_mm)
        return self.score.status == answer.status and all(abs(a - b) <= ROUNDED for a, b in pairs)


class Report(NamedTuple):
    """An earlier report."""

    folder: Path
    model: dict[str, Any]
    confidence: float | None
    lines: list[Line]

    def is_of(self, detections: Mapping[str, Detection], cases: Iterable[str]) -> bool:
        """Whether it has measured these detections in all of these cases."""
        told: dict[str, list[Line]] = {case: [] for case in cases}
        for line in self.lines:
            told.get(line.score.case, []).append(line)
        return told.keys() == detections.keys() and all(
            line.is_of(detections[case].landmark(line.score.side)) for case, lines in told.items() for line in lines
        )

    def scores(self, truths: Mapping[str, Case]) -> list[Score]:
        """What it says of the cases of ``truths``; raises BadInputError if nothing, or of another truth."""
        shared = [of for of in self.lines if of.score.case in truths]
        shared = [of for of in shared if of.score.side not in truths[of.score.case].unreviewed]
        if not shared:
            raise BadInputError(
                f"{self.folder} reports none of the {len(truths)} cases; give a report of the same cases."
            )
        for s, _, truth, _ in shared:
            point = truths[s.case].points[s.side]
            if s.present and point is not None and truth is None:
                raise BadInputError(
                    f"{self.folder} does not tell the truth that it was measured against ({s.case}, {s.side}), as "
                    "older versions did not; evaluate it anew."
                )
            moved = 0.0 if point is None or truth is None else float(np.linalg.norm(point - truth))
            if s.present != (point is not None) or moved > SAME_MM:
                by = f" by {moved:.2f} mm" if moved else ""
                raise BadInputError(
                    f"{self.folder} was measured against another truth ({s.case}, {s.side}{by}); evaluate it anew."
                )
        patients = patients_of(truths.values())
        return [replace(of.score, patient=str(patients[of.score.case])) for of in shared]


def read_earlier(folder: Path) -> Report:
    """The report in ``folder``; raises BadInputError where none is that can be read."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        with open(folder / "report.csv", newline="", encoding="utf-8") as file:
            lines = [_line_of(line) for line in csv.DictReader(file)]
        model: dict[str, Any] = dict(report["model"])
        confidence = dict(report.get("settings") or {}).get("confidence")
        if len({(of.score.case, of.score.side) for of in lines}) < len(lines):
            raise ValueError("a landmark is there twice")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise BadInputError(
            f"{folder} holds neither detections nor the report.json and report.csv of an evaluation ({error}); give "
            "the folder of one."
        ) from error
    return Report(folder, model, confidence, lines)


def _line_of(line: Mapping[str, str]) -> Line:
    measured = ("error_mm", "volume_mm3", "mahalanobis2", "paper_volume_mm3")
    numbers: dict[str, Any] = {key: float(line[key]) for key in measured if line.get(key)}
    truth, offset = (
        np.array([float(line[key]) for key in keys]) if all(line.get(key) for key in keys) else None
        for keys in (TRUTH, OFFSET)
    )
    if (
        line["side"] not in SIDES
        or line["status"] not in STATUSES
        or not all(0 <= n < math.inf for n in numbers.values())
        or not all(np.isfinite(of).all() for of in (truth, offset) if of is not None)
    ):
        raise ValueError(f"{line['case']}, {line['side']}")
    told = Score(line["case"], line["side"], line["status"], line["present"] == "1", **numbers)
    position = None if truth is None or offset is None else truth + offset
    return Line(told, float(line.get("presence") or math.nan), truth, position)
