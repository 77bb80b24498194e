"""`carotid-landmark demo`: the package's own phantom searched, compared with the truth, and drawn."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_engine_arguments, chosen_weights, some_path
from .reporter import TextReporter

if TYPE_CHECKING:
    import numpy as np

    from ..landmarks.detection import Detection

CASE = "demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of detect that make sense for one volume."""
    parser.add_argument(
        "-o",
        "--output",
        type=some_path,
        default=Path("carotid-landmark-demo"),
        metavar="DIR",
        help="where the volume, the results and the picture go (default: ./carotid-landmark-demo)",
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Detect in the phantom, print a table and write everything to args.output."""
    from ..atomic import replacing
    from ..detect.detector import Detector
    from ..detect.results import check_case, prepare_folder, write_case
    from ..errors import BadInputError
    from ..landmarks.detection import REPORT
    from ..landmarks.files import read_points
    from ..pictures.key import key_image, png
    from ..sample_data import POINTS, VOLUME
    from ..volume.read import read_volume

    detector = Detector.from_weights(chosen_weights(args), args.device, args.backend)
    prepare_folder(args.output)
    check_case(args.output, CASE, picture=True)
    path = args.output / f"{CASE}.nrrd"
    if path.exists() and not (args.output / f"{CASE}{REPORT}").exists():
        raise BadInputError(f"{path} exists and was not written by demo; choose another folder.")
    reporter = TextReporter(quiet=False)
    reporter.begin(CASE, 1, 1)
    volume, truth = read_volume(VOLUME), read_points(POINTS).points
    size, spacing = ((" x ".join(f"{n:.3g}" for n in values)) for values in (volume.grid.size, volume.grid.spacing))
    print(f"Searching a synthetic neck CT angiogram, {size} voxels of {spacing} mm ...", flush=True)
    detection = detector.detect(
        volume, args.samples, args.confidence, args.seed, CASE, reporter.progress, fork=args.fork
    )
    reporter.clear()
    with replacing(path) as part:
        shutil.copyfile(VOLUME, part)
    detection.volume["path"] = str(path)
    try:
        detection.picture = png(key_image(volume, detection, truth))
    except ImportError as error:
        print(f"There is no picture, since Pillow cannot be used ({error}): pip install pillow.")
    files = [path, *write_case(args.output, detection)]
    print(_table(detection, truth))
    print("\n".join(["Written:", *(f"  {file}" for file in files)]))
    return 0


def _table(detection: Detection, truth: dict[str, np.ndarray | None]) -> str:
    sure = f"{100 * detection.settings['confidence']:.4g}%"
    rows = [("side", "status", "position, mm LPS", f"{sure} radii, mm", "error, mm")]
    for landmark in detection.landmarks:
        place = radii = error = "-"
        if landmark.position_lps_mm is not None and landmark.confidence_radii_mm is not None:
            place = ", ".join(f"{value:.1f}" for value in landmark.position_lps_mm)
            radii = " x ".join(f"{value:.1f}" for value in landmark.confidence_radii_mm)
            true = truth.get(landmark.side)
            if true is not None:
                error = f"{sum((landmark.position_lps_mm - true) ** 2) ** 0.5:.2f}"
        rows.append((landmark.side, landmark.status, place, radii, error))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"Detected in {detection.timing_s['total']:.1f} s on {detection.settings['device']}."])
