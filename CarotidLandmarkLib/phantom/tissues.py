"""Soft tissue, bone and air of a neck, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from CarotidLandmarkLib.phantom import priors
from CarotidLandmarkLib.phantom.canvas import Column, Ellipsoid, Shape, Space, Tube
from CarotidLandmarkLib.phantom.curves import smooth

# Outline of the body: height, centre y, half width, half depth (average adult, measured from atlases).
OUTLINE = np.array(
    [
        [-190, -35, 195, 112],
        [-140, -32, 190, 102],
        [-112, -28, 165, 88],
        [-92, -26, 118, 76],
        [-74, -27, 76, 66],
        [-50, -28, 62, 61],
        [-20, -29, 59, 61],
        [0, -31, 60, 65],
        [18, -38, 65, 78],
        [40, -41, 70, 88],
        [70, -34, 75, 97],
        [110, -26, 77, 98],
        [150, -22, 68, 86],
        [180, -20, 42, 54],
        [197, -20, 8, 10],
    ],
    float,
)


@dataclass
class Body:
    """One person's build: what tissues, scaffold and vessels share."""

    size: float
    fat: float
    muscle: float
    fat_hu: float
    cancellous: float
    cortical: float
    hyoid_z: float
    jaw_z: float
    airway: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Body:
        return Body(
            size=float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.2)),
            fat=float(rng.gamma(3.0, 2.8)),
            muscle=priors.MUSCLE_HU + rng.normal(8, 10),
            fat_hu=priors.FAT_HU + rng.normal(8, 10),
            cancellous=float(rng.uniform(160, 480)),
            cortical=float(rng.uniform(600, 1350)),
            hyoid_z=float(rng.normal(1, 6)),
            jaw_z=float(rng.normal(0, 5)),
            airway=float(rng.uniform(0.15, 1.25)),
        )


def column(rows: object, hu: float, inner: tuple[tuple[float, float], ...] = (), **kwargs: Any) -> Column:
    """A Column from rows of numbers."""
    return Column(np.asarray(rows, float), hu, inner=inner, **kwargs)


