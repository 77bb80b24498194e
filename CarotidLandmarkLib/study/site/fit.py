"""Where a site's readers put the point, and ellipsoids that hold it: from answers and truths, in no time.

Vectors are mm along AXES, those of the right side mirrored onto the left.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...landmarks.detection import Detection, LandmarkDetection, chi2_quantile, ellipsoid
from ...landmarks.points import SIDES, mirrored
from ..scores import FAILURE_MM, mahalanobis2
from ..stats import bootstrap, interval
from .cases import SiteCases

PRIOR_MM = 1.0  # standard deviation of the definitions of sites, on each axis
NORMAL_SD = 1.4826  # a normal standard deviation in medians of the distance from the median
SURE_MM = 0.2  # standard deviation of an answer as sure as any, when answers are weighed
ROUNDING = 1e-9
LEAST = 1e-6  # of a squared distance, for its logarithm
PRIOR_LANDMARKS = 5  # that obey the ellipsoids as they are, beside those that were measured


@dataclass(frozen=True)
class Away:
    """From an answer to the truth (3,), and the answer's covariance (3, 3) mm^2, both mirrored."""

    case: str
    side: str
    patient: int
    mm: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Adaptation:
    """offset (3,): what is added to answers of the left side, and mirrored to those of the right. factor: of their
    covariances. landmarks, cases, patients: on how many it rests."""

    offset: np.ndarray
    factor: float
    landmarks: int
    cases: int = 0
    patients: int = 0

    def apply(self, detection: Detection) -> Detection:
        """The detection as it would have been."""
        return replace(detection, landmarks=[self._one(of, detection) for of in detection.landmarks])

    def _one(self, of: LandmarkDetection, detection: Detection) -> LandmarkDetection:
        if of.position_lps_mm is None or of.covariance_mm2 is None:
            return of
        covariance = self.factor * of.covariance_mm2
        radii, axes, volume = ellipsoid(covariance, detection.settings["confidence"])
        return replace(
            of,
            position_lps_mm=of.position_lps_mm + mirrored(of.side, self.offset),
            covariance_mm2=covariance,
            confidence_radii_mm=radii,
            confidence_axes_lps=axes,
            confidence_volume_mm3=volume,
        )


def residuals(site: SiteCases, detections: Mapping[str, Detection]) -> list[Away]:
    """Of all landmarks that are there and were located."""
    found = []
    for name, detection in detections.items():
        for side, point in site.truths[name].items():
            of = detection.landmark(side)
            if point is None or of.position_lps_mm is None or of.covariance_mm2 is None:
                continue
            turn = np.diag(mirrored(side, np.ones(3)))
            away = mirrored(side, point - of.position_lps_mm)
            found.append(Away(name, side, site.patients[name], away, turn @ of.covariance_mm2 @ turn))
    return found


def fit_offset(found: Sequence[Away]) -> np.ndarray:
    """The median (3,), which answers that went astray hardly move, each answer weighed by how sure it is, shrunk
    towards zero: as the mean of a posterior where sites' definitions are normal with PRIOR_MM. Of one patient nothing
    can be told: zero. Readers begin with what the engine is least sure of, and that must not draw the offset."""
    vectors, sureness, patients = _vectors(found)
    if len(set(patients)) < 2:
        return np.zeros(3)
    middle = _medians(vectors, sureness)
    spread = NORMAL_SD * _medians(np.abs(vectors - middle), sureness)
    error2 = math.pi / 2 * spread**2 * (sureness**2).sum(axis=0) / sureness.sum(axis=0) ** 2
    return np.asarray(middle * PRIOR_MM**2 / (PRIOR_MM**2 + error2))


def offset_interval(found: Sequence[Away]) -> tuple[np.ndarray, np.ndarray]:
    """This median (3,), not shrunk, and its 95% interval (2, 3) by bootstrap over patients; zero of nothing."""
    vectors, sureness, patients = _vectors(found)
    if not len(vectors):
        return np.zeros(3), np.zeros((2, 3))
    limits = []
    for values, weights in zip(vectors.T, sureness.T):
        limits.append(interval(bootstrap(partial(_median, values, weights), patients)) or [0.0, 0.0])
    return _medians(vectors, sureness), np.transpose(limits)


