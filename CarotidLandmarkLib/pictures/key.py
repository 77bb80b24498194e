"""The key image of a case: both forks in three cuts each, and what is known of them; to paste into a report."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..atomic import write_bytes
from ..landmarks.detection import Detection, LandmarkDetection
from ..landmarks.forks import ForkResult
from ..landmarks.points import SIDES
from ..landmarks.reading import UNREAD, Reading
from ..volume.ct import CTVolume
from . import words
from .cuts import Cut, cross_section, fork_plane, plain_cuts
from .panel import ANSWER_COLOR, READER_COLOR, TRUTH_COLOR, WINDOW_HU, Panel, fitted, font, readable, wrapped
from .stretched import stretched
from .words import INK, SOFT

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

BACKGROUND, EDGE = "#101216", "#3a3f47"
SIZES = ((360, 360), (360, 360), (220, 360))  # pixels of the three panels
FORK_SCALES, PLAIN_SCALE = (6.0, 10.0, 5.0), 6.0  # pixels a mm
GAP, HEAD, TITLE, FOOT, TEXT = 12, 38, 24, 30, 340
SIZE, LINE = 14, 18  # pixels: of the text at the side, and of its lines
LEAST_MEASURES = 8  # lines that are kept for measures where there is much else to say
FEWEST_POINTS, SHORTEST_MM = 4, 5.0  # of a vessel that a cut can be laid through
NEAR_MM = 10.0  # from the lumen's carina, a point that a reader moved is still shown, and measured, at this fork
OFF_MM = 1.0  # a point so far from the plane of its cut is said to be off
BRIGHTEST_HU = (450.0, 750.0)  # the window's end, within these
LUMEN_SHARE = 0.8  # of the window, where the lumen is
SIGN = b"Software\0CarotidLandmark"  # in a file: it was drawn here
DISCLAIMER = "For research use; not for clinical use."


def key_image(
    volume: CTVolume,
    detection: Detection,
    truth: Mapping[str, np.ndarray | None] | None = None,
    readings: Mapping[str, Reading] | None = None,
) -> Image:
    """A picture (PIL, RGB) of both sides of `detection`, which was made in `volume`: three cuts, status and measures.

    Where the vessels were traced: the plane of the fork, the cross-section at the carina, and the common and internal
    carotid stretched out; else axial, coronal and sagittal through the point; of an absent landmark a sentence.
    truth: side to (3,) LPS mm, marked, too. readings: side to what a reader made of it: a point that was moved away
    from the fork is shown where it is now, and one that is missing is not. Raises ImportError where Pillow is missing
    or lacks FreeType.
    """
    from PIL import Image, ImageDraw

    width = 2 * GAP + sum(size[0] for size in SIZES) + len(SIZES) * GAP + TEXT
    row = TITLE + SIZES[0][1] + GAP
    image = Image.new("RGB", (width, HEAD + len(SIDES) * row + FOOT), BACKGROUND)
    pen = ImageDraw.Draw(image)
    confidence = detection.settings.get("confidence", 0.9)
    for number, side in enumerate(SIDES):
        reading = (readings or {}).get(side, UNREAD)
        top, landmark = HEAD + number * row, detection.landmark(side)
        draw_side(image, top, volume, landmark, (truth or {}).get(side), confidence, reading)
    pen.text((GAP, HEAD / 2), fitted(f"Carotid bifurcations: {detection.case}", 18, width // 2), INK, font(18), "lm")
    model = " ".join(str(detection.model.get(key) or "") for key in ("name", "version")).strip()
    pen.text((width - GAP, HEAD / 2), readable(f"Model {model}. {DISCLAIMER}"), SOFT, font(13), "rm")
    moved = any(reading.decision == "moved" for reading in (readings or {}).values())
    legend(pen, image.height - FOOT / 2, confidence, truth is not None, moved)
    return image


def png(image: Image) -> bytes:
    """`image` as a PNG file, SIGN near its beginning."""
    from PIL.PngImagePlugin import PngInfo

    file, info = io.BytesIO(), PngInfo()
    key, value = SIGN.decode().split("\0")
    info.add_text(key, value)
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def save(image: Image, path: str | os.PathLike[str]) -> None:
    """Write `image` as a PNG, whole or not at all; raise CannotRunError if it cannot be written."""
    write_bytes(path, png(image))


def draw_side(
    image: Image,
    top: int,
    volume: CTVolume,
    landmark: LandmarkDetection,
    truth: np.ndarray | None,
    confidence: float,
    reading: Reading = UNREAD,
) -> None:
    """Draw the cuts and the words of one landmark into `image`, from the pixel `top` on."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    window = window_of(landmark.fork)
    cuts = cuts_of(landmark, truth, reading)
    moved_to = reading.moved_to
    shown = landmark.position_lps_mm if moved_to is None else moved_to
    left = GAP
    for (cut, scale), size in zip(cuts, SIZES):
        panel = Panel(cut, size, scale, volume, window).draw(landmark, truth, confidence, moved_to)
        image.paste(panel, (left, top + TITLE))
        place = None if shown is None else cut.place(shown)
        away = f", {abs(place.off):.1f} mm off" if place and abs(place.off) >= OFF_MM else ""
        pen.text((left, top + TITLE / 2), fitted(cut.name + away, 14, size[0]), SOFT, font(14), "lm")
        left += size[0] + GAP
    right = GAP + sum(size[0] + GAP for size in SIZES)
    if cuts:
        low, high = window
        hu = f"W {high - low:.0f}  L {(high + low) / 2:.0f} HU"
        pen.text((right, top + TITLE + SIZES[0][1]), hu, SOFT, font(12), "ld")
    else:
        absent(pen, (GAP, top + TITLE, right - GAP - 1, top + TITLE + SIZES[0][1] - 1), landmark, reading)
    write_side(pen, (right, top), landmark, truth, confidence, reading)


