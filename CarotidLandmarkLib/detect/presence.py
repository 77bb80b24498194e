"""Is the landmark there, and is its position to be trusted?

Every scale has its own opinion whether it sees a bifurcation. The presence of a landmark is the lesser of two: that of
the coarsest scale, which sees everything around, and that of the finest, which sees the carina itself; where it was
looked for all over the body, only the finest scale's counts. A landmark that is not believed, or whose point is outside
of the volume, is `absent`. What speaks against one that is believed are its `signs`. Weights that were calibrated on
whole scans bring a `Trust` that weighs them together: where they make an error too likely, the landmark is `review`,
with a sentence for each that weighs. Without it one sign beyond its own limit is enough.

The lumen around the point is a witness that has seen none of this (see fork.check). A fork that it bears out for
certain lets pass what the network alone is in doubt about, up to a chance of being wrong; one that it contradicts is
`review`, and `absent` where there is no artery. In a scan that is flawed around the answer (see flaws) neither is to be
believed: `review`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..fork import Check
from ..landmarks.points import SIDES
from ..volume.geometry import Grid
from .trust import Trust
from .uncertainty import largest_sd

# The signs that are doubts of the network about itself: what each scale thinks, how far they agree, other places.
OF_THE_NETWORK = re.compile(r".* mm doubts|.* to .* mm|rival")
# The highest chance of being wrong that a verified fork outweighs. Of such answers in scans of 39 validation phantoms,
# most of them degraded, 1 of 250 good ones has a higher one, and 1 of 5 that are more than 5 mm off.
OUTWEIGHED = 0.2
LUMEN = {"verified": 0.0, "unclear": 1.0, "contradicted": 2.0}


@dataclass(frozen=True)
class Thresholds:
    """Limits of what is believed and what is trusted. Lengths in mm.

    The limits of the left-right vector enclose the 52 patients of the ISBI 2020 paper (separation 38-88 mm,
    anteroposterior at most 18, superoinferior at most 23) with room to spare.
    """

    absent_presence: float = 0.3  # probably not there
    sure_presence: float = 0.9  # of all scales but the finest: there, whatever that one says
    review_presence: float = 0.8  # there, but a scale is in doubt
    disagreement_mm: tuple[float, ...] = (45.0, 12.0, 5.0)  # between each scale and the next; the coarsest only guesses
    spread_sd_mm: float = 0.8  # a 90 % ellipsoid with a radius of 2 mm, half the width of a branch
    heatmap_sd_mm: float = 4.0  # the answer is the middle of several places
    rival_mm: float = 8.0  # another start that ended this far away has found something else
    rival_presence: float = 0.5  # which counts if it looks like a bifurcation
    border_mm: float = 5.0  # the vessel is cut before the carina can be recognised
    separation_mm: tuple[float, float] = (25.0, 100.0)
    anteroposterior_mm: float = 30.0
    superoinferior_mm: float = 35.0
    same_place_mm: float = 10.0  # closer than two arteries can be


@dataclass
class Evidence:
    """What the network said about one side.

    scales_mm, presences, positions: one entry a scale that was run, coarse to fine; presences in [0, 1], positions (3,)
    LPS mm, the last one the mean of the passes. The first scale that does not believe in the landmark is the last.
    covariance: (3, 3) mm^2, calibrated. heatmap: (3, 3) mm^2, the mean second moment of the last scale's heatmaps.
    samples: (N, 3) LPS mm, the answers of the last scale's passes.
    rivals: where (3,), LPS mm, other starts, other peaks of the heatmap and answers before this one were, and presence.
    swept: it was looked for all over the body; then the coarsest scale, which does not see it there, has no say.
    complete: the finest scale was looked at, too.
    of_voxels: (3, 3) mm^2, the part of the covariance that is the scan's and not the network's.
    """

    scales_mm: list[float] = field(default_factory=list)
    presences: list[float] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    heatmap: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    samples: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    rivals: list[tuple[np.ndarray, float]] = field(default_factory=list)
    swept: bool = False
    complete: bool = False
    of_voxels: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))

    @property
    def presence(self) -> float:
        return self.presences[-1] if self.swept else min(self.presences[0], self.presences[-1])

    @property
    def position(self) -> np.ndarray:
        return self.positions[-1]

    @property
    def of_network(self) -> np.ndarray:
        """The part of the covariance that is the network's: what an answer is doubted for."""
        return self.covariance - self.of_voxels


