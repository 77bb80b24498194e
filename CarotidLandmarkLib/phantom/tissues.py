"""Soft tissue, bone and air of a neck, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import priors
from .curves import smooth
from .shapes import Column, Ellipsoid, Shape, Space, Tube

# Outline of the body: height, centre y, half width, half depth (an average adult; at the neck a circumference of about
# 38 cm, spinous processes 20 to 30 mm below the skin, 400 mm from shoulder to shoulder).
OUTLINE = np.array(
    [
        [-230, -12, 205, 112],
        [-190, -10, 203, 110],
        [-140, -7, 198, 101],
        [-112, -3, 172, 86],
        [-92, -1, 122, 75],
        [-74, -3, 84, 69],
        [-50, -10, 64, 71],
        [-20, -14, 60, 69],
        [0, -16, 62, 71],
        [18, -19, 65, 76],
        [40, -25, 71, 89],
        [70, -19, 76, 101],
        [110, -13, 79, 101],
        [150, -14, 70, 88],
        [180, -16, 44, 56],
        [197, -18, 8, 10],
    ],
    float,
)


@dataclass
class Body:
    """One person's build: what tissues, scaffold and vessels share. ``deep_hu`` lies between the muscles."""

    size: float
    fat: float
    muscle: float
    fat_hu: float
    cancellous: float
    cortical: float
    hyoid_z: float
    jaw_z: float
    airway: float
    deep_hu: float
    arms_up: bool

    @staticmethod
    def draw(rng: np.random.Generator) -> Body:
        muscle = priors.MUSCLE_HU + rng.normal(8, 10)
        fat_hu = priors.FAT_HU + rng.normal(8, 10)
        return Body(
            size=float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.2)),
            fat=float(rng.gamma(3.0, 2.8)),
            muscle=muscle,
            fat_hu=fat_hu,
            cancellous=float(rng.uniform(160, 480)),
            cortical=float(rng.uniform(600, 1350)),
            hyoid_z=float(rng.normal(1, 6)),
            jaw_z=float(rng.normal(0, 5)),
            airway=float(rng.uniform(0.15, 1.25)),
            deep_hu=float(muscle if rng.random() < 0.5 else fat_hu + (muscle - fat_hu) * rng.uniform(0, 1)),
            arms_up=bool(rng.random() < 0.07),
        )


def column(rows: object, hu: float, inner: tuple[tuple[float, float], ...] = (), **kwargs: Any) -> Column:
    """A Column from rows of numbers."""
    return Column(np.asarray(rows, float), hu, inner=inner, **kwargs)


def draw_skin(rng: np.random.Generator, body: Body) -> list[Shape]:
    """The outline of the body with skin, fat below it, and what lies between the muscles."""
    outline = OUTLINE[:, [0, 1, 1, 2, 3]].copy()
    outline[:, 1] = rng.normal(0, 1.5)
    outline[:, 3:] *= body.size * rng.uniform(0.95, 1.1, 2)
    outline[:, 3:] += 0.45 * body.fat
    fat = (rng.uniform(1.5, 2.5), body.fat_hu)
    return [Column(outline, rng.uniform(20, 70), inner=(fat, (2.5 + body.fat, body.deep_hu)))]


SPREAD = 0.96


