"""Skull, face, jaw and teeth, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import priors
from .curves import smooth
from .scaffold import AROUND_MM
from .shapes import Ellipsoid, Field, Shape, Space, Tube
from .tissues import Body


def draw_skull(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Vault, brain, base with petrous bones and mastoids, face."""
    b, c = body.cancellous, body.cortical
    centre = space.bend(np.array([0.0, -18, 118]))
    vault = np.array([72.0, 90, 68]) * body.size
    palate = space.bend(np.array([0.0, -76, 49]))
    out: list[Shape] = [
        Ellipsoid(centre, vault, c),
        Ellipsoid(centre, vault - rng.uniform(5, 8), priors.BRAIN_HU + rng.normal(0, 5)),
        Ellipsoid(space.bend(np.array([0.0, -84, 66])), np.array([44.0, 27, 19]), c * 0.45),
        Ellipsoid(space.bend(np.array([0.0, -85, 66])), np.array([42.0, 25.5, 17]), rng.uniform(-20, 70)),
        Ellipsoid(palate, np.array([24.0, 30, 5]), c * 0.6),
        Ellipsoid(space.bend(np.array([0.0, -22, 68])), np.array([16.0, 20, 9]), c * 0.6),
        Ellipsoid(space.bend(np.array([0.0, -2, 58])), np.array([15.0, 18, 9]), 30.0),
    ]
    for s in (1, -1):
        petrous = smooth(space.bend(np.array([[s * 14, -26, 72], [s * 38, -6, 72], [s * 56, 6, 68]])), 5)
        out.append(Tube(petrous, np.full(len(petrous), 9.0), c, True, inner=((4.0, b * 1.6),)))
        mastoid = space.bend(np.array([s * 53.0, 6, 56]))
        out += [
            Ellipsoid(mastoid, np.array([9.0, 12, 15]), c * 0.8),
            Ellipsoid(mastoid, np.array([6.0, 9, 11]), float(rng.choice([-600.0, -300.0, 200.0]))),
        ]
        ear = space.bend(np.array([[s * 34.0, -8, 68], [s * 70, -6, 67]]))
        out.append(Tube(ear, np.array([2.0, 3.5]), -950.0, True))
        arch = smooth(space.bend(np.array([[s * 64, -22, 72], [s * 68, -55, 68], [s * 48, -85, 66]])), 6)
        out.append(Tube(arch, np.full(len(arch), 3.5), c * 0.8, True))
        plate = smooth(space.bend(np.array([[s * 14, -52, 70], [s * 14, -56, 46]])), 6)
        out.append(Tube(plate, np.full(len(plate), 3.0), c * 0.7, True, np.array([1.5, 0.7, 1])))
        styloid = smooth(space.bend(np.array([[s * 40, -14, 58], [s * 34, -24, rng.uniform(12, 40)]])), 6)
        out.append(Tube(styloid, np.full(len(styloid), rng.uniform(0.8, 1.8)), c * 0.8, True))
        orbit = space.bend(np.array([s * 32.0, -92, 86]))
        out += [Ellipsoid(orbit, np.array([18.0, 22, 16]), c * 0.6), Ellipsoid(orbit, np.array([16.5, 23, 14]), -90.0)]
        out.append(Ellipsoid(orbit - [0, 9, 0], np.full(3, 12.0), 15.0))
        sinus = space.bend(np.array([s * 27.0, -86, 66]))
        out.append(Ellipsoid(sinus, np.array([12.0, 15, 14]), -950.0 if rng.random() < 0.85 else 25.0))
    out.append(Ellipsoid(space.bend(np.array([0.0, -84, 68])), np.array([9.0, 32, 16]), -960.0))
    for x in (-5.0, 0, 5):
        plate = space.bend(np.array([[x, -106, 66], [x, -64, 66]]))
        out.append(Tube(plate, np.full(2, 6.0), rng.uniform(20, 120), True, np.array([5.0 if x == 0 else 2.4, 1, 0.6])))
    return out