def honest_factor(distances2: Iterable[float], confidence: float) -> float:
    """By what to multiply covariances so that their ellipsoids hold the share ``confidence`` of further truths.

    The rank that conformal prediction takes (Vovk et al. 2005), a little above the sample's quantile, among the squared
    distances and PRIOR_LANDMARKS that are as the ellipsoids say; between ranks on a logarithmic scale, so that of few
    landmarks a single wild one does not make all ellipsoids useless.
    """
    expected = [chi2_quantile((i + 0.5) / PRIOR_LANDMARKS) for i in range(PRIOR_LANDMARKS)]
    values = sorted([*distances2, *expected])
    rank = min(confidence * (len(values) + 1), len(values)) - 1
    value = np.exp(np.interp(rank, np.arange(len(values)), np.log(np.maximum(values, LEAST))))
    return float(value / chi2_quantile(confidence))


def adaptation(found: Sequence[Away], confidence: float) -> Adaptation:
    """Offset and factor; the factor from distances of each patient to the offset of the others."""
    distances2: list[float] = []
    for patient in {of.patient for of in found}:
        others = fit_offset([of for of in found if of.patient != patient])
        distances2 += distances(found, others, {patient})
    numbers = len(found), len({of.case for of in found}), len({of.patient for of in found})
    return Adaptation(fit_offset(found), honest_factor(distances2, confidence), *numbers)


def distances(found: Iterable[Away], offset: np.ndarray, patients: Collection[int]) -> list[float]:
    """Squared Mahalanobis distances of these patients' truths once the offset is added, without gross errors."""
    left = [(of.mm - offset, of.covariance) for of in found if of.patient in patients]
    return [mahalanobis2(away, covariance) for away, covariance in left if np.linalg.norm(away) <= FAILURE_MM]


def spread_change(before: Mapping[str, Detection], after: Mapping[str, Detection]) -> float:
    """By how much the logarithm of the largest SD of an answer has grown: the median over what both located."""
    grown = []
    for name in before.keys() & after.keys():
        for side in SIDES:
            pair = [of[name].landmark(side).covariance_mm2 for of in (before, after)]
            if pair[0] is not None and pair[1] is not None:
                grown.append(0.5 * math.log(np.linalg.eigvalsh(pair[1])[-1] / np.linalg.eigvalsh(pair[0])[-1]))
    return float(np.median(grown)) if grown else 0.0


def _medians(vectors: np.ndarray, sureness: np.ndarray) -> np.ndarray:
    return np.array([_median(values, weights, np.ones(len(values))) for values, weights in zip(vectors.T, sureness.T)])


def _median(values: np.ndarray, sureness: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The value (...) with half of the weight on either side, of (n,) values that are there ``counts`` (..., n) times;
    the middle of two between which that is."""
    order = np.argsort(values)
    below = (sureness * counts)[..., order].cumsum(axis=-1)
    half = below[..., -1:] / 2
    low, high = (below >= half * (1 - ROUNDING)).argmax(axis=-1), (below > half * (1 + ROUNDING)).argmax(axis=-1)
    return np.asarray((values[order][low] + values[order][high]) / 2)


def _vectors(found: Sequence[Away]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(n, 3), one for each side of each patient, so that who has many scans does not count for many; how sure each is
    along each axis (n, 3), one over mm^2; and of whom."""
    of_sides: dict[tuple[int, str], list[Away]] = {}
    for of in found:
        of_sides.setdefault((of.patient, of.side), []).append(of)
    vectors = [np.mean([of.mm for of in several], axis=0) for several in of_sides.values()]
    variances = [np.mean([np.diag(of.covariance) for of in several], axis=0) for several in of_sides.values()]
    sureness = 1 / (np.array(variances).reshape(-1, 3) + SURE_MM**2)
    return np.array(vectors).reshape(-1, 3), sureness, [str(patient) for patient, _ in of_sides]
