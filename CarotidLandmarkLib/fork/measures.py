"""Numbers of a carotid fork: calibres, angle, narrowing, calcium, and its height in the volume.

For research; none of them is a diagnosis. Lengths along a vessel count from where it passes the carina.
"""

from __future__ import annotations

from typing import Union

import numpy as np
from scipy import ndimage

from ..landmarks.forks import UNITS, Measure
from ..volume.ct import CTVolume
from .calcium import REACH_MM as CALCIUM_MM
from .calcium import Calcium, find_calcium
from .sections import NEAR_MM, STEP_MM, Sections, measure_sections
from .trace import MISSING, Fork

CALIBRES = {
    "common_10_mm": ("common", 10.0),
    "common_20_mm": ("common", 20.0),
    "internal_20_mm": ("internal", 20.0),
    "internal_30_mm": ("internal", 30.0),
    "external_10_mm": ("external", 10.0),
}
RATIO_OF = ("common_20_mm", "internal_20_mm", "external_10_mm")
NARROWING = ("internal_narrowest_mm", "internal_narrowest_at_mm", "nascet_percent")
NEED_NAMES = (*list(CALIBRES)[2:], "bulb_mm", "area_ratio", *NARROWING)  # that internal and external are told apart
BULB_MM = (3.0, 15.0)  # where the bulb is widest, along the internal carotid
NARROW_MM = (2.0, 30.0)  # where the narrowest place of the internal carotid is looked for
ANGLE_MM, ANGLE_LEAST_MM = (5.0, 15.0), 10.0  # from where to where the vectors of the angle reach, and at least
AFTER_MM, BULB_END_MM = 8.0, 20.0  # a normal part lies so far beyond the narrow place and, from the carina, the bulb;
EVEN_MM = 8.0  # it is so long,
EVEN_SHARE = 0.2  # differs in calibre by no more than this share,
COLLAPSED_MM = 2.5  # and is wider than this: a thinner one may have fallen together behind a narrow place
ALONE_MM = 0.6  # one or two sections
SAMPLES, LEAST_SAMPLES = 8, 4  # repetitions with the carina moved, and from how many a spread is told
MOST_UNKNOWN = 2  # diameters of a range one after the other: more of them may hide its narrowest place or its widest
SHORT_MM = 10.0  # calcium is summed where no vessel ends by more than this before its reach
# What the method itself errs by, SD and share of the value: 1.5 times the median error at 174 forks of phantoms (of
# calcium, and what was found where there is none); of the ratio as it follows from diameters of 5 mm.
OWN_SD = {
    **dict.fromkeys((*CALIBRES, "bulb_mm", "internal_narrowest_mm"), (0.3, 0.0)),
    "area_ratio": (0.0, 0.15),
    "angle_deg": (6.0, 0.0),
    "nascet_percent": (4.0, 0.0),
    "calcium_mm3": (5.0, 0.33),
}
UNNAMED = "Which daughter is the internal carotid cannot be told."

Value = Union[float, str]  # a number, or the sentence why there is none


