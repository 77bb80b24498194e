"""What the engine says of one volume, and its JSON form (schema carotid-landmark/detection/1)."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_text
from ..errors import BadInputError
from .points import SIDES, LandmarkSet

SCHEMA = "carotid-landmark/detection/1"
STATUSES = ("found", "review", "absent")


@dataclass
class LandmarkDetection:
    """One side's landmark.

    ``status`` is "found", "review" (a position that the engine does not trust, for ``reasons``) or "absent" (no
    position). ``presence`` is a probability. Position (3,) in LPS mm, covariance (3, 3) in mm^2, and the confidence
    ellipsoid's radii (3,) in mm, longest first, unit axes (3, 3) in LPS, one a row, and volume.
    Raises ValueError for an unknown side or status, a wrong shape, and a position that contradicts the status.
    """

    side: str
    status: str
    reasons: list[str] = field(default_factory=list)
    presence: float = 0.0
    position_lps_mm: np.ndarray | None = None
    covariance_mm2: np.ndarray | None = None
    confidence_radii_mm: np.ndarray | None = None
    confidence_axes_lps: np.ndarray | None = None
    confidence_volume_mm3: float | None = None

    def __post_init__(self) -> None:
        if self.side not in SIDES or self.status not in STATUSES:
            raise ValueError(f"a landmark cannot have the side {self.side!r} and the status {self.status!r}")
        if (self.position_lps_mm is None) != (self.status == "absent"):
            raise ValueError(f"the {self.side} landmark is {self.status}, which its position contradicts")
        self.position_lps_mm = _array(self.position_lps_mm, (3,), "position_lps_mm")
        self.covariance_mm2 = _array(self.covariance_mm2, (3, 3), "covariance_mm2")
        self.confidence_radii_mm = _array(self.confidence_radii_mm, (3,), "confidence_radii_mm")
        self.confidence_axes_lps = _array(self.confidence_axes_lps, (3, 3), "confidence_axes_lps")

    def to_dict(self) -> dict[str, Any]:
        """Return the landmark as the contract's JSON object."""
        volume = self.confidence_volume_mm3
        return {
            "side": self.side,
            "status": self.status,
            "reasons": list(self.reasons),
            "presence": float(self.presence),
            "position_lps_mm": _as_list(self.position_lps_mm),
            "covariance_mm2": _as_list(self.covariance_mm2),
            "confidence_radii_mm": _as_list(self.confidence_radii_mm),
            "confidence_axes_lps": _as_list(self.confidence_axes_lps),
            "confidence_volume_mm3": None if volume is None else float(volume),
        }


@dataclass
class Detection:
    """Both landmarks of one case, with the volume, model and settings they came from.

    ``landmarks`` are left, then right (else ValueError). The dictionaries are the contract's of the same names.
    """

    case: str
    volume: dict[str, Any]
    model: dict[str, Any]
    settings: dict[str, Any]
    landmarks: list[LandmarkDetection]
    timing_s: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if tuple(landmark.side for landmark in self.landmarks) != SIDES:
            raise ValueError(f"the landmarks are not {' and '.join(SIDES)}")

    def landmark(self, side: str) -> LandmarkDetection:
        """Return the landmark of ``side`` ("left" or "right", the patient's)."""
        return self.landmarks[SIDES.index(side)]

    def points(self) -> LandmarkSet:
        """Return the positions alone; an absent landmark is None."""
        return LandmarkSet({landmark.side: landmark.position_lps_mm for landmark in self.landmarks})

    def to_dict(self) -> dict[str, Any]:
        """Return the contract's JSON object."""
        return {
            "schema": SCHEMA,
            "case": self.case,
            "volume": self.volume,
            "model": self.model,
            "settings": self.settings,
            "landmarks": [landmark.to_dict() for landmark in self.landmarks],
            "timing_s": self.timing_s,
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_dict(cls, values: Any) -> Detection:
        """Return the detection of such a JSON object; raise BadInputError if it is none.

        Keys that this version does not know are ignored: the schema grows only by adding.
        """
        try:
            if values["schema"] != SCHEMA:
                raise ValueError(f"the schema is {values['schema']!r} and should be {SCHEMA!r}")
            landmarks = [
                LandmarkDetection(**{name: values_of[name] for name in LandmarkDetection.__dataclass_fields__})
                for values_of in values["landmarks"]
            ]
            landmarks.sort(key=lambda landmark: SIDES.index(landmark.side))
            rest = {name: values[name] for name in cls.__dataclass_fields__ if name != "landmarks"}
            return cls(landmarks=landmarks, **rest)
        except KeyError as error:
            raise BadInputError(f"This is no detection: {error} is missing.") from error
        except (TypeError, ValueError) as error:
            raise BadInputError(f"This is no detection: {error}.") from error


def write_detection(path: str | os.PathLike[str], detection: Detection) -> None:
    """Write the contract's JSON, whole or not at all; raise CannotRunError if it cannot be written."""
    write_text(path, json.dumps(detection.to_dict(), indent=2, allow_nan=False) + "\n")


def read_detection(path: str | os.PathLike[str]) -> Detection:
    """Read a .detection.json; raise BadInputError if the file is none."""
    try:
        return Detection.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise BadInputError(f"Cannot read {path} ({error.strerror}); give an existing .detection.json.") from error
    except ValueError as error:
        raise BadInputError(f"{path} is not JSON; give a .detection.json that detect wrote.") from error
    except BadInputError as error:
        raise BadInputError(f"Cannot use {path}; give a .detection.json that detect wrote. {error}") from error


def chi2_quantile(probability: float) -> float:
    """Return the quantile of the chi-squared distribution with 3 degrees of freedom, for a probability in [0, 1).

    chi2_quantile(0.9) = 6.2514. Its distribution function is erf(sqrt(x/2)) - sqrt(2x/pi) exp(-x/2).
    """
    if not 0 <= probability < 1:
        raise BadInputError(f"The confidence {probability} is not in [0, 1); give for instance 0.9.")
    low, high = 0.0, 2000.0
    for _ in range(100):
        middle = (low + high) / 2
        cdf = math.erf(math.sqrt(middle / 2)) - math.sqrt(2 * middle / math.pi) * math.exp(-middle / 2)
        low, high = (middle, high) if cdf < probability else (low, middle)
    return high


def ellipsoid(covariance: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the ellipsoid that holds ``confidence`` of a normal distribution of ``covariance`` (3, 3) mm^2.

    Returns its radii (3,) in mm, longest first; its unit axes (3, 3), one a row, right-handed; its volume in mm^3.
    For confidence 0.9 the volume is 65.47 times the product of the standard deviations along the axes (Ma et al.,
    ISBI 2020).
    """
    covariance = np.asarray(covariance, dtype=np.float64)
    variances, columns = np.linalg.eigh((covariance + covariance.T) / 2)
    radii = np.sqrt(chi2_quantile(confidence) * np.clip(variances[::-1], 0, None))
    axes = columns.T[::-1].copy()
    axes[2] = np.cross(axes[0], axes[1])
    return radii, axes, float(4 / 3 * math.pi * radii.prod())


def _array(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    if values is None:
        return None
    array = np.array(values, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} is not {' x '.join(map(str, shape))} finite numbers")
    return array


def _as_list(array: np.ndarray | None) -> list | None:
    return None if array is None else array.tolist()
