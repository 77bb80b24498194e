"""Makes of picture: a whole neck, a contrast tree implanted into one, or plain geometry as other phantoms have it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .contrast import NONE, Filling
from .curves import arc_length
from .head import draw_jaw
from .shapes import Column, Ellipsoid, Shape, Space, Tube
from .tissues import OUTLINE, Body, column
from .vessels import Carotid

MAKES = {"full": 0.74, "implant": 0.12, "plain": 0.14}
PLAIN_SHARE = 0.6
REACH_MM = (38.0, 110.0)  # how far from the carina an implanted or plain tree goes


@dataclass(frozen=True)
class Style:
    """make: a key of MAKES. walls: whether arteries have a wall and a sheath of fat. simple: straight, even tubes.

    reach: mm from the carina at which common, internal and external are cut off, or None.
    """

    make: str
    walls: bool = True
    simple: bool = False
    reach: tuple[float, float, float] | None = None

    @staticmethod
    def draw(rng: np.random.Generator, scaffolded: bool) -> Style:
        make = str(rng.choice(list(MAKES), p=list(MAKES.values())))
        if make == "full" or (make == "plain" and scaffolded):
            return Style("full", walls=rng.random() < 0.9)
        low, mid, high = (float(v) for v in rng.uniform(*REACH_MM, 3))
        cut = (low, mid, high) if rng.random() < 0.7 else None
        return Style(make, walls=False, simple=rng.random() < 0.6, reach=cut)

    def apply(self, carotid: Carotid) -> Carotid:
        """The carotid as this make shows it; its landmark stays."""
        if not self.walls:
            carotid = replace(carotid, walls=[], sheath=[])
        if self.reach is None:
            return carotid
        below, inner, outer = self.reach
        kept: list[Tube] = []
        for tube in carotid.lumens:
            if np.array_equal(tube.points[-1], carotid.trunk.points[-1]):
                kept.append(_shortened(tube, below, from_end=True))
            else:
                kept.append(_shortened(tube, outer if tube is carotid.external else inner))
        near = [t for t in carotid.branches if np.linalg.norm(t.points[0] - carotid.landmark) < min(self.reach) - 12]
        return replace(carotid, lumens=kept, branches=[_shortened(tube, outer / 2) for tube in near])

    def native(self, rng: np.random.Generator, filling: Filling) -> Filling:
        """Contrast of the vessels that are not carotids: an implanted tree lies among vessels without any."""
        if self.make != "implant" or filling.phase == NONE or rng.random() < 0.25:
            return filling
        blood = float(rng.uniform(30, 60))
        late = blood + (rng.uniform(0, 120) if rng.random() < 0.4 else 0)
        return replace(filling, artery=late, vein=late, right_vein=late)

    def shows(self, rng: np.random.Generator) -> bool:
        """Whether a group of vessels that are not carotids is there; of plain geometry only some are."""
        return self.make != "plain" or rng.random() < PLAIN_SHARE


def _shortened(tube: Tube, length: float, from_end: bool = False) -> Tube:
    s = arc_length(tube.points)
    keep = (s[-1] - s if from_end else s) <= length
    keep[[-2, -1] if from_end else [0, 1]] = True
    return replace(tube, points=tube.points[keep], radii=tube.radii[keep])


def draw_plain(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """A body of even tissue with little in it: perhaps a spine, an airway, a jaw, a skull, some blobs."""
    tissue = float(rng.uniform(-20, 90))
    shaped = rng.random() < 0.5
    if shaped:
        outline = OUTLINE[:, [0, 1, 1, 2, 3]].copy()
        outline[:, 1] = 0
    else:
        half = rng.uniform([50, 50], [80, 85])
        outline = np.array([[z, 0, rng.uniform(-25, -5), *half] for z in (-230.0, 197.0)])
        outline[1, 2] = outline[0, 2]
    rim = ((rng.uniform(3, 12), tissue),) if rng.random() < 0.5 else ()
    out: list[Shape] = [Column(outline, body.fat_hu if rim else tissue, inner=rim)]
    bone = float(rng.uniform(250, 1200))
    if rng.random() < 0.85:
        width, depth = rng.uniform([9, 8], [15, 13])
        discs = {"period": rng.uniform(14, 20), "gap": rng.uniform(3, 6)} if rng.random() < 0.5 else {}
        core = ((rng.uniform(1, 3), bone * 0.5),) if rng.random() < 0.5 else ()
        rows = [[-230, 0, -18, width, depth], [60, 0, -18, width, depth]]
        out.append(column(rows, bone, core, **discs))
        if rng.random() < 0.5:
            out.append(column([[-230, 0, 2, 17, 13], [60, 0, 2, 17, 13]], bone, ((4.0, 30.0),)))
    if rng.random() < 0.8:
        wide, y = rng.uniform(5, 11), rng.uniform(-58, -44)
        out.append(column([[-230, 0, y, wide, wide], [rng.uniform(20, 70), 0, y, wide, wide]], -1000.0))
    if shaped and rng.random() < 0.6:
        out += draw_jaw(rng, body, space)
    if rng.random() < 0.5:
        middle = space.bend(np.array([0.0, -18, 118]))
        out += [Ellipsoid(middle, np.array([72.0, 90, 68]), bone), Ellipsoid(middle, np.array([66.0, 84, 62]), 35.0)]
    for _ in range(rng.integers(0, 12)):
        at = space.bend(rng.uniform([-55, -70, -90], [55, 35, 80]))
        hu = rng.uniform(-120, 130) if rng.random() < 0.8 else bone
        out.append(Ellipsoid(at, rng.uniform(2, 14) * rng.uniform(0.5, 1.5, 3), float(hu)))
    return out
