"""`carotid-landmark evaluate`: detections against the truth, as a report."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..detect import SAMPLES
from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from ..landmarks.detection import Detection, write_detection
from .options import CONFIDENCE, add_engine_arguments, chosen_weights, some_path, some_weights, whole_number

if TYPE_CHECKING:
    from ..detect.detector import Detector
    from ..model.multiscale import MultiScaleLocNet
    from ..study.cases import Case
    from ..study.report.methods import Method
    from ..study.report.rows import Row

EPILOG = """
The report is report.html, which holds everything, with report.md, .json and .csv, and figures/ as PNG and SVG (page
and figures need the extra [report]). Heatmaps, --equivariance and the coverage before calibration need the weights:
those that detect, or, beside --detections, those given by --weights.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the truth is, what to compare with it, where the report goes."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add(
        "--data",
        type=some_path,
        required=True,
        metavar="DIR|CSV",
        help="volumes with <case>.mrk.json or .fcsv beside them, a table volume,side,x,y,z,space, nnLandmark's "
        "data set, or exported corrections (of another model: what a reader accepted flatters the model that said it)",
    )
    add(
        "--detections",
        type=some_path,
        metavar="DIR",
        help="use these <case>.detection.json, <case>.sr.dcm or predictions of nnLandmark; detect nothing: --samples, "
        "--seed and --no-fork cannot be given",
    )
    add("--out", type=some_path, required=True, metavar="REPORT", help="folder for report.html, .md, .json and .csv")
    add(
        "--against",
        type=some_path,
        action="append",
        default=[],
        metavar="DIR",
        help="compare with the detections in DIR, or with the report in it, of the same cases (may be repeated)",
    )
    add(
        "--against-weights",
        type=some_weights,
        action="append",
        default=[],
        metavar="FILE",
        help="also draw the heatmaps, and measure the equivariance, of these weights (may be repeated)",
    )
    add("--case", metavar="NAME", help="whose heatmaps to draw (default: the landmark of median error)")
    add(
        "--equivariance",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="measure the shift-equivariance error on the first N cases with a landmark (default: 0)",
    )
    add_engine_arguments(parser)
    parser.set_defaults(confidence=None)


