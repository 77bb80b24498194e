"""Hyoid, larynx and what ossifies beside the carotids, in painting order (mm relative to the canal unless bent)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import priors
from .curves import arc_length, smooth
from .shapes import Ellipsoid, Shape, Space, Tube
from .tissues import Body

PATCH_MM = (16.0, 45.0)  # from one ossified patch to the next


class Ossifying:
    """Paints cartilage, and over it the pieces of it that have turned to bone: a cortical shell around marrow."""

    def __init__(self, rng: np.random.Generator, space: Space, grade: float) -> None:
        self.rng, self.space, self.grade = rng, space, grade
        self.shapes: list[Shape] = []
        self.cartilage = float(rng.uniform(60, 160))
        self.shell = float(rng.uniform(*priors.OSSIFIED_HU))
        self.marrow = float(rng.uniform(-80, 0.6 * self.shell))
        way = rng.normal(size=3)
        self.wave = way / np.linalg.norm(way) * 2 * np.pi / rng.uniform(*PATCH_MM)
        self.phase = rng.uniform(0, 2 * np.pi)

    def bar(self, points: object, radii: Sequence[float], flat: Sequence[float] | None = None) -> np.ndarray:
        """A horn or plate along ``points`` (n, 3) of one or of changing radius; returns its path (m, 3) in body mm.

        Patches of it ossify, together as large a share as the grade says.
        """
        rng = self.rng
        path = smooth(self.space.bend(np.asarray(points, float)), 3.0)
        s = arc_length(path)
        radius = np.asarray(np.interp(s / s[-1], np.linspace(0, 1, len(radii)), radii))
        stretch = None if flat is None else np.array(flat)
        self.shapes.append(Tube(path, radius, self.cartilage, True, stretch))
        edges = np.unique(np.append(np.arange(0, len(path) - 1, rng.integers(2, 5)), len(path) - 1))
        start = None
        for first, last in zip(edges, [*edges[1:], None]):
            rank = 0.5 + np.arcsin(np.sin(path[first] @ self.wave + self.phase)) / np.pi
            turned = last is not None and (rank if rng.random() < 0.85 else rng.random()) < self.grade
            if turned and start is None:
                start = first
            if not turned and start is not None:
                part = slice(start, first + 1)
                depth = float(np.clip(0.45 * radius[part].min(), 0.4, 1.3))
                inner = ((depth, self.marrow),) if radius[part].min() > 1.2 else ()
                self.shapes.append(Tube(path[part], radius[part] * 0.97, self.shell, True, stretch, inner))
                start = None
        return path


def draw_larynx(
    rng: np.random.Generator, body: Body, space: Space, clearance: float
) -> tuple[list[Shape], dict[str, list[np.ndarray]]]:
    """Hyoid, thyroid cartilage with its horns, cricoid, arytenoids, epiglottis; and places that look like a fork.

    Ossified to any degree, each side by itself, and of vessel calibre, most of them 5 to 15 mm beside the carotids;
    half as wide as ``clearance`` and a little more at the most.
    """
    z = body.hyoid_z
    decoys: dict[str, list[np.ndarray]] = {"hyoid": [], "cartilage": []}
    out: list[Shape] = []
    bone = Ossifying(rng, space, 1.0)
    reach, back = min(rng.normal(20, 2.5), max(13.0, clearance + 2)), rng.normal(-38, 3.5)
    body_path = bone.bar([[-14, -60, z], [0, -67, z - 2], [14, -60, z]], [2.6, 3.6, 2.6], (1, 1, 0.65))
    out += bone.shapes
    grade = float(rng.beta(0.7, 0.7))
    for s in (1, -1):
        horn = Ossifying(rng, space, 1.0 if rng.random() < 0.85 else 0.7)
        tip = [s * reach, back, z + rng.uniform(1, 8)]
        path = horn.bar([[s * 14, -60, z], [s * (reach - 1.5), -50, z + 2], tip], [2.4, 1.7, rng.uniform(1.3, 2.4)])
        horn.bar([[s * 13, -62, z + 1], [s * 15, -60, z + 6]], [1.2])
        out += horn.shapes
        decoys["hyoid"] += [path[-1], path[len(path) // 2], body_path[len(body_path) // 2]]

    top = z - rng.uniform(12, 19)  # upper border of the thyroid cartilage
    tall = rng.uniform(22, 30)
    for s in (1, -1):
        side = Ossifying(rng, space, float(np.clip(grade + rng.normal(0, 0.2), 0, 1)))
        wing = [s * min(rng.normal(20, 1.8), max(12.0, clearance + 1)), rng.normal(-43, 2.5)]
        for level in (0.18, 0.5, 0.82):
            height, thick = top - level * tall, rng.uniform(1.1, 1.9)
            middle = [s * 12, -65 + 3 * level, height]
            plate = side.bar([[s * 1, -76 + 4 * level, height], middle, [*wing, height]], [thick], (1, 1, 0.24))
            decoys["cartilage"].append(plate[-1])
        side.bar([[*wing, top], [wing[0], wing[1] + 0.5, top - tall]], [rng.uniform(1.3, 2.1)])
        above = rng.uniform(*priors.SUPERIOR_HORN)
        line = [[*wing, top - 2], [wing[0] + s, wing[1] + 3, top + 0.5 * above], [wing[0], wing[1] + 5, top + above]]
        path = side.bar(line, [1.9, rng.uniform(1.2, 2.2), rng.uniform(0.9, 1.6)])
        decoys["cartilage"] += [path[-1], path[len(path) // 2], path[0]]
        below = [[*wing, top - tall + 2], [wing[0] - s * 3, wing[1] + 2, top - tall - rng.uniform(6, 12)]]
        side.bar(below, [1.8, rng.uniform(1.0, 1.8)])
        if rng.random() < 0.35:
            grain = space.bend(np.array([wing[0], wing[1] + 4.5, top + above + rng.uniform(1, 6)]))
            out.append(Ellipsoid(grain, np.array([1.3, 1.3, rng.uniform(1.3, 3)]), rng.uniform(250, 900)))
            decoys["cartilage"].append(grain)
        side.bar([[s * 4, -49, top - tall + 8], [s * 5, -48, top - tall + 1]], [1.0, 2.4])
        out += side.shapes
    ring = Ossifying(rng, space, float(np.clip(grade + rng.normal(0, 0.15), 0, 1)))
    angle = np.linspace(0, 2 * np.pi, 11)
    low = top - tall - 4
    ring.bar(np.stack([11 * np.cos(angle), -57 + 12 * np.sin(angle), np.full(11, low)], 1), [2.0], (1, 1, 0.4))
    for s in (1, -1):
        ring.bar([[s * 5, -46, low], [s * 6, -46.5, low + 14]], [3.0], (1, 1.3, 1))
    out += ring.shapes
    leaf = smooth(space.bend(np.array([[0, -62, z - 22], [0, -56, z - 4], [0, -52, z + 10]], float)), 4)
    out.append(Tube(leaf, np.linspace(2, 3.5, len(leaf)), rng.uniform(40, 110), True, np.array([0.3, 1.6, 1])))
    return out, decoys


def draw_ligaments(rng: np.random.Generator, body: Body, space: Space) -> list[Shape]:
    """Calcified stylohyoid ligaments, long styloid processes and calcified lymph nodes."""
    out: list[Shape] = []
    for s in (1, -1):
        if rng.random() < priors.STYLOHYOID:
            top, hyoid = np.array([s * 34.0, -24, 32]), np.array([s * 15.0, -59, body.hyoid_z + 5])
            first, last = sorted(rng.uniform(0, 1, 2))
            if last - first > 0.15:
                part = np.array([top + t * (hyoid - top) for t in np.linspace(first, last, 4)])
                path = smooth(space.bend(part + rng.normal(0, 0.8, part.shape)), 4)
                out.append(Tube(path, np.full(len(path), rng.uniform(0.8, 1.7)), rng.uniform(350, 1000), True))
        if rng.random() < 0.07:
            for _ in range(rng.integers(1, 5)):
                at = space.bend(np.array([s * rng.uniform(26, 46), rng.uniform(-38, 2), rng.uniform(-60, 40)]))
                out.append(Ellipsoid(at, rng.uniform(0.8, 4, 3), rng.uniform(200, 1100)))
    return out
