"""What the lumen around an answer says of it: traced, checked, and as the detection's file has it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..fork import Check, Fork, check_fork, measure_fork, trace_fork
from ..fork.check import AGREES_MM
from ..fork.structures import Structures, measure_structures
from ..fork.trace import ENOUGH_MM
from ..landmarks.detection import Detection
from ..landmarks.forks import ForkResult, Lumen
from ..volume.ct import CTVolume
from .peaks import apart
from .presence import Evidence
from .search import SEARCH_ENDS, Search

AGAIN_MM = (3.0, 30.0)  # so far from an answer the lumen may divide for the network to look once more, there
BELOW = "The vessel below comes from another fork farther down, where the network sees a bifurcation, too."
RIVAL = "A place farther down, from where this artery may come, looks like a bifurcation, too."
RIVAL_MM, RIVAL_PRESENCE = (8.0, 30.0), 0.9  # how far away such a place is, and how much of a bifurcation
STEEP = 0.7  # its share of that which is height, at least
ASIDE_MM = 3.0  # at least so far along the ellipsoid's longest axis lie the two other places that are asked


@dataclass
class Witness:
    """The fork traced from an answer, and what it says of that."""

    fork: Fork
    check: Check

    def result(self, volume: CTVolume, place: np.ndarray, covariance: np.ndarray, status: str) -> ForkResult:
        """As a landmark of that status at `place` (3,), LPS mm, has it: an absent one has no vessels, and of a fork
        that is another's nothing is measured. covariance: (3, 3) mm^2, of the answer in `volume`."""
        fork, check = self.fork, self.check
        told = ForkResult(
            check=check.status,
            reasons=list(check.reasons),
            lumen_hu=fork.level_hu,
            tissue_hu=fork.tissue_hu,
            notes=list(fork.notes),
        )
        if status == "absent":
            return told
        if fork.carina is not None:
            told.distance_mm, told.carina_lps_mm = float(np.linalg.norm(fork.carina - place)), fork.carina
        if fork.common is not None and fork.internal is not None and fork.external is not None:
            branches = {"common": fork.common, "internal": fork.internal, "external": fork.external}
            told.vessels = {name: np.column_stack([branch.points, branch.radii]) for name, branch in branches.items()}
            told.internal_probability, told.calcified = fork.internal_probability, fork.calcified
        if fork.grid is not None and fork.lumen is not None:
            told.lumen = Lumen(fork.grid, fork.lumen)
        if check.status != "contradicted":
            told.measures = measure_fork(fork, volume, covariance)
        return told


def ask_both(search: Search, volume: CTVolume, evidence: dict[str, Evidence]) -> dict[str, Witness]:
    """Ask the lumen about each side's answer that is complete. Where it divides elsewhere, or farther down, too, the
    network looks there; an answer there that the lumen bears out takes the place of the first, in `evidence`, too, and
    one farther down that it does not contradicts the first. So may another place farther down that looks like a
    bifurcation. Raises CancelledError."""
    witnesses = {}
    for side, seen in evidence.items():
        if not seen.complete:
            continue
        search.step(f"{side}, lumen", SEARCH_ENDS)
        with search.clock("fork"):
            first = witnesses[side] = ask_lumen(volume, side, seen)
            first.check = _beside_rival(first.check, volume, side, seen)
        place = _elsewhere(first)
        other = None if place is None else search.again(side, seen, place)
        if other is None:
            continue
        with search.clock("fork"):
            second = ask_lumen(volume, side, other)
        if second.check.certain:
            evidence[side], witnesses[side] = other, second
        elif place is first.fork.below and _rivals(other, seen, search.believe):
            first.check = replace(first.check, status="contradicted", reasons=[BELOW])
    return witnesses


def _elsewhere(witness: Witness) -> np.ndarray | None:
    """Where else (3,) LPS mm the landmark may be: where the lumen divides away from the answer, or at the fork farther
    down of which the artery below is a branch."""
    distance = witness.check.distance_mm
    if distance is not None and AGAIN_MM[0] < distance < AGAIN_MM[1]:
        return witness.fork.carina
    return witness.fork.below


def _beside_rival(check: Check, volume: CTVolume, side: str, seen: Evidence) -> Check:
    """`check`, knowing whether the network was led to a place farther down, too. Where the lumen divides there or the
    volume cuts it off, the answer may be a branch's; one that is not verified may be that anyway."""
    below = []
    for place, presence in seen.rivals:
        away, height = np.linalg.norm(place - seen.position), place[2] - seen.position[2]
        if presence >= RIVAL_PRESENCE and RIVAL_MM[0] < away < RIVAL_MM[1] and height < -STEEP * away:
            below.append((place, presence))
    if check.no_artery or not below:
        return check
    place = max(below, key=lambda rival: rival[1])[0]
    fork = trace_fork(volume, place, side)
    if fork.carina is not None:
        divides = float(np.linalg.norm(fork.carina - place)) <= AGREES_MM
    else:
        divides = fork.missing == "fork" and float(volume.grid.distance_inside(place - [0, 0, ENOUGH_MM])) < 0
    if divides:
        return replace(check, status="contradicted", reasons=[RIVAL], certain=False)
    return replace(check, suspect=True, reasons=[RIVAL, *check.reasons]) if check.status == "unclear" else check


def _rivals(other: Evidence, seen: Evidence, believe: float) -> bool:
    """Whether another answer is at another place, and believed by the last two scales."""
    return bool(apart([other.position], [seen.position])) and min(other.presences[-2:]) >= believe


def checks_of(witnesses: dict[str, Witness]) -> dict[str, Check]:
    """What each says, by side."""
    return {side: witness.check for side, witness in witnesses.items()}


def add_heights(detection: Detection, structures: Structures) -> None:
    """Measure the carinas' heights beside these structures, too, of all forks that are measured."""
    for landmark in detection.landmarks:
        fork = landmark.fork
        if fork is not None and fork.measures and landmark.position_lps_mm is not None:
            place = landmark.position_lps_mm if fork.carina_lps_mm is None else fork.carina_lps_mm
            fork.measures.update(measure_structures(structures, place, landmark.side, landmark.covariance_mm2))


def ask_lumen(volume: CTVolume, side: str, seen: Evidence) -> Witness:
    """The lumen at the answer `seen`. That no artery is there at all has to hold for two places beside it, too."""
    fork = trace_fork(volume, seen.position, side)
    check = check_fork(fork, seen.position)
    if check.no_artery:
        variances, axes = np.linalg.eigh(seen.of_network)
        aside = max(float(np.sqrt(max(variances[-1], 0.0))), ASIDE_MM) * axes[:, -1]
        places = (seen.position - aside, seen.position + aside)
        if not all(check_fork(trace_fork(volume, place, side), place).no_artery for place in places):
            check = replace(check, no_artery=False)
    return Witness(fork, check)
