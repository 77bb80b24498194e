"""Is the landmark there, and is its position to be trusted?

Every scale has its own opinion whether it sees a bifurcation. The presence of a landmark is the lesser of two: that of
the coarsest scale, which sees everything around, and that of the finest, which sees the carina itself; where it was
looked for all over the body, only the finest scale's counts. A landmark that is not believed, or whose point is outside
of the volume, is `absent`. One that is believed but stands out in any way, to a scale between as well, is `review`,
with a sentence for each reason; so is one that all scales but the finest are sure of.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..landmarks.points import SIDES
from ..volume.geometry import Grid
from .uncertainty import largest_sd


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
    rivals: where the other starts and other peaks of the heatmap led: distance from the answer in mm, presence there.
    swept: it was looked for all over the body; then the coarsest scale, which does not see it there, has no say.
    complete: the finest scale was looked at, too.
    """

    scales_mm: list[float] = field(default_factory=list)
    presences: list[float] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    heatmap: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    samples: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    rivals: list[tuple[float, float]] = field(default_factory=list)
    swept: bool = False
    complete: bool = False

    @property
    def presence(self) -> float:
        return self.presences[-1] if self.swept else min(self.presences[0], self.presences[-1])

    @property
    def position(self) -> np.ndarray:
        return self.positions[-1]


@dataclass
class Verdict:
    """`status` is found, review or absent; `reasons` says why it is not found."""

    status: str
    reasons: list[str]


def judge(evidence: dict[str, Evidence], grid: Grid, limits: Thresholds) -> dict[str, Verdict]:
    """The status of both sides (keys of SIDES) in a volume that fills `grid`."""
    verdicts = {side: _judge_one(evidence[side], grid, limits) for side in SIDES}
    if all(verdict.status != "absent" for verdict in verdicts.values()):
        pair = _pair_reasons(evidence["left"].position - evidence["right"].position, limits)
        for verdict in verdicts.values():
            verdict.reasons.extend(pair)
    for verdict in verdicts.values():
        if verdict.status == "found" and verdict.reasons:
            verdict.status = "review"
    return verdicts


def _judge_one(seen: Evidence, grid: Grid, limits: Thresholds) -> Verdict:
    sure = min(seen.presences[:-1], default=0.0) >= limits.sure_presence
    if seen.presence < limits.absent_presence and not (sure and seen.complete):
        scale = seen.scales_mm[0 if seen.presences[0] < seen.presences[-1] else -1]
        return Verdict("absent", [f"No bifurcation is seen at the {scale:g} mm scale (presence {seen.presence:.2f})."])
    inside = float(grid.distance_inside(seen.position))
    if inside < 0:
        return Verdict("absent", [f"The point would lie {-inside:.1f} mm outside of the volume."])
    reasons = []
    least = int(np.argmin(seen.presences))
    if seen.presences[least] < limits.review_presence:
        scale, presence = seen.scales_mm[least], seen.presences[least]
        reasons.append(f"The presence of a bifurcation is in doubt at the {scale:g} mm scale ({presence:.2f}).")
    for index in range(1, len(seen.positions)):
        distance = float(np.linalg.norm(seen.positions[index] - seen.positions[index - 1]))
        if distance > limits.disagreement_mm[min(index, len(limits.disagreement_mm)) - 1]:
            coarse, fine = seen.scales_mm[index - 1 : index + 1]
            reasons.append(f"The {coarse:g} mm and {fine:g} mm scales disagree by {distance:.1f} mm.")
    spread = largest_sd(seen.covariance)
    if spread > limits.spread_sd_mm:
        reasons.append(f"The position is uncertain (standard deviation {spread:.1f} mm along its worst axis).")
    noise = largest_sd(seen.heatmap)
    if noise > limits.heatmap_sd_mm:
        reasons.append(f"The heatmap is spread over several places ({noise:.1f} mm).")
    rivals = [rival for rival in seen.rivals if rival[0] > limits.rival_mm and rival[1] > limits.rival_presence]
    if rivals:
        distance, presence = max(rivals, key=lambda rival: rival[1])
        reasons.append(f"A place {distance:.0f} mm away looks like a bifurcation, too (presence {presence:.2f}).")
    if seen.swept:
        reasons.append("It was found only by a search all over the volume, not where the coarsest scale looks for it.")
    if inside < limits.border_mm:
        reasons.append(f"The point lies {inside:.1f} mm from the border of the volume.")
    return Verdict("found", reasons)


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
