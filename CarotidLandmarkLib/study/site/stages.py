"""The work on a site's cases, in steps that are kept: whatever is there already is not done again."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ...detect.case import Settings, detect_case
from ...detect.detector import Detector
from ...errors import CannotRunError, CarotidLandmarkError
from ...landmarks.detection import Detection, read_detection, write_detection
from ...landmarks.files import read_points
from ...landmarks.points import LandmarkSet
from ...phantom.files import write_phantoms
from ..cases import Case
from ..processes import pool, result_of, run_all
from .tune import Tuning, prepare, tune

ENDING = ".detection.json"
TEST_SPLIT, TEST_SEED = "test", 20000  # the phantoms that the weights of the package were measured on
# Seconds that each step takes on one core of 2025, for the first estimate.
DETECT_S, CUT_S, STEP_S, PHANTOM_S = 14.0, 2.0, 1.0, 12.0


@dataclass(frozen=True)
class Engine:
    """device, backend: see Detector.from_weights. parallel: processes at a time."""

    settings: Settings
    device: str = "auto"
    backend: str = "auto"
    parallel: int = 2


@dataclass
class Progress:
    """Says what is done, and for how long the rest will take, by what has been done so far. ``left``: seconds of all
    work that is still to be done, as first expected."""

    left: float = 0.0
    parallel: int = 1
    started: float = field(default_factory=time.monotonic)
    finished: float = 0.0

    def skip(self, done: float) -> None:
        """So many of the expected seconds were done by an earlier run."""
        self.left = max(self.left - done, 0.0)

    def say(self, text: str, done: float) -> None:
        """So many more of the expected seconds are done."""
        self.finished, self.left = self.finished + done, max(self.left - done, 0.0)
        pace = (time.monotonic() - self.started) / self.finished if self.finished else 1 / self.parallel
        minutes = pace * self.left / 60
        rest = "" if not self.left else f"; about {max(1, round(minutes))} min left"
        print(f"{text}{rest}", file=sys.stderr, flush=True)


def detect_all(
    cases: Iterable[Case],
    weights: Path | None,
    folder: Path,
    engine: Engine,
    what: str,
    progress: Progress,
    failed: dict[str, str] | None = None,
) -> dict[str, Detection]:
    """Case name -> what these weights say, from ``folder`` or else detected and kept there.

    ``failed`` gets the sentences of the cases in which nothing could be detected; without it they are raised.
    """
    cases = list(cases)
    folder.mkdir(parents=True, exist_ok=True)
    files = {case.name: folder / f"{case.name}{ENDING}" for case in cases}
    missing = [case for case in cases if not files[case.name].is_file()]
    progress.skip(DETECT_S * (len(cases) - len(missing)))
    if missing:
        _detect_missing(missing, weights, files, engine, what, progress, failed)
    return {name: read_detection(file) for name, file in files.items() if file.is_file()}


def _detect_missing(
    missing: Sequence[Case],
    weights: Path | None,
    files: Mapping[str, Path],
    engine: Engine,
    what: str,
    progress: Progress,
    failed: dict[str, str] | None,
) -> None:
    with pool(engine.parallel) as executor:
        coming = {c.name: executor.submit(_detect, c, weights, engine, files[c.name]) for c in missing}
        for number, (name, future) in enumerate(coming.items(), start=1):
            said = ""
            try:
                result_of(future)
            except CannotRunError:
                raise
            except CarotidLandmarkError as error:
                if failed is None:
                    raise
                failed[name] = said = str(error)
            progress.say(f"{what}: {number} of {len(missing)}, {name} {said}".rstrip(), DETECT_S)


def prepare_all(cases: Iterable[Case | int], base: Path, kept: Path, engine: Engine, progress: Progress) -> None:
    """Cut training cases from volumes, and make those of phantoms."""
    cases = list(cases)
    kept.mkdir(parents=True, exist_ok=True)
    with pool(engine.parallel) as executor:
        for number, future in enumerate([executor.submit(prepare, case, base, kept) for case in cases], start=1):
            result_of(future)
            progress.say(f"training cases: {number} of {len(cases)}", CUT_S)


def tune_all(tunings: Sequence[Tuning], engine: Engine, progress: Progress) -> None:
    """Train what is not trained yet. Raises CannotRunError where a training fails."""
    waiting = [of for of in tunings if not of.weights.is_file()]
    progress.skip(STEP_S * sum(of.steps for of in tunings if of not in waiting))
    for (tuning,), went_well in run_all([(of,) for of in waiting], tune, engine.parallel):
        if not went_well:
            raise CannotRunError(
                f"The training in {tuning.folder} has failed, see its log.txt; the same command goes on from there."
            )
        progress.say(f"training: {tuning.folder.name} has ended", STEP_S * tuning.steps)


def test_phantoms(folder: Path, count: int, engine: Engine, progress: Progress) -> list[Case]:
    """The first so many of the phantoms that the package's weights are tested on, made in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{TEST_SPLIT}-{TEST_SEED + number:05d}" for number in range(count)]
    missing = [number for number, name in enumerate(names) if not (folder / f"{name}.phantom.json").is_file()]
    progress.skip(PHANTOM_S * (count - len(missing)))
    if missing:
        with pool(engine.parallel) as executor:
            coming = [executor.submit(write_phantoms, folder, 1, TEST_SEED + number, TEST_SPLIT) for number in missing]
            for number, future in enumerate(coming, start=1):
                result_of(future)
                progress.say(f"test phantoms: {number} of {len(missing)}", PHANTOM_S)
    points: Mapping[str, LandmarkSet] = {name: read_points(folder / f"{name}.mrk.json") for name in names}
    return [Case(name, folder / f"{name}.nrrd", points[name].points) for name in names]


def _detect(case: Case, weights: Path | None, engine: Engine, file: Path) -> None:
    settings = Settings(**{**vars(engine.settings), "series": case.series})
    detector = _detector(weights, engine.device, engine.backend)
    write_detection(file, detect_case(detector, case.name, case.volume, settings))


@lru_cache(maxsize=1)
def _detector(weights: Path | None, device: str, backend: str) -> Detector:
    return Detector.from_weights(weights, device, backend)
