"""What a reader made of a detected landmark, as it stands before it is exported as a correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInputError
from .corrections import DECISIONS
from .points import as_position


@dataclass(frozen=True)
class Reading:
    """``decision`` is of DECISIONS. ``position_lps_mm`` (3,) is where the point is now, None where there is none."""

    decision: str
    position_lps_mm: np.ndarray | None = None

    @property
    def moved_to(self) -> np.ndarray | None:
        """Where the reader put the point, None where it is not moved."""
        return self.position_lps_mm if self.decision == "moved" else None

    @classmethod
    def from_dict(cls, values: Any) -> Reading:
        """Return the reading of a JSON object with these keys; raise BadInputError if it is none."""
        try:
            decision, position = values["decision"], values["position_lps_mm"]
            if decision not in DECISIONS or (decision == "moved" and position is None):
                raise ValueError(f"the decision {decision!r} with the position {position!r}")
            return cls(decision, None if position is None else as_position(position))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"This is no reading of a landmark: {error}.") from error


UNREAD = Reading("unreviewed")