def measure_fork(
    fork: Fork, volume: CTVolume, covariance: np.ndarray | None = None, seed: int = 0
) -> dict[str, Measure]:
    """The measures of a fork traced in `volume`: name -> Measure, in the order of UNITS.

    Diameters are those of discs of the lumen's areas, see sections.py; `bulb_mm` is the largest of the internal carotid
    within BULB_MM. `area_ratio`: (internal^2 + external^2) / common^2 of those 20, 10 and 20 mm away.

    `angle_deg`: in 3D, between the vectors along both daughters' centrelines from the first to the second of ANGLE_MM
    beyond the carina, or to where one of them ends, ANGLE_LEAST_MM or more beyond it. They begin where each has a lumen
    of its own, as the branch vectors of VMTK do (vtkvmtkCenterlineBifurcationVectors), but those end one radius on,
    which is less than two voxels of a thick CT. Angles depend on such choices: Kamenskiy et al. (Three-dimensional
    geometry of the human carotid artery, 2012) found 36 +- 11 degrees between centrelines and 15 +- 14 between walls.

    `internal_narrowest_mm` lies within NARROW_MM, `internal_narrowest_at_mm` along the vessel. `nascet_percent`: what
    it lacks of the diameter of an even part beyond it and beyond the bulb; 0 where it is no narrower. `calcium_mm3`:
    see calcium.py. `above_top_mm`, `below_bottom_mm`: from the volume's end down or up to the carina along the slices'
    axis; of a fork that has no carina the landmark is taken.

    covariance: (3, 3) mm^2, of the landmark. A measure's `sd` is how far it lies (root mean square) from those with the
    carina moved by samples of it, drawn from `seed`, and of single sections, together with OWN_SD: wide where a narrow
    place is shorter than what a calibre is the median of. None: there is no `sd`. What the fork does not allow has no
    value but a reason. Raises ValueError where `covariance` is not (3, 3) finite numbers.
    """
    shifts = np.concatenate([np.zeros((1, 3)), _samples(covariance, seed)])
    place = fork.point if fork.carina is None else fork.carina
    tries: list[dict[str, Value]] = [
        {**dict.fromkeys(UNITS, MISSING[fork.missing or "fork"]), **_heights(volume, place + by)} for by in shifts
    ]
    vessels = _sections(fork, volume)
    if vessels is not None and fork.carina is not None and fork.level_hu is not None and fork.tissue_hu is not None:
        calcium = find_calcium(volume, list(vessels.values()), fork.carina, fork.level_hu, fork.tissue_hu)
        for number, (by, values) in enumerate(zip(shifts, tries)):
            values.update(vessel_values(vessels, fork.carina + by, ALONE_MM if number else NEAR_MM))
            values["calcium_mm3"] = _calcium(vessels, calcium, fork.carina + by)
            if fork.internal_probability is None:
                values.update(dict.fromkeys(NEED_NAMES, UNNAMED))
    return {name: _measure(name, [values[name] for values in tries]) for name in UNITS}


def _samples(covariance: np.ndarray | None, seed: int) -> np.ndarray:
    """(n, 3) mm by which the landmark may lie elsewhere; none without a covariance."""
    if covariance is None:
        return np.zeros((0, 3))
    covariance = np.asarray(covariance, dtype=np.float64)
    if covariance.shape != (3, 3) or not np.isfinite(covariance).all():
        raise ValueError("a covariance is not 3 x 3 finite numbers")
    return np.random.default_rng(seed).multivariate_normal(np.zeros(3), covariance, SAMPLES, check_valid="ignore")


def _measure(name: str, tries: list[Value]) -> Measure:
    """The first of `tries`, with the way from it to the others and the method's own."""
    value = tries[0]
    if isinstance(value, str):
        return Measure(None, None, UNITS[name], value)
    others = np.array([other for other in tries[1:] if not isinstance(other, str)])
    least, share = OWN_SD.get(name, (0.0, 0.0))
    if len(others) < LEAST_SAMPLES:
        return Measure(value, None, UNITS[name])
    sd = float(np.hypot(np.sqrt(np.mean((others - value) ** 2)), least + share * value))
    return Measure(value, sd, UNITS[name])


def _heights(volume: CTVolume, place: np.ndarray) -> dict[str, Value]:
    grid = volume.grid
    if grid.distance_inside(place) < 0:
        return dict.fromkeys(("above_top_mm", "below_bottom_mm"), "The carina lies outside of the volume.")
    axis = grid.slice_axis
    first = float((grid.world_to_index(place)[axis] + 0.5) * grid.spacing[axis])
    last = float(grid.extent_mm[axis]) - first
    below, above = (first, last) if grid.direction[2, axis] > 0 else (last, first)
    return {"above_top_mm": above, "below_bottom_mm": below}


def _sections(fork: Fork, volume: CTVolume) -> dict[str, Sections] | None:
    common, internal, external, level, tissue = (
        fork.common, fork.internal, fork.external, fork.level_hu, fork.tissue_hu,
    )  # fmt: skip
    if common is None or internal is None or external is None or level is None or tissue is None:
        return None
    return {
        "common": measure_sections(volume, common, level, tissue),
        "internal": measure_sections(volume, internal, level, tissue),
        "external": measure_sections(volume, external, level, tissue),
    }


