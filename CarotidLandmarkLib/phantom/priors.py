"""Published numbers from which phantoms are drawn, with their sources (mm, degrees, HU; sides are the patient's)."""

from __future__ import annotations

from typing import NamedTuple

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

# Vessel diameters of 138 carotids measured on segmented CTA: P. Eulzer et al., Carotid Bifurcation Database, Zenodo
# 10695923 v2.0.0, CC BY 4.0 (aggregates computed from a public derivative's numbers). Natural logarithms of the common
# carotid in mm, of internal over common, and of external over internal: mean, SD, correlation among them, and of the
# two sides of one person (61 people). The wider branch was called the internal one, so the last logarithm is below 0,
# spread as an exponential; WIDER_EXTERNAL forks are the other way round.
CALIBRES = {
    "mean": np.array([1.859, -0.155, -0.167]),
    "sd": np.array([0.132, 0.234, 0.165]),
    "correlation": np.array([[1.0, -0.33, 0.17], [-0.33, 1.0, -0.37], [0.17, -0.37, 1.0]]),
    "sides": np.array([0.76, 0.34, 0.33]),
}
WIDER_EXTERNAL = 0.06
# Bulb and origin of the internal carotid over the common one: mean and SD (published CTA and duplex morphometry).
BULB_TO_COMMON, ORIGIN_TO_COMMON = (1.18, 0.17), (1.07, 0.15)
# Internal jugular: mean and SD of the sides' geometric mean radius, and of the log of right over left (Tartiere et al.
# 2009, 190 CT of adults: median area 160 mm2 right, 102 left; smaller at the hyoid than below it, Jeon et al. 2020).
JUGULAR_RADIUS = (6.2, 1.6)
JUGULAR_LOG_RATIO = (0.22, 0.3)
# Angle between ICA and ECA: share of forks below so many degrees, of 40 carotids of the same database whose fork had
# two or three branches (median 23); the ends are drawn out to 5 and 90.
FORK_ANGLE = (
    (0, 5),
    (0.1, 8.9),
    (0.25, 17.3),
    (0.5, 23.0),
    (0.75, 42.4),
    (0.9, 50.0),
    (0.95, 61.3),
    (0.99, 78),
    (1, 90),
)
# Height of the carina above the place where the two lumens begin to swell apart.
CARINA_RISE = (6.0, 15.0)
# Where the ECA lies seen from the ICA in the axial plane: (share, degrees from anterior towards medial, SD).
AXIAL_SPIN = ((0.40, 45.0, 18.0), (0.423, 0.0, 18.0), (0.09, 90.0, 18.0), (0.057, -70.0, 20.0), (0.03, 180.0, 60.0))
# Ossified laryngeal cartilage: HU of its shell, length of the thyroid cartilage's superior horn in mm (anatomy texts:
# up to 25, with wide variation), share of sides with a calcified stylohyoid ligament or long styloid.
OSSIFIED_HU, SUPERIOR_HORN, STYLOHYOID = (250.0, 950.0), (8.0, 25.0), 0.12
# Skull base above the bifurcation (EJVES 2015, 86 CTA).
BIFURCATION_TO_SKULL_BASE = {"median": 72.7, "low": 58.1, "high": 98.1}

# Forks by vertebral level, C2 to T1 (147 CTA: C3 27 %, C3/4 26 %, C4 26 %; low ones 2.7 %): body mm, see vessels.
LOW_FORKS = (0.03, (-80.0, -48.0))

# Hounsfield units: a range, or the value of a tissue.
LUMEN_HU, WEAK_HU = (130.0, 700.0), 250.0
BLOOD_HU = (30.0, 60.0)


class Phase(NamedTuple):
    """Share of scans; share of them with a weak lumen (130 to 250 HU); the veins' enhancement over the arteries'."""

    share: float
    weak: float
    veins: tuple[float, float]


# A tenth holds no contrast, a fifth is venous (jugular about as bright or brighter), a fifth of all lumens is weak.
PHASES = {
    "none": Phase(0.10, 0.0, (0.0, 0.0)),
    "early arterial": Phase(0.20, 0.10, (0.0, 0.08)),
    "arterial": Phase(0.32, 0.10, (0.05, 0.5)),
    "late arterial": Phase(0.18, 0.15, (0.45, 0.9)),
    "venous": Phase(0.20, 0.60, (0.93, 1.3)),
}
LATE_SIDE = 0.04
CALCIFICATION_HU = (450.0, 1384.0)
CALCIUM_LENGTH = (10.0, 30.0)
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
