"""What the engine says of one volume, and its JSON form (schema carotid-landmark/detection/1)."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import __version__
from ..atomic import write_json
from ..errors import BadInputError
from .forks import ForkResult
from .points import SIDES, LandmarkSet, as_position
from .text import read_text

SCHEMA = "carotid-landmark/detection/1"
REPORT = ".detection.json"  # the end of the file's name
STATUSES = ("found", "review", "absent")
ADDED = {"passes_sd_mm": None, "fork": None}  # of a landmark, since the first files of the schema, which lack them
SOFTWARE = {"name": "carotid-landmark", "version": __version__}  # of the detections that it makes
INSTEAD = "a .detection.json that detect wrote"

_KINDS = {"case": str, "volume": dict, "model": dict, "settings": dict, "timing_s": dict, "warnings": list}
_SHAPES = {
    **dict.fromkeys(("position_lps_mm", "confidence_radii_mm", "passes_sd_mm"), (3,)),
    **dict.fromkeys(("covariance_mm2", "confidence_axes_lps"), (3, 3)),
}
_UNDECIDED = re.compile(rf"unreviewed|(?:undetected, )?(?:{'|'.join(STATUSES)})(?:, presence .*)?", re.DOTALL)


@dataclass
class LandmarkDetection:
    """One side's landmark.

    ``status`` is "found", "review" (a position that the engine does not trust, for ``reasons``) or "absent" (no
    position). ``presence`` is a probability. Position (3,) in LPS mm, covariance (3, 3) in mm^2, and the confidence
    ellipsoid's radii (3,) in mm, longest first, unit axes (3, 3) in LPS, one a row, and volume. ``passes_sd_mm`` (3,),
    along x, y and z, is the spread of the finest scale's passes alone, which the paper takes for the uncertainty (Ma et
    al., ISBI 2020); None of a single pass, and of files of versions before 0.6. ``fork`` is what the lumen says of a
    position, or of one that was given up for it; None where it was not looked at.
    Raises ValueError for an unknown side or status, a wrong shape, a number that is not finite, and a position that
    contradicts the status.
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
    passes_sd_mm: np.ndarray | None = None
    fork: ForkResult | None = None

    def __post_init__(self) -> None:
        if self.side not in SIDES or self.status not in STATUSES:
            raise ValueError(f"a landmark cannot have the side {self.side!r} and the status {self.status!r}")
        self.presence = _number(self.presence, "presence")
        if self.confidence_volume_mm3 is not None:
            self.confidence_volume_mm3 = _number(self.confidence_volume_mm3, "confidence_volume_mm3")
        if (self.position_lps_mm is None) != (self.status == "absent"):
            raise ValueError(f"the {self.side} landmark is {self.status}, which its position contradicts")
        for name, shape in _SHAPES.items():
            setattr(self, name, _array(getattr(self, name), shape, name))

    def to_dict(self) -> dict[str, Any]:
        """Return the landmark as the contract's JSON object, whose keys are its fields."""
        plain = {name: of.tolist() if isinstance(of, np.ndarray) else of for name, of in vars(self).items()}
        return {**plain, "fork": self.fork and self.fork.to_dict()}


@dataclass
class Detection:
    """Both landmarks of one case, with the volume, model and settings they came from.

    ``landmarks`` are left, then right (else ValueError). The dictionaries are the contract's of the same names;
    ``software`` names the program that made the detection, and its version; None in files of before it was noted.
    What the JSON does not hold: ``picture``, the key image as a PNG file, and ``report``, a DICOM SR, where they were
    made, and ``files``, those of the DICOM series that was searched.
    """

    case: str
    volume: dict[str, Any]
    model: dict[str, Any]
    settings: dict[str, Any]
    landmarks: list[LandmarkDetection]
    timing_s: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    picture: bytes | None = field(default=None, repr=False, compare=False)
    report: bytes | None = field(default=None, repr=False, compare=False)
    files: list[str] = field(default_factory=list, repr=False, compare=False)
    software: dict[str, Any] | None = None

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
            "software": self.software,
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
            landmarks = [_landmark({**ADDED, **of}) for of in values["landmarks"]]
            if not all(isinstance(reason, str) for landmark in landmarks for reason in landmark.reasons):
                raise ValueError("a reason is no text")
            landmarks.sort(key=lambda landmark: SIDES.index(landmark.side))
            rest = {name: values[name] for name in _KINDS}
            for name, kind in _KINDS.items():
                if not isinstance(rest[name], kind):
                    raise ValueError(f"{name} is {rest[name]!r}")
            if not isinstance(software := values.get("software"), (dict, type(None))):
                raise ValueError(f"software is {software!r}")
            _check_numbers(rest["settings"], rest["volume"], rest["timing_s"])
            return cls(landmarks=landmarks, software=software, **rest)
        except KeyError as error:
            raise BadInputError(f"This is no detection: {error} is missing.") from error
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise BadInputError(f"This is no detection: {error}.") from error


def write_detection(path: str | os.PathLike[str], detection: Detection) -> None:
    """Write the contract's JSON, whole or not at all; raise CannotRunError if it cannot be written."""
    write_json(path, detection.to_dict())


def read_detection(path: str | os.PathLike[str]) -> Detection:
    """Read a .detection.json; raise BadInputError if the file is none."""
    try:
        values = json.loads(read_text(path, INSTEAD))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not JSON; give {INSTEAD}.") from error
    try:
        return Detection.from_dict(values)
    except BadInputError as error:
        raise BadInputError(f"Cannot use {path}; give {INSTEAD}. {error}") from error


def _check_numbers(settings: dict[str, Any], volume: dict[str, Any], timing_s: dict[str, Any]) -> None:
    confidence, spacing = settings.get("confidence"), volume.get("spacing_mm")
    if not (confidence is None or 0 < _number(confidence, "the confidence") < 1):
        raise ValueError(f"the confidence is {confidence!r}")
    if not (spacing is None or (as_position(spacing) > 0).all()):
        raise ValueError(f"the voxel spacing is {spacing!r}")
    for stage, seconds in timing_s.items():
        if not (seconds is None or _number(seconds, f"the time {stage!r}") >= 0):
            raise ValueError(f"the time {stage!r} is {seconds!r}")


def is_undecided(description: str) -> bool:
    """Whether a point's description is the engine's, or says that nobody has decided, so that it is no reader's."""
    return _UNDECIDED.fullmatch(description.strip()) is not None


def chi2_quantile(probability: float) -> float:
    """Return the quantile of the chi-squared distribution with 3 degrees of freedom, for a probability in [0, 1)."""
    if not 0 <= probability < 1:
        raise BadInputError(f"The confidence {probability} is not in [0, 1); give for instance 0.9.")
    from scipy.special import gammaincinv  # not at the top: most of what imports this file needs no quantile

    return float(2 * gammaincinv(1.5, probability))


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


def _landmark(values: dict[str, Any]) -> LandmarkDetection:
    known = {name: values[name] for name in LandmarkDetection.__dataclass_fields__}
    known["fork"] = None if known["fork"] is None else ForkResult.from_dict(known["fork"])
    return LandmarkDetection(**known)


def _number(value: Any, name: str) -> float:
    if isinstance(value, (str, bool)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, which is no finite number")
    return float(value)


def _array(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    if values is None:
        return None
    array = np.array(values, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name} is not {' x '.join(map(str, shape))} finite numbers")
    return array
