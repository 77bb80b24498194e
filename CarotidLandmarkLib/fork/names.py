"""Which of the two daughters is the internal carotid."""

from __future__ import annotations

import numpy as np

from .triple import Arm

AT_MM, CALIBRE_MM = 9.0, (6.0, 14.0)  # where their directions and calibres are compared, along each from the fork
BRANCHES_MM, MOST_BRANCHES = (2.0, 30.0), 3  # branches are counted there; further ones say no more
# Logarithm of the odds: for a whole unit of the direction towards the back and towards the side, for a unit of the
# logarithm of the calibres, for a branch more of the other. Fitted to 131 forks of phantoms, of which it names 97 %.
POSTERIOR, LATERAL, CALIBRE, BRANCH = 2.3, 1.1, 2.1, 0.2


def probability_internal(one: Arm, two: Arm, rest: list[tuple[float, Arm]], side: str) -> float | None:
    """The probability that `one` is the internal and `two` the external one, None where they are too short to tell.

    The internal carotid begins behind and lateral of the external one, is mostly the wider one, and has no branches in
    the neck. rest: further branches of both, with the length at which each leaves.
    """
    aside = (one.place(AT_MM) - two.place(AT_MM))[:2]
    calibre = [arm.radius[(arm.length > CALIBRE_MM[0]) & (arm.length < CALIBRE_MM[1])] for arm in (one, two)]
    distance = float(np.linalg.norm(aside))
    if distance < 0.5 or min(arm.length[-1] for arm in (one, two)) < AT_MM or not all(map(len, calibre)):
        return None
    outwards = 1.0 if side == "left" else -1.0
    branches = [0, 0]
    for leaves, arm in rest:
        if BRANCHES_MM[0] < leaves < BRANCHES_MM[1]:
            away = [np.linalg.norm(own.centre - arm.centre[0], axis=1).min() for own in (one, two)]
            branches[int(np.argmin(away))] += 1
    odds = (
        POSTERIOR * aside[1] / distance
        + LATERAL * outwards * aside[0] / distance
        + CALIBRE * np.log(np.median(calibre[0]) / np.median(calibre[1]))
        + BRANCH * (min(branches[1], MOST_BRANCHES) - min(branches[0], MOST_BRANCHES))
    )
    return float(1 / (1 + np.exp(-odds)))
