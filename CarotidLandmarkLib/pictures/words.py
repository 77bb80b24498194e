"""What a key image says of a landmark, in lines of text."""

from __future__ import annotations

from ..landmarks.detection import LandmarkDetection
from ..landmarks.forks import ForkResult, Measure

KEY_MEASURES = {
    "common_10_mm": "CCA, 10 mm below",
    "common_20_mm": "CCA, 20 mm below",
    "bulb_mm": "bulb, widest",
    "internal_20_mm": "ICA, 20 mm above",
    "internal_30_mm": "ICA, 30 mm above",
    "external_10_mm": "ECA, 10 mm above",
    "area_ratio": "area (ICA + ECA) / CCA",
    "angle_deg": "angle ICA - ECA",
    "internal_narrowest_mm": "ICA, narrowest",
    "nascet_percent": "NASCET",
    "calcium_mm3": "calcium",
    "above_top_mm": "below top of scan",
    "mandible_angle_mm": "above mandible angle",
    "hyoid_mm": "above hyoid",
    "skull_base_mm": "above skull base",
}
UNITS = {"deg": "°", "%": " %", "": ""}
VERIFIED = "one artery below the point, two above it"


def size_of(landmark: LandmarkDetection, confidence: float) -> str:
    """The ellipsoid's radii, mm."""
    if landmark.confidence_radii_mm is None:
        return ""
    radii = " x ".join(f"{radius:.1f}" for radius in landmark.confidence_radii_mm)
    return f"± {radii} mm ({confidence * 100:g} % ellipsoid)"


def check_of(fork: ForkResult | None) -> str:
    """What the lumen says of the point."""
    if fork is None:
        return "Lumen: not looked at."
    if fork.check == "verified":
        away = "" if fork.distance_mm is None else f"; they part {fork.distance_mm:.1f} mm from it"
        return f"Lumen: verified: {VERIFIED}{away}."
    return " ".join([f"Lumen: {fork.check}.", *fork.reasons])


def notes_of(fork: ForkResult | None) -> str:
    """What else is to be known of the trace."""
    return "" if fork is None else " ".join(note for note in fork.notes if note not in fork.reasons)


def measures_of(fork: ForkResult | None) -> list[tuple[str, str]]:
    """(what, value) of the key measures that have a value."""
    known = {} if fork is None else fork.measures
    return [(label, number(known[name])) for name, label in KEY_MEASURES.items() if has_value(known.get(name))]


def has_value(measure: Measure | None) -> bool:
    """Whether there is a number to tell."""
    return measure is not None and measure.value is not None


def number(measure: Measure) -> str:
    """The value of a measure that has one, with its SD and unit."""
    digits = 2 if measure.unit == "" else 0 if measure.unit in ("deg", "%", "mm3") else 1
    spread = "" if measure.sd is None else f" ± {measure.sd:.{digits}f}"
    return f"{measure.value:.{digits}f}{spread}{UNITS.get(measure.unit, f' {measure.unit}')}"
