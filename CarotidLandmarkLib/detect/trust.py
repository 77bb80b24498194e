"""How far an answer is to be trusted: all that speaks against it, weighed together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import BadInputError


@dataclass(frozen=True)
class Trust:
    """Logistic model of the chance that an answer is wrong: far off, or of a landmark that cannot be seen.

    weights: of each sign against an answer (see presence.signs), 0 or more. typical: the sign's value in a good answer;
    logit: of the chance where all signs have theirs. limit: an answer with a higher chance is for review.
    absent: below this presence a landmark is taken not to be there. landmarks: how many it was fitted to.
    A sign that an answer lacks has its typical value.
    """

    weights: dict[str, float]
    typical: dict[str, float]
    logit: float
    limit: float
    absent: float
    landmarks: int = 0

    def chance(self, signs: Mapping[str, float]) -> float:
        """The chance, in (0, 1), that an answer with these signs is wrong."""
        return 1 / (1 + math.exp(-min(max(self.logit + sum(self._added(signs).values()), -50.0), 50.0)))

    def against(self, signs: Mapping[str, float]) -> list[str]:
        """The signs, heaviest first, without which the answer would be within the limit; none if it is, or if no sign
        makes it worse than a good answer is."""
        added = self._added(signs)
        excess = self.logit + sum(added.values()) - math.log(self.limit / (1 - self.limit))
        heaviest = []
        for name in sorted(added, key=lambda name: -added[name]):
            if excess <= 0 or added[name] <= 0:
                break
            heaviest.append(name)
            excess -= added[name]
        return heaviest

    def _added(self, signs: Mapping[str, float]) -> dict[str, float]:
        return {
            name: weight * (signs[name] - self.typical[name]) for name, weight in self.weights.items() if name in signs
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the header of a weights file."""
        return asdict(self)

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Trust | None:
        """What the header of a weights file says under "trust", or None.

        Raises BadInputError where it cannot be understood.
        """
        told = header.get("trust")
        if told is None:
            return None
        try:
            trust = cls(**told)
            numbers = [*trust.weights.values(), *(trust.typical[name] for name in trust.weights), trust.logit]
            sound = all(math.isfinite(number) for number in numbers) and all(w >= 0 for w in trust.weights.values())
            if not (sound and 0 < trust.limit < 1 and 0 < trust.absent < 1):
                raise ValueError("a value is out of range")
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
            raise BadInputError(f"What the weights file says of trust cannot be understood ({error}).") from error
        return trust
