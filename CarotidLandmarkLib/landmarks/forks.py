"""What the lumen says of a landmark: the fork, its check and its measures, and their JSON form in a detection."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..volume.geometry import Grid

CHECKS = ("verified", "contradicted", "unclear")
VESSELS = ("common", "internal", "external")
DECIMALS = 3  # of vessels in JSON
UNITS = {  # of what is measured at the fork itself, in the order in which it is shown
    "common_10_mm": "mm",
    "common_20_mm": "mm",
    "bulb_mm": "mm",
    "internal_20_mm": "mm",
    "internal_30_mm": "mm",
    "external_10_mm": "mm",
    "area_ratio": "",
    "angle_deg": "deg",
    "internal_narrowest_mm": "mm",
    "internal_narrowest_at_mm": "mm",
    "nascet_percent": "%",
    "calcium_mm3": "mm3",
    "above_top_mm": "mm",
    "below_bottom_mm": "mm",
}
SIGNS = {"": "", "mm": " mm", "mm3": " mm³", "deg": "°", "%": " %"}  # of units, as they follow a number
WHOLE = ("mm3", "%")  # units of which nobody reads fractions
MEASURES = (*UNITS, "mandible_angle_mm", "hyoid_mm", *(f"c{level}_mm" for level in range(2, 8)), "skull_base_mm")


@dataclass
class Measure:
    """A number with its standard deviation, both in ``unit`` ("mm", "mm3", "deg", "%" or ""), or why there is none.

    ``value`` None goes with a ``reason``, a sentence, and a value with none. ``sd`` is None where it is not known.
    Raises ValueError for anything else, and for numbers that are not finite.
    """

    value: float | None
    sd: float | None = None
    unit: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        self.value, self.sd = _number(self.value, "a measure"), _number(self.sd, "the spread of a measure")
        if not isinstance(self.unit, str):
            raise ValueError(f"a measure has the unit {self.unit!r}, which is no text")
        if (self.value is None) != (isinstance(self.reason, str) and bool(self.reason)) or self.reason == "":
            raise ValueError(f"a measure has the value {self.value} and the reason {self.reason!r}")
        if self.sd is not None and (self.value is None or self.sd < 0):
            raise ValueError(f"a measure has the value {self.value} and the spread {self.sd}")

    def text(self) -> str:
        """The value with its SD and unit for a reader, as in "6.1 ± 0.2 mm"; empty where there is no value."""
        if self.value is None:
            return ""
        digits = 0 if self.unit in WHOLE else 1 if self.unit else 2
        spread, least = "", 10.0**-digits
        if self.sd is not None:
            spread = f" ± {self.sd:.{digits}f}" if self.sd >= least / 2 else f" ± < {least:.{digits}f}"
        return f"{self.value:.{digits}f}{spread}{SIGNS.get(self.unit, f' {self.unit}')}"

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as the contract's JSON object."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, values: Any) -> Measure:
        """Return the measure of such a JSON object, whose unknown keys are ignored; raise ValueError if it is none."""
        return cls(**_fields(cls, values, "a measure"))


class Lumen(NamedTuple):
    """voxels: (z, y, x) bool on ``grid``, what the three vessels hold."""

    grid: Grid
    voxels: np.ndarray

    def packed(self) -> dict[str, Any]:
        """The lumen as a small JSON object, see `unpacked`."""
        bits = base64.b64encode(zlib.compress(np.packbits(self.voxels).tobytes())).decode("ascii")
        grid = self.grid
        return {
            "size": list(grid.size),
            "spacing_mm": grid.spacing.tolist(),
            "origin_lps_mm": grid.origin.tolist(),
            "direction": grid.direction.tolist(),
            "bits": bits,
        }

    @classmethod
    def unpacked(cls, values: Mapping[str, Any]) -> Lumen:
        """The lumen of such an object. Raises KeyError, TypeError or ValueError."""
        nx, ny, nz = (int(size) for size in values["size"])
        grid = Grid(
            (nx, ny, nz), *(np.array(values[name], float) for name in ("spacing_mm", "origin_lps_mm", "direction"))
        )
        try:
            raw = zlib.decompress(base64.b64decode(values["bits"]))
        except zlib.error as error:
            raise ValueError(f"a lumen cannot be unpacked ({error})") from error
        return cls(
            grid, np.unpackbits(np.frombuffer(raw, np.uint8), count=nx * ny * nz).astype(bool).reshape(nz, ny, nx)
        )


@dataclass
class ForkResult:
    """What a CT shows around a landmark.

    ``check`` is of CHECKS, ``reasons`` and ``notes`` are sentences. ``distance_mm`` from the landmark to the lumen's
    carina, which lies at ``carina_lps_mm`` (3,). ``internal_probability``: that internal and external are not the other
    way round. ``calcified``: calcium was followed as if it were lumen. ``lumen_hu``, ``tissue_hu``: of the lumen and of
    what is around it. ``vessels``: each of VESSELS from the fork outwards, (n, 4), LPS mm and the radius in mm.
    ``measures``: name -> Measure. ``lumen``, which the JSON does not hold: see Lumen. None stands for what is not
    known. Raises ValueError for a wrong kind or shape and for numbers that are not finite.
    """

    check: str
    reasons: list[str] = field(default_factory=list)
    distance_mm: float | None = None
    carina_lps_mm: np.ndarray | None = None
    internal_probability: float | None = None
    calcified: bool = False
    lumen_hu: float | None = None
    tissue_hu: float | None = None
    vessels: dict[str, np.ndarray] | None = None
    measures: dict[str, Measure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lumen: Lumen | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.check not in CHECKS:
            raise ValueError(f"a fork's check is {self.check!r} instead of one of {', '.join(CHECKS)}")
        for name in ("reasons", "notes"):
            texts = getattr(self, name)
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"a fork's {name} are {texts!r}, which are no sentences")
        for name in ("distance_mm", "internal_probability", "lumen_hu", "tissue_hu"):
            setattr(self, name, _number(getattr(self, name), f"a fork's {name}"))
        if not 0 <= (self.internal_probability or 0) <= 1:
            raise ValueError(f"a fork's internal_probability is {self.internal_probability}")
        if not isinstance(self.calcified, (bool, np.bool_)):
            raise ValueError(f"a fork's calcified is {self.calcified!r} instead of true or false")
        self.calcified = bool(self.calcified)
        if self.carina_lps_mm is not None:
            self.carina_lps_mm = _array(self.carina_lps_mm, "a fork's carina_lps_mm", rows=False)
        if self.vessels is not None:
            if not isinstance(self.vessels, dict) or set(self.vessels) != set(VESSELS):
                raise ValueError(f"a fork's vessels are not {', '.join(VESSELS)}")
            self.vessels = {name: _array(self.vessels[name], f"the {name} vessel", rows=True) for name in VESSELS}
        if not isinstance(self.measures, dict) or not all(
            isinstance(name, str) and isinstance(measure, Measure) for name, measure in self.measures.items()
        ):
            raise ValueError("a fork's measures are no measures with names")

    def to_dict(self) -> dict[str, Any]:
        """Return the fork as the contract's JSON object, whose keys are the fields but for the lumen."""
        out = dict(vars(self), reasons=list(self.reasons), notes=list(self.notes))
        del out["lumen"]
        if self.carina_lps_mm is not None:
            out["carina_lps_mm"] = self.carina_lps_mm.tolist()
        if self.vessels is not None:
            out["vessels"] = {name: line.round(DECIMALS).tolist() for name, line in self.vessels.items()}
        out["measures"] = {name: measure.to_dict() for name, measure in self.measures.items()}
        return out

    @classmethod
    def from_dict(cls, values: Any) -> ForkResult:
        """Return the fork of such a JSON object, whose unknown keys are ignored; raise ValueError if it is none."""
        given = _fields(cls, values, "a fork")
        if not isinstance(given["measures"], dict):
            raise ValueError("a fork's measures are no measures with names")
        given["measures"] = {name: Measure.from_dict(measure) for name, measure in given["measures"].items()}
        return cls(**given)


def _fields(kind: Any, values: Any, what: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ValueError(f"{what} is {values!r} instead of an object")
    names = [name for name in kind.__dataclass_fields__ if name != "lumen"]
    missing = [name for name in names if name not in values]
    if missing:
        raise ValueError(f"{what} has no {missing[0]}")
    return {name: values[name] for name in names}


def _number(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise ValueError(f"{what} is {value!r}, which is no number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"{what} is too large a number") from error
    if not math.isfinite(number):
        raise ValueError(f"{what} is {value!r}, which is no finite number")
    return number


def _array(values: Any, what: str, rows: bool) -> np.ndarray:
    """(3,) or, as `rows`, (n, 4) finite numbers, n > 0."""
    sentence = f"{what} is not {'rows of 4' if rows else '3'} finite numbers"
    try:
        array = np.array(values)
    except ValueError as error:  # rows of different lengths
        raise ValueError(sentence) from error
    fits = array.ndim == 2 and array.shape[1] == 4 and len(array) > 0 if rows else array.shape == (3,)
    if not fits or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(sentence)
    return array.astype(np.float64)