def draw_muscles(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Muscles of both sides and the tongue."""
    out: list[Shape] = []
    spread = np.array([SPREAD * body.size, SPREAD * body.size, 1.0])

    def tube(points: object, radius: float, hu: float, rim: float, stretch: object) -> None:
        path = smooth(space.bend(np.asarray(points, float) * spread), 6)
        radii = np.full(len(path), radius + rim)
        fascia = body.fat_hu + rng.uniform(0, 60)
        out.append(Tube(path, radii, fascia, True, np.asarray(stretch, float), ((rim, hu),)))

    for s in (1, -1):
        m = body.muscle + rng.normal(0, 8, 11)
        strong = rng.uniform(0.8, 1.15, 11)
        # Back of the neck: semispinalis, splenius, trapezius, levator scapulae.
        tube([[s * 15, 24, 62], [s * 14, 28, 0], [s * 17, 32, -95]], 13 * strong[0], m[0], 1.0, [0.95, 0.9, 1])
        tube([[s * 38, 20, 60], [s * 29, 27, 0], [s * 22, 40, -85]], 10 * strong[1], m[1], 1.2, [0.7, 1.3, 1])
        tube([[s * 17, 46, 45], [s * 25, 43, -25], [s * 58, 40, -75], [s * 120, 26, -100]], 10, m[2], 1.2, [0.55, 2, 1])
        tube([[s * 36, 10, 45], [s * 38, 16, 0], [s * 52, 28, -80]], 9.5 * strong[3], m[3], 1.5, [0.85, 1.2, 1])
        tube([[s * 27, 0, 20], [s * 29, -4, -30], [s * 48, -10, -92]], 9 * strong[4], m[4], 1.6, [1, 1, 1])
        tube([[s * 8, -25, 45], [s * 9, -26, 0], [s * 12, -24, -70]], 5 * strong[5], m[5], 0.8, [0.75, 1.3, 1])
        # Sternocleidomastoid: a strap that faces sideways at the mastoid and forward at the sternum.
        tube(
            [[s * 54, 5, 52], [s * 51, -5, 15], [s * 47, -17, -20], [s * 37, -38, -62], [s * 30, -48, -82]],
            rng.uniform(7, 10),
            m[6],
            rng.uniform(0.5, 2.5),
            [1.5, 0.62, 1],
        )
        tube([[s * 32, -46, -78], [s * 14, -62, -108]], rng.uniform(6, 8), m[6], 1.0, [0.7, 1.4, 1])
        tube([[s * 10, -66, -4], [s * 11, -64, -40], [s * 12, -58, -95]], 4 * strong[7], m[7], 0.8, [0.7, 1.5, 1])
        # Chewing: medial pterygoid inside, masseter outside of the ramus; digastric.
        tube([[s * 42, -42, 18], [s * 38, -46, 40], [s * 26, -50, 58]], 7 * strong[8], m[8], 1.5, [1.4, 0.8, 1])
        tube([[s * 58, -40, 16], [s * 61, -46, 40], [s * 63, -52, 64]], 9 * strong[9], m[9], 1.5, [1.4, 0.7, 1])
        tube([[s * 36, -18, 40], [s * 22, -50, 12], [s * 10, -62, 4]], 3.2 * strong[10], m[10], 0.8, [1, 1, 1])
    return out + _blob(rng, body, space, [0, -70, 24], [22, 27, 17], body.muscle + rng.normal(0, 15), 1.5)


def draw_glands(rng: np.random.Generator, body: Body, space: Space, gland_y: float) -> list[Shape]:
    """Submandibular glands, which lie at ``gland_y``, parotids and thyroid."""
    out: list[Shape] = []
    gland, parotid = rng.uniform(60, 140), rng.uniform(-40, 90)
    thyroid = priors.truncated_normal(rng, *priors.THYROID_HU)
    for s in (1, -1):
        below = [s * 32.4, gland_y / (SPREAD * body.size) + rng.normal(0, 2), 4 + rng.normal(0, 6)]
        out += _blob(rng, body, space, below, [10, 15, 14], gland)
        behind = [s * 54, -20 + rng.normal(0, 4), 38 + rng.normal(0, 5)]
        out += _blob(rng, body, space, behind, [12, 18, 21], parotid)
        lobe = np.array([8, 9, 21]) * rng.uniform(0.7, 1.4)
        out += _blob(rng, body, space, [s * 17, -50, -60 + rng.normal(0, 6)], lobe, thyroid, 0.8)
    return out + _blob(rng, body, space, [0, -66, -62], [12, 4, 7], thyroid, 0)


def draw_nodes(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Lymph nodes beside the vessels."""
    out: list[Shape] = []
    for s in (1, -1):
        for _ in range(rng.integers(2, 9)):
            at = [s * rng.uniform(26, 48), rng.uniform(-40, 5), rng.uniform(-70, 45)]
            size = rng.uniform(1.5, 5.5) * rng.uniform(0.7, 1.4, 3)
            out += _blob(rng, body, space, at, size, rng.uniform(30, 140), 0.8)
    return out


def _blob(
    rng: np.random.Generator, body: Body, space: Space, center: object, radii: object, hu: float, rim: float = 1.5
) -> list[Shape]:
    """An organ in a rim of fat."""
    at = space.bend(np.asarray(center, float) * [SPREAD * body.size, SPREAD * body.size, 1.0])
    half = np.asarray(radii, float) * rng.uniform(0.8, 1.2, 3)
    fat = [Ellipsoid(at, half + rim, body.fat_hu + 20)] if rim else []
    return [*fat, Ellipsoid(at, half, hu)]
