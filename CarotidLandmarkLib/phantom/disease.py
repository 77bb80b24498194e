"""What disease makes of a carotid's lumen: soft plaque, narrowing, occlusion. Calcium is in plaque."""

from __future__ import annotations

import numpy as np

from . import priors


class Disease:
    """Plaque, stenosis and occlusion at one fork."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.plaque = rng.random() < 0.55
        self.degree = float(rng.uniform(0.15, 0.9)) if self.plaque and rng.random() < 0.75 else 0.0
        self.centre, self.length = rng.uniform(-4, 14), rng.uniform(3, 9)
        self.plaque_hu = float(rng.choice(list(priors.PLAQUE_HU.values())) + rng.normal(0, 10))
        self.occluded = rng.random() < 0.035
        self.occlusion_after = rng.uniform(2.5, 12)
        self.common_occluded = not self.occluded and rng.random() < 0.012
        self.refilled = rng.uniform(8, 25)  # mm below the carina, where an occluded common carotid is filled again
        self.external_degree = float(rng.uniform(0.1, 0.6)) if self.plaque and rng.random() < 0.3 else 0.0
        self.near_occlusion = self.degree > 0.8 and rng.random() < 0.4
        self.second = float(rng.uniform(0.3, 0.75)) if self.plaque and rng.random() < 0.18 else 0.0
        self.second_at = rng.uniform(22, 60) * (1 if rng.random() < 0.6 else -1)

    def narrow(self, s: np.ndarray, radius: np.ndarray) -> np.ndarray:
        narrowed = radius * (1 - self.degree * np.exp(-(((s - self.centre) / self.length) ** 2)))
        narrowed *= 1 - self.second * np.exp(-(((s - self.second_at) / 4) ** 2))
        if self.near_occlusion:
            narrowed = np.where(s > self.centre, np.minimum(narrowed, 0.9), narrowed)
        return np.maximum(narrowed, 0.55)

    def narrow_external(self, s: np.ndarray, radius: np.ndarray) -> np.ndarray:
        return radius * (1 - self.external_degree * np.exp(-(((s - 8) / 5) ** 2)))
