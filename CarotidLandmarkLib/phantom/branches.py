"""Branches of one carotid (body mm)."""

from __future__ import annotations

import numpy as np

from .curves import arc_length, at_length, smooth, wiggle
from .shapes import Space, Tube


def draw_branches(
    rng: np.random.Generator,
    s: float,
    common: np.ndarray,
    internal: np.ndarray,
    external: np.ndarray,
    parted: float,
    radius: float,
    hu: float,
    space: Space,
) -> list[Tube]:
    """Branches of the external carotid, some close to the fork, and the end of the internal one: the false forks."""
    out: list[Tube] = []

    def branch(start: np.ndarray, ends: list[np.ndarray], r: float, jitter: float = 4.0) -> None:
        points = smooth([start, *(np.asarray(e, float) + rng.normal(0, jitter, 3) for e in ends)])
        points = wiggle(points, rng.uniform(0, 2.5), rng.uniform(12, 30), rng)
        out.append(Tube(points, np.linspace(r, r * 0.6, len(points)), hu * rng.uniform(0.8, 1.0)))

    def far(x: float, y: float, z: float) -> np.ndarray:
        return space.bend(np.array([s * x, y, z]))

    def on_external(offset: float) -> np.ndarray:
        return at_length(external, parted + offset)

    thyroid = (
        at_length(common, arc_length(common)[-1] - rng.uniform(2, 14))
        if rng.random() < 0.25
        else on_external(rng.uniform(-1, 8))
    )
    branch(
        thyroid,
        [thyroid + [-s * 6, -9, -2], far(19, -50, min(thyroid[2] - 14, -22)), far(17, -52, -48)],
        rng.uniform(0.8, 1.3),
    )
    r = radius * rng.uniform(0.45, 0.7)
    if rng.random() < 0.2:
        stem = on_external(rng.uniform(6, 16))
        trunk_end = stem + [s * 1, -9, 6]
        branch(stem, [trunk_end], r * 1.15, 1.0)
        branch(trunk_end, [far(18, -66, trunk_end[2] + 4), far(10, -85, trunk_end[2] + 10)], r)
        branch(trunk_end, [far(34, -55, 20), far(45, -70, 12)], r)
    else:
        lingual = on_external(rng.uniform(6, 17))
        branch(lingual, [lingual + [-s * 5, -10, 7], far(14, -68, lingual[2] + 4), far(9, -85, lingual[2] + 12)], r)
        facial = on_external(rng.uniform(10, 26))
        branch(facial, [facial + [-s * 1, -11, 7], far(36, -56, 20), far(46, -68, 10), far(38, -92, 40)], r)
    threefold = rng.random() < 0.06  # a trifurcation: a third branch of like calibre at the carina itself
    back = on_external(rng.uniform(-2, 2) if threefold else rng.uniform(8, 24))
    size = rng.uniform(0.6, 0.9) if threefold else rng.uniform(0.4, 0.65)
    branch(back, [back + [s * 7, 10, 10], far(52, 8, 45), far(48, 45, 60)], radius * size)
    up = on_external(rng.uniform(0, 12))
    branch(up, [up + [-s * 3, 3, 14], far(20, -26, 55)], rng.uniform(0.4, 0.8))
    top = at_length(external, arc_length(external)[-1] * 0.6)
    branch(top, [top + [-s * 10, -12, 4], far(30, -58, 58)], radius * 0.5)
    end = internal[-1]
    branch(end, [end + [s * 12, 2, 4], end + [s * 32, 10, 8]], 1.4, 1.5)
    branch(end, [end + [-s * 8, -10, 4], end + [-s * 10, -22, 14]], 1.1, 1.5)
    return out
