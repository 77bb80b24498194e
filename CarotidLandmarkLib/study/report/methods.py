"""Methods to compare: detections, or an earlier report, of the same cases."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...atomic import reading_back, write_json
from ...errors import BadInputError, CannotRunError
from ...exchange import nnlandmark
from ...exchange.dicom_sr_reading import read_report
from ...landmarks.detection import INSTEAD, Detection, read_detection
from ...landmarks.detection import REPORT as DETECTION
from ...landmarks.points import LandmarkSet
from ..cases import REPORT, Case
from ..patients import patients_of
from ..scores import Score, score
from .earlier import read_earlier

DETECTIONS = "detections"  # folder of those that evaluate itself makes, in that of their report
PROGRAM = "version of the program"
MADE = ".detections.json"  # beside it: of which cases these are


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


def shared_settings(detections: Mapping[str, Detection], where: object) -> tuple[dict[str, Any], str | None]:
    """The settings that all ``detections`` were made with; and, where others or the program's version differ, a
    sentence that names these, which is also said on stderr. The series is each case's own."""
    told = {
        case: {**of.settings, **({PROGRAM: of.software.get("version")} if of.software else {})}
        for case, of in detections.items()
    }
    first = next(iter(told))
    differ = {}
    for key in dict.fromkeys(key for of in told.values() for key in of):
        other = next((case for case in told if told[case].get(key) != told[first].get(key)), None)
        if other is not None:
            differ[key] = " and ".join(f"{told[case].get(key, 'not told')} ({case})" for case in (first, other))
    shared = {key: value for key, value in told[first].items() if key not in {PROGRAM, *differ}}
    mixed = [f"{key} {values}" for key, values in differ.items() if key != "series"]
    if not mixed:
        return shared, None
    sentence = f"{where} mixes detections of several settings, of which the figures are together: {'; '.join(mixed)}."
    print(sentence, file=sys.stderr)
    return shared, sentence


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

    Detections are scored anew, beside a report only where they are those that it has measured; else it counts as it
    stands in its report.csv. Raises BadInputError where neither is there, for none of the cases, or measured against
    another truth.
    """
    places = [place for place in (folder / DETECTIONS, folder) if _holds_detections(place, truths)]
    try:
        report = read_earlier(folder)
    except BadInputError:
        if not places:
            raise
        report = None
    told = {line.score.case for line in report.lines} if report else set()
    measured = {name: truths[name] for name in truths if name in told}
    if places and (report is None or not measured):
        return _scored(folder, places[0], read_detections(places[0], truths)[0], truths)
    assert report is not None
    for where in places:
        detections, _ = read_detections(where, measured)
        if report.is_of(detections, measured):
            return _scored(folder, where, detections, measured)
        print(
            f"The report in {folder} has measured other detections than those in {where}: it counts.", file=sys.stderr
        )
    return Method(model_name(report.model), report.model, report.scores(truths), str(folder), report.confidence)


def _scored(folder: Path, where: Path, detections: Mapping[str, Detection], truths: Mapping[str, Case]) -> Method:
    if not detections:
        raise BadInputError(f"{where} has a detection of none of the {len(truths)} cases; give one of the same cases.")
    shared_settings(detections, where)
    patients = patients_of(truths.values())
    scores = [
        measured
        for name, detection in detections.items()
        for measured in score(detection, LandmarkSet(truths[name].points), str(patients[name]))
        if measured.side not in truths[name].unreviewed
    ]
    model = one_model(detections, where)
    return Method(model_name(model), model, scores, str(folder), one_confidence(detections, where))


def note_detections(out: Path, cases: Iterable[str]) -> None:
    """Note that the detections of these cases in the report's folder ``out`` were made by its evaluation.

    Raises CannotRunError where that cannot be written.
    """
    write_json(out / MADE, {"cases": list(cases)})


def clear_detections(out: Path) -> None:
    """Remove what an earlier evaluation has made, and noted, in the report's folder ``out``: the next report is not
    about it. What `detect` or a person has put there stays. Raises CannotRunError where a file cannot be removed."""
    folder, made = out / DETECTIONS, out / MADE
    try:
        with reading_back(made) as told:
            cases = [Path(case).name for case in told["cases"]]
    except (OSError, BadInputError):
        return
    try:
        for case in cases:
            if not (folder / f"{case}.mrk.json").exists():  # detect has made it anew
                (folder / f"{case}{DETECTION}").unlink(missing_ok=True)
        made.unlink()
    except OSError as error:
        raise CannotRunError(f"Cannot clear {folder} ({error.strerror}); choose another --out.") from error
    with suppress(OSError):  # something else is there
        folder.rmdir()


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
