"""Bones, cartilage and teeth of a neck, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

from typing import Any

import numpy as np

from CarotidLandmarkLib.phantom import priors
from CarotidLandmarkLib.phantom.canvas import Ellipsoid, Shape, Space, Tube
from CarotidLandmarkLib.phantom.curves import smooth
from CarotidLandmarkLib.phantom.tissues import Body, column


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


def draw_skull(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Vault, brain, base with petrous bones and mastoids, face."""
    b, c = body.cancellous, body.cortical
    centre = space.bend(np.array([0.0, -18, 118]))
    vault = np.array([72.0, 90, 68]) * body.size
    out: list[Shape] = [
        Ellipsoid(centre, vault, c),
        Ellipsoid(centre, vault - rng.uniform(5, 8), priors.BRAIN_HU + rng.normal(0, 5)),
        Ellipsoid(space.bend(np.array([0.0, -82, 56])), np.array([36.0, 26, 24]), c * 0.5),
        Ellipsoid(space.bend(np.array([0.0, -84, 56])), np.array([30.0, 20, 20]), rng.uniform(0, 60)),
        Ellipsoid(space.bend(np.array([0.0, -22, 68])), np.array([16.0, 20, 9]), c * 0.6),
    ]
    for s in (1, -1):
        petrous = smooth(space.bend(np.array([[s * 14, -26, 72], [s * 38, -6, 72], [s * 56, 6, 68]])), 5)
        out += [
            Tube(petrous, np.full(len(petrous), 9.0), c, True),
            Tube(petrous, np.full(len(petrous), 5.0), b * 1.6, True),
        ]
        mastoid = space.bend(np.array([s * 53.0, 6, 56]))
        out += [
            Ellipsoid(mastoid, np.array([9.0, 12, 15]), c * 0.8),
            Ellipsoid(mastoid, np.array([6.0, 9, 11]), float(rng.choice([-600.0, -300.0, 200.0]))),
        ]
        arch = smooth(space.bend(np.array([[s * 64, -22, 72], [s * 68, -55, 68], [s * 48, -85, 66]])), 6)
        out.append(Tube(arch, np.full(len(arch), 3.5), c * 0.8, True))
        plate = smooth(space.bend(np.array([[s * 14, -52, 70], [s * 14, -56, 46]])), 6)
        out.append(Tube(plate, np.full(len(plate), 3.0), c * 0.7, True, np.array([1.5, 0.7, 1])))
        styloid = smooth(space.bend(np.array([[s * 40, -14, 58], [s * 34, -24, rng.uniform(12, 40)]])), 6)
        out.append(Tube(styloid, np.full(len(styloid), rng.uniform(0.8, 1.8)), c * 0.8, True))
    return out


