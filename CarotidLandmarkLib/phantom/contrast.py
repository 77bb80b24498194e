"""Contrast of one scan: its phase, how bright arteries and veins are, and which side comes late (HU)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import priors

NONE = "none"


@dataclass
class Filling:
    """Contrast of one scan in HU; ``late`` is the side (1 left, -1 right, 0 neither) whose carotids hold less.

    ``phase``: a key of priors.PHASES; in NONE no lumen can be told from its wall.
    """

    artery: float
    vein: float
    right_vein: float
    thrombus: float
    phase: str = "arterial"
    late: int = 0
    late_share: float = 1.0

    @staticmethod
    def draw(rng: np.random.Generator) -> Filling:
        phases = priors.PHASES
        phase = str(rng.choice(list(phases), p=[row.share for row in phases.values()]))
        row = phases[phase]
        blood = float(rng.uniform(*priors.BLOOD_HU))
        thrombus = float(rng.uniform(25, 75))
        if phase == NONE:
            return Filling(blood, blood, blood, blood + float(rng.normal(0, 6)), phase)
        low, high = priors.LUMEN_HU
        weak = rng.random() < row.weak
        artery = float(rng.uniform(low, priors.WEAK_HU) if weak else rng.uniform(priors.WEAK_HU, high))
        veins = blood + (artery - blood) * rng.uniform(*row.veins) * np.array([1.0, rng.uniform(0.9, 1.1)])
        late = int(rng.choice([-1, 1])) if rng.random() < priors.LATE_SIDE else 0
        return Filling(artery, float(veins[0]), float(veins[1]), thrombus, phase, late, float(rng.uniform(0.45, 0.85)))

    def carotid(self, s: float) -> float:
        """HU in the carotids of one side (1 left, -1 right)."""
        return self.artery * (self.late_share if s == self.late else 1.0)
