"""Vessels that are not carotids: vertebrals, veins, the arch and its branches (body mm before bending)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import priors
from .contrast import NONE, Filling
from .curves import at_length, smooth, wiggle
from .shapes import Tube

DENSE = ("early arterial", "arterial", "late arterial")  # phases in which one arm's veins may hold undiluted contrast
STREAKING_HU = 1200.0
WIDEST_JUGULAR_MM = 10.0
JUGULAR_WITHIN_MM = 57.0  # of the midline, below the sternocleidomastoid


def draw_vertebral(rng: np.random.Generator, s: float, filling: Filling) -> list[Tube]:
    """One vertebral artery through the transverse foramina to the basilar."""
    radius = float(np.clip(rng.normal(1.8, 0.4), 0.5, 2.9))
    x = s * rng.normal(16.5, 1.0)
    path = smooth(
        [
            [s * 27, -26, -95],
            [s * 23, -20, -82],
            [x, -12, -64],
            [x, -11, -30],
            [x, -11, 8],
            [x, -10, 26],
            [s * 24, -6, 40],
            [s * 19, 8, 49],
            [s * 6, -6, 60],
            [0.0, -20, 82],
            [0.0, -20, 95],
        ]
    )
    return [Tube(path, np.full(len(path), radius), filling.artery * rng.uniform(0.85, 1.0))]


def draw_jugular_radii(rng: np.random.Generator) -> dict[float, float]:
    """Radius of the internal jugular of each side (1 left, -1 right), mm: the right one is often the larger."""
    radius = priors.truncated_normal(rng, *priors.JUGULAR_RADIUS, 2.0, 9.5)
    ratio = float(np.exp(rng.normal(*priors.JUGULAR_LOG_RATIO) / 2))
    return {1.0: min(radius / ratio, WIDEST_JUGULAR_MM), -1.0: min(radius * ratio, WIDEST_JUGULAR_MM)}


def draw_veins(rng: np.random.Generator, s: float, fork: np.ndarray, filling: Filling, big: float) -> list[Tube]:
    """Internal jugular of radius ``big``, with facial vein, external and anterior jugulars of one side.

    At the fork it lies lateral to posterolateral of the carotid, below it lateral and a little in front.
    """
    hu = filling.vein if s > 0 else filling.right_vein
    around = np.radians(rng.normal(25, 25))
    away = 5.0 + 0.9 * big + rng.normal(0, 1.5)
    x, y = fork[0] + s * away * np.cos(around), fork[1] + away * np.sin(around)
    x = s * min(s * x, JUGULAR_WITHIN_MM - big)
    collapsed = rng.random() < 0.15
    path = smooth(
        [
            [s * 28, -9, 68],
            [s * rng.normal(33, 2), -13, 45],
            [x + s * 1, y + 2, fork[2] + 16],
            [x, y, fork[2]],
            [x - s * 1, y - 2, fork[2] - 22],
            [s * rng.normal(31, 3), -28, min(fork[2] - 42, -60)],
            [s * 24, -36, -100],
        ]
    )
    radii = np.interp(path[:, 2], [-100, -60, 0, 40, 68], [big * 1.15, big * 1.1, big, big * 0.75, big * 0.6])
    stretch = np.array([1.0, rng.uniform(1.6, 2.6) if collapsed else rng.uniform(0.75, 1.4), 1.0])
    out = [Tube(path, radii, hu, stretch=stretch)]
    join = path[np.argmin(np.abs(path[:, 2] - (fork[2] + rng.uniform(-16, 14))))]
    facial = smooth([join, join + [s * 2, -12, 6], [s * 43, -58, 16], [s * 45, -75, 20]])
    out.append(Tube(facial, np.full(len(facial), rng.uniform(0.8, 2.6)), hu * rng.uniform(0.5, 1.0)))
    outside = smooth([[s * 57, -12, 38], [s * rng.normal(54, 2), -6, 5], [s * 50, 0, -35], [s * 38, -18, -85]])
    outside = wiggle(outside, rng.uniform(0, 3), 40, rng)
    out.append(Tube(outside, np.full(len(outside), rng.uniform(0.6, 2.8)), hu * rng.uniform(0.5, 1.0)))
    if rng.random() < 0.6:
        front = smooth([[s * 10, -72, -12], [s * 12, -66, -45], [s * 18, -60, -88]])
        out.append(Tube(front, np.full(len(front), rng.uniform(0.5, 1.8)), hu * rng.uniform(0.5, 1.0)))
    return out


def draw_thyroid_arteries(rng: np.random.Generator, s: float, filling: Filling) -> list[Tube]:
    """Thyrocervical trunk and the loop of the inferior thyroid artery behind the common carotid."""
    path = smooth([[s * 30, -24, -88], [s * 27, -22, -72], [s * 26, -18, -58], [s * 18, -30, -55], [s * 15, -42, -60]])
    path = wiggle(path, rng.uniform(0, 3), 25, rng)
    return [Tube(path, np.full(len(path), rng.uniform(0.6, 1.4)), filling.artery * 0.9)]


def draw_arch(
    rng: np.random.Generator, commons: dict[str, np.ndarray], filling: Filling
) -> tuple[list[Tube], list[np.ndarray]]:
    """Aortic arch, great arteries up to the commons' lowest points, and the veins of the injected side.

    With them where undiluted contrast is dense enough to streak.
    """
    a = filling.artery
    top = commons["left"][2] - rng.uniform(22, 34)
    rise = [[-14, -64, top - 70], [-20, -64, top - 42], [-12, -60, top - 14], [4, -46, top]]
    arch = smooth([*rise, [22, -30, top - 9], [30, -24, top - 30], [31, -20, top - 70]])
    out = [Tube(arch, np.full(len(arch), rng.uniform(11, 15)), a)]

    def great(points: list[object], radius: float, hu: float = a) -> None:
        path = wiggle(smooth(points), rng.uniform(0, 2), 45, rng)
        out.append(Tube(path, np.full(len(path), radius), hu))

    trunk = np.array([-15.0, -40, commons["right"][2] - 6])
    great([[-4, -52, top + 4], trunk], rng.uniform(5.5, 7.5))
    great([trunk, commons["right"]], 3.7)
    great([trunk, [-30, -30, trunk[2] + 12], [-62, -30, trunk[2] + 14], [-110, -25, trunk[2]]], rng.uniform(3.5, 4.8))
    bovine = rng.random() < 0.15
    great([trunk + [2, 0, -6] if bovine else [4, -46, top + 4], commons["left"]], 3.6)
    great(
        [
            [14, -28, top + 2],
            [24, -24, commons["left"][2] + 4],
            [58, -28, commons["left"][2] + 8],
            [110, -25, commons["left"][2] - 6],
        ],
        rng.uniform(3.5, 4.8),
    )
    injected = float(rng.choice([-1.0, 1.0])) if filling.phase in DENSE and rng.random() < 0.7 else 0.0
    dense: list[np.ndarray] = []
    for s in (-1.0, 1.0):
        hu = rng.uniform(500, 3000) if s == injected else filling.vein
        meet = np.array([s * 22, -44, -106.0])
        great([[s * 110, -38, -98], [s * 60, -46, -96], meet], rng.uniform(4, 7), hu)
        great([meet, [-14 if s < 0 else -4, -58, top - 2], [-22, -52, top - 20]], rng.uniform(5, 8), hu)
        if hu > STREAKING_HU and s == injected:
            dense += [out[-2].points[i] for i in (0, len(out[-2].points) // 2, -1)] + [out[-1].points[-1]]
    lungs = a if filling.phase == NONE else a * rng.uniform(0.3, 1.3)
    stem = [8, -58, top - 38]
    great([[14, -74, top - 66], stem, [-45, -36, top - 48]], rng.uniform(8, 12), lungs)
    great([stem, [48, -26, top - 42]], rng.uniform(7, 11), lungs)
    return out, dense


def draw_distractors(rng: np.random.Generator, filling: Filling) -> list[Tube]:
    """Small vessels at random places, some forked: whatever else takes contrast in a neck."""
    out = []
    for _ in range(rng.integers(4, 16)):
        start = rng.uniform([16, -75, -90], [60, 35, 75]) * [rng.choice([-1, 1]), 1, 1]
        way = rng.normal(size=3)
        way *= rng.uniform(15, 40) / np.linalg.norm(way)
        way[0] = np.abs(way[0]) * np.sign(start[0])
        path = wiggle(smooth([start, start + way, start + 2 * way + rng.normal(0, 8, 3)]), rng.uniform(0, 4), 25, rng)
        path[:, :2] = _within(path[:, :2])
        hu = float(rng.choice([filling.artery, filling.vein])) * rng.uniform(0.5, 1.0)
        radius = rng.uniform(0.4, 2.0)
        out.append(Tube(path, np.full(len(path), radius), hu))
        if rng.random() < 0.5:
            fork = at_length(path, rng.uniform(5, 25))
            side = smooth([fork, fork + 0.5 * way + rng.normal(0, 8, 3), fork + way + rng.normal(0, 14, 3)])
            side[:, :2] = _within(side[:, :2])
            out.append(Tube(side, np.full(len(side), radius * 0.8), hu))
    return out


def _within(xy: np.ndarray) -> np.ndarray:
    """Places (n, 2) relative to the canal, those outside of a slender neck drawn to its border."""
    centre, half = np.array([0.0, -14]), np.array([54.0, 60])
    beyond = np.linalg.norm((xy - centre) / half, axis=1, keepdims=True)
    return np.asarray(centre + (xy - centre) / np.maximum(beyond, 1))


def keep_clear(tube: Tube, arteries: list[Tube], gap_mm: float = 0.8) -> Tube:
    """The tube moved sideways, smoothly, until it leaves ``gap_mm`` between its wall and each artery's lumen."""
    points = tube.points.copy()
    radii = tube.radii if tube.stretch is None else tube.radii / min(1.0, float(tube.stretch.min()))
    for _ in range(6):
        clear = True
        for artery in arteries:
            reach = artery.radii.max() + radii.max() + gap_mm
            low, high = artery.points.min(0) - reach, artery.points.max(0) + reach
            near = np.nonzero(((points > low) & (points < high)).all(1))[0]
            if not len(near):
                continue
            lack = gap_mm - (artery.distance(points[near]) - radii[near])
            near, lack = near[lack > 0], lack[lack > 0]
            if not len(near):
                continue
            clear = False
            nearest = np.linalg.norm(points[near, None] - artery.points, axis=-1).argmin(1)
            away = points[near] - artery.points[nearest]
            away = away * [1, 1, 0] + [1e-3, 0, 0]
            away /= np.linalg.norm(away, axis=1, keepdims=True)
            points[near] += 1.1 * lack[:, None] * away
        if clear:
            break
        points[1:-1, :2] = 0.5 * points[1:-1, :2] + 0.25 * (points[:-2, :2] + points[2:, :2])
    return replace(tube, points=points)
