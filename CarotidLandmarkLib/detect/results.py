"""What detect leaves behind: a few files a case, and a table of many cases.

Each file appears whole or not at all. Of the files of a case `<case>.detection.json` comes first and holds all that the
others say, `<case>.mrk.json` last; where that is missing, because the process was killed between them, the next run
adds it and the others, but for the picture and the DICOM SR, which only the volume could give.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import as_json, put, write_bytes, write_text
from ..errors import BadInputError, CannotRunError, CarotidLandmarkError
from ..landmarks.curves import seeds, write_forks, write_seeds
from ..landmarks.detection import REPORT, SOFTWARE, Detection, LandmarkDetection, read_detection, write_detection
from ..landmarks.files import write_markups
from ..landmarks.forks import MEASURES
from ..landmarks.points import SIDES
from ..pictures.key import SIGN

MARKUPS, FORK, SEEDS, PICTURE, SR = ".mrk.json", ".fork.mrk.json", ".seeds.mrk.json", ".png", ".sr.dcm"
SR_DESCRIPTION = "Carotid bifurcations, detected"  # of the series of an SR
SIGNS = {PICTURE: SIGN, SR: SR_DESCRIPTION.encode()}  # by which a file that could be somebody else's is known as ours
PARTIAL = ".carotid-landmark-"
ABANDONED_S = 3600  # a case is written in much less

COLUMNS = (
    *("case", "path", "side", "status", "reasons", "presence", "x_lps_mm", "y_lps_mm", "z_lps_mm"),
    *("radius_a_mm", "radius_b_mm", "radius_c_mm", "volume_mm3", "seconds", "error"),
    *("fork", "fork_reasons", *MEASURES),
)

TABLE, HEADER = "detections.csv", ",".join(COLUMNS) + "\n"


@dataclass
class Outcome:
    """A case that was detected, or the error that prevented it. ``files``: what was written; ``kept``: the detection is
    that of an earlier run."""

    name: str
    path: Path
    detection: Detection | None = None
    error: CarotidLandmarkError | None = None
    files: list[Path] = field(default_factory=list)
    kept: bool = False


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
            case = report.name[: -len(REPORT)]
            if not (folder / f"{case}{MARKUPS}").exists():
                with contextlib.suppress(BadInputError):  # not a detection: no case of ours
                    _write_others(folder, case, read_detection(report))
        for partial in folder.glob(f"{PARTIAL}*"):
            with contextlib.suppress(FileNotFoundError):  # another process has just finished its case
                if time.time() - partial.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(partial, ignore_errors=True)


def check_case(folder: Path, case: str, option: str = "-o", picture: bool = False, sr: bool = False) -> None:
    """Raise BadInputError, before any work is done, for a case whose files could not be written to `folder`.

    A `<case>.mrk.json`, or one of the fork or its seeds, that stands there without the `<case>.detection.json` was not
    made by detect, and is not replaced: it may be somebody's reference; nor is, where a `picture` or an `sr` is to be,
    a `<case>.png` or `<case>.sr.dcm` that was not made here. A name may be too long for a file's once the endings are
    added. Raises CannotRunError where `folder` is none that can be looked into.
    """
    report = folder / f"{case}{REPORT}"
    with _sentences(folder, option):
        try:
            os.lstat(report)
        except FileNotFoundError:
            for file in (folder / f"{case}{ending}" for ending in (MARKUPS, FORK, SEEDS)):
                if file.exists():
                    said = f"{file} exists and is not a result of detect; choose another folder."
                    raise BadInputError(said) from None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise BadInputError(f"No file can be named {report.name} ({error.strerror}); rename the volume.") from error
        for wanted, ending, what in ((picture, PICTURE, "picture"), (sr, SR, "report")):
            file = folder / f"{case}{ending}"
            if wanted and file.exists() and not _is_ours(file):
                raise BadInputError(f"{file} exists and is no {what} of detect; choose another folder.")


def read_finished(
    folder: Path,
    case: str,
    state: str,
    told: Mapping[str, Any],
    model: Mapping[str, Any],
    endings: Sequence[str] = (),
    since: float = 0.0,
) -> Detection | None:
    """The detection of a case that an earlier run has finished in `folder`, None where it must be done (again).

    It must be about a volume in this `state` (see volume.read.state_of), by this version of the program and a model
    with the checksum of this one, with the settings that `told` says, have its files of these `endings`, too, and be
    written after `since` (seconds since 1970).
    """
    report = folder / f"{case}{REPORT}"
    try:
        if since > os.stat(report).st_mtime:
            return None
        detection = read_detection(report)
    except (BadInputError, OSError):
        return None
    made_by = (detection.software, detection.model.get("sha256"))
    same = detection.volume.get("state") == state and made_by == (SOFTWARE, model.get("sha256"))
    whole = all((folder / f"{case}{ending}").is_file() for ending in (MARKUPS, *endings))
    return detection if same and whole and detection.settings == json.loads(as_json(told)) else None


def write_case(folder: Path, detection: Detection, option: str = "-o") -> list[Path]:
    """Write the files of a case to `folder`, all or none; return their paths, the report's second.

    `<case>.mrk.json` and `<case>.detection.json`; where the lumen of a fork was traced, also `<case>.fork.mrk.json`,
    its vessels, and `<case>.seeds.mrk.json`; where a picture was drawn, `<case>.png`, and a report, `<case>.sr.dcm`.
    Raises BadInputError as check_case does, and CannotRunError where the folder cannot be written to or is full;
    `option` is where the user gave it.
    """
    case = detection.case
    check_case(folder, case, option, detection.picture is not None, detection.report is not None)
    with _sentences(folder, option), tempfile.TemporaryDirectory(dir=folder, prefix=PARTIAL) as partial:
        others = _write_others(Path(partial), case, detection)
        write_detection(Path(partial, f"{case}{REPORT}"), detection)
        for ending in (MARKUPS, FORK, SEEDS, *SIGNS):
            old = folder / f"{case}{ending}"
            if ending not in SIGNS or _is_ours(old):
                old.unlink(missing_ok=True)  # it must not be taken for the new report's
        for name in (f"{case}{REPORT}", *others[::-1]):
            put(Path(partial, name), folder / name)
    return [folder / name for name in (others[0], f"{case}{REPORT}", *others[1:])]


def write_table(path: Path, rows: Iterable[str]) -> Path:
    """Write a table with its header: `rows_of` each case, a row for each landmark.

    Raises CannotRunError where its folder cannot be written to.
    """
    with _sentences(path.parent, "-o"):
        write_text(path, "".join([HEADER, *rows]))
    return path


def rows_of(outcome: Outcome) -> str:
    """The lines of a case in a table."""
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(_rows(outcome))
    return text.getvalue()


def describe(landmark: LandmarkDetection) -> str:
    """A landmark in a few words, for a person."""
    words = f"{landmark.status}, presence {landmark.presence:.2f}"
    if landmark.confidence_radii_mm is not None:
        words += ", radii " + " x ".join(f"{radius:.1f}" for radius in landmark.confidence_radii_mm) + " mm"
    if landmark.fork is not None and landmark.status != "absent":
        words += f", fork {landmark.fork.check}"
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
            if landmark.fork is not None:
                row.update(fork=landmark.fork.check, fork_reasons=" ".join(landmark.fork.reasons))
                told = {name: measure.value for name, measure in landmark.fork.measures.items()}
                row.update({name: f"{value:.3f}" for name, value in told.items() if value is not None})
        yield row


def _write_others(folder: Path, case: str, detection: Detection) -> list[str]:
    """Write what the report holds as markups for Slicer, the picture and the SR; return the names, the landmarks'
    first."""
    names = [f"{case}{MARKUPS}"]
    forks = {landmark.side: landmark.fork for landmark in detection.landmarks if landmark.fork is not None}
    traced = {side: fork for side, fork in forks.items() if fork.vessels}
    if traced:
        names.append(f"{case}{FORK}")
        write_forks(folder / names[-1], traced)
    if any(map(seeds, traced.values())):
        names.append(f"{case}{SEEDS}")
        write_seeds(folder / names[-1], traced)
    described = {landmark.side: describe(landmark) for landmark in detection.landmarks}
    write_markups(folder / names[0], detection.points(), described)
    for ending, data in ((PICTURE, detection.picture), (SR, detection.report)):
        if data is not None:
            names.append(f"{case}{ending}")
            write_bytes(folder / names[-1], data)
    return names


def _is_ours(file: Path) -> bool:
    sign = next(sign for ending, sign in SIGNS.items() if file.name.endswith(ending))
    return file.is_file() and sign in file.read_bytes()


@contextlib.contextmanager
def _sentences(folder: Path, option: str) -> Iterator[None]:
    try:
        yield
    except (OSError, CannotRunError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or error
        another = f"another folder with {option}" if option else "another folder"
        raise CannotRunError(f"Cannot write results to {folder} ({reason}); choose {another}.") from error
