"""The series of a DICOM folder, and which of them to read."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ..errors import CarotidLandmarkError
from .headers import Tags
from .stack import Slice, along_normal, depths_of

NECK_MM = 300.0
FINE_MM = 1.0
PLACE_MM = 0.1
LIKE = 0.9
ARTERIAL = re.compile(r"cta|angio|arter|[ck]arot|contrast|bolus|\bc\+|\bkm\b|neck|hals", re.IGNORECASE)
OTHER = re.compile(
    r"bone|knochen|\bos\b|lung|sharp|edge|detail|\bmip|\bmpr|\bvrt?\b|ven[oö]|delay|\blate\b|spät|nativ|ohne|without|"
    r"non.?con|unenh|plain|perf|\bctp\b|monitor|test|dynamic|4d|"
    r"(?<![a-z])((?<!w[ /&+-])(?<!w & )(?<!w and )w/?o|pre(?!.?op)|c-(?!\d))(?![a-z])",  # not "W/WO", "pre-op", "c-2"
    re.IGNORECASE,
)
SHARP_KERNEL = re.compile(r"^([A-Z][a-z]?[6-9]\d|FC[358]\d|[DEL]$|Y[B-D]$)", re.ASCII)  # Siemens, Canon, Philips


@dataclass
class Series:
    """The CT slices of one series UID; `fault`: what is wrong with an image of it, `tags`: those of its first image.
    `patients`: ID and name."""

    uid: str
    tags: Tags
    slices: list[Slice] = field(default_factory=list)
    patients: set[tuple[str, str]] = field(default_factory=set)
    fault: CarotidLandmarkError | None = None

    def __str__(self) -> str:
        return f"'{self.tags['description'] or 'no description'}' ({self.uid or 'no UID'})"

    def places(self) -> np.ndarray:
        """(n,) mm: the distinct depths of the slices that are parallel to most others, in order."""
        stack = along_normal(parallel(self.slices))
        depths = depths_of(stack)
        return depths[np.diff(depths, prepend=-np.inf) > PLACE_MM]

    def coverage(self) -> float:
        """How many places it shows, counted no finer than 1 mm and over no more than a neck; images that share places
        (perfusion, phases) count less."""
        if not self.slices:
            return 0.0
        places = self.places()
        step = (places[-1] - places[0]) / max(len(places) - 1, 1)
        within = min((places[-1] - places[0]) + step, NECK_MM)
        return within / max(step, FINE_MM) * len(places) / len(self.slices)

    def likeness(self) -> int:
        """By its texts: how much it is called an arterial phase with a soft kernel."""
        texts = " ".join(self.tags[name] for name in ("description", "protocol", "kernel"))
        sharp = SHARP_KERNEL.search(self.tags["kernel"]) is not None
        return 2 * bool(ARTERIAL.search(texts)) + bool(self.tags["agent"]) - 3 * bool(OTHER.search(texts)) - 3 * sharp

    def measured(self) -> str:
        """Its extent in words."""
        if not self.slices:
            return "only images that cannot be read"
        places = self.places()
        step = (places[-1] - places[0]) / max(len(places) - 1, 1)
        images = f", {len(self.slices)} images" if len(self.slices) != len(places) else ""
        return f"{len(places)} places {step:.2g} mm apart{images}"


def parallel(slices: list[Slice]) -> list[Slice]:
    """The slices of the most common orientation, size and spacing."""
    looks = np.array([(*s.orientation, *s.spacing, *s.size) for s in slices])
    tolerance = np.repeat((1e-2, 1e-3, 0.5), (6, 2, 2))
    rounded = [tuple(look) for look in np.round(looks / tolerance)]
    like = looks[rounded.index(Counter(rounded).most_common(1)[0][0])]
    return [s for s, near in zip(slices, (np.abs(looks - like) <= tolerance).all(axis=1)) if near]


def choose(found: list[Series]) -> tuple[Series, list[str]]:
    """The series that shows most of a neck, and a warning that says why it and not another.

    Only among those that cover about as much (90 %) descriptions decide, then the finer and the longer series.
    """
    if len(found) == 1:
        return found[0], []
    covered = {series.uid: series.coverage() for series in found}
    most = max(covered.values())
    like = [series for series in found if covered[series.uid] >= LIKE * most]
    ranks = {s.uid: (s.likeness(), len(s.places()) if s.slices else 0, len(s.slices)) for s in like}
    best = min(like, key=lambda s: ([-number for number in ranks[s.uid]], s.uid))
    others = sorted((s for s in found if s is not best), key=lambda s: (-covered[s.uid], s.uid))
    next_best = max((ranks[s.uid] for s in like if s is not best), default=None)
    if next_best is None:
        why = "because it covers most"
    elif ranks[best.uid] == next_best:
        why = f"though {len(like)} cover as much and nothing tells it from the next one (choose by --series)"
    elif ranks[best.uid][0] > next_best[0]:
        why = f"because {len(like)} cover as much, and it is described best as a soft arterial one"
    else:
        why = f"because {len(like)} cover as much, and it has most slices"
    against = "; ".join(f"{s} has {s.measured()}" for s in others[:3])
    more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
    return best, [f"{len(found)} CT series in the folder: read {best}, {best.measured()}, {why}; {against}{more}."]
