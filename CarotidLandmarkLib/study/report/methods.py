"""Methods to compare: detections, or an earlier report, of the same cases."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import BadInputError
from ...exchange import nnlandmark
from ...exchange.dicom_sr_reading import read_report
from ...landmarks.detection import INSTEAD, STATUSES, Detection, read_detection
from ...landmarks.points import SIDES, LandmarkSet
from ..cases import REPORT, Case
from ..scores import Score, score


class Method(NamedTuple):
    """What one model said of the cases. ``name`` is the model's, with its version, and unlike that of any other;
    ``confidence`` that of its ellipsoids, None where it is not known."""

    name: str
    model: dict[str, Any]
    scores: list[Score]
    folder: str | None = None
    confidence: float | None = None


def read_detections(folder: Path, cases: Mapping[str, Case]) -> tuple[dict[str, Detection], dict[str, str]]:
    """Case name to its detection, as it or its DICOM report tells it, or nnLandmark's prediction, in ``folder``, and,
    of those without a usable one, to what is wrong."""
    detections: dict[str, Detection] = {}
    failed: dict[str, str] = {}
    elsewhere = []
    for name, case in cases.items():
        try:
            detection = _read_detection(folder, case)
            made_from = detection.volume.get("sha256")
            known = made_from is not None and case.sha256 is not None
            if detection.case != name and not (known and made_from == case.sha256):
                raise BadInputError(
                    f"The detection of {name} in {folder} says that it is of {detection.case!r}, and not that the two "
                    "are the same volume; detect in it again."
                )
            elsewhere += [name] if known and made_from != case.sha256 else []
            detections[name] = replace(detection, case=name)
        except BadInputError as error:
            failed[name] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
    if elsewhere:
        print(
            f"{len(elsewhere)} of {len(detections)} detections in {folder} were made from other files than the volumes "
            f"that they are measured on (another sha256), which must show the same: {', '.join(elsewhere)}.",
            file=sys.stderr,
        )
    return detections, failed


def _read_detection(folder: Path, case: Case) -> Detection:
    file = folder / f"{case.name}.detection.json"
    report = folder / f"{case.name}{REPORT}"
    if report.is_file() and not file.exists():
        detection = read_report(report).detection
        if detection is None:
            raise BadInputError(f"{report} is no report of what CarotidLandmark detected; give {INSTEAD}.")
        return detection
    if case.grid is None or file.exists() or not (folder / f"{case.name}.json").is_file():
        return read_detection(file)
    return nnlandmark.read_prediction(folder, case.name, str(case.volume), case.grid)


def one_confidence(detections: Mapping[str, Detection], where: object) -> float | None:
    """The confidence of the ellipsoids of all ``detections``, None where they say none; raises BadInputError where
    there are two, whose volumes cannot be compared."""
    seen = {detection.settings.get("confidence"): case for case, detection in detections.items()}
    if len(seen) > 1:
        (one, first), (two, second) = list(seen.items())[:2]
        raise BadInputError(
            f"{where} mixes ellipsoids of the confidence {one} ({first}) and {two} ({second}); detect with one."
        )
    return next(iter(seen), None)


def one_model(detections: Mapping[str, Detection], where: object) -> dict[str, Any]:
    """The model that made all ``detections``; raises BadInputError where two did."""
    seen: dict[str, tuple[str, dict[str, Any]]] = {}
    for case, detection in detections.items():
        seen.setdefault(json.dumps(detection.model, sort_keys=True), (case, detection.model))
    if len(seen) > 1:
        (one, first), (two, second) = list(seen.values())[:2]
        raise BadInputError(
            f"{where} mixes detections of {model_name(first)} ({one}) and {model_name(second)} ({two}); evaluate each "
            "model's alone."
        )
    return next(iter(seen.values()))[1]


def model_name(model: Mapping[str, Any]) -> str:
    """Name and version."""
    return " ".join(str(model[key]) for key in ("name", "version") if model.get(key)) or "unnamed"


def read_method(folder: Path, truths: Mapping[str, Case]) -> Method:
    """The method whose detections, or whose earlier report, lie in ``folder``, measured on the cases of ``truths``.

    Detections are scored anew; a report that has none beside it counts as it stands in its report.csv. Raises
    BadInputError where neither is there, for none of the cases, or measured against another truth.
    """
    where = next((place for place in (folder / "detections", folder) if _holds_detections(place, truths)), None)
    if where is None:
        return _read_report(folder, truths)
    detections, _ = read_detections(where, truths)
    if not detections:
        raise BadInputError(f"{where} has a detection of none of the {len(truths)} cases; give one of the same cases.")
    scores = [
        measured
        for name, detection in detections.items()
        for measured in score(detection, LandmarkSet(truths[name].points))
        if measured.side not in truths[name].unreviewed
    ]
    model = one_model(detections, where)
    return Method(model_name(model), model, scores, str(folder), one_confidence(detections, where))


def _holds_detections(folder: Path, names: Iterable[str]) -> bool:
    endings = (".json", REPORT)
    told = (folder / f"{name}{ending}" for name in names for ending in endings)
    return any(folder.glob("*.detection.json")) or any(file.is_file() for file in told)


def with_names(methods: Iterable[Method]) -> list[Method]:
    """The methods, with what tells them apart behind names that more than one has."""
    methods = list(methods)
    names = [method.name for method in methods]
    hashes = [str(method.model.get("sha256"))[:8] for method in methods]
    result: list[Method] = []
    for method, name, sha in zip(methods, names, hashes):
        if names.count(name) > 1:
            name += f" ({sha})" if hashes.count(sha) == 1 else f" ({method.folder or 'this report'})"
        result.append(method._replace(name=name))
    return result


def _read_report(folder: Path, truths: Mapping[str, Case]) -> Method:
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        with open(folder / "report.csv", newline="", encoding="utf-8") as file:
            scores = [_score_of(line) for line in csv.DictReader(file)]
        model: dict[str, Any] = dict(report["model"])
        confidence = dict(report.get("settings") or {}).get("confidence")
        if len({(s.case, s.side) for s in scores}) < len(scores):
            raise ValueError("a landmark is there twice")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise BadInputError(
            f"{folder} holds neither detections nor the report.json and report.csv of an evaluation ({error}); give "
            "the folder of one."
        ) from error
    shared = [s for s in scores if s.case in truths and s.side not in truths[s.case].unreviewed]
    if not shared:
        raise BadInputError(f"{folder} reports none of the {len(truths)} cases; give a report of the same cases.")
    for s in shared:
        if s.present != (truths[s.case].points[s.side] is not None):
            raise BadInputError(f"{folder} was measured against another truth ({s.case}, {s.side}); evaluate it anew.")
    return Method(model_name(model), model, shared, str(folder), confidence)


def _score_of(line: Mapping[str, str]) -> Score:
    measured = ("error_mm", "volume_mm3", "mahalanobis2", "paper_volume_mm3")
    numbers = {key: float(line[key]) for key in measured if line.get(key)}
    if (
        line["side"] not in SIDES
        or line["status"] not in STATUSES
        or not all(0 <= n < math.inf for n in numbers.values())
    ):
        raise ValueError(f"{line['case']}, {line['side']}")
    return Score(line["case"], line["side"], line["status"], line["present"] == "1", **numbers)
