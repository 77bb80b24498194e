"""Published numbers from which phantoms are drawn, with their sources (mm, degrees, HU; sides are the patient's)."""

from __future__ import annotations

import numpy as np

# Aggregates of the coordinates of 52 neck CTA published with Ma, Gupta, Sabuncu, ISBI 2020.
SEPARATION = {"mean": 57.9, "sd": 10.6, "low": 38.3, "high": 87.9}
ABS_AP_DIFFERENCE_MEAN = 5.3
ABS_SI_DIFFERENCE_MEAN = 6.0
IN_PLANE_SPACING = {"low": 0.38, "mean": 0.5, "high": 0.79}
SLICE_SPACINGS = ((0.6, 15), (0.625, 1), (1.25, 12), (2.0, 12), (2.5, 12), (3.0, 1))
# Neither of the 52 cases, but found in other archives: thick neck protocols, and planning CT with a wide field of view.
THICK_SPACINGS = ((1.0, 4), (1.5, 2), (3.0, 4), (4.0, 2), (5.0, 2))
WIDE_FIELD = {"low": 300.0, "high": 500.0, "matrix": 512}

# Organ centroids of 20 head-and-neck CT (Nikolov et al. 2018, arXiv:1809.04430).
SUBMANDIBULAR = {"separation": (64.8, 5.2), "anterior_of_canal": (50.9, 6.2), "above_lung_apex": (87.4, 10.7)}

# Vessel diameters, mean and SD (published CTA and duplex morphometry).
DIAMETERS = {
    "CCA": (6.8, 0.7),
    "bulb": (8.0, 1.5),
    "ICA_origin": (7.3, 1.3),
    "ICA_distal": (5.0, 0.6),
    "ECA": (4.2, 0.6),
}
# Internal jugular: mean and SD of the sides' geometric mean radius, and of the log of right over left (Tartiere et al.
# 2009, 190 CT of adults: median area 160 mm2 right, 102 left; smaller at the hyoid than below it, Jeon et al. 2020).
JUGULAR_RADIUS = (6.2, 1.6)
JUGULAR_LOG_RATIO = (0.22, 0.3)
# Angle between ICA and ECA: 40 years or less, older, and Thomas et al. 2005 (old patients).
BIFURCATION_ANGLES = ((36.2, 10.2), (49.3, 16.5), (63.6, 15.4))
# Where the ECA lies seen from the ICA in the axial plane: (share, degrees from anterior towards medial, SD).
AXIAL_SPIN = ((0.40, 45.0, 18.0), (0.423, 0.0, 18.0), (0.09, 90.0, 18.0), (0.057, -70.0, 20.0), (0.03, 180.0, 60.0))
# Skull base above the bifurcation (EJVES 2015, 86 CTA).
BIFURCATION_TO_SKULL_BASE = {"median": 72.7, "low": 58.1, "high": 98.1}

# Hounsfield units: a range, or the value of a tissue.
LUMEN_HU = (130.0, 700.0)
VEIN_HU = (35.0, 260.0)
CALCIFICATION_HU = (450.0, 1384.0)
PLAQUE_HU = {"haemorrhage": 18.0, "lipid": 48.0, "fibrous": 93.0}
MUSCLE_HU = 43.0
FAT_HU = -116.0
BRAIN_HU = 39.0
# Thyroid gland with iodine of its own and of the contrast: mean, SD, lowest, highest.
THYROID_HU = (150.0, 45.0, 60.0, 260.0)
# Noise in a native voxel at the neck: most scans, and the share and range of bad ones.
NOISE_HU = (3.0, 30.0)
BAD_NOISE = (0.08, 30.0, 60.0)


def truncated_normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    """A normal number redrawn until it lies in [low, high]."""
    while True:
        value = rng.normal(mean, sd)
        if low <= value <= high:
            return float(value)


def choose(rng: np.random.Generator, table: tuple[tuple[float, int], ...]) -> float:
    """One value of ``((value, weight), ...)`` with probability in proportion to its weight."""
    values, weights = zip(*table)
    return float(rng.choice(values, p=np.asarray(weights) / sum(weights)))
