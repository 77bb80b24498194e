"""Does what was traced around a point bear out that it is a carina?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..landmarks.points import as_position
from .trace import Fork

AGREES_MM = 3.5  # the point is the carina of the lumen,
CALCIFIED_MM = 5.5  # or of what was followed with calcium, which hides where the lumens part: off by 3.1 mm, else 0.7
CERTAIN_MM = 2.0  # so near to it calibres that are odd (narrowed, a thin daughter) do not make it another fork
ELSEWHERE_MM = 7.0  # it is not this fork's
SISTER = "Where the volume ends below, a vessel like this one runs beside it: the fork may be a branch's."


@dataclass(frozen=True)
class Check:
    """What the lumen says of a point.

    status: "verified" (one artery below, two above, their carina at the point), "contradicted" (a measured reason) or
    "unclear". reasons: sentences, none for a verified point. no_artery: the contradiction means that no artery is here
    at all, not that the point is at a wrong place of one. distance_mm: from the point to the lumen's carina, if any.
    certain: a verified point is so near to the carina, and so clear of calcium, that it outweighs the network's doubts.
    suspect: an unclear point that is not to be believed without a look at it, as where no lumen shows beside it.
    """

    status: str
    reasons: list[str] = field(default_factory=list)
    no_artery: bool = False
    distance_mm: float | None = None
    certain: bool = False
    suspect: bool = False


def check_fork(fork: Fork, point_lps: Sequence[float] | np.ndarray) -> Check:
    """What `fork` says of `point_lps` (3,), LPS mm: of the point that it was traced from, or of another near to it.

    Raises ValueError where `point_lps` are not three finite numbers.
    """
    point = as_position(point_lps)
    if fork.missing:
        status = "unclear" if fork.missing in ("fork", "lumen") else "contradicted"
        no_artery, suspect = fork.missing in ("contrast", "vessel"), fork.missing == "lumen"
        return Check(status, list(fork.notes), no_artery, suspect=suspect)
    if fork.carina is None:
        return Check("unclear", list(fork.notes))
    distance = float(np.linalg.norm(fork.carina - point))
    if fork.sister:
        return Check("contradicted", [SISTER], distance_mm=distance)
    if fork.defects and not (distance <= CERTAIN_MM and set(fork.defects) <= set(fork.calibres)):
        return Check("unclear", list(fork.defects), distance_mm=distance)
    if distance <= (CALCIFIED_MM if fork.calcified else AGREES_MM):
        return Check("verified", distance_mm=distance, certain=distance <= CERTAIN_MM and not fork.calcified)
    sure = distance > ELSEWHERE_MM and not fork.calcified
    reason = f"The artery divides {distance:.0f} mm from the point."
    return Check("contradicted" if sure else "unclear", [reason], distance_mm=distance)
