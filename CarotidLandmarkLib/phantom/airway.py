"""Airway and gullet, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

import numpy as np

from .shapes import Column, Ellipsoid, Shape, Space
from .tissues import Body, column


def draw_airway(rng: np.random.Generator, body: Body, space: Space, clearance: float) -> list[Shape]:
    """Pharynx, larynx, trachea, oesophagus, open mouth; above the trachea the half width stays below ``clearance``."""
    a = body.airway
    wall = rng.uniform(30, 110)
    w = np.array([0.0, 0, 0, 3, 3])
    upper = np.array(
        [
            [-6, 0, -47, 9 * a + 3, 7 * a + 2],
            [12, 0, -43, 11 * a + 2, 6 * a + 2],
            [28, 0, -40, 12 * a + 2, 5 * a + 2],
            [45, 0, -42, 12 * a + 3, 7 * a + 3],
            [58, 0, -48, 13, 10],
        ],
        float,
    )
    larynx = np.array(
        [
            [-44, 0, -56, 7, 8],
            [-33, 0, -58, 2 + 2 * a, 9],
            [-24, 0, -58, 4 + 3 * a, 9],
            [-12, 0, -52, 8 * a + 3, 8],
            [-4, 0, -47, 9 * a + 3, 7 * a + 2],
        ],
        float,
    )
    trachea = np.array([[-175, 2, -34, 8.5, 8.5], [-110, 1, -42, 8.5, 8], [-44, 0, -56, 8, 8.5]], float)
    shift = np.array([0, rng.normal(0, 2), rng.normal(0, 3), 0, 0])
    out: list[Shape] = []
    for part in (upper, larynx):
        part[:, 3] = np.minimum(part[:, 3], clearance)
    air = -1000.0 + rng.uniform(0, 60)
    for part in (upper, trachea):
        out.append(Column(part + shift + w, wall, inner=((3.0, air),)))
    out += [Column(larynx + shift + w, wall), Column(larynx + shift, air)]
    out.append(column([[-150, 4, -22, 7, 4.5], [-45, 3, -34, 8, 4]], body.muscle))
    if rng.random() < 0.4:
        out.append(column([[-150, 4, -22, 2.5, 1.2], [-60, 3, -34, 2.5, 1.2]], -900.0))
    if rng.random() < 0.3:
        out.append(Ellipsoid(space.bend(np.array([0.0, -75, 33])), np.array([16.0, 22, rng.uniform(2, 6)]), -980.0))
    return out