def cuts_of(
    landmark: LandmarkDetection, truth: np.ndarray | None = None, reading: Reading = UNREAD
) -> list[tuple[Cut, float]]:
    """The cuts that show a landmark, each with its pixels a mm; none where there is nothing to show."""
    places = (reading.moved_to, landmark.position_lps_mm, truth)
    center = next((place for place in places if place is not None), None)
    if center is None or reading.decision == "missing":
        return []
    fork = landmark.fork
    if landmark.position_lps_mm is None or fork is None or not has_vessels(fork) or not is_near(fork, reading):
        return [(cut, PLAIN_SCALE) for cut in plain_cuts(center)]
    plane = fork_plane(fork)
    across = cross_section(fork, center, moved=reading.decision == "moved")
    cuts: Sequence[Cut] = (plane, across, stretched(fork, plane.right))
    return list(zip(cuts, FORK_SCALES))


def is_near(fork: ForkResult | None, reading: Reading) -> bool:
    """Whether the point is still at this fork: it was not moved, or by little."""
    if fork is None or reading.moved_to is None or fork.carina_lps_mm is None:
        return reading.moved_to is None
    return bool(np.linalg.norm(reading.moved_to - fork.carina_lps_mm) <= NEAR_MM)


def has_vessels(fork: ForkResult) -> bool:
    """Whether all three are there, each long enough for a cut through it."""
    if fork.vessels is None or fork.carina_lps_mm is None:
        return False
    return all(
        len(line) >= FEWEST_POINTS and np.linalg.norm(line[-1, :3] - line[0, :3]) >= SHORTEST_MM
        for line in fork.vessels.values()
    )


def window_of(fork: ForkResult | None) -> tuple[float, float]:
    """HU that are black and white: so that the lumen is bright, and calcium brighter."""
    if fork is None or fork.lumen_hu is None:
        return WINDOW_HU
    low = WINDOW_HU[0]
    high = float(np.clip(low + (fork.lumen_hu - low) / LUMEN_SHARE, *BRIGHTEST_HU))
    return low, round(high / 50) * 50.0


def write_side(
    pen: ImageDraw,
    at: tuple[int, int],
    landmark: LandmarkDetection,
    truth: np.ndarray | None,
    confidence: float,
    reading: Reading,
) -> None:
    """Write what is known of a landmark, from the pixel `at` downwards."""
    x, y = at[0], at[1] + TITLE / 2
    name = landmark.side.capitalize()
    status, color, detected = words.status_of(landmark, reading)
    pen.text((x, y), name, INK, font(18), "lm")
    pen.text((x + font(18).getlength(name) + 10, y), status, color, font(18), "lm")
    pen.text((x + TEXT, y), detected, SOFT, font(SIZE), "rm")
    lines: list[tuple[str, str]] = []
    measures: list[tuple[str, str]] = []
    if reading.decision != "missing":
        applies = landmark.fork is None or is_near(landmark.fork, reading)
        told = words.told(landmark, truth, confidence, reading, applies)
        lines = [(part, color) for text, color in told for part in wrapped(text, SIZE, TEXT)]
        measures = words.measures_of(landmark.fork) if applies else []
    room = SIZES[0][1] // LINE - 2
    most = room - min(len(measures), LEAST_MEASURES)
    if len(lines) > most:
        lines = [*lines[: most - 1], ("…", SOFT)]
    top = at[1] + TITLE
    for number, (text, color) in enumerate(lines):
        pen.text((x, top + LINE * number), text, color, font(SIZE))
    top += LINE * len(lines) + 6
    for number, (what, value) in enumerate(measures[: room - len(lines)]):
        pen.text((x, top + LINE * number), what, SOFT, font(SIZE))
        pen.text((x + TEXT, top + LINE * number), readable(value), INK, font(SIZE), "ra")


def absent(
    pen: ImageDraw, box: tuple[int, int, int, int], landmark: LandmarkDetection, reading: Reading = UNREAD
) -> None:
    """In the place of the cuts: that there is nothing to show, and why."""
    pen.rectangle(box, outline=EDGE)
    lines = wrapped(words.missing_of(landmark, reading), 14, (box[2] - box[0]) * 2 // 3)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2 - 10 * len(lines)
    pen.text((x, y), f"No carotid bifurcation on the {landmark.side}", INK, font(18), "mm")
    for number, text in enumerate(lines):
        pen.text((x, y + 28 + 20 * number), text, SOFT, font(14), "mm")


def legend(pen: ImageDraw, y: float, confidence: float, truth: bool, moved: bool) -> None:
    """What the marks mean, at the height `y`."""
    x = float(GAP)
    signs = [("x", f"detected, with its {confidence * 100:g} % ellipsoid", ANSWER_COLOR)]
    if truth:
        signs.append(("+", "truth", TRUTH_COLOR))
    if moved:
        signs.append(("+", "moved by the reader", READER_COLOR))
    hint = "A point off its cut is moved into it. The patient's left is on the right of cross-sections."
    signs.append(("", hint, SOFT))
    for sign, text, color in signs:
        pen.text((x, y), f"{sign} {text}".strip(), color, font(13), "lm")
        x += font(13).getlength(f"{sign} {text}") + 24
