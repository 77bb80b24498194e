"""What detect leaves behind: two files a case, and a table of many cases. Each file appears whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from ..landmarks.detection import Detection, LandmarkDetection, write_detection
from ..landmarks.files import write_markups
from ..landmarks.points import SIDES

COLUMNS = (
    *("case", "path", "side", "status", "reasons", "presence", "x_lps_mm", "y_lps_mm", "z_lps_mm"),
    *("radius_a_mm", "radius_b_mm", "radius_c_mm", "volume_mm3", "seconds", "error"),
)


@dataclass
class Outcome:
    """A case that was detected, or the error that prevented it."""

    name: str
    path: Path
    detection: Detection | None = None
    error: CarotidLandmarkError | None = None


def prepare_folder(folder: Path) -> None:
    """Make `folder` and try to write there, before any work is done. Raises BadInputError."""
    with _sentences(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)


def write_case(folder: Path, detection: Detection) -> list[Path]:
    """Write `<case>.mrk.json` and `<case>.detection.json` to `folder`, both or neither; return their paths.

    A `<case>.mrk.json` that stands there without its `.detection.json` was not made by detect, and is not replaced: it
    may be somebody's reference. Raises BadInputError then, and where the folder cannot be written to or is full.
    """
    markups, report = (folder / f"{detection.case}{suffix}" for suffix in (".mrk.json", ".detection.json"))
    if markups.exists() and not report.exists():
        raise BadInputError(f"{markups} exists and is not a result of detect; choose another folder with -o.")
    descriptions = {landmark.side: describe(landmark) for landmark in detection.landmarks}
    with _sentences(folder), tempfile.TemporaryDirectory(dir=folder, prefix=f".{detection.case}.") as partial:
        write_markups(Path(partial, markups.name), detection.points(), descriptions)
        write_detection(Path(partial, report.name), detection)
        os.replace(Path(partial, report.name), report)
        os.replace(Path(partial, markups.name), markups)
    return [markups, report]


def write_table(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write `detections.csv`: a row for each landmark, also of the cases that failed (status "error")."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for outcome in outcomes:
        table.writerows(_rows(outcome))
    path = folder / "detections.csv"
    with _sentences(folder):
        write_text(path, text.getvalue().encode("utf-8", "backslashreplace").decode())
    return path


def describe(landmark: LandmarkDetection) -> str:
    """A landmark in a few words, for a person."""
    words = f"{landmark.status}, presence {landmark.presence:.2f}"
    if landmark.confidence_radii_mm is not None:
        words += ", radii " + " x ".join(f"{radius:.1f}" for radius in landmark.confidence_radii_mm) + " mm"
    return " ".join([words + ".", *landmark.reasons]) if landmark.reasons else words


def _rows(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for side in SIDES:
        row: dict[str, Any] = {"case": outcome.name, "path": outcome.path, "side": side, "status": "error"}
        if outcome.error is not None:
            row["error"] = outcome.error
        if outcome.detection is not None:
            landmark = outcome.detection.landmark(side)
            row.update(status=landmark.status, reasons=" ".join(landmark.reasons), presence=f"{landmark.presence:.4f}")
            row["seconds"] = f"{outcome.detection.timing_s['total']:.2f}"
            if landmark.position_lps_mm is not None and landmark.confidence_radii_mm is not None:
                numbers = [*landmark.position_lps_mm, *landmark.confidence_radii_mm, landmark.confidence_volume_mm3]
                row.update(zip(COLUMNS[6:13], (f"{number:.3f}" for number in numbers)))
        yield row


@contextmanager
def _sentences(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, CannotRunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or error
        raise BadInputError(f"Cannot write results to {folder} ({reason}); choose another folder with -o.") from error