def draw_jaw(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Mandible as tubes, with marrow."""
    b, c, z = body.cancellous, body.cortical, body.jaw_z
    out: list[Shape] = []
    for height, radius in ((10, 6.0), (20, 6.5), (28, 5.0)):
        arch = smooth(
            space.bend(
                np.array(
                    [
                        [-48, -34, z + height + 8],
                        [-42, -62, z + height],
                        [-20, -94, z + height - 2],
                        [0, -101, z + height - 2],
                        [20, -94, z + height - 2],
                        [42, -62, z + height],
                        [48, -34, z + height + 8],
                    ]
                )
            ),
            5,
        )
        out += [Tube(arch, np.full(len(arch), radius), c, True), Tube(arch, np.full(len(arch), radius - 2.4), b, True)]
    for s in (1, -1):
        for y, top in ((-31, 66), (-39, 56), (-48, 62)):
            ramus = smooth(space.bend(np.array([[s * 48, y, z + 16], [s * 52, y + 5, z + top]])), 6)
            out.append(Tube(ramus, np.full(len(ramus), 5.0), c * 0.9, True, np.array([1.5, 0.8, 1])))
    return out


def draw_teeth(rng: np.random.Generator, body: Body, space: Space) -> tuple[list[Shape], list[np.ndarray]]:
    """Teeth and fillings; and where metal lies (body mm), for its streaks."""
    out: list[Shape] = []
    metal: list[np.ndarray] = []
    toothless = rng.random() < 0.2
    for row in (body.jaw_z + 34, body.jaw_z + 43):
        for a in np.linspace(-1.25, 1.25, 14):
            if toothless or rng.random() < 0.12:
                continue
            at = space.bend(np.array([36 * np.sin(a), -58 - 40 * np.cos(a), row]))
            out.append(Ellipsoid(at, np.array([3.4, 3.4, 6.0]), rng.uniform(1300, 2300)))
            if rng.random() < 0.08:
                out.append(Ellipsoid(at, np.array([2.8, 2.8, 3.0]), 3071.0))
                metal.append(at)
    return out, metal


def draw_larynx(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Hyoid, thyroid and cricoid cartilage: calcified near the bifurcation, so often taken for it."""
    z, c = body.hyoid_z, rng.uniform(200, 900)
    hyoid = smooth(
        space.bend(np.array([[-20, -40, z + 4], [-16, -58, z], [0, -68, z - 2], [16, -58, z], [20, -40, z + 4]])), 3
    )
    out: list[Shape] = [
        Tube(hyoid, np.interp(np.arange(len(hyoid)), [0, len(hyoid) / 2, len(hyoid)], [1.5, 3.2, 1.5]), c)
    ]
    cartilage = float(rng.choice([rng.uniform(60, 150), rng.uniform(150, 600)]))
    for s in (1, -1):
        plate = smooth(space.bend(np.array([[0, -76, z - 24], [s * 12, -64, z - 24], [s * 19, -46, z - 24]])), 4)
        out.append(Tube(plate, np.full(len(plate), rng.uniform(1.2, 2.0)), cartilage, True, np.array([1, 1, 0.12])))
        horn = smooth(space.bend(np.array([[s * 20, -42, z - 18], [s * 20, -38, z - 2]])), 4)
        out.append(Tube(horn, np.full(len(horn), rng.uniform(0.9, 1.8)), cartilage * rng.uniform(1, 1.8), True))
    angle = np.linspace(0, 2 * np.pi, 15)
    ring = space.bend(np.stack([11 * np.cos(angle), -57 + 12 * np.sin(angle), np.full(15, z - 44.0)], 1))
    out.append(Tube(ring, np.full(15, 2.0), cartilage, True, np.array([1, 1, 0.4])))
    return out


def draw_shoulders(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Clavicles, first ribs, sternum, humeral heads."""
    c = body.cortical
    out: list[Shape] = []
    for s in (1, -1):
        for points, radius in (
            ([[s * 14, -66, -108], [s * 60, -56, -98], [s * 120, -20, -84]], 6.0),
            ([[s * 14, -4, -80], [s * 45, -10, -84], [s * 52, -45, -104], [s * 22, -68, -124]], 4.5),
            ([[s * 14, 0, -104], [s * 62, -2, -112], [s * 80, -50, -138], [s * 24, -80, -164]], 4.5),
        ):
            bone = smooth(space.bend(np.array(points, float)), 6)
            out += [
                Tube(bone, np.full(len(bone), radius), c, True),
                Tube(bone, np.full(len(bone), radius * 0.55), body.cancellous, True),
            ]
        head = space.bend(np.array([s * 158.0, -12, -112]))
        out += [Ellipsoid(head, np.full(3, 25.0), c * 0.8), Ellipsoid(head, np.full(3, 21.0), body.cancellous)]
        blade = smooth(space.bend(np.array([[s * 80, 62, -120], [s * 140, 20, -104]])), 6)
        out.append(Tube(blade, np.full(len(blade), 4.0), c * 0.7, True, np.array([1, 1, 0.15])))
    sternum = smooth(space.bend(np.array([[0, -76, -118], [0, -92, -180]])), 8)
    out.append(Tube(sternum, np.full(len(sternum), 9.0), body.cancellous, True, np.array([0.5, 1.4, 1])))
    return out