def draw_chin(rng: np.random.Generator, body: Body, space: Space, jaw: Field | None = None) -> list[Shape]:
    """What covers the jaw, a scaffold's if given: skin, fat and muscle, so that no bone lies bare; floor of mouth."""
    skin = float(rng.uniform(20, 70))
    fat = (rng.uniform(1.5, 2.5), body.fat_hu)
    nose = Ellipsoid(space.bend(np.array([0.0, -118, 62])), np.array([15.0, 18, 14]), skin)
    if jaw:
        low, high = jaw.grid.bounds()
        floor, half = (low + high) / 2 - [0, 0, 8], (high - low) / 2 - AROUND_MM - [8, 4, 6]
        cover: Shape = replace(jaw, hu=skin, inset=-12.0, inner=(fat, (6.0, body.muscle)))
    else:
        floor, half = space.bend(np.array([0.0, -66, body.jaw_z + 12])), np.array([38.0, 38, 15])
        arch, thick = smooth(space.bend(_arch(body.jaw_z, 18)), 8), 12.0 + 0.35 * body.fat
        flat = np.array([1, 1, 0.72])
        cover = Tube(arch, np.full(len(arch), thick), skin, True, flat, (fat, (thick - 8, body.muscle)))
    within = ((7.0, skin), (5.0, body.fat_hu), (0.0, body.deep_hu))
    return [*(Ellipsoid(floor, half + more, hu) for more, hu in within), cover, nose]


def draw_jaw(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Mandible as tubes, with marrow."""
    b, c, z = body.cancellous, body.cortical, body.jaw_z
    out: list[Shape] = []
    for height, radius in ((10, 5.5), (20, 6.0), (28, 5.0)):
        arch = smooth(space.bend(_arch(z, height)), 5)
        out.append(Tube(arch, np.full(len(arch), radius), c, True, inner=((2.4, b),)))
    for s in (1, -1):
        for y, top in ((-31, 66), (-39, 56), (-48, 62)):
            ramus = smooth(space.bend(np.array([[s * 48, y, z + 16], [s * 52, y + 5, z + top]])), 6)
            out.append(Tube(ramus, np.full(len(ramus), 5.0), c * 0.9, True, np.array([1.5, 0.8, 1])))
    return out


def jaw_angles(body: Body, space: Space, jaw: Field | None = None) -> list[np.ndarray]:
    """Where the jaw's body and ramus meet, both sides (body mm); a scaffold's jaw: its lowest places behind."""
    if jaw is None:
        return [space.bend(np.array([s * 50.0, -32, body.jaw_z + 16])) for s in (1, -1)]
    inside = jaw.grid.index_to_world(np.argwhere(jaw.distance.numpy() < 0)[:, ::-1])
    middle = np.median(inside[:, 0])
    halves = (inside[inside[:, 0] > middle], inside[inside[:, 0] <= middle])
    return [half[(half[:, 1] - half[:, 2]).argmax()] for half in halves]


def _arch(jaw_z: float, height: float) -> np.ndarray:
    """The mandible's course (7, 3) at ``height`` mm above its lower border."""
    z = jaw_z + height
    half = [[48.0, -34, z + 8], [42, -62, z], [20, -94, z - 2]]
    return np.array([*([-x, y, h] for x, y, h in half), [0, -101, z - 2], *half[::-1]])


def draw_teeth(rng: np.random.Generator, body: Body, space: Space) -> tuple[list[Shape], list[np.ndarray]]:
    """Upper alveolar arch, teeth and fillings; and where metal lies (body mm), for its streaks."""
    out: list[Shape] = []
    metal: list[np.ndarray] = []
    toothless = rng.random() < 0.2
    angles = np.linspace(-1.4, 1.4, 14)
    ridge = np.stack([32 * np.sin(angles), -60 - 38 * np.cos(angles), np.full(14, body.jaw_z + 51.0)], 1)
    out.append(Tube(space.bend(ridge), np.full(14, 4.5), body.cancellous, True, np.array([1, 1, 0.8])))
    crowned = rng.random() < 0.25
    for row in (body.jaw_z + 34, body.jaw_z + 43):
        for a in angles:
            if toothless or rng.random() < 0.12:
                continue
            at = space.bend(np.array([33 * np.sin(a), -60 - 38 * np.cos(a), row]))
            out.append(Ellipsoid(at, np.array([3.4, 3.4, 6.0]), rng.uniform(1300, 2300)))
            if rng.random() < (0.3 if crowned else 0.04):
                out.append(Ellipsoid(at, np.array([2.8, 2.8, 3.0]), 3071.0))
                metal.append(at)
    return out, metal