def vessel_values(vessels: dict[str, Sections], carina: np.ndarray, near_mm: float) -> dict[str, Value]:
    """What the vessels' courses and calibres alone tell: the measures of UNITS but for calcium and heights.

    vessels: those of VESSELS. carina: (3,) LPS mm. A diameter is the median of the sections within `near_mm`.
    """
    start = {name: vessel.beside(carina) for name, vessel in vessels.items()}
    values: dict[str, Value] = {}
    for name, (vessel, length) in CALIBRES.items():
        values[name] = _calibre(vessels[vessel], vessel, start[vessel], length, near_mm)
    common, internal, external = (values[name] for name in RATIO_OF)
    values["area_ratio"] = _ratio(common, internal, external)
    values["angle_deg"] = _angle(vessels, start)
    internal_vessel, at_carina = vessels["internal"], start["internal"]
    bulb = _range(internal_vessel, at_carina, BULB_MM, near_mm)
    values["bulb_mm"] = bulb if isinstance(bulb, str) else float(np.nanmax(bulb))
    narrow = _range(internal_vessel, at_carina, NARROW_MM, near_mm)
    if isinstance(narrow, str):
        return values | dict.fromkeys(NARROWING, narrow)
    least = int(np.nanargmin(narrow))
    at = NARROW_MM[0] + least * STEP_MM
    values["internal_narrowest_mm"], values["internal_narrowest_at_mm"] = float(narrow[least]), at
    values["nascet_percent"] = _nascet(internal_vessel, at_carina, at, float(narrow[least]))
    return values


def _calibre(vessel: Sections, name: str, start: float, length: float, near_mm: float) -> Value:
    """The diameter `length` mm beyond the carina, which the vessel passes at `start`."""
    if not 0 <= start + length <= vessel.end:
        return f"The {name} carotid is followed for {max(vessel.end - start, 0):.0f} mm only."
    value = vessel.at(start + length, near_mm)
    return value if np.isfinite(value) else f"The {name} carotid does not stand out from what is beside it there."


def _range(vessel: Sections, start: float, limits: tuple[float, float], near_mm: float) -> np.ndarray | str:
    """Diameters of the internal carotid every STEP_MM within `limits` beyond the carina, NaN where not known."""
    if start + limits[1] > vessel.end:
        return f"The internal carotid is followed for {max(vessel.end - start, 0):.0f} mm only."
    lengths = np.arange(limits[0], limits[1] + STEP_MM / 2, STEP_MM)
    values = np.array([vessel.at(start + length, near_mm) for length in lengths])
    if ndimage.binary_opening(np.isnan(values), np.ones(MOST_UNKNOWN + 1)).any():
        return "The internal carotid does not stand out from what is beside it everywhere."
    return values


def _ratio(common: Value, internal: Value, external: Value) -> Value:
    for value in (common, internal, external):
        if isinstance(value, str):
            return value
    return float((internal**2 + external**2) / common**2)  # type: ignore[operator]


def _angle(vessels: dict[str, Sections], start: dict[str, float]) -> Value:
    ends = {name: vessels[name].end - start[name] for name in ("internal", "external")}
    shorter = min(ends, key=lambda name: ends[name])
    if ends[shorter] < ANGLE_LEAST_MM:
        return f"The {shorter} carotid is followed for {max(ends[shorter], 0):.0f} mm only."
    far = min(ANGLE_MM[1], ends[shorter])
    ways = []
    for name in ends:
        if start[name] + ANGLE_MM[0] < 0:
            return f"The {name} carotid begins {-start[name]:.0f} mm beyond the carina."
        way = vessels[name].place(start[name] + far) - vessels[name].place(start[name] + ANGLE_MM[0])
        ways.append(way / np.linalg.norm(way))
    return float(np.degrees(np.arccos(np.clip(ways[0] @ ways[1], -1, 1))))


def _nascet(vessel: Sections, start: float, narrow_at: float, narrow: float) -> Value:
    first = start + max(narrow_at + AFTER_MM, BULB_END_MM)
    evenest, normal = np.inf, 0.0
    for begin in np.arange(first, vessel.end - EVEN_MM, STEP_MM):
        calibres = vessel.diameter[(vessel.length >= begin) & (vessel.length <= begin + EVEN_MM)]
        if np.isfinite(calibres).all() and len(calibres):
            middle = float(np.median(calibres))
            spread = float(np.ptp(calibres)) / middle
            if spread < evenest:
                evenest, normal = spread, middle
    if evenest > EVEN_SHARE:
        return "No even part of the internal carotid is seen beyond its narrowest place and the bulb."
    if normal < COLLAPSED_MM:
        return "The internal carotid is thin all along beyond: it may have collapsed behind a narrow place."
    return max(0.0, 100 * (1 - narrow / normal))


def _calcium(vessels: dict[str, Sections], calcium: Calcium, carina: np.ndarray) -> Value:
    for name, vessel in vessels.items():
        if vessel.end - vessel.beside(carina) < CALCIUM_MM - SHORT_MM:
            return f"The {name} carotid is followed for {max(vessel.end - vessel.beside(carina), 0):.0f} mm only."
    return calcium.volume_mm3(carina)