@dataclass
class Verdict:
    """`status` is found, review or absent; `reasons` says why it is not found."""

    status: str
    reasons: list[str]


def judge(
    evidence: dict[str, Evidence],
    grid: Grid,
    limits: Thresholds,
    trust: Trust | None = None,
    checks: Mapping[str, Check] | None = None,
    flaws: Mapping[str, Sequence[str]] | None = None,
    places: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Verdict]:
    """The status of both sides (keys of SIDES) in a volume that fills `grid`; checks: of the sides whose lumen was
    looked at; flaws: sentences for what is wrong with the scan around the answers; places: where (3,), LPS mm, the
    landmarks are by the definition of a site, of those sides that are elsewhere than the networks see them."""
    checks, flaws = checks or {}, flaws or {}
    places = {side: seen.position for side, seen in evidence.items()} | dict(places or {})
    inside = {side: float(grid.distance_inside(place)) for side, place in places.items()}
    verdicts = {side: _judge_one(evidence[side], inside[side], limits, trust, checks.get(side)) for side in SIDES}
    if all(verdict.status != "absent" for verdict in verdicts.values()):
        pair = _pair_reasons(evidence["left"].position - evidence["right"].position, limits)
        for verdict in verdicts.values():
            verdict.reasons.extend(pair)
    for side, verdict in verdicts.items():
        if verdict.status == "found":
            verdict.reasons.extend(flaws.get(side, ()))
            if verdict.reasons:
                verdict.status = "review"
    return verdicts


def _judge_one(seen: Evidence, inside: float, limits: Thresholds, trust: Trust | None, check: Check | None) -> Verdict:
    sure = min(seen.presences[:-1], default=0.0) >= limits.sure_presence
    least = limits.absent_presence if trust is None else trust.absent
    if seen.presence < least and not (sure and seen.complete):
        scale = seen.scales_mm[0 if seen.presences[0] < seen.presences[-1] else -1]
        return Verdict("absent", [f"No bifurcation is seen at the {scale:g} mm scale (presence {seen.presence:.2f})."])
    if inside < 0:
        return Verdict("absent", [f"The point would lie {-inside:.1f} mm outside of the volume."])
    if check is not None and check.no_artery:
        return Verdict("absent", list(check.reasons))
    told = signs(seen, inside, limits, check)
    values = {name: sign.value for name, sign in told.items()}
    if trust is None:
        chance, against = 0.0, [name for name, sign in told.items() if sign.value > sign.limit]
    else:
        chance, against = trust.chance(values), trust.against(values)
    alone = all(OF_THE_NETWORK.match(name) for name in against)
    if check is not None and check.certain and alone and chance <= OUTWEIGHED:
        return Verdict("found", [])
    reasons = [told[name].sentence for name in against]
    if check is not None and (check.status == "contradicted" or check.suspect) and "lumen" not in against:
        reasons = [told["lumen"].sentence, *reasons]
    if trust is not None and not reasons and chance > trust.limit:
        reasons = [f"Answers of this model that look like this one are wrong in {chance:.0%} of cases."]
    return Verdict("found", reasons)


class Sign(NamedTuple):
    """What speaks against an answer: the larger its value the more, beyond its limit by itself."""

    value: float
    limit: float
    sentence: str


