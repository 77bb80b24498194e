"""What detect leaves behind: two files a case, and a table of many cases.

Each file appears whole or not at all. Of the two files of a case `<case>.detection.json` comes first and holds all that
the other one says; where it stands alone, because the process was killed between them, the next run adds the other.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import write_text
from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from ..landmarks.detection import Detection, LandmarkDetection, read_detection, write_detection
from ..landmarks.files import write_markups
from ..landmarks.points import SIDES

REPORT = ".detection.json"
PARTIAL = ".carotid-landmark-"
ABANDONED_S = 3600  # a case is written in much less

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


def prepare_folder(folder: Path, option: str = "-o") -> None:
    """Make `folder` and try to write there, before any work is done; `option` is where the user gave it.

    Raises CannotRunError where that cannot be.
    """
    with _sentences(folder, option):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)


def mend_cases(folder: Path, option: str = "-o") -> None:
    """Clear up after a process that was killed while it wrote to `folder`: no case stays half written.

    Raises CannotRunError where that cannot be.
    """
    with _sentences(folder, option):
        for report in folder.glob(f"*{REPORT}"):
            markups = _files(folder, report.name[: -len(REPORT)])[0]
            if not markups.exists():
                with contextlib.suppress(BadInputError):  # not a detection: no case of ours
                    _write_markups(markups, read_detection(report))
        for partial in folder.glob(f"{PARTIAL}*"):
            if time.time() - partial.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(partial, ignore_errors=True)


def check_case(folder: Path, case: str, option: str = "-o") -> None:
    """Raise BadInputError, before any work is done, for a case whose files could not be written to `folder`.

    A `<case>.mrk.json` that stands there without its `.detection.json` was not made by detect, and is not replaced: it
    may be somebody's reference. A name may be too long for a file's once the endings are added. Raises CannotRunError
    where `folder` is none that can be looked into.
    """
    markups, report = _files(folder, case)
    with _sentences(folder, option):
        try:
            os.lstat(report)
        except FileNotFoundError:
            if markups.exists():
                raise BadInputError(f"{markups} exists and is not a result of detect; choose another folder.") from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise BadInputError(f"No file can be named {report.name} ({error.strerror}); rename the volume.") from error


def write_case(folder: Path, detection: Detection, option: str = "-o") -> list[Path]:
    """Write `<case>.mrk.json` and `<case>.detection.json` to `folder`, both or neither; return their paths.

    Raises BadInputError as check_case does, and CannotRunError where the folder cannot be written to or is full;
    `option` is where the user gave it.
    """
    check_case(folder, detection.case, option)
    markups, report = _files(folder, detection.case)
    with _sentences(folder, option), tempfile.TemporaryDirectory(dir=folder, prefix=PARTIAL) as partial:
        _write_markups(Path(partial, markups.name), detection)
        write_detection(Path(partial, report.name), detection)
        markups.unlink(missing_ok=True)  # an old one must not be taken for that of the new report
        os.replace(Path(partial, report.name), report)
        os.replace(Path(partial, markups.name), markups)
    return [markups, report]


def write_table(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write `detections.csv`: a row for each landmark, also of the cases that failed (status "error").

    Raises CannotRunError where the folder cannot be written to.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for outcome in outcomes:
        table.writerows(_rows(outcome))
    path = folder / "detections.csv"
    with _sentences(folder, "-o"):
        write_text(path, text.getvalue())
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


def _files(folder: Path, case: str) -> tuple[Path, Path]:
    return folder / f"{case}.mrk.json", folder / f"{case}{REPORT}"


def _write_markups(path: Path, detection: Detection) -> None:
    write_markups(path, detection.points(), {landmark.side: describe(landmark) for landmark in detection.landmarks})


@contextlib.contextmanager
def _sentences(folder: Path, option: str) -> Iterator[None]:
    try:
        yield
    except (OSError, CannotRunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or error
        another = f"another folder with {option}" if option else "another folder"
        raise CannotRunError(f"Cannot write results to {folder} ({reason}); choose {another}.") from error
