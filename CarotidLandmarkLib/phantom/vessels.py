"""The carotids: forks, courses, lumens, walls and disease (body mm, see shapes.Space)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

from . import priors
from .branches import draw_branches
from .carina import carina
from .contrast import Filling
from .curves import arc_length, coil, kink, smooth, wiggle
from .disease import Disease
from .plaque import Vessel, draw_calcium, draw_hardware
from .shapes import Shape, Space, Tube
from .streams import Streams

PATCHED = 0.04  # share of bulbs widened by the patch of an endarterectomy


@dataclass
class Carotid:
    """One side: the three lumens whose surfaces define the landmark, and all shapes to paint, in order.

    ``sheath`` is the fat around the vessels, to lie below everything but soft tissue.
    """

    trunk: Tube
    internal: Tube
    external: Tube
    landmark: np.ndarray
    sheath: list[Shape] = field(default_factory=list)
    walls: list[Shape] = field(default_factory=list)
    lumens: list[Tube] = field(default_factory=list)
    branches: list[Tube] = field(default_factory=list)
    calcium: list[Shape] = field(default_factory=list)
    hardware: list[Shape] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)


@dataclass
class Build:
    """Calibres of one side: radii in mm, and how high (mm) the carina lies above the place where the lumens swell."""

    common: float
    internal: float
    external: float
    bulb: float
    origin: float
    rise: float


def draw_forks(rng: np.random.Generator, size: float, gland_y: float) -> dict[str, np.ndarray]:
    """Where the carinas are to lie, relative to the canal: side -> (3,) mm. Priors of 52 real cases.

    ``size`` scales the person; ``gland_y`` is where the submandibular glands lie (mm, negative = anterior).
    """
    s = priors.SEPARATION
    separation = priors.truncated_normal(rng, s["mean"], s["sd"] * 1.1, s["low"] - 6, s["high"] + 6) * size**0.5
    middle = rng.normal(0, 2.5)
    y = 0.57 * gland_y + rng.normal(0, 4.5)
    z = rng.normal(1, 9) if rng.random() < 0.8 else rng.normal(-1, 22)
    share, low = priors.LOW_FORKS
    if rng.random() < share:
        z = rng.uniform(*low)
    ap = np.abs(rng.normal(0, priors.ABS_AP_DIFFERENCE_MEAN * 1.25)) * rng.choice([-0.5, 0.5])
    si = rng.exponential(priors.ABS_SI_DIFFERENCE_MEAN) * rng.choice([-0.5, 0.5])
    z = float(np.clip(z, -80, 40))
    uneven = rng.normal(0, 2)
    return {
        "left": np.array([middle + separation / 2 + uneven, y + ap, z + si]),
        "right": np.array([middle - separation / 2 + uneven, y - ap, z - si]),
    }


def draw_builds(rng: np.random.Generator) -> dict[str, Build]:
    """Calibres of both sides, drawn jointly: the vessels of a side, and the sides of a person, go together."""
    table = priors.CALIBRES
    root = np.linalg.cholesky(table["correlation"])
    shared, rise = rng.normal(size=3), rng.uniform(*priors.CARINA_RISE)
    out = {}
    for side in ("left", "right"):
        own = rng.normal(size=3)
        mixed = np.sqrt(table["sides"]) * (root @ shared) + np.sqrt(1 - table["sides"]) * (root @ own)
        logs = table["mean"] + table["sd"] * mixed
        logs[2] = max(table["mean"][2] * -np.log(NormalDist().cdf(mixed[2])), -0.7)
        common, internal, external = np.exp(np.cumsum(logs)) / 2
        if rng.random() < priors.WIDER_EXTERNAL:
            internal, external = external, internal
        bulb = max(common * rng.normal(*priors.BULB_TO_COMMON), internal)
        origin = max(common * rng.normal(*priors.ORIGIN_TO_COMMON), internal)
        if rng.random() < PATCHED:
            bulb *= rng.uniform(1.15, 1.45)
        out[side] = Build(common, internal, external, bulb, origin, float(np.clip(rise + rng.normal(0, 1), 4, 18)))
    return out


def draw_carotid(
    rng: np.random.Generator,
    streams: Streams,
    side: str,
    build: Build,
    place: np.ndarray,
    filling: Filling,
    space: Space,
    bottom: float,
    simple: bool = False,
) -> Carotid:
    """One carotid with its branches, its carina near ``place`` (3,) relative to the canal; redrawn until it parts.

    It starts at the height ``bottom``; a ``simple`` one has straight, even tubes. What comes back is bent into body mm.
    ``rng`` draws the course; what lies on it has streams of its own.
    """
    while True:
        made = _try_carotid(rng, streams, side, build, place, filling, space, bottom, simple)
        if made is not None:
            return made


def _try_carotid(
    rng: np.random.Generator,
    streams: Streams,
    side: str,
    d: Build,
    place: np.ndarray,
    filling: Filling,
    space: Space,
    bottom: float,
    simple: bool,
) -> Carotid | None:
    s = 1.0 if side == "left" else -1.0
    if simple:
        d = replace(d, bulb=d.internal * rng.uniform(1, 1.2))
        d.origin = d.bulb
    fork = place - [0, 0, d.rise]
    low = np.array([s * rng.normal(20, 3.5), rng.normal(-24, 5), bottom])
    middle = 0.45 * low + 0.55 * fork + rng.normal(0, 2.5, 3) * [1, 1, 0]
    below = fork + [rng.normal(-1.0, 1.5) * s, rng.normal(0, 1.5), -14]
    common = smooth([low, middle, below, fork])
    winding = 1.0 if simple else rng.random()
    if winding < 0.5:
        common = wiggle(common, rng.uniform(0, 5), rng.uniform(35, 90), rng)
    elif winding < 0.54 and arc_length(common)[-1] > 60:
        common = kink(common, arc_length(common)[-1] - rng.uniform(22, 35), rng.uniform(5, 10), rng)
    up = common[-1] - common[-4]
    up /= np.linalg.norm(up)

    angle, spin = _draw_angle(rng), _draw_spin(rng)
    toward = np.array([-s * np.sin(spin), -np.cos(spin), 0.0])
    toward -= up * (toward @ up)
    toward /= np.linalg.norm(toward)
    share = rng.uniform(0.4, 0.75)
    external_way = up * np.cos(angle * share) + toward * np.sin(angle * share)
    internal_way = up * np.cos(angle * (1 - share)) - toward * np.sin(angle * (1 - share))
    # Lumens that leave at a small angle lie side by side from the bulb on: they swell apart before they part.
    wide = d.origin + d.external
    aside = max(0.0, wide - 2 * np.sin(angle / 2) * d.rise) / wide
    internal = _internal_path(rng, s, fork, internal_way, -aside * d.origin * toward, simple)
    external = _external_path(rng, s, fork, external_way, aside * d.external * toward)
    internal, external = space.bend(internal), space.bend(external)
    common, fork = space.bend(common), space.bend(fork)

    bulb_at, bulb_length = rng.uniform(1, 9), rng.uniform(8, 18)
    si = arc_length(internal)
    ri = d.internal + (d.origin - d.internal) * np.exp(-((si / 14) ** 2))
    ri = np.maximum(ri, d.internal + (d.bulb - d.internal) * np.exp(-(((si - bulb_at) / bulb_length) ** 2)))
    se = arc_length(external)
    re = np.interp(se, [0, 25, 60, 110], [d.external, d.external * 0.95, d.external * 0.7, d.external * 0.5])
    sc = arc_length(common)[-1] - arc_length(common)
    rc = d.common + (max(d.bulb * rng.uniform(0.85, 1.05), d.common * 0.95) - d.common) * np.exp(-((sc / 8) ** 2))

    disease, wall = Disease(streams(f"{side} disease")), streams(f"{side} walls")
    walls: list[Shape] = [
        Tube(p, r + wall.uniform(0.7, 1.3), wall.uniform(20, 70))
        for p, r in ((common, rc), (internal, ri), (external, re))
    ]
    if disease.plaque:
        walls.append(Tube(internal[si < 32], (ri + 0.3)[si < 32], disease.plaque_hu))
        walls.append(Tube(common[sc < 16], (rc + 0.3)[sc < 16], disease.plaque_hu))
    ri_open, rc_open, re_open = disease.narrow(si, ri), disease.narrow(-sc, rc), disease.narrow_external(se, re)

    hu = filling.carotid(s)
    trunk, inner, outer = Tube(common, rc_open, hu), Tube(internal, ri_open, hu), Tube(external, re_open, hu)
    landmark = carina(trunk, inner, outer)
    if landmark is None or landmark[2] - fork[2] > 26:
        return None
    parted = float(np.linalg.norm(landmark - fork))
    lumens = [
        *_filled(trunk, (sc <= disease.refilled) if disease.common_occluded else None, filling.thrombus),
        outer,
        *_filled(inner, (si <= parted + disease.occlusion_after) if disease.occluded else None, filling.thrombus),
    ]
    others = streams(f"{side} branches")
    branches = draw_branches(others, s, common, internal, external, parted, d.external, hu, space)
    sheath = _sheath(streams(f"{side} sheath"), s, common, internal, external)
    carotid = Carotid(trunk, inner, outer, landmark, sheath, walls, lumens, branches)
    healthy = Vessel(common, rc), Vessel(internal, ri), Vessel(external, re)
    carotid.calcium = draw_calcium(streams(f"{side} calcium"), disease.plaque, *healthy)
    carotid.hardware = draw_hardware(streams(f"{side} hardware"), *healthy[:2])
    carotid.facts = {
        "angle_deg": float(np.degrees(angle)),
        "spin_deg": float(np.degrees(spin)),
        "stenosis": disease.degree,
        "occluded": float(disease.occluded),
        "common_occluded": float(disease.common_occluded),
        "lumen_hu": hu,
        "cca_mm": 2 * d.common,
        "ica_mm": 2 * d.internal,
        "eca_mm": 2 * d.external,
    }
    return carotid


def _filled(tube: Tube, open_part: np.ndarray | None, thrombus: float) -> list[Tube]:
    """The lumen, or where only a part of its points is open, the lumen full of thrombus and the open part over it."""
    if open_part is None:
        return [tube]
    return [replace(tube, hu=thrombus), replace(tube, points=tube.points[open_part], radii=tube.radii[open_part])]


def _sheath(rng: np.random.Generator, s: float, *paths: np.ndarray) -> list[Shape]:
    """Fat of varying purity around common, internal and external, reaching sideways to the jugular."""
    hu, width = rng.uniform(-120, 25), rng.uniform(5, 13)
    aside = np.array([s * rng.uniform(0, 5), rng.uniform(-1, 4), 0.0])
    return [
        Tube(
            path[path[:, 2] < 48][::2] + aside * share, np.full(len(path[path[:, 2] < 48][::2]), width * size), hu, True
        )
        for path, share, size in zip(paths, (1.0, 1.0, 0.3), (1.0, 0.9, 0.7))
    ]


def _draw_angle(rng: np.random.Generator) -> float:
    share, degrees = np.array(priors.FORK_ANGLE, float).T
    return float(np.radians(np.interp(rng.random(), share, degrees)))


def _draw_spin(rng: np.random.Generator) -> float:
    shares = np.array([row[0] for row in priors.AXIAL_SPIN])
    _, mean, sd = priors.AXIAL_SPIN[rng.choice(len(shares), p=shares / shares.sum())]
    return np.radians(rng.normal(mean, sd))


def _internal_path(
    rng: np.random.Generator, s: float, fork: np.ndarray, way: np.ndarray, aside: np.ndarray, simple: bool
) -> np.ndarray:
    base = priors.BIFURCATION_TO_SKULL_BASE
    skull = np.array(
        [s * rng.normal(26, 2.5), rng.normal(-18, 3.5), max(rng.normal(66, 4), fork[2] + base["low"] * 0.7)]
    )
    side = fork + 7 * way + aside
    clear = fork + 17 * way + [0, 0, 2] + aside
    middle = 0.5 * clear + 0.5 * skull + rng.normal(0, 3, 3)
    if rng.random() < 0.07:
        middle[:2] = [s * rng.uniform(6, 14), rng.uniform(-32, -26)]
    path = smooth(
        [
            fork,
            side,
            clear,
            middle,
            skull,
            skull + [-s * 3, -4, 7],
            skull + [-s * 12, -8, 9],
            skull + [-s * 16, -18, 17],
            skull + [-s * 16, -10, 27],
            skull + [-s * 13, -15, 33],
        ]
    )
    tortuous = 1.0 if simple else rng.random()
    if tortuous < 0.4:
        n = int((arc_length(path) < 16).sum())
        path = np.vstack([path[:n], wiggle(path[n:], rng.uniform(2, 9), rng.uniform(22, 55), rng)])
    elif tortuous < 0.46:
        path = coil(path, rng.uniform(24, 45), rng.uniform(5, 9), rng)
    elif tortuous < 0.53:
        path = kink(path, rng.uniform(24, 50), rng.uniform(6, 13), rng)
    return path


def _external_path(
    rng: np.random.Generator, s: float, fork: np.ndarray, way: np.ndarray, aside: np.ndarray
) -> np.ndarray:
    side = fork + 7 * way + aside
    clear = fork + 16 * way + [0, 0, 2] + aside
    gland = np.array([s * rng.normal(49, 4), rng.normal(-24, 4), max(rng.normal(36, 6), clear[2] + 14)])
    path = smooth(
        [
            fork,
            side,
            clear,
            0.5 * (clear + gland) + rng.normal(0, 2.5, 3),
            gland,
            [s * rng.normal(56, 3), rng.normal(-20, 3), gland[2] + 25],
            [s * 66, rng.normal(-16, 5), gland[2] + 55],
        ]
    )
    return wiggle(path, rng.uniform(0, 3), rng.uniform(25, 60), rng) if rng.random() < 0.5 else path