def signs(seen: Evidence, inside: float, limits: Thresholds, check: Check | None = None) -> dict[str, Sign]:
    """All signs against an answer ``inside`` mm within the volume; of the lumen where a ``check`` is given."""
    told = {}
    for index, (scale, presence) in enumerate(zip(seen.scales_mm, seen.presences)):
        sentence = f"The presence of a bifurcation is in doubt at the {scale:g} mm scale ({presence:.2f})."
        doubt = 0.0 if seen.swept and index == 0 else _logit(1 - presence)
        told[f"{scale:g} mm doubts"] = Sign(doubt, _logit(1 - limits.review_presence), sentence)
    for index in range(1, len(seen.positions)):
        distance = float(np.linalg.norm(seen.positions[index] - seen.positions[index - 1]))
        coarse, fine = seen.scales_mm[index - 1 : index + 1]
        sentence = f"The {coarse:g} mm and {fine:g} mm scales disagree by {distance:.1f} mm."
        limit = math.log1p(limits.disagreement_mm[min(index, len(limits.disagreement_mm)) - 1])
        step = 0.0 if seen.swept and index == 1 else math.log1p(distance)
        told[f"{coarse:g} to {fine:g} mm"] = Sign(step, limit, sentence)
    spread, noise = largest_sd(seen.of_network), largest_sd(seen.heatmap)
    sentence = f"The position is uncertain (standard deviation {spread:.1f} mm along its worst axis)."
    told["spread"] = Sign(_log(spread), _log(limits.spread_sd_mm), sentence)
    sentence = f"The heatmap is spread over several places ({noise:.1f} mm)."
    told["heatmap"] = Sign(_log(noise), _log(limits.heatmap_sd_mm), sentence)
    told["rival"] = _rival(seen, limits)
    sentence = "It was found only by a search all over the volume, not where the coarsest scale looks for it."
    told["swept"] = Sign(float(seen.swept), 0.5, sentence)
    sentence = f"The point lies {inside:.1f} mm from the border of the volume."
    told["border"] = Sign(math.exp(-inside / limits.border_mm), math.exp(-1), sentence)
    if check is not None:
        told["lumen"] = Sign(LUMEN[check.status], LUMEN["unclear"], " ".join(check.reasons))
    return told


def _rival(seen: Evidence, limits: Thresholds) -> Sign:
    """The likeliest place that is another one."""
    ways = [(place - seen.position, presence) for place, presence in seen.rivals]
    others = [(np.linalg.norm(way), way[2], presence) for way, presence in ways]
    others = [other for other in others if other[0] > limits.rival_mm]
    distance, height, presence = max(others, key=lambda other: other[-1], default=(0.0, 0.0, 0.0))
    where = "away" if abs(height) < 0.7 * distance else "above" if height > 0 else "below"
    sentence = f"A place {distance:.0f} mm {where} looks like a bifurcation, too (presence {presence:.2f})."
    return Sign(float(presence), limits.rival_presence, sentence)


def _logit(share: float) -> float:
    return math.log((share + 1e-3) / (1 - share + 1e-3))


def _log(mm: float) -> float:
    return math.log(max(mm, 1e-2))


def _pair_reasons(vector: np.ndarray, limits: Thresholds) -> list[str]:
    """What is odd about the vector (3,) from the right to the left point, LPS mm."""
    across, depth, height = (float(value) for value in vector)
    low, high = limits.separation_mm
    distance = float(np.linalg.norm(vector))
    if distance < limits.same_place_mm:
        return [f"Left and right are at the same place ({distance:.1f} mm apart)."]
    reasons = []
    if across < 0:
        reasons.append("The left point lies to the patient's right of the right point.")
    elif not low <= across <= high:
        reasons.append(
            f"The points are {across:.0f} mm apart from left to right; {low:.0f} to {high:.0f} mm are usual."
        )
    if abs(depth) > limits.anteroposterior_mm:
        reasons.append(f"One point lies {abs(depth):.0f} mm in front of the other.")
    if abs(height) > limits.superoinferior_mm:
        reasons.append(f"One point lies {abs(height):.0f} mm above the other.")
    return reasons