def run(args: argparse.Namespace) -> int:
    """Detect in, or read the detection of, every case with a truth, and write the report of the protocol.

    Returns 0, or 2 where cases could not be read or have no detection; the report names them.
    """
    from ..detect.detector import Detector
    from ..detect.device import has_torch
    from ..detect.results import prepare_folder
    from ..study.cases import read_cases
    from ..study.patients import say_known
    from ..study.report.figures import draw_figures, missing_packages
    from ..study.report.methods import (
        DETECTIONS,
        Method,
        clear_detections,
        model_name,
        one_confidence,
        one_model,
        read_detections,
        read_method,
        with_names,
    )
    from ..study.report.rows import make_rows
    from ..study.report.write import write_report

    if args.detections:
        _check_detections(args)
    unusable: dict[str, str] = {}
    truths = {case.name: case for case in read_cases(args.data, unusable)}
    if args.case is not None and args.case not in truths:
        raise BadInputError(f"--case {args.case} is none of the cases of {args.data}; give the name of one.")
    if args.equivariance and args.detections and not (args.weights or args.against_weights):
        raise BadInputError("--equivariance needs the network; give the --weights that made the detections.")
    if args.equivariance and not has_torch():
        raise CannotRunError("--equivariance needs PyTorch: pip install 'carotid-landmark[torch]'.")
    rivals = [read_method(folder, truths) for folder in args.against]
    prepare_folder(args.out, "--out")
    missing = missing_packages()
    if missing:
        print(
            f"The report has no {'page and no ' * ('jinja2' in missing)}figures, since {' and '.join(missing)} "
            "cannot be imported: pip install 'carotid-landmark[report]', then evaluate again (--detections saves "
            "detecting anew).",
            file=sys.stderr,
        )
    detector = (
        Detector.from_weights(chosen_weights(args), args.device, args.backend)
        if args.weights or not args.detections
        else None
    )
    if detector:
        say_known(truths.values(), detector.header)
    others = [Detector.from_weights(weights, args.device, args.backend) for weights in args.against_weights]
    if args.detections:
        detections, failed = read_detections(args.detections, truths)
        memory = None
    else:
        assert detector is not None
        detections, failed = _detect(args, detector, truths)
        memory = _peak_memory(detector)
    failed = {**unusable, **failed}
    if not detections:
        raise BadInputError(f"None of the {len(truths)} cases of {args.data} has a detection; see the errors above.")
    model = one_model(detections, args.detections or args.data)
    if detector and detector.header.get("sha256") != model.get("sha256"):
        raise BadInputError(
            f"{args.detections} was made by {model_name(model)} with other weights than {args.weights}; give those, or "
            "leave --weights out."
        )
    confidence = one_confidence(detections, args.detections or args.data) or args.confidence or CONFIDENCE
    if args.confidence not in (None, confidence):
        raise BadInputError(
            f"The ellipsoids in {args.detections} are of the confidence {confidence:g}: leave --confidence out, or "
            "detect again with another."
        )
    for rival in rivals:
        if rival.confidence not in (None, confidence):
            raise BadInputError(
                f"The ellipsoids in {rival.folder} are of the confidence {rival.confidence}, those that they are "
                f"compared with of {confidence:g}: detect with one."
            )
    rows = make_rows(truths, detections)
    own, *rivals = with_names([Method(model_name(model), model, [row.score for row in rows]), *rivals])
    detectors = _by_name([own, *rivals], detector, others)
    report = _report(args, own, rivals, detections, rows, detector, confidence)
    report.update(
        {
            "peak_memory_mb": memory,
            "failed_cases": failed,
            "unreviewed_landmarks": sum(len(truths[name].unreviewed) for name in detections),
            "equivariance": _equivariance(args, detectors, truths) if args.equivariance else None,
        }
    )
    models = {name: _in_torch(of) for name, of in detectors.items()} if has_torch() else {}
    if len(models) < len(detectors):
        print(
            "The report shows no heatmaps, which need PyTorch: pip install 'carotid-landmark[torch]'.", file=sys.stderr
        )
    if args.detections and args.detections.resolve() != (args.out / DETECTIONS).resolve():
        clear_detections(args.out)
    methods = {method.name: method.scores for method in (own, *rivals)}
    drawn = draw_figures(args.out / "figures", methods, rows, truths, confidence, models, args.case)
    write_report(args.out, report, rows, drawn, html="jinja2" not in missing)
    print((args.out / "report.md").read_text(encoding="utf-8"))
    return 2 if failed else 0


def _check_detections(args: argparse.Namespace) -> None:
    """BadInputError where --detections is no folder, or options beside it would do nothing."""
    if not args.detections.is_dir():
        raise BadInputError(f"--detections {args.detections} is no folder: give the one that detect wrote to.")
    idle = {"--samples": args.samples != SAMPLES, "--seed": args.seed != 0, "--no-fork": not args.fork}
    if told := [option for option, given in idle.items() if given]:
        raise BadInputError(f"{', '.join(told)} would do nothing beside --detections, in which nothing is detected.")


def _report(
    args: argparse.Namespace,
    own: Method,
    rivals: Sequence[Method],
    detections: Mapping[str, Detection],
    rows: Sequence[Row],
    detector: Detector | None,
    confidence: float,
) -> dict[str, Any]:
    from ..study.report.methods import shared_settings
    from ..study.report.rows import coverages, failures, fork_figures, subgroups
    from ..study.scores import compare, evaluate, uncertainty

    settings, mixed = shared_settings(detections, args.detections or args.data)
    table = evaluate(own.scores, confidence)
    if detector:
        scale = detector.backend.config.covariance_scale[-1]
        before = uncertainty(own.scores, confidence, 1 / scale)["coverage"]
        table["uncertainty"].update(calibration=scale, coverage_before_calibration=before)
    seconds = [of for detection in detections.values() if (of := detection.timing_s.get("total")) is not None]
    return {
        "data": str(args.data),
        "name": own.name,
        "model": own.model,
        "settings": settings,
        "mixed_settings": mixed,
        "median_seconds": statistics.median(seconds) if seconds else None,
        **table,
        "coverages": coverages(rows),
        "groups": subgroups(rows),
        "failures": failures(rows),
        "forks": fork_figures(rows),
        "against": [
            {
                "name": rival.name,
                "folder": rival.folder,
                "model": rival.model,
                "table": evaluate(rival.scores, confidence),
                "paired": compare(own.scores, rival.scores),
            }
            for rival in rivals
        ],
    }


