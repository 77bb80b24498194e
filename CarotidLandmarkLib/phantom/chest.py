"""Shoulders and chest: girdle, ribs, lungs and what lies between them (mm relative to the canal unless bent)."""

from __future__ import annotations

import numpy as np

from .curves import smooth
from .shapes import Column, Ellipsoid, Shape, Space, Tube
from .tissues import OUTLINE, Body, column


def draw_lungs(rng: np.random.Generator, body: Body, space: Space, organs: bool) -> list[Shape]:
    """Lungs (unless ``organs`` come from a scaffold), with the fat of the mediastinum between them."""
    hu = rng.uniform(-900, -780)
    out: list[Shape] = []
    if not organs:
        top = rng.normal(-88, 5)
        for s in (1.0, -1.0):
            rows = [[-240, s * 68, -16, 54, 74], [-190, s * 66, -16, 52, 68], [-150, s * 62, -16, 46, 56]]
            rows += [[-120, s * 54, -14, 34, 38], [top - 10, s * 42, -12, 20, 22], [top, s * 40, -12, 5, 6]]
            out.append(column(rows, hu))
    fat = body.fat_hu + rng.uniform(0, 120)
    middle = space.bend(np.array([0.0, -48, -158]))
    out.append(Ellipsoid(middle, np.array([rng.uniform(28, 40), 42, 52]), fat))
    heart = space.bend(np.array([12.0, -62, -212]))
    out.append(Ellipsoid(heart, np.array([58.0, 42, 34]), rng.uniform(30, 300)))
    return out


def draw_shoulders(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Clavicles, ribs, sternum, shoulder blades, humeral heads; now and then raised arms."""
    c, b = body.cortical, body.cancellous
    out: list[Shape] = []
    up = body.arms_up

    def bone(points: list[list[float]], radius: float, stretch: list[float] | None = None) -> None:
        path = smooth(space.bend(np.array(points, float)), 6)
        flat = None if stretch is None else np.array(stretch)
        out.append(Tube(path, np.full(len(path), radius), c, True, flat, ((radius * 0.4, b),)))

    for s in (1, -1):
        tip = -80.0 if up else -108.0
        bone([[s * 14, -66, -108], [s * 60, -58, -106], [s * 105, -38, (tip - 104) / 2], [s * 138, -14, tip]], 6.0)
        bone([[s * 14, -4, -80], [s * 45, -10, -84], [s * 52, -45, -104], [s * 22, -68, -124]], 4.5)
        for z in (-104, -132, -160):
            bone([[s * 14, 0, z], [s * 66, 8, z - 8], [s * 96, -30, z - 28], [s * 24, -88, z - 58]], 4.5, [1, 1, 0.8])
        head = space.bend(np.array([s * 150.0, -8, -78.0 if up else -120.0]))
        out += [Ellipsoid(head, np.full(3, 24.0), c * 0.8), Ellipsoid(head, np.full(3, 20.0), b)]
        if up:
            arm = space.bend(np.array([[s * 150.0, -8, -72], [s * 135, 5, 60], [s * 105, 0, 190]]))
            skin = float(rng.uniform(20, 70))
            layers = ((2.0, body.fat_hu), (2.0 + body.fat, body.muscle), (28.0, c), (32.0, b))
            out.append(Tube(arm, np.array([42.0, 40, 36]), skin, True, inner=layers))
        else:
            bone([[s * 152, -8, -126], [s * 166, -6, -230]], 12.0)
        bone([[s * 80, 60, -158], [s * 105, 50, -124], [s * 138, 16, -114]], 5.0, [1, 1, 0.2])
    breast = smooth(space.bend(np.array([[0, -76, -112], [0, -98, -190]])), 8)
    out.append(Tube(breast, np.full(len(breast), 9.0), c * 0.5, True, np.array([0.5, 1.4, 1]), ((1.5, b),)))
    return out


def draw_couch(rng: np.random.Generator) -> list[Shape]:
    """Couch, head holder and pads behind the body: hollow shells, flat or curved, that do not follow the neck."""

    def shell(depth: float, half_width: float, rise: float, low: float, high: float, thick: float) -> Tube:
        x = np.linspace(-1, 1, 9)
        points = np.stack([half_width * x, depth + thick - rise * x**2, np.full(9, (low + high) / 2)], 1)
        flat = np.array([1.0, 1.0, thick / (high - low)])
        core = (min(rng.uniform(1, 2.5), thick / 3), float(rng.uniform(-990, -850)))
        return Tube(points, np.full(9, thick / 2), float(rng.uniform(-700, 150)), stretch=flat, inner=(core,))

    out: list[Shape] = []
    if rng.random() < 0.85:
        rise = 0.0 if rng.random() < 0.35 else rng.uniform(10, 60)
        out.append(shell(rng.uniform(95, 130), 220, rise, -400, 400, rng.uniform(5, 40)))
    if rng.random() < 0.5:
        out.append(shell(rng.uniform(84, 96), rng.uniform(80, 110), rng.uniform(15, 60), 10, 240, rng.uniform(4, 12)))
    if rng.random() < 0.4:
        for s in (1, -1):
            rest = np.array([[s * 88.0, 50, 0], [s * 98, 20, 60], [s * 95, 15, 140]])
            out.append(Tube(rest, np.full(3, rng.uniform(3, 8)), rng.uniform(-900, 0), True))
    return out


def draw_collar(rng: np.random.Generator, body: Body) -> list[Shape]:
    """What now and then lies in front of a neck: a collar of foam in a plastic shell, or a hand (body mm)."""
    out: list[Shape] = []
    if rng.random() < 0.05:
        outline = OUTLINE[(OUTLINE[:, 0] >= -74) & (OUTLINE[:, 0] <= 18)][:, [0, 1, 1, 2, 3]].copy()
        outline[:, 1] = 0
        outline[:, 3:] = outline[:, 3:] * body.size * 1.08 + 0.45 * body.fat + rng.uniform(6, 16)
        foam = (rng.uniform(2, 4), float(rng.uniform(-980, -850)))
        out.append(Column(outline, float(rng.uniform(-150, 150)), inner=(foam,)))
    if rng.random() < 0.04:
        s, low = rng.choice([-1, 1]), rng.uniform(-40, 30)
        skin, layers = float(rng.uniform(20, 70)), ((5.0, body.cortical), (6.8, body.cancellous))
        for finger in range(4):
            aside = s * (92 + 4 * finger)
            points = smooth([[aside, -70 + 18 * finger, low], [aside - s * 4, -66 + 16 * finger, low + 70]], 8)
            out.append(Tube(points, np.full(len(points), 8.5), skin, inner=layers))
    return out
