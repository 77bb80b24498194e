"""One run: a row trained with one seed, and measured on the test phantoms."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic import reading_back, write_json, write_text
from ...errors import BadInputError
from ..methods.method import Method
from .rows import Budget

if TYPE_CHECKING:
    from ...detect.detector import Detector
    from ..scores import Score

SAMPLES = 50  # of models with noise; the others make one pass whatever they are asked for
ENDLESS = 10**9
MEASURED = ("steps", "minutes", "parameters", "seconds_per_case")
MADE = ("date", "machine", "versions", "commit")  # of the circumstances: where and with what, which may differ


@dataclass(frozen=True)
class Run:
    """``out`` is the benchmark's folder, ``cases`` holds its training cases. ``steps`` end the training before its
    time, where they are given. ``settings`` are what all runs of a benchmark have in common. ``pace``: how much a core
    does here while one of the machine that the budget is meant for does 1; the time is divided by it.
    """

    out: Path
    cases: Path
    row: Method
    seed: int
    budget: Budget
    steps: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pace: float = 1.0

    @property
    def folder(self) -> Path:
        return self.out / "runs" / self.row.name / f"seed-{self.seed}"

    def result(self) -> dict[str, Any] | None:
        """What `perform` has written at its end, here or on another machine, or None.

        Raises BadInputError for a run of a benchmark with other settings, which must not be in the same table.
        """
        file = self.folder / "run.json"
        if not file.is_file():
            return None
        with reading_back(file) as facts:
            theirs = {key: facts.get("settings", {}).get(key) for key in self.settings}
            measured = {**facts, **{key: facts[key] for key in MEASURED}}
        for key, value in self.settings.items():
            if theirs[key] != value:
                raise BadInputError(
                    f"{file} is of a benchmark with another {key} ({theirs[key]}, not {value}): remove it."
                )
        return measured

    def scores(self) -> list[Score]:
        """The scores of the test landmarks. Raises BadInputError where those of a case are missing or damaged."""
        from ..scores import Score

        scores: list[Score] = []
        files = sorted(self.folder.glob("scores/*.json"))
        cases = self.settings.get("cases", {}).get("test", len(files))
        if len(files) != cases:
            raise BadInputError(
                f"{self.folder / 'scores'} has {len(files)} of {cases} cases: remove {self.folder / 'run.json'}, and "
                "the same command measures the others."
            )
        for file in files:
            with reading_back(file) as rows:
                scores += [Score(**row) for row in rows]
        return scores


def perform(run: Run) -> None:
    """`train_and_measure` in a process of its own: what it says goes to `log.txt` in the run's folder."""
    run.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(run.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.setdefault("TQDM_MININTERVAL", "30")
    os.environ.setdefault("CAROTID_LANDMARK_TRACEBACK", "1")
    import torch

    if run.budget.device == "cpu":
        torch.set_num_threads(1)
    train_and_measure(run)


def train_and_measure(run: Run) -> None:
    """Begin, or go on with what was finished before; `run.json` says that it has come to its end."""
    from ...detect.detector import Detector
    from ...model.unet import parameter_count
    from ...model.weights import load_weights
    from .report import circumstances

    weights = _trained(run)
    detector = Detector.from_weights(weights, run.budget.device, "torch")
    seconds = sorted(_measure(run, detector))
    training = detector.header["training"]
    facts = {
        "steps": training["steps"],
        "minutes": training["minutes"],
        "pace": run.pace,
        "crops_on_answers": training["crops_on_answers"],
        "parameters": parameter_count(load_weights(weights)[0]),
        "seconds_per_case": round(seconds[len(seconds) // 2], 2),
        "settings": dict(run.settings),
        "made": {key: value for key, value in circumstances({}, {}).items() if key in MADE},
    }
    write_json(run.folder / "run.json", facts, indent=1)


def _trained(run: Run) -> Path:
    """The run's weights; a run that was interrupted goes on from its last checkpoint."""
    from ..train.loop import WEIGHTS, Options, train

    config = run.row.config.at_half_resolution() if run.budget.half_resolution else run.row.config
    if (run.folder / WEIGHTS).is_file():
        return run.folder / WEIGHTS
    options = Options(
        out=run.folder,
        method=run.row.name,
        cases=run.cases,
        steps=run.steps or ENDLESS,
        epoch=ENDLESS,
        max_minutes=run.budget.minutes and run.budget.minutes / run.pace,
        clock=run.budget.clock,
        checkpoint_minutes=1.0,
        device=run.budget.device,
        workers=0,
        seed=run.seed,
        resume=True,
    )
    return train(options, config, run.row.recipe)


def _measure(run: Run, detector: Detector) -> list[float]:
    """Detect in the test phantoms as `carotid-landmark detect` does and write their scores; seconds of each.

    Of a landmark that the detector gives up, the score's position is where its network would have seen it: all of
    them are in view, and a mean over those that a method dares to answer would flatter the timid.
    """
    from ...detect.results import prepare_folder
    from ...landmarks.detection import read_detection, write_detection
    from ...landmarks.files import read_points
    from ...volume.read import find_cases, read_volume
    from ..scores import score

    detections, scores = run.folder / "detections", run.folder / "scores"
    seconds = []
    for folder in (detections, scores):
        prepare_folder(folder, "--out")
    for name, path in find_cases(run.out / "cases" / "test"):
        written = detections / f"{name}.detection.json"
        if not (scores / f"{name}.json").is_file():
            volume, truth = read_volume(path), read_points(path.with_name(f"{name}.mrk.json"))
            detection = detector.detect(volume, SAMPLES, case=name, fork=False)
            write_detection(written, detection)
            rows = [asdict(measured) for measured in score(detection, truth)]
            if any(landmark.status == "absent" for landmark in detection.landmarks):
                seen = detector.locate(volume, samples=1)
                for row in rows:
                    point = truth.points[row["side"]]
                    if row["status"] == "absent" and point is not None:
                        row["error_mm"] = math.dist(seen[row["side"]].position, point)
            defined = [
                {key: value for key, value in row.items() if value == value} for row in rows
            ]  # NaN is not itself
            write_text(scores / f"{name}.json", json.dumps(defined) + "\n")
        seconds.append(read_detection(written).timing_s["total"])
    return seconds
