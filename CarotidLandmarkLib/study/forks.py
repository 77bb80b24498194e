"""How good the forks of detections are, against phantoms that know theirs: the check, the trace and the measures.

Lengths are in mm. What its landmarks do not define is None. All results are plain dictionaries for JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..landmarks.curves import seeds
from ..landmarks.detection import LandmarkDetection
from ..landmarks.forks import CHECKS, UNITS, VESSELS, ForkResult
from ..volume.geometry import Grid
from .scores import GOOD_MM, Score
from .stats import RESAMPLES, bootstrap, each, interval, mean, percentiles
from .true_forks import TrueFork

OFF_MM = 8.0
GROUPS = {  # of landmarks whose fork was looked at
    "good": f"Within {GOOD_MM:g} mm, all three vessels open and in the volume",
    "good, fork not whole": f"Within {GOOD_MM:g} mm, a vessel occluded or cut off by the volume",
    "between": f"{GOOD_MM:g} to {OFF_MM:g} mm off",
    "off": f"More than {OFF_MM:g} mm off",
    "given up": "In the volume, but the answer was given up",
    "not present": "Not in the volume, or without contrast",
}
SPACINGS = {"≤ 0.75": 0.75, "≤ 1.5": 1.5, "> 1.5": np.inf}  # mm between slices, up to
NAMED_MM = (5.0, 25.0)  # from the carina: where the daughters are compared with the true ones


class Quantity(NamedTuple):
    """What is measured, where the truth lies within [low, high]; ``share``: errors are in % of the truth."""

    measure: str
    unit: str
    low: float = -np.inf
    high: float = np.inf
    share: bool = False


MEASURED = [name for name in UNITS if name not in ("above_top_mm", "below_bottom_mm")]
QUANTITIES = {
    **{name: Quantity(name, UNITS[name]) for name in MEASURED if name != "calcium_mm3"},
    "nascet_percent, 30 or more": Quantity("nascet_percent", "%", 30.0),
    "calcium_mm3": Quantity("calcium_mm3", "mm3"),
    "calcium_mm3, none": Quantity("calcium_mm3", "mm3", high=0.0),
    "calcium_mm3, 20 or more, share": Quantity("calcium_mm3", "%", 20.0, share=True),
}


@dataclass(frozen=True)
class ForkScore:
    """The fork of one landmark against its truth; ``whose``: see Score.

    ``group`` is of GROUPS, ``check`` of CHECKS. All else is of good landmarks alone: ``carina_error_mm`` of the lumen's
    carina; ``named``: whether the internal and the external carotid are not the other way round, None where that was
    not told; ``traced``: whether there are vessels at all; ``seeds``: vessel to whether its seed lies in the lumen of
    "its own" vessel, "another", or "none", where daughters that are not told apart are right either way round;
    ``truth``: the true measures; ``measured``: value and SD (NaN: not known).
    """

    whose: str
    side: str
    group: str
    check: str
    slice_spacing: float | None = None
    carina_error_mm: float | None = None
    traced: bool = False
    named: bool | None = None
    seeds: dict[str, str] = field(default_factory=dict)
    truth: dict[str, float] = field(default_factory=dict)
    measured: dict[str, tuple[float, float]] = field(default_factory=dict)

    def errors(self, quantity: Quantity) -> tuple[float, float] | None:
        """The error and its SD; None where it was not measured or has no truth, or one that is not meant."""
        true, told = self.truth.get(quantity.measure), self.measured.get(quantity.measure)
        if true is None or told is None or not quantity.low <= true <= quantity.high:
            return None
        unit = true / 100 if quantity.share else 1.0
        return (told[0] - true) / unit, told[1] / unit


def score_fork(
    score: Score, answer: LandmarkDetection, truth: TrueFork, grid: Grid | None, slice_spacing: float | None = None
) -> ForkScore | None:
    """The score of an answer's fork; None where it was not looked at. grid: of the volume, None: not known."""
    fork = answer.fork
    if fork is None:
        return None
    whole = truth.is_open and grid is not None and truth.shown_by(grid)
    group = _group(score, whole)
    if group != "good":
        return ForkScore(score.whose, score.side, group, fork.check, slice_spacing)
    carina = fork.carina_lps_mm
    return ForkScore(
        *(score.whose, score.side, group, fork.check, slice_spacing),
        carina_error_mm=None if carina is None else float(np.linalg.norm(carina - truth.carina)),
        traced=fork.vessels is not None,
        named=None if fork.internal_probability is None else _is_named(fork, truth),
        seeds=_seeded(fork, truth),
        truth=truth.measures(),
        measured={
            name: (of.value, np.nan if of.sd is None else of.sd)
            for name, of in fork.measures.items()
            if of.value is not None
        },
    )


