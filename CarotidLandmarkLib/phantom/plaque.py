"""Calcified plaque at one fork: spots, half rings and rings in the wall; stents and clips (body mm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import priors
from .curves import arc_length, at_length
from .shapes import Ellipsoid, Shape, Tube

RINGS = 0.3  # share of plaques with calcium along a part of the circumference
STENT, CLIPS = 0.025, 0.03


@dataclass
class Vessel:
    """Centreline (n, 3) and healthy radii (n,) of one artery, from the fork on or, the common one, towards it."""

    points: np.ndarray
    radii: np.ndarray


def draw_calcium(
    rng: np.random.Generator, diseased: bool, common: Vessel, internal: Vessel, external: Vessel
) -> list[Shape]:
    """Spots at the fork, and in some patients arcs of the wall over 10 to 30 mm of bulb and common carotid."""
    out: list[Shape] = []
    count = rng.integers(1, 9) if rng.random() < (0.75 if diseased else 0.12) else 0
    vessels = (internal, internal, common, common, external)
    for _ in range(count):
        out.append(_spot(rng, vessels[rng.integers(len(vessels))], common))
    if diseased and rng.random() < RINGS:
        whole = rng.random() < 0.35
        for vessel in (internal, common) if rng.random() < 0.6 else (internal,) if rng.random() < 0.6 else (common,):
            out += _arc(rng, vessel, whole, vessel is common)
    return out


def _spot(rng: np.random.Generator, vessel: Vessel, common: Vessel) -> Ellipsoid:
    s = arc_length(vessel.points)
    at = s[-1] - rng.exponential(7) if vessel is common else rng.exponential(9)
    i = int(np.clip(np.searchsorted(s, at), 1, len(s) - 2))
    along, out_of, across = _frame(vessel.points, i, rng.normal(size=3))
    size = np.maximum(rng.uniform(0.5, 3.2, 3) * [1.4, 0.55, 1.0], 0.4)
    hu = float(rng.uniform(*priors.CALCIFICATION_HU))
    return Ellipsoid(
        vessel.points[i] + out_of * (vessel.radii[i] + 0.5 * size[1]), size, hu, np.stack([along, out_of, across], 1)
    )


def _arc(rng: np.random.Generator, vessel: Vessel, whole: bool, towards: bool) -> list[Shape]:
    """Strips of calcium side by side along the wall, of uneven thickness, that make a ring or a half ring."""
    s = arc_length(vessel.points)
    length = rng.uniform(*priors.CALCIUM_LENGTH)
    first = max(0.0, s[-1] - length - rng.uniform(0, 4)) if towards else rng.uniform(0, 6)
    steps = np.arange(first, min(first + length, s[-1]), 2.5)
    if len(steps) < 3:
        return []
    center = np.stack([np.interp(steps, s, c) for c in vessel.points.T], 1)
    radius = np.interp(steps, s, vessel.radii)
    _, side, across = _frame(center, len(center) // 2, rng.normal(size=3))
    thick = rng.uniform(0.45, 1.1)
    span = 2 * np.pi if whole else rng.uniform(0.6, 1.3) * np.pi
    count = max(3, int(span * radius.mean() / (0.9 * thick)))
    hu = rng.uniform(*priors.CALCIFICATION_HU)
    strips: list[np.ndarray] = []
    for angle in rng.uniform(0, 6.28) + np.linspace(0, span, count, endpoint=not whole):
        ends = np.sort(rng.integers(0, len(steps), 2)) if rng.random() < 0.3 else np.array([0, len(steps)])
        if ends[1] - ends[0] < 2 or rng.random() < 0.08:
            continue
        part = slice(int(ends[0]), int(ends[1]))
        way = np.cos(angle) * side + np.sin(angle) * across
        strip = center[part] + way * (radius[part, None] + 0.3)
        strips.append(strip if len(strips) % 2 else strip[::-1])  # up one and down the next: a single winding line
    if not strips:
        return []
    path = np.concatenate(strips)
    return [Tube(path, thick * rng.uniform(0.7, 1.2, len(path)), float(hu))]


def _frame(points: np.ndarray, i: int, way: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors along the curve at ``i``, across it as ``way`` has it, and across both."""
    along = points[i + 1] - points[i - 1]
    along = along / np.linalg.norm(along)
    out_of = np.cross(along, way)
    out_of = out_of / np.linalg.norm(out_of)
    return along, out_of, np.cross(along, out_of)


def draw_hardware(rng: np.random.Generator, common: Vessel, internal: Vessel) -> list[Shape]:
    """Surgical clips beside the internal carotid, or the wire of a stent across the fork."""
    out: list[Shape] = []
    if rng.random() < CLIPS:
        for _ in range(rng.integers(2, 7)):
            at = at_length(internal.points, rng.uniform(0, 15)) + rng.normal(0, 6, 3)
            out.append(Ellipsoid(at, np.array([0.6, 0.6, 2.0]), 2600.0))
    if rng.random() < STENT:
        path = np.vstack([common.points[-5:], internal.points[1:8]])
        radii = np.concatenate([common.radii[-5:], internal.radii[1:8]]) * 0.92
        turns = np.linspace(0, rng.uniform(6, 12) * 2 * np.pi, 160)
        which = np.linspace(0, len(path) - 1.001, 160)
        center = np.stack([np.interp(which, np.arange(len(path)), c) for c in path.T], 1)
        reach = np.interp(which, np.arange(len(path)), radii)[:, None]
        ring = np.stack([np.cos(turns), np.sin(turns), 0 * turns], 1)
        out.append(Tube(center + reach * ring, np.full(160, 0.25), 1800.0))
    return out
