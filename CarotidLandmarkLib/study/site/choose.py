"""Which weights are for this site: the three ways to answer, judged on cases that none of them has learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...landmarks.detection import Detection
from ...landmarks.points import LandmarkSet
from ..scores import FAILURE_MM, Score, evaluate, score
from ..stats import bootstrap, interval, mean
from .cases import SiteCases

UNCHANGED, OFFSET, TUNED = WAYS = ("unchanged", "offset", "tuned")  # the simplest first
ABOUT = {
    UNCHANGED: "the weights as they are",
    OFFSET: "the same networks, their answers moved to where your readers put the point, with new ellipsoids",
    TUNED: "the finest network trained on your cases, its answers moved, with new ellipsoids",
}
LEAST_GAIN_MM = 0.1  # a smaller difference of the mean error is none


@dataclass(frozen=True)
class Judged:
    """One way. scores: of the reviewed landmarks, of each ``case`` by its name; table: scores.evaluate of them, with
    patients for cases."""

    way: str
    scores: list[Score]
    table: dict[str, Any]

    @property
    def holds(self) -> bool:
        """Whether its ellipsoids may well hold what they say, by the interval of their coverage."""
        unsure = self.table["uncertainty"]
        limits = unsure["interval_95"]["coverage"]
        return limits is None or bool(limits[1] >= unsure["confidence"])


@dataclass(frozen=True)
class Choice:
    """way: the simplest that is not worse than the best, and by what sentence. worse: way -> whether it is worse than
    the weights as they are. differences: way -> mean capped error less that of the best, mm, and its interval."""

    way: str
    why: str
    worse: dict[str, bool]
    differences: dict[str, tuple[float, list[float]]]


def judge(way: str, site: SiteCases, detections: Mapping[str, Detection], confidence: float) -> Judged:
    """Scores of these answers, and their figures."""
    scores = site_scores(site, detections)
    return Judged(way, scores, evaluate(scores, confidence))


def site_scores(site: SiteCases, detections: Mapping[str, Detection]) -> list[Score]:
    """Of the reviewed landmarks of all detected cases, in the site's order, so that ways can be compared by pairs."""
    return [
        of
        for name in site.truths
        if name in detections
        for of in score(detections[name], LandmarkSet(site.truths[name]), str(site.patients[name]))
        if of.side in site.truths[name]
    ]


def choose(judged: Sequence[Judged]) -> Choice:
    """The simplest of the ways (which come in that order) that is not worse than the best, and whose ellipsoids hold
    what they say. Errors count up to FAILURE_MM, which a missed landmark has."""
    errors = {of.way: _capped(of.scores) for of in judged}
    best = min(judged, key=lambda of: float(errors[of.way].mean()))
    patients = [of.whose for of in judged[0].scores if of.present]
    differences = {of.way: _difference(errors[of.way], errors[best.way], patients) for of in judged}
    good = [of for of in judged if not _is_worse(differences[of.way])]
    honest = [of for of in good if of.holds]
    chosen = honest[0] if honest else max(good, key=lambda of: of.table["uncertainty"]["coverage"] or 0.0)
    first = judged[0].way
    worse = {of.way: _is_worse(_difference(errors[of.way], errors[first], patients)) for of in judged}
    return Choice(chosen.way, _reason(chosen, best, judged, differences), worse, differences)


def _capped(scores: Sequence[Score]) -> np.ndarray:
    return np.array(
        [FAILURE_MM if of.error_mm != of.error_mm else min(of.error_mm, FAILURE_MM) for of in scores if of.present]
    )


def _difference(errors: np.ndarray, best: np.ndarray, patients: Sequence[str]) -> tuple[float, list[float]]:
    away = errors - best
    limits = interval(bootstrap(lambda weights: mean(away, weights), patients))
    return float(away.mean()), limits or [0.0, 0.0]


def _is_worse(difference: tuple[float, list[float]]) -> bool:
    return difference[1][0] > 0 and difference[0] > LEAST_GAIN_MM


def _reason(
    chosen: Judged, best: Judged, judged: Sequence[Judged], differences: Mapping[str, tuple[float, list[float]]]
) -> str:
    simpler = judged[: [of.way for of in judged].index(chosen.way)]
    said = [
        f"“{of.way}” is worse by {differences[of.way][0]:.2f} mm on average"
        if _is_worse(differences[of.way])
        else f"the ellipsoids of “{of.way}” hold less than they say"
        for of in simpler
    ]
    if chosen is best or differences[chosen.way][0] == 0:
        said.append(f"“{chosen.way}” has the smallest mean error")
    else:
        said.append(f"“{chosen.way}” is not worse than the best, “{best.way}”, as far as these cases tell")
    return f"{'; '.join(said)}."