def _detect(
    args: argparse.Namespace, detector: Detector, truths: Mapping[str, Case]
) -> tuple[dict[str, Detection], dict[str, str]]:
    from ..detect.case import Settings, detect_case
    from ..detect.results import prepare_folder
    from ..study.report.methods import DETECTIONS, clear_detections, note_detections

    folder = args.out / DETECTIONS
    clear_detections(args.out)
    prepare_folder(folder, "--out")
    note_detections(args.out, truths)
    detections: dict[str, Detection] = {}
    failed: dict[str, str] = {}
    for number, (name, truth) in enumerate(truths.items(), start=1):
        print(f"{number}/{len(truths)} {name}", file=sys.stderr)
        try:
            settings = Settings(args.samples, args.confidence or CONFIDENCE, args.seed, truth.series, fork=args.fork)
            detections[name] = detect_case(detector, name, truth.volume, settings)
        except CarotidLandmarkError as error:
            failed[name] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
        else:
            write_detection(folder / f"{name}.detection.json", detections[name])
    return detections, failed


def _peak_memory(detector: Detector) -> dict[str, float | None] | None:
    """MB that this process has taken at most, and of GPU memory; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    gpu = None
    if detector.backend.device.startswith("cuda"):
        import torch

        gpu = torch.cuda.max_memory_allocated(detector.backend.device) / 1e6
    return {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, "gpu": gpu}


def _by_name(methods: Sequence[Method], own: Detector | None, others: Iterable[Detector]) -> dict[str, Detector]:
    """The detectors by the name of the method that they made, or else by their own."""
    from ..study.report.methods import model_name

    found = {methods[0].name: own} if own else {}
    for detector in others:
        sha = detector.header.get("sha256")
        name = next((method.name for method in methods[1:] if method.model.get("sha256") == sha), None)
        name = name or model_name(detector.header)
        found[f"{name} ({str(sha)[:8]})" if name in found else name] = detector
    return found


def _in_torch(detector: Detector) -> MultiScaleLocNet:
    """Its networks, whatever ran them."""
    from ..detect.backends.with_torch import TorchBackend
    from ..model.weights import load_weights

    backend = detector.backend
    return backend.model if isinstance(backend, TorchBackend) else load_weights(detector.header["path"])[0]


def _equivariance(
    args: argparse.Namespace, detectors: Mapping[str, Detector], truths: Mapping[str, Case]
) -> dict[str, Any]:
    from ..model.pyramid import TensorPyramid
    from ..study.equivariance import ShiftErrors
    from ..volume.read import read_volume
    from ..volume.sample import VolumePyramid

    measured = {name: ShiftErrors(_in_torch(detector), args.seed) for name, detector in detectors.items()}
    cases = 0
    for name, truth in truths.items():
        if cases == args.equivariance:
            break
        points = {side: point for side, point in truth.points.items() if side not in truth.unreviewed}
        if all(point is None for point in points.values()):
            continue
        try:
            volume = read_volume(truth.volume, truth.series)
        except CarotidLandmarkError as error:
            print(f"No equivariance of {name}: {error}", file=sys.stderr)
            continue
        cases += 1
        print(f"equivariance {cases}/{args.equivariance} {name}", file=sys.stderr)
        for of in measured.values():
            of.add(TensorPyramid(VolumePyramid(volume), next(of.model.parameters()).device), points)
    return {"cases": cases, "models": {name: of.summary() for name, of in measured.items()}}
