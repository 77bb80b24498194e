"""What the reader decided about each landmark: no scene, no widgets."""

import json
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from CarotidLandmarkLib.landmarks.corrections import DECISIONS
from CarotidLandmarkLib.landmarks.forks import ForkResult
from CarotidLandmarkLib.landmarks.points import SIDES, as_position

_SAME_POINT_MM = 1e-3


@dataclass
class LandmarkReview:
    """One row of the table: the prediction and what the reader made of it.

    ``status`` (found, review, absent), ``reasons`` and ``presence`` are the prediction's, ``decision`` is the reader's.
    Points are (3,) arrays or None. ``predictedRas`` and ``ras`` (now) are in the world; ``predictedLps`` and ``lps`` in
    the volume's own LPS at the time of detection, as in the volume's file. ``radiiMm`` (3,), longest first, and
    ``volumeMm3`` are those of the ellipsoid at the confidence that is shown. ``displacementMm`` is the distance of
    the point from its prediction, None if either is missing. ``fork`` is what the lumen says of the prediction.
    Unless ``isDetected``, no model has looked at the volume, and there is no prediction. ``problem`` is a sentence if
    the point is at no place in the volume's anatomy, else "".
    """

    side: str
    status: str
    decision: str = "unreviewed"
    reasons: list[str] = field(default_factory=list)
    presence: float = 0.0
    predictedRas: Optional[np.ndarray] = None
    ras: Optional[np.ndarray] = None
    predictedLps: Optional[np.ndarray] = None
    lps: Optional[np.ndarray] = None
    radiiMm: Optional[np.ndarray] = None
    volumeMm3: Optional[float] = None
    fork: Optional[ForkResult] = None
    isDetected: bool = True
    problem: str = ""

    @property
    def chip(self):
        """The word that the table shows: found, review, absent, undetected, accepted, moved or missing."""
        if self.decision != "unreviewed":
            return self.decision
        return self.status if self.isDetected else "undetected"

    @property
    def displacementMm(self):
        """Millimetres from the prediction to the point, or None."""
        if self.lps is None or self.predictedLps is None:
            return None
        return float(np.linalg.norm(self.lps - self.predictedLps))


@dataclass
class State:
    """One side's decision with the point (3,) LPS mm that belongs to it, None if there is none."""

    decision: str
    point: Optional[np.ndarray] = None


def settle(state, point):
    """Return the state after the point was found at ``point`` (None: missing), wherever that came from.

    A point that is not where the decision left it was moved, or removed, by the reader.
    """
    if isSamePoint(state.point, point):
        return state
    return State("missing") if point is None else State("moved", point)


def accepted(state, prediction):
    """Return the state after accepting: the prediction is right, also if it says absent. A moved point stays moved."""
    return state if state.decision == "moved" else State("accepted", prediction)


def isSamePoint(one, other):
    """Return whether both are None or less than a micrometre apart."""
    if one is None or other is None:
        return one is other
    return float(np.linalg.norm(np.subtract(one, other))) < _SAME_POINT_MM


def sidesInOrder(reviews):
    """Return the sides of ``reviews`` (side to LandmarkReview) as the table has them.

    Those nobody has looked at come first, and of these the ones that need it most.
    """
    urgency = {"review": 0, "undetected": 0, "absent": 1, "found": 2}
    return sorted(SIDES, key=lambda side: (urgency.get(reviews[side].chip, 3), SIDES.index(side)))


def statesToJson(states):
    """Return ``states`` (side to State) as text."""
    return json.dumps(
        {
            side: {"decision": state.decision, "position_lps_mm": None if state.point is None else list(state.point)}
            for side, state in states.items()
        }
    )


def statesFromJson(text):
    """Return the states in ``text``; raise ValueError if it holds none."""
    try:
        values = json.loads(text)
        return {side: _state(values[side]) for side in SIDES}
    except (KeyError, TypeError) as error:
        raise ValueError(f"no review: {error}") from error


def _state(values):
    if values["decision"] not in DECISIONS:
        raise ValueError(f"the decision {values['decision']!r} is unknown")
    point = values["position_lps_mm"]
    return State(values["decision"], None if point is None else as_position(point))
