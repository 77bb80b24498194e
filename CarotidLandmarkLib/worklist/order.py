"""Which cases come first: those that need a reader, and among them a tenth of those that seem to need none."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from .cases import WorkCase

AUDIT_SHARE = 0.1
# By urgency. "scan": nothing was detected; "failed": nothing can be seen; "sure": both found, and not to be looked at.
GROUPS = ("review", "absent", "scan", "failed", "audit", "sure")


class Place(NamedTuple):
    """A case and why it stands where it does, one of GROUPS."""

    case: WorkCase
    group: str


def in_order(cases: Sequence[WorkCase]) -> list[Place]:
    """The cases in the order in which they are to be looked at, the same for the same names wherever it is asked.

    A tenth of the sure ones, chosen by a hash of their names and so by nothing that anybody has seen, is for audit:
    mixed at random places among those before it. The other sure ones come last.
    """
    groups = {case.name: _group(case) for case in cases}
    sure = sorted((case.name for case in cases if groups[case.name] == "sure"), key=_digest)
    audit = set(sure[: math.ceil(AUDIT_SHARE * len(sure))])
    places = [Place(case, "audit" if case.name in audit else groups[case.name]) for case in cases]
    places.sort(key=lambda place: (GROUPS.index(place.group), place.case.name))
    needed = [place for place in places if place.group not in ("audit", "sure")]
    for_audit = [place for place in places if place.group == "audit"]
    rng = random.Random(_digest("\n".join(sorted(groups))))
    slots = set(rng.sample(range(len(needed) + len(for_audit)), len(for_audit)))
    rng.shuffle(for_audit)
    mixed = [for_audit.pop() if slot in slots else needed.pop(0) for slot in range(len(needed) + len(for_audit))]
    return [*mixed, *(place for place in places if place.group == "sure")]


def _group(case: WorkCase) -> str:
    statuses = set(case.statuses.values())
    if "review" in statuses or "absent" in statuses:
        return "review" if "review" in statuses else "absent"
    return "sure" if statuses else "failed" if case.problem else "scan"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
