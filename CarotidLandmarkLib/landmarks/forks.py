"""What the lumen around a landmark says of it, and what was measured there, as a detection's file has it."""

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
MEASURES = (
    *("common_10_mm", "common_20_mm", "bulb_mm", "internal_20_mm", "internal_30_mm", "external_10_mm"),
    *("area_ratio", "angle_deg", "internal_narrowest_mm", "internal_narrowest_at_mm", "nascet_percent", "calcium_mm3"),
    *("above_top_mm", "below_bottom_mm", "mandible_angle_mm", "hyoid_mm"),
    *(f"c{number}_mm" for number in range(2, 8)),
    "skull_base_mm",
)


@dataclass(frozen=True)
class Measure:
    """value and sd, in unit ("mm", "mm2", "mm3", "deg", "%" or "" for a ratio); reason: why there is no value, or None.

    Raises ValueError for a number that is not finite, and for a value with a reason or none without one.
    """

    value: float | None
    sd: float | None = None
    unit: str = "mm"
    reason: str | None = None

    def __post_init__(self) -> None:
        for number in (self.value, self.sd):
            if number is not None and (isinstance(number, (str, bool)) or not math.isfinite(number)):
                raise ValueError(f"a measure is {number!r}, which is no finite number")
        if not isinstance(self.unit, str) or (self.value is None) != isinstance(self.reason, str):
            raise ValueError("a measure needs a unit and either a value or the reason why there is none")


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
    """check: of CHECKS, with its reasons (sentences). distance_mm: from the landmark to the carina of the lumen,
    carina_lps_mm (3,). internal_probability: that internal and external are not the other way round, None where that
    cannot be told. calcified: calcium was followed as if it were lumen. lumen_hu, tissue_hu: of the lumen and of what
    is around it. vessels: each of VESSELS from the fork outwards as (n, 4), points in LPS mm and radii in mm, or None.
    measures: by name. notes: sentences on the quality. lumen: which the JSON does not hold. What could not be traced is
    None.

    Raises ValueError for what cannot be.
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
            raise ValueError(f"the check of a fork cannot be {self.check!r}")
        for name in ("distance_mm", "internal_probability", "lumen_hu", "tissue_hu"):
            number = getattr(self, name)
            if number is not None and (isinstance(number, (str, bool)) or not math.isfinite(number)):
                raise ValueError(f"{name} is {number!r}, which is no finite number")
        if not all(isinstance(text, str) for text in [*self.reasons, *self.notes]):
            raise ValueError("a reason is no text")
        if self.carina_lps_mm is not None:
            self.carina_lps_mm = _finite(self.carina_lps_mm, (3,), "carina_lps_mm")
        if self.vessels is not None:
            if tuple(self.vessels) != VESSELS:
                raise ValueError(f"the vessels are not {', '.join(VESSELS)}")
            self.vessels = {name: _finite(line, (None, 4), name) for name, line in self.vessels.items()}

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the schema, whose keys are the fields; positions to a hundredth of a millimetre."""
        plain = {name: of for name, of in vars(self).items() if name != "lumen"}
        plain["carina_lps_mm"] = None if self.carina_lps_mm is None else self.carina_lps_mm.tolist()
        if self.vessels is not None:
            plain["vessels"] = {name: line.round(2).tolist() for name, line in self.vessels.items()}
        plain["measures"] = {name: dict(vars(measure)) for name, measure in self.measures.items()}
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ForkResult:
        """The result of such an object; unknown keys are ignored. Raises ValueError, TypeError or KeyError."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name != "lumen"}
        known["measures"] = {
            name: Measure(**{key: of[key] for key in Measure.__dataclass_fields__})
            for name, of in values["measures"].items()
        }
        return cls(**known)


def _finite(values: Any, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    fits = array.ndim == len(shape) and all(wanted in (None, size) for size, wanted in zip(array.shape, shape))
    if not (fits and np.isfinite(array).all()):
        raise ValueError(f"{name} is not {' x '.join(str(size or 'n') for size in shape)} finite numbers")
    return array
