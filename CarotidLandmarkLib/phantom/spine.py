"""The spine, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .curves import smooth
from .shapes import Ellipsoid, Shape, Space, Tube
from .tissues import Body, column


def draw_spine(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Vertebrae with discs, processes and foramina, canal and cord."""
    period = 16.5 * body.size * rng.uniform(0.92, 1.08)
    phase = rng.uniform(0, period)
    b, c = body.cancellous, body.cortical
    bodies: dict[str, Any] = {"period": period, "phase": phase, "gap": 3.8}
    ring: dict[str, Any] = {"period": period, "phase": phase - 4, "gap": 4.5}
    out: list[Shape] = [
        column([[-190, 0, -18, 14, 11], [-60, 0, -17, 14, 9.5], [48, 0, -16, 11, 8.5]], rng.uniform(60, 120)),
        column(
            [[-190, 0, -18, 14.5, 11.5], [-60, 0, -17, 14, 9.5], [48, 0, -16, 11, 8.5]], c * 0.75, ((1.6, b),), **bodies
        ),
        column([[-190, 0, 1, 17, 13], [44, 0, 1, 17, 13]], c * 0.8, **ring),
    ]
    for s in (1, -1):
        pillar = [[-85, s * 19, 3, 6.5, 6], [48, s * 18, 1, 6.5, 6]]
        out.append(column(pillar, c * 0.7, ((1.5, b),), period=period, phase=phase - 3, gap=1.8))
    levels = np.arange(phase + period / 2 - 12 * period, 50, period)
    for z in levels[levels > -190]:
        tip = rng.uniform(24, 34) if z > -50 else rng.uniform(36, 46)
        spinous = smooth(space.bend(np.array([[0, 11, z], [rng.normal(0, 1), tip, z - 8]])), 6)
        out.append(Tube(spinous, np.full(len(spinous), 3.5), c * 0.7, True, np.array([1.3, 1, 0.8])))
        if -80 < z < 40:
            for s in (1, -1):
                process = smooth(space.bend(np.array([[s * 10, -11, z + 2], [s * 25, -8, z - 1]])), 6)
                out.append(Tube(process, np.full(len(process), 4.0), c * 0.75, True, np.array([1.0, 0.8, 1])))
                hole = space.bend(np.array([[s * 16.5, -11, z - 6], [s * 16.5, -11, z + 7]]))
                out.append(Tube(hole, np.full(2, 3.2), rng.uniform(-20, 50), False))
    for s in (1, -1):
        mass = space.bend(np.array([s * 20.0, -4, 45]))
        out += [Ellipsoid(mass, np.array([10.0, 9, 8]), c * 0.8), Ellipsoid(mass, np.array([8.0, 7, 6]), b)]
    dens = space.bend(np.array([[0, -14, 22], [0, -13, 50]]))
    out.append(Tube(dens, np.array([7.0, 4.5]), c * 0.8, True))
    out.append(column([[-190, 0, 0, 11.5, 8], [62, 0, 0, 12, 9]], rng.uniform(5, 30)))
    out.append(column([[-190, 0, 0, 6.5, 4], [62, 0, 0, 7, 5]], rng.uniform(30, 50)))
    return out
