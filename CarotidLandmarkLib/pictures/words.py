"""What a key image says of a landmark, in lines of text."""

from __future__ import annotations

import numpy as np

from ..landmarks.detection import LandmarkDetection
from ..landmarks.forks import ForkResult
from ..landmarks.reading import Reading
from .panel import ANSWER_COLOR, READER_COLOR, TRUTH_COLOR

INK, SOFT = "#e8eaed", "#9aa0a8"
STATUS_COLORS = {"found": ANSWER_COLOR, "review": "#fb923c", "absent": SOFT}
DECISION_COLORS = {"accepted": ANSWER_COLOR, "moved": READER_COLOR, "missing": SOFT}

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
VERIFIED = "one artery below the point, two above it"


def status_of(landmark: LandmarkDetection, reading: Reading) -> tuple[str, str, str]:
    """The status in a word, which is the reader's decision where there is one; its colour; what was detected."""
    presence = f"presence {landmark.presence:.2f}"
    if reading.decision == "unreviewed":
        return landmark.status, STATUS_COLORS[landmark.status], presence
    return reading.decision, DECISION_COLORS[reading.decision], f"detected: {landmark.status}, {presence}"


def told(
    landmark: LandmarkDetection, truth: np.ndarray | None, confidence: float, reading: Reading, applies: bool = True
) -> list[tuple[str, str]]:
    """What is to be said of a landmark that is there, and in which colour.

    applies: whether what the lumen says is about the fork where the point now is.
    """
    position, fork, moved_to = landmark.position_lps_mm, landmark.fork, reading.moved_to
    lines = [] if moved_to is None else [("LPS {:.1f}, {:.1f}, {:.1f} mm".format(*moved_to), INK)]
    if position is None:
        return lines and [*lines, ("Placed by the reader; none was detected.", READER_COLOR)]
    if moved_to is not None:
        away = f"Moved by the reader, {np.linalg.norm(position - moved_to):.1f} mm from where it was detected."
        lines.append((away, READER_COLOR))
    size, place = size_of(landmark, confidence), "LPS {:.1f}, {:.1f}, {:.1f} mm".format(*position)
    lines += [(size, INK), (place, SOFT)] if moved_to is None else [(f"Detected: {place}, {size}", SOFT)]
    if truth is not None:
        lines.append((f"{np.linalg.norm(position - truth):.2f} mm from the truth", TRUTH_COLOR))
    if not applies:
        return [*lines, ("The lumen was looked at where the point was detected, not here.", SOFT)]
    lines.append((check_of(fork), ANSWER_COLOR if fork and fork.check == "verified" else INK))
    if moved_to is not None and fork is not None:
        lines.append(("This is about the point as it was detected.", SOFT))
    reasons_color = STATUS_COLORS["review"] if reading.decision == "unreviewed" else SOFT
    return [*lines, (" ".join(landmark.reasons), reasons_color), (notes_of(fork), SOFT)]


def missing_of(landmark: LandmarkDetection, reading: Reading) -> str:
    """Why there is nothing to show of a landmark."""
    if reading.decision == "missing" and landmark.position_lps_mm is not None:
        return f"Marked as missing by the reader; detected: {landmark.status}, presence {landmark.presence:.2f}."
    return " ".join(landmark.reasons)


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
    known = {} if fork is None else {name: measure.text() for name, measure in fork.measures.items()}
    return [(label, known[name]) for name, label in KEY_MEASURES.items() if known.get(name)]