def draw_soft_tissue(rng: np.random.Generator, body: Body, space: Space, gland_y: float) -> list[Shape]:
    """Skin, fat, muscle and glands; ``gland_y`` is where the submandibular glands lie."""
    outline = OUTLINE[:, [0, 1, 1, 2, 3]].copy()
    outline[:, 1] = rng.normal(0, 1.5)
    outline[:, 3:] *= body.size * rng.uniform(0.92, 1.1, 2)
    extra = 0.45 * body.fat
    outline[:, 3:] += extra
    out: list[Shape] = [
        Column(
            outline,
            rng.uniform(20, 70),
            inner=((rng.uniform(1.5, 2.5), body.fat_hu), (2.5 + body.fat, body.muscle)),
        ),
    ]

    spread = np.array([0.96 * body.size, 0.96 * body.size, 1.0])

    def tube(points: object, radius: float, hu: float, rim: float = 1.5, stretch: object = None) -> None:
        path = smooth(space.bend(np.asarray(points, float) * spread), 6)
        flat = None if stretch is None else np.asarray(stretch, float)
        radii = np.full(len(path), radius)
        if rim:
            out.append(Tube(path, radii + rim, body.fat_hu + rng.uniform(0, 60), True, flat))
        out.append(Tube(path, radii, hu, True, flat))

    def blob(center: object, radii: object, hu: float, rim: float = 1.5) -> None:
        at = space.bend(np.asarray(center, float) * spread)
        half = np.asarray(radii, float) * rng.uniform(0.8, 1.2, 3)
        if rim:
            out.append(Ellipsoid(at, half + rim, body.fat_hu + 20))
        out.append(Ellipsoid(at, half, hu))

    gland = rng.uniform(60, 140)
    parotid = rng.uniform(-40, 90)
    thyroid = rng.uniform(80, 230)
    for s in (1, -1):
        m = body.muscle + rng.normal(0, 8, 8)
        tube([[s * 20, 26, 60], [s * 19, 26, 0], [s * 26, 30, -80]], rng.uniform(9, 13), m[0], 1.2, [0.8, 1.1, 1])
        tube([[s * 42, 14, 52], [s * 40, 16, 0], [s * 55, 22, -75]], rng.uniform(6, 10), m[1], 1.8, [0.8, 1.3, 1])
        tube([[s * 27, 0, 20], [s * 29, -4, -30], [s * 48, -10, -92]], rng.uniform(6, 9), m[2], 1.6)
        tube([[s * 8, -25, 45], [s * 9, -26, 0], [s * 12, -24, -70]], rng.uniform(4, 6), m[3], 0.8, [0.75, 1.3, 1])
        tube(
            [[s * 55, 6, 50], [s * 51, -8, 12], [s * 44, -22, -25], [s * 30, -42, -70], [s * 13, -52, -104]],
            rng.uniform(7, 11),
            m[4],
            rng.uniform(0.5, 2.5),
            [1.35, 0.85, 1],
        )
        tube([[s * 10, -66, -4], [s * 11, -62, -40], [s * 12, -56, -95]], rng.uniform(3, 5), m[5], 0.8, [0.7, 1.5, 1])
        tube([[s * 45, -38, 10], [s * 43, -52, 38], [s * 48, -42, 62]], rng.uniform(6, 9), m[6], 1.5, [1.4, 0.8, 1])
        tube([[s * 36, -18, 40], [s * 22, -50, 12], [s * 10, -62, 4]], rng.uniform(2.5, 4), m[7], 0.8)
        blob([s * 32.4, gland_y / spread[1] + rng.normal(0, 2), 4 + rng.normal(0, 6)], [10, 15, 14], gland)
        blob([s * 54, -20 + rng.normal(0, 4), 38 + rng.normal(0, 5)], [12, 18, 21], parotid)
        blob([s * 18, -49, -60 + rng.normal(0, 6)], [8, 9, 21], thyroid, 0.8)
        for _ in range(rng.integers(2, 9)):
            at = [s * rng.uniform(26, 48), rng.uniform(-40, 5), rng.uniform(-70, 45)]
            blob(at, rng.uniform(1.5, 5.5) * rng.uniform(0.7, 1.4, 3), rng.uniform(30, 140), 0.8)
    blob([0, -58, -62], [10, 4, 7], thyroid, 0)
    blob([0, -72, 22], [22, 26, 16], body.muscle + rng.normal(0, 15), 1.5)
    return out


def draw_airway(rng: np.random.Generator, body: Body, space: Space, clearance: float) -> list[Shape]:
    """Airway, oesophagus, sinuses and lungs; above the trachea the half width stays below ``clearance``."""
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
    for part in (upper, larynx, trachea):
        out += [Column(part + shift + w, wall), Column(part + shift, -1000.0 + rng.uniform(0, 60))]
    out.append(column([[-150, 4, -22, 7, 4.5], [-45, 3, -34, 8, 4]], body.muscle))
    if rng.random() < 0.4:
        out.append(column([[-150, 4, -22, 2.5, 1.2], [-60, 3, -34, 2.5, 1.2]], -900.0))
    lung_hu = rng.uniform(-900, -780)
    for s in (1, -1):
        out.append(
            Ellipsoid(space.bend(np.array([s * 60.0, -18, -172 + rng.normal(0, 6)])), np.array([48.0, 66, 84]), lung_hu)
        )
        out.append(Ellipsoid(space.bend(np.array([s * 27.0, -82, 64])), np.array([13.0, 16, 17]), -950.0))
    out.append(Ellipsoid(space.bend(np.array([0.0, -88, 62])), np.array([9.0, 30, 20]), -960.0))
    if rng.random() < 0.3:
        out.append(Ellipsoid(space.bend(np.array([0.0, -75, 33])), np.array([16.0, 22, rng.uniform(2, 6)]), -980.0))
    return out
