"""Calibration of finished weights on whole scans, as the detector sees them: ellipsoids, and which answers to trust."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from ..atomic import reading_back, write_json
from ..detect.case import Settings
from ..detect.detector import Detector
from ..detect.presence import signs
from ..detect.trust import Trust
from ..errors import BadInputError
from ..landmarks.detection import chi2_quantile
from ..landmarks.points import SIDES
from ..volume.padding import without_padding
from ..volume.read import read_volume
from .cases import Case
from .scores import FAILURE_MM, GOOD_MM, LARGE_ERROR_MM, mahalanobis2

GOOD_FOUND = 0.95  # of the good answers that are believed, so many are to be `found`
FOLDS, RIDGE = 5, 1.0
LEAST_WRONG = 10  # answers, to tell by what they differ from right ones
TYPICAL_DIGITS = 4
ABSENT = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Seen:
    """One landmark as the detector saw it. visible: whether the truth has it. sure: of all scales but the finest.

    error_mm and mahalanobis2 (squared, of the truth under the covariance) are None of what is not visible, and of what
    was given up on the way; of that, too, ``signs`` (see detect.presence) are empty. no_artery: the lumen, where it was
    asked, shows that there is none.
    """

    case: str
    side: str
    visible: bool
    presence: float
    sure: bool = False
    error_mm: float | None = None
    mahalanobis2: float | None = None
    signs: dict[str, float] | None = None
    no_artery: bool = False

    @property
    def wrong(self) -> bool:
        """Whether a reader would be misled by the answer."""
        return self.error_mm is None or self.error_mm > LARGE_ERROR_MM


def look(case: Case, engine: tuple[Path | None, str, str], settings: Settings, file: Path) -> None:
    """Detect in ``case`` and write what was seen of its reviewed sides to ``file``, whole or not at all.

    engine: weights, device and backend, see Detector.from_weights."""
    detector = _detector(*engine)
    volume = read_volume(case.volume, case.series)
    evidence, checks = detector.examine(volume, settings.samples, settings.seed, settings.fork)
    shown, _ = without_padding(volume)
    rows = []
    for side in SIDES:
        if side in case.unreviewed:
            continue
        seen, point = evidence[side], case.points[side]
        place = detector.place(side, seen)
        inside = float(shown.grid.distance_inside(place))
        sure = min(seen.presences[:-1], default=0.0) >= detector.limits.sure_presence
        told: dict[str, Any] = {}
        if seen.complete and inside >= 0:
            check = checks.get(side)
            told["no_artery"] = check is not None and check.no_artery
            told["signs"] = {name: sign.value for name, sign in signs(seen, inside, detector.limits, check).items()}
            if point is not None:
                away = place - point
                told["error_mm"] = float(np.linalg.norm(away))
                told["mahalanobis2"] = mahalanobis2(away, seen.covariance)
        rows.append(asdict(Seen(case.name, side, point is not None, seen.presence, sure, **told)))
    write_json(file, rows)


@lru_cache(maxsize=1)
def _detector(weights: Path | None, device: str, backend: str) -> Detector:
    return Detector.from_weights(weights, device, backend)


def read_seen(files: Iterable[Path]) -> list[Seen]:
    """What `look` wrote to these files. Raises BadInputError for one that is damaged."""
    seen: list[Seen] = []
    for file in files:
        with reading_back(file) as rows:
            seen += [Seen(**row) for row in rows]
    return seen


def calibrated_on(seen: Iterable[Seen]) -> list[Seen]:
    """Those that `covariance_factor` rests on: located, and no more than ``FAILURE_MM`` off."""
    return [s for s in seen if s.mahalanobis2 is not None and (s.error_mm or 0) <= FAILURE_MM]


def covariance_factor(seen: Sequence[Seen], confidence: float = 0.9) -> float:
    """By what to multiply covariances so that ellipsoids of ``confidence`` hold that share of the truth.

    Errors over ``FAILURE_MM`` are left out: they are the business of trust, not of the ellipsoid.
    """
    distances = [s.mahalanobis2 for s in calibrated_on(seen) if s.mahalanobis2 is not None]
    if not distances:
        raise BadInputError("No landmark was located, so there is nothing to calibrate on.")
    return float(np.quantile(distances, confidence)) / chi2_quantile(confidence)


def fit_trust(
    seen: Sequence[Seen], factor: float, patients: Mapping[str, int] | None = None
) -> tuple[Trust, dict[str, float]]:
    """The trust that tells right answers from wrong ones, and what it makes of these landmarks, in shares.

    A logistic regression whose weights are not negative, so that a sign never speaks for an answer, with a ridge. Its
    limit lets ``GOOD_FOUND`` of the answers within ``GOOD_MM`` be `found`, by chances from ``FOLDS``-fold
    cross-validation over patients; what is absent is set to miss and to mistake as few as can be. ``factor``: by which
    the covariances are going to be multiplied. ``patients``: case name -> patient; each case its own where it is None.
    Raises BadInputError with too few wrong answers to learn from.
    """
    absent = min(ABSENT, key=lambda limit: _mistaken(seen, limit))
    believed = [s for s in seen if s.signs and _believed(s, absent)]
    names = sorted({name for s in believed for name in s.signs or {}})
    values = np.array([[(s.signs or {}).get(name, math.nan) for name in names] for s in believed])
    wrong = np.array([s.wrong for s in believed], float)
    if min(wrong.sum(), (1 - wrong).sum()) < LEAST_WRONG:
        raise BadInputError(
            f"Of {len(believed)} answers {int(wrong.sum())} are wrong; at least {LEAST_WRONG} right and as many wrong "
            "ones are needed to learn which to trust."
        )
    if "spread" in names:
        values[:, names.index("spread")] += 0.5 * math.log(factor)
    good = np.array([s.error_mm is not None and s.error_mm <= GOOD_MM for s in believed])
    typical = np.nanmedian(values[good], axis=0)
    values = np.where(np.isnan(values), typical, values)
    whose = [str((patients or {}).get(s.case, s.case)) for s in believed]
    fold = np.unique(whose, return_inverse=True)[1] % FOLDS
    logits = np.empty(len(believed))
    for number in range(FOLDS):
        weights, offset = _logistic(values[fold != number] - typical, wrong[fold != number])
        logits[fold == number] = (values[fold == number] - typical) @ weights + offset
    limit = float(expit(np.quantile(logits[good], GOOD_FOUND)))
    found = expit(logits) <= limit
    weights, offset = _logistic(values - typical, wrong)
    trust = Trust(
        {name: round(float(w), 4) for name, w in zip(names, weights) if w > 1e-3},
        {name: round(float(t), 4) for name, t, w in zip(names, typical, weights) if w > 1e-3},
        round(offset, 4),
        limit,
        absent,
        len(believed),
    )
    visible, hidden = sum(s.visible for s in seen), sum(not s.visible for s in seen)
    shares = {
        "found among the good": float(found[good].mean()),
        "silent failures": float((found & (wrong > 0)).sum() / len(seen)),
        "missed": (visible - sum(s.visible for s in believed)) / max(visible, 1),
        "located though not visible": sum(not s.visible for s in believed) / max(hidden, 1),
    }
    return trust, shares


def moved_trust(trust: Mapping[str, Any], spread: float, heatmap: float) -> dict[str, Any]:
    """The trust of answers whose spread and heatmap, both as logarithms of mm, have grown by so much alike."""
    typical = dict(trust["typical"])
    for name, by in (("spread", spread), ("heatmap", heatmap)):
        if name in typical:
            typical[name] = round(typical[name] + by, TYPICAL_DIGITS)
    return {**trust, "typical": typical}


def _believed(seen: Seen, absent: float) -> bool:
    return seen.signs is not None and not seen.no_artery and (seen.presence >= absent or seen.sure)


def _mistaken(seen: Sequence[Seen], absent: float) -> float:
    """How many right answers are given up, and how many landmarks that are not visible are located."""
    return sum((not s.wrong) if not _believed(s, absent) else not s.visible for s in seen)


def _logistic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (n,), none negative, and offset of the logistic regression of ``y`` (m,) on ``x`` (m, n), whose columns
    are scaled to unit spread for the ridge."""
    spread = np.maximum(x.std(axis=0), 1e-6)
    scaled = x / spread

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logit = scaled @ parameters[:-1] + parameters[-1]
        away = expit(logit) - y
        value = -(y * log_expit(logit) + (1 - y) * log_expit(-logit)).sum() + RIDGE / 2 * (parameters[:-1] ** 2).sum()
        return float(value), np.append(scaled.T @ away + RIDGE * parameters[:-1], away.sum())

    bounds = [(0.0, None)] * x.shape[1] + [(None, None)]
    best = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    return best[:-1] / spread, float(best[-1])