def evaluate_forks(scores: Sequence[ForkScore], resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Return what a report says of forks, with 95% percentile bootstrap intervals over patients under "interval_95".

    "checks": group to the number of "landmarks" and the shares of CHECKS. "trace", of the good ones: "carina_mm";
    "named", the share of those with vessels whose daughters are told apart, and "named_right" of these; "seeded", the
    share that has seeds, "seeds_inside" the lumen of any of the three vessels and, by vessel, "seeds_right" in their
    own. "measures": a key of QUANTITIES to the number "asked", which have a truth, and "measured", the median and 95th
    percentile of the absolute error, "bias", the median of the error, and the share "within_2_sd" of its stated SD;
    "by_spacing" holds the median by slice spacing.
    """
    good = [score for score in scores if score.group == "good"]
    told = partial(_figures, resamples=resamples, seed=seed)
    traced = [score for score in good if score.traced]
    named = [score for score in traced if score.named is not None]
    placed = [(score.whose, name, lumen) for score in good for name, lumen in score.seeds.items()]
    carinas = [(score.whose, score.carina_error_mm) for score in good if score.carina_error_mm is not None]
    return {
        "landmarks": len(scores),
        "checks": {group: _check_shares([s for s in scores if s.group == group], told) for group in GROUPS},
        "trace": {
            "carina_mm": told(_errors, [case for case, _ in carinas], np.array([error for _, error in carinas])),
            "named": told(_share, _cases(traced), np.array([score.named is not None for score in traced])),
            "named_right": told(_share, _cases(named), np.array([score.named for score in named])),
            "seeded": told(_share, _cases(good), np.array([bool(score.seeds) for score in good])),
            "seeds_inside": told(
                _share, [case for case, *_ in placed], np.array([lumen != "none" for *_, lumen in placed])
            ),
            "seeds_right": {
                vessel or "all": told(
                    _share,
                    [case for case, name, _ in placed if vessel in (None, name)],
                    np.array([lumen == "its own" for _, name, lumen in placed if vessel in (None, name)]),
                )
                for vessel in (None, *VESSELS)
            },
        },
        "measures": {name: _measure(good, quantity, told) for name, quantity in QUANTITIES.items()},
    }


def _group(score: Score, whole: bool) -> str:
    if not score.present:
        return "not present"
    if not np.isfinite(score.error_mm):
        return "given up"
    if score.error_mm <= GOOD_MM:
        return "good" if whole else "good, fork not whole"
    return "off" if score.error_mm > OFF_MM else "between"


def _is_named(fork: ForkResult, truth: TrueFork) -> bool:
    """Whether the daughters lie nearer to the true ones of their names than to those of the other's."""
    assert fork.vessels is not None
    away = {}
    for name in ("internal", "external"):
        points = fork.vessels[name][:, :3]
        from_carina = np.linalg.norm(points - truth.carina, axis=1)
        clear = points[(from_carina >= NAMED_MM[0]) & (from_carina <= NAMED_MM[1])]
        for true in ("internal", "external"):
            away[name, true] = truth.lumens[true].distance(clear if len(clear) else points).mean()
    same = away["internal", "internal"] + away["external", "external"]
    return bool(same < away["internal", "external"] + away["external", "internal"])


def _seeded(fork: ForkResult, truth: TrueFork) -> dict[str, str]:
    """Vessel to the lumen in which its seed lies. Daughters that are not told apart are taken the better way round."""
    ways = [dict(zip(VESSELS, order)) for order in (VESSELS, ("common", "external", "internal"))]
    if fork.internal_probability is not None:
        ways = ways[:1]
    told = [{name: _lumen_at(place, way[name], truth) for name, place in seeds(fork).items()} for way in ways]
    return max(told, key=lambda lumens: [*lumens.values()].count("its own"))


def _lumen_at(place: np.ndarray, name: str, truth: TrueFork) -> str:
    inside = [true for true, lumen in truth.lumens.items() if lumen.distance(place) <= 0]
    return "its own" if name in inside else "another" if inside else "none"


def _check_shares(scores: Sequence[ForkScore], told: Any) -> dict[str, Any]:
    checks = np.array([[score.check == check for check in CHECKS] for score in scores]).reshape(-1, len(CHECKS))
    return told(_of_checks, _cases(scores), checks)


def _of_checks(checks: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    return {check: mean(checks[:, column].astype(float), weights) for column, check in enumerate(CHECKS)}


def _share(right: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    return {"share": mean(right.astype(float), weights)}


def _errors(errors: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    median, p95 = percentiles(np.abs(errors), [50, 95], weights)
    return {"median": median, "p95": p95, "bias": percentiles(errors, [50], weights)[0]}


def _errors_with_sd(errors: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """errors: (n, 2), each with its SD."""
    known = np.isfinite(errors[:, 1])
    within = (np.abs(errors[:, 0]) <= 2 * errors[:, 1])[known].astype(float)
    return {**_errors(errors[:, 0], weights), "within_2_sd": mean(within, weights[..., known])}


def _measure(scores: Sequence[ForkScore], quantity: Quantity, told: Any) -> dict[str, Any]:
    asked = sum(quantity.low <= score.truth.get(quantity.measure, np.nan) <= quantity.high for score in scores)
    found = [(score, of) for score in scores if (of := score.errors(quantity)) is not None]
    errors = np.array([of for _, of in found]).reshape(-1, 2)
    least, by_spacing = -np.inf, {}
    for name, most in SPACINGS.items():
        inside = [least < round(s.slice_spacing, 2) <= most if s.slice_spacing else False for s, _ in found]
        some = np.abs(errors[np.array(inside, dtype=bool), 0])
        by_spacing[name] = {"measured": len(some), "median": float(np.median(some)) if len(some) else None}
        least = most
    figures = told(_errors_with_sd, _cases([score for score, _ in found]), errors)
    number = figures.pop("landmarks")
    return {"unit": quantity.unit, "asked": asked, "measured": number, **figures, "by_spacing": by_spacing}


def _figures(figures: Any, cases: Sequence[str], values: np.ndarray, resamples: int, seed: int) -> dict[str, Any]:
    """``figures(values, weights)`` as numbers, with the number of values and the intervals over patients."""
    of = partial(figures, values)
    limits = each(interval, bootstrap(of, cases, resamples, seed)) if len(values) else None
    measured = each(lambda value: float(value) if np.isfinite(value) else None, of(np.ones(len(values))))
    return {"landmarks": len(values), **measured, "interval_95": limits or dict.fromkeys(measured)}


def _cases(scores: Sequence[ForkScore]) -> list[str]:
    return [score.whose for score in scores]
