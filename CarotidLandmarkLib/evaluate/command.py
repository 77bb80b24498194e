"""`carotid-landmark evaluate`: detections against the truth, as a report."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..detect.options import add_engine_arguments
from ..errors import BadInputError, CarotidLandmarkError
from ..landmarks.corrections import latest_revisions, read_correction
from ..landmarks.detection import Detection, read_detection, write_detection
from ..landmarks.files import read_points, read_points_table
from ..landmarks.points import LandmarkSet

if TYPE_CHECKING:
    from .metrics import Score

TRUTH_SUFFIXES = (".mrk.json", ".fcsv")
COLUMNS = (
    *("case", "side", "present", "status", "presence", "error_mm", "dx_mm", "dy_mm", "dz_mm"),
    *("volume_mm3", "mahalanobis2", "seconds", "reasons"),
)


class Truth(NamedTuple):
    """What is known of a case: ``points`` but for the sides that are ``unreviewed``; ``series`` of a DICOM folder."""

    volume: Path
    points: LandmarkSet
    unreviewed: tuple[str, ...] = ()
    series: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the truth is, what to compare with it, where the report goes."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR|CSV",
        help="volumes with <case>.mrk.json or .fcsv beside them, a table volume,side,x,y,z,space, or exported "
        "corrections (of another model: what a reader accepted flatters the model that said it)",
    )
    parser.add_argument(
        "--detections", type=Path, metavar="DIR", help="use these <case>.detection.json, detect nothing"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="REPORT", help="folder for report.md, .json and .csv"
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detect in, or read the detection of, every case with a truth, and write the report of the protocol.

    Returns 0, or 2 where cases could not be read or have no detection; the report names them.
    """
    from ..detect.results import prepare_folder
    from .metrics import evaluate, score

    truths = _truths(args.data)
    prepare_folder(args.out)
    detections, failed = _read(args, truths) if args.detections else _detect(args, truths)
    if not detections:
        raise BadInputError(f"None of the {len(truths)} cases of {args.data} has a detection; see the errors above.")
    scores = {
        name: [s for s in score(detection, truths[name].points) if s.side not in truths[name].unreviewed]
        for name, detection in detections.items()
    }
    first = next(iter(detections.values()))
    table = evaluate([s for pair in scores.values() for s in pair], first.settings["confidence"])
    seconds = sorted(detection.timing_s.get("total", 0.0) for detection in detections.values())
    report = {
        "data": str(args.data),
        "model": first.model,
        "settings": first.settings,
        "median_seconds": seconds[len(seconds) // 2],
        "failed_cases": failed,
        "unreviewed_landmarks": sum(len(truths[name].unreviewed) for name in detections),
        **table,
    }
    _write(args.out, report, detections, truths, scores)
    print((args.out / "report.md").read_text(encoding="utf-8"))
    return 2 if failed else 0


def _truths(data: Path) -> dict[str, Truth]:
    """Case name to what is known of it. Raises BadInputError where no case has a truth."""
    from ..detect.case import unique_names
    from ..volume.read import find_cases

    if data.suffix.lower() == ".csv":
        table = read_points_table(data)
        return dict(zip(unique_names(path.name.split(".")[0] for path in table), map(Truth, table, table.values())))
    revisions = latest_revisions(data)
    if revisions:
        read = [read_correction(revision) for revision in revisions.values()]
        return {c.case: Truth(c.volume_path, c.truth(), c.unreviewed, c.series) for c in read}
    found: dict[str, Truth] = {}
    for name, path in find_cases(data):
        beside = [path.with_name(name + suffix) for suffix in TRUTH_SUFFIXES]
        truth = next((file for file in beside if file.is_file()), None)
        if truth is not None:
            found[name] = Truth(path, read_points(truth))
    if not found:
        raise BadInputError(f"No volume in {data} has its landmarks beside it; put <case>.mrk.json beside <case>.nrrd.")
    return found


def _detect(args: argparse.Namespace, truths: dict[str, Truth]) -> tuple[dict[str, Detection], dict[str, str]]:
    from ..detect.case import Settings, detect_case
    from ..detect.detector import Detector
    from ..detect.results import prepare_folder

    detector = Detector.from_weights(args.weights, args.device)
    folder = args.out / "detections"
    prepare_folder(folder)
    detections: dict[str, Detection] = {}
    failed: dict[str, str] = {}
    for number, (name, truth) in enumerate(truths.items(), start=1):
        print(f"{number}/{len(truths)} {name}", file=sys.stderr)
        try:
            settings = Settings(args.samples, args.confidence, args.seed, truth.series)
            detections[name] = detect_case(detector, name, truth.volume, settings)
            write_detection(folder / f"{name}.detection.json", detections[name])
        except CarotidLandmarkError as error:
            failed[name] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
    return detections, failed


def _read(args: argparse.Namespace, truths: dict[str, Truth]) -> tuple[dict[str, Detection], dict[str, str]]:
    detections: dict[str, Detection] = {}
    failed: dict[str, str] = {}
    for name in truths:
        try:
            detections[name] = read_detection(args.detections / f"{name}.detection.json")
        except BadInputError as error:
            failed[name] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
    return detections, failed


def _write(
    out: Path,
    report: dict[str, Any],
    detections: dict[str, Detection],
    truths: dict[str, Truth],
    scores: dict[str, list[Score]],
) -> None:
    from ..landmarks.atomic import write_text
    from .markdown import as_markdown

    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for name, detection in detections.items():
        for measured in scores[name]:
            side = measured.side
            landmark, point = detection.landmark(side), truths[name].points.points[side]
            row: dict[str, Any] = {"case": name, "side": side, "present": int(measured.present)}
            row.update(
                status=landmark.status,
                presence=f"{landmark.presence:.4f}",
                seconds=f"{detection.timing_s.get('total', 0.0):.3f}",
            )
            row["reasons"] = " ".join(landmark.reasons)
            if landmark.position_lps_mm is not None and point is not None:
                offset = landmark.position_lps_mm - point
                values = [measured.error_mm, *offset, measured.volume_mm3, measured.mahalanobis2]
                row.update(zip(COLUMNS[5:11], (f"{value:.4f}" for value in values)))
            rows.writerow(row)
    lines = [
        f"# {report['model'].get('name')} {report['model'].get('version')} on {report['data']}\n",
        as_markdown(report),
        f"Median time {report['median_seconds']:.1f} s a case ({report['settings'].get('device')}). A landmark in the "
        "volume that was not found counts as no success. Phantom millimetres are not patient millimetres.\n",
    ]
    if report["unreviewed_landmarks"]:
        lines.append(f"Unreviewed landmarks that were left out: {report['unreviewed_landmarks']}.\n")
    lines += [f"- failed: {name}: {reason}" for name, reason in report["failed_cases"].items()]
    write_text(out / "report.csv", text.getvalue())
    write_text(out / "report.json", json.dumps(report, indent=2) + "\n")
    write_text(out / "report.md", "\n".join(lines).rstrip() + "\n")
