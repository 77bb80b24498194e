"""What one scan and one patient make of a carotid: contrast, plaque, narrowing, calcium, metal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import priors
from .curves import arc_length, at_length
from .shapes import Ellipsoid, Shape, Tube


@dataclass
class Filling:
    """Contrast of one scan in HU."""

    artery: float
    vein: float
    right_vein: float
    thrombus: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Filling:
        artery = float(rng.uniform(*priors.LUMEN_HU))
        late = rng.random() < 0.35
        vein = artery + rng.normal(0, 50) if late else rng.uniform(*priors.VEIN_HU)
        return Filling(
            artery, float(max(vein, 30)), float(max(vein + rng.normal(0, 30), 30)), float(rng.uniform(25, 75))
        )


class Disease:
    """Plaque, stenosis, occlusion, calcification and metal at one fork."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.plaque = rng.random() < 0.55
        self.degree = float(rng.uniform(0.15, 0.9)) if self.plaque and rng.random() < 0.75 else 0.0
        self.centre, self.length = rng.uniform(-4, 14), rng.uniform(3, 9)
        self.plaque_hu = float(rng.choice(list(priors.PLAQUE_HU.values())) + rng.normal(0, 10))
        self.occluded = rng.random() < 0.035
        self.occlusion_after = rng.uniform(3, 12)
        self.external_degree = float(rng.uniform(0.1, 0.6)) if self.plaque and rng.random() < 0.3 else 0.0
        self.near_occlusion = self.degree > 0.8 and rng.random() < 0.4
        self.second = float(rng.uniform(0.3, 0.75)) if self.plaque and rng.random() < 0.18 else 0.0
        self.second_at = rng.uniform(22, 60) * (1 if rng.random() < 0.6 else -1)
        self.circular = self.plaque and rng.random() < 0.12
        self.count = rng.integers(1, 9) if rng.random() < (0.75 if self.plaque else 0.12) else 0

    def narrow(self, s: np.ndarray, radius: np.ndarray) -> np.ndarray:
        narrowed = radius * (1 - self.degree * np.exp(-(((s - self.centre) / self.length) ** 2)))
        narrowed *= 1 - self.second * np.exp(-(((s - self.second_at) / 4) ** 2))
        if self.near_occlusion:
            narrowed = np.where(s > self.centre, np.minimum(narrowed, 0.9), narrowed)
        return np.maximum(narrowed, 0.55)

    def narrow_external(self, s: np.ndarray, radius: np.ndarray) -> np.ndarray:
        return radius * (1 - self.external_degree * np.exp(-(((s - 8) / 5) ** 2)))

    def calcifications(self, *curves: np.ndarray) -> list[Shape]:
        rng = self.rng
        out: list[Shape] = []
        for _ in range(self.count + (10 if self.circular else 0)):
            which = int(rng.choice([0, 0, 1, 1, 2]))
            points, radii = curves[2 * which], curves[2 * which + 1]
            s = arc_length(points)
            at = s[-1] - rng.exponential(7) if which == 1 else rng.exponential(9)
            i = int(np.clip(np.searchsorted(s, at), 1, len(points) - 2))
            along = points[i + 1] - points[i - 1]
            along /= np.linalg.norm(along)
            out_of = np.cross(along, rng.normal(size=3))
            out_of /= np.linalg.norm(out_of)
            axes = np.stack([along, out_of, np.cross(along, out_of)], 1)
            size = rng.uniform(0.5, 3.2, 3) * [1.4, 0.55, 1.0]
            out.append(
                Ellipsoid(
                    points[i] + out_of * (radii[i] + 0.5 * size[1]),
                    np.maximum(size, 0.4),
                    float(rng.uniform(*priors.CALCIFICATION_HU)),
                    axes,
                )
            )
        return out

    def hardware(self, internal: np.ndarray, ri: np.ndarray, common: np.ndarray, rc: np.ndarray) -> list[Shape]:
        rng = self.rng
        out: list[Shape] = []
        if rng.random() < 0.03:
            for _ in range(rng.integers(2, 7)):
                at = at_length(internal, rng.uniform(0, 15)) + rng.normal(0, 6, 3)
                out.append(Ellipsoid(at, np.array([0.6, 0.6, 2.0]), 2600.0))
        if rng.random() < 0.025:
            path = np.vstack([common[-5:], internal[1:8]])
            radii = np.concatenate([rc[-5:], ri[1:8]]) * 0.92
            turns = np.linspace(0, rng.uniform(6, 12) * 2 * np.pi, 160)
            which = np.linspace(0, len(path) - 1.001, 160)
            centre = np.stack([np.interp(which, np.arange(len(path)), c) for c in path.T], 1)
            reach = np.interp(which, np.arange(len(path)), radii)[:, None]
            ring = np.stack([np.cos(turns), np.sin(turns), 0 * turns], 1)
            out.append(Tube(centre + reach * ring, np.full(160, 0.25), 1800.0))
        return out
