"""How a detector fares as scans get worse: every case corrupted step by step, and detected in at each step."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..atomic import reading_back, write_json
from ..detect.case import Settings
from ..landmarks.detection import STATUSES, Detection
from ..landmarks.points import LandmarkSet
from ..volume.ct import CTVolume
from .cases import Case
from .corruptions import CORRUPTIONS
from .scores import LARGE_ERROR_MM, Score, score
from .stats import bootstrap, coverage, interval, mean

Scores = Mapping[tuple[str, float], Sequence[Score]]


class Step(NamedTuple):
    """One step of one corruption: (landmarks, how many of them can be seen, figures).

    shares: of each status, and of "silent" failures, among all landmarks: `found` and yet more than 5 mm off, or not to
    be seen at all. silent_95: the interval of the last. median_mm, p95_mm and coverage of the 90 % ellipsoid are those
    of the landmarks that can be seen and were located, None without one.
    """

    corruption: str
    amount: float
    landmarks: int
    visible: int
    shares: dict[str, float]
    silent_95: list[float] | None
    median_mm: float | None
    p95_mm: float | None
    coverage: float | None


def measure(case: Case, engine: tuple[Path | None, str, str], settings: Settings, file: Path) -> None:
    """Detect in ``case`` at each step of each corruption and write the scores to ``file``, whole or not at all.

    engine: weights, device and backend, see Detector.from_weights."""
    import torch

    from ..detect.detector import Detector
    from ..volume.read import read_volume

    torch.set_num_threads(1)
    detector = Detector.from_weights(*engine)
    volume = read_volume(case.volume, case.series)
    rows: list[dict[str, Any]] = []
    known: dict[bytes, Detection] = {}  # of volumes: many corruptions begin with the scan as it is
    for name, corruption in CORRUPTIONS.items():
        for amount in corruption.steps:
            rng = np.random.default_rng([settings.seed, zlib.crc32(f"{case.name} {name}".encode())])
            worse = corruption.apply(volume, case.points, amount, rng)
            key = _fingerprint(worse.volume)
            if key not in known:
                known[key] = detector.detect(
                    worse.volume, settings.samples, settings.confidence, settings.seed, case.name, fork=settings.fork
                )
            scores = score(known[key], LandmarkSet(worse.points))
            rows += [
                {"corruption": name, "amount": amount, "score": asdict(one)}
                for one in scores
                if one.side not in case.unreviewed
            ]
    write_json(file, rows)


def _fingerprint(volume: CTVolume) -> bytes:
    grid = volume.grid
    placed = np.concatenate([grid.size, grid.spacing, grid.origin, grid.direction.ravel()])
    return hashlib.sha256(placed.round(9).tobytes() + volume.array.tobytes()).digest()


def read_scores(files: Iterable[Path]) -> dict[tuple[str, float], list[Score]]:
    """(corruption, amount) to the scores that `measure` wrote to these files. Raises BadInputError if damaged."""
    scores: dict[tuple[str, float], list[Score]] = {}
    for file in files:
        with reading_back(file) as rows:
            for row in rows:
                values: dict[str, Any] = {key: math.nan if of is None else of for key, of in row["score"].items()}
                scores.setdefault((row["corruption"], row["amount"]), []).append(Score(**values))
    return scores


def summarise(scores: Scores, confidence: float) -> list[Step]:
    """The figures of each step, in the order of CORRUPTIONS."""
    order = [(name, amount) for name, corruption in CORRUPTIONS.items() for amount in corruption.steps]
    return [_step(*key, scores[key], confidence) for key in order if scores.get(key)]


def _step(corruption: str, amount: float, scores: Sequence[Score], confidence: float) -> Step:
    errors = np.array([one.error_mm for one in scores])
    wrong = np.array([one.status == "found" and not one.error_mm <= LARGE_ERROR_MM for one in scores], float)
    shares = {status: sum(one.status == status for one in scores) / len(scores) for status in STATUSES}
    located = errors[np.isfinite(errors)]
    distances = np.array([one.mahalanobis2 for one in scores])
    draws = bootstrap(lambda weights: mean(wrong, weights), [one.case for one in scores])
    return Step(
        corruption,
        amount,
        len(scores),
        sum(one.present for one in scores),
        {**shares, "silent": float(wrong.mean())},
        interval(draws),
        float(np.median(located)) if len(located) else None,
        float(np.percentile(located, 95)) if len(located) else None,
        float(coverage(distances, confidence)) if len(located) else None,
    )
