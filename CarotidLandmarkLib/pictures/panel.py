"""A cut drawn: the CT in a window, landmarks, ellipsoids, scale, directions and the names of vessels.

Pixels are square. The truth is a yellow +, the answer a green x, and where a reader moved it a pink +.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..landmarks.detection import LandmarkDetection
from ..volume.ct import CTVolume
from .cuts import Cut, Place, hu_at, section

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

WINDOW_HU = (-150.0, 550.0)  # width 700, level 200
TRUTH_COLOR, ANSWER_COLOR, READER_COLOR, NAME_COLOR = "#fbbf24", "#4ade80", "#f472b6", "#8ec5ff"
FINE_MM = 0.3  # a cut is sampled so finely, or as its pixels are
GRAY_STEP = 4  # between the grays of 0 to 255: finer ones nobody sees, and a noisy picture's file would be larger
SMOOTH = 4  # lines are drawn so much larger, for smooth edges
SCALE_MM = 10.0
FONT = 13
DRAWN = "±°…·«»‘’“”"  # what the font has beside ASCII
NAMED_MM = 17.0  # from the middle of the cut, a vessel bears its name, or as near to it as there is room
EDGE = 0.86  # of the way to the edge: the mark of a point beyond it
ARMS = {"+": ((1, 0), (-1, 0), (0, 1), (0, -1)), "x": ((1, 1), (-1, 1), (1, -1), (-1, -1))}
NEAREST, ARM, LARGEST = 5.0, 7.0, 40.0  # pixels: where an arm begins at the least, its length, where it begins at most

CLEAR = 18.0  # pixels around a mark that bear no name
WAYS = np.array([[np.cos(angle), np.sin(angle)] for angle in np.arange(8) * np.pi / 4])  # to where a name may stand
PARTED_MM, NEAR_MM = 2.0, 8.0  # from its start a daughter is apart, and so near to a cross-section is named there
GAPS = (2.0, 6.0, 12.0)  # pixels between a name and its vessel, whichever is first free
Box = tuple[float, float, float, float]  # pixels: left, top, right, bottom


class Panel:
    """A picture of `cut`, (width, height) pixels, `scale` pixels a mm; black without a volume.

    image: RGB, complete after `draw`.
    """

    def __init__(
        self,
        cut: Cut,
        size: tuple[int, int],
        scale: float,
        volume: CTVolume | None,
        window: tuple[float, float] = WINDOW_HU,
    ) -> None:
        self.cut, self.size, self.scale = cut, size, scale
        self.image = gray(volume, cut, size, scale, window)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where mm from the middle are, from the upper left corner of the upper left pixel."""
        return self.size[0] / 2 + x * self.scale, self.size[1] / 2 + y * self.scale

    def draw(
        self,
        answer: LandmarkDetection | None,
        truth: np.ndarray | None,
        confidence: float,
        moved_to: np.ndarray | None = None,
    ) -> Image:
        """Everything that lies over the CT; return the image. moved_to: (3,) LPS mm, where a reader put the point."""
        position, around = answer.position_lps_mm if answer else None, 0.0
        self.names([point for point in (position, truth, moved_to) if point is not None])
        self.letters()
        self.scale_bar()
        if answer and position is not None and answer.covariance_mm2 is not None:
            place = self.cut.place(position)
            outline = section(answer.covariance_mm2, confidence, self.cut.axes(position))
            self.lines([[self.pixel(place.x + x, place.y + y) for x, y in outline]], ANSWER_COLOR, 1.3)
            around = min(float(np.abs(outline).max()) * self.scale, LARGEST)
        self.mark(truth, "+", TRUTH_COLOR)
        self.mark(moved_to, "+", READER_COLOR)
        self.mark(position, "x", ANSWER_COLOR, around)
        return self.image

    def tint(self, color: np.ndarray, alpha: np.ndarray) -> None:
        """Lay `color` (height, width, 3) of 0 to 255 over the CT, as thick as `alpha` (height, width) of 0 to 1."""
        from PIL import Image

        sheet, mask = (Image.fromarray(of.round().astype(np.uint8)) for of in (color, 255 * alpha))
        self.image.paste(sheet, mask=mask)

    def lines(self, lines: Sequence[Sequence[tuple[float, float]]], color: str, width: float) -> None:
        """Draw lines through pixels (x, y), with a dark rim."""
        from PIL import Image, ImageDraw

        sheet = Image.new("RGBA", (self.size[0] * SMOOTH, self.size[1] * SMOOTH))
        pen = ImageDraw.Draw(sheet)
        for ink, wide in (("black", width + 1.4), (color, width)):
            for line in lines:
                scaled = [(x * SMOOTH, y * SMOOTH) for x, y in line]
                pen.line(scaled, fill=ink, width=round(wide * SMOOTH), joint="curve")
        sheet = sheet.reduce(SMOOTH)
        self.image.paste(sheet, mask=sheet)

    def mark(self, point: np.ndarray | None, sign: str, color: str, around: float = 0.0) -> None:
        """Mark a `point` (3,) LPS mm, moved along the normal into the cut.

        The arms begin `around` pixels from the point, so that it, its ellipsoid and a mark of the other kind are seen.
        One beyond the edge is marked at the edge, in brackets.
        """
        if point is None:
            return
        place = self.cut.place(point)
        half = np.array(self.size) / 2 / self.scale
        reach = float((np.abs([place.x, place.y]) / half).max())
        if reach > 1:
            x, y = self.pixel(EDGE / reach * place.x, EDGE / reach * place.y)
            self.text((x, y), f"({sign})", color)
            return
        x, y = self.pixel(place.x, place.y)
        near = max(around + 2, NEAREST)
        ways = np.array(ARMS[sign]) / np.linalg.norm(ARMS[sign][0])
        self.lines([[tuple(way * of + (x, y)) for of in (near, near + ARM)] for way in ways], color, 2.0)

    def text(self, at: tuple[float, float], text: str, color: str = "white", anchor: str = "mm") -> None:
        """Write `text` at a pixel, with a dark rim."""
        from PIL import ImageDraw

        ImageDraw.Draw(self.image).text(
            at, readable(text), fill=color, font=font(FONT), anchor=anchor, stroke_width=1, stroke_fill="black"
        )

    def letters(self) -> None:
        """The directions of the patient at the four edges."""
        width, height = self.size
        places = (
            (6, height / 2, "lm"),
            (width - 6, height / 2, "rm"),
            (width / 2, 5, "mt"),
            (width / 2, height - 5, "mb"),
        )
        for text, (x, y, anchor) in zip(self.cut.letters, places):
            self.text((x, y), text, anchor=anchor)

    def scale_bar(self) -> None:
        """A bar of SCALE_MM in the lower left corner."""
        from PIL import ImageDraw

        pen = ImageDraw.Draw(self.image)
        x, y, length = 8, self.size[1] - 12, round(SCALE_MM * self.scale)
        pen.rectangle((x - 1, y - 1, x + length, y + 3), fill="black")
        pen.rectangle((x, y, x + length - 1, y + 2), fill="white")
        words = f"{SCALE_MM:.0f} mm"
        middle = max(x + length / 2, 2 + font(FONT).getlength(words) / 2)  # of a short bar they reach beyond it
        self.text((middle, y - 3), words, anchor="mb")

    def names(self, points: Sequence[np.ndarray] = ()) -> None:
        """The names of the vessels where these lie in the cut, each beside its vessel, off all else and `points`."""
        seen = {name: self._seen(line) for name, line in self.cut.vessels.items()}
        width, height = self.size
        taken: list[Box] = [(0, height - 40, 10 + SCALE_MM * self.scale, height)]
        taken += [(x - 9, y - 9, x + 9, y + 9) for x, y in ((9, height / 2), (width - 9, height / 2))]
        taken += [(x - 9, y - 9, x + 9, y + 9) for x, y in ((width / 2, 9), (width / 2, height - 9))]
        for place in map(self.cut.place, points):
            x, y = self.pixel(place.x, place.y)
            taken.append((x - CLEAR, y - CLEAR, x + CLEAR, y + CLEAR))
        vessels = [(*self.pixel(of.x, of.y), radius * self.scale) for line in seen.values() for of, radius in line]
        middle = np.mean([[0.0, 0.0], *([of.x, of.y] for line in seen.values() for of, _ in line)], axis=0)
        for name, line in seen.items():
            half = np.array([font(FONT).getlength(name) / 2 + 2, FONT / 2 + 1])
            line = sorted(line, key=lambda of: abs(np.hypot(of[0].x, of[0].y) - NAMED_MM))
            boxes = (box for place, radius in line for box in self._beside(place, radius, half, middle))
            free = (box for box in boxes if self._holds(box) and not _meets(box, taken) and not _covers(box, vessels))
            box = next(free, None)
            if box is not None:
                self.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), name, NAME_COLOR)
                taken.append(box)

    def _seen(self, line: np.ndarray) -> list[tuple[Place, float]]:
        """The places, with radii in mm, where a vessel (n, 4) lies in the cut, or parts near to a cross-section."""
        places = [(self.cut.place(row[:3]), float(row[3])) for row in line]
        if self.cut.upright:
            return [(place, radius) for place, radius in places if abs(place.off) <= radius]
        parted = np.linalg.norm(line[:, :3] - line[0, :3], axis=1) >= PARTED_MM
        place, radius = places[int(parted.argmax())]
        return [(place, radius)] if abs(place.off) <= NEAR_MM else []

    def _beside(self, place: Place, radius: float, half: np.ndarray, middle: np.ndarray) -> Iterator[Box]:
        """Boxes of twice `half` (2,) pixels beside a vessel of `radius` mm at `place`, first off `middle` (2,)."""
        ways = WAYS[::4] if self.cut.upright else WAYS
        outward = ways @ (np.array([place.x, place.y]) - middle)
        for way in ways[np.argsort(-outward, kind="stable")]:
            for gap in GAPS:
                at = self.pixel(place.x, place.y) + way * (radius * self.scale + gap) + np.sign(way.round(3)) * half
                yield (at[0] - half[0], at[1] - half[1], at[0] + half[0], at[1] + half[1])

    def _holds(self, box: Box) -> bool:
        return box[0] >= 2 and box[1] >= 2 and box[2] <= self.size[0] - 2 and box[3] <= self.size[1] - 2


def _meets(box: Box, others: Sequence[Box]) -> bool:
    return any(box[0] < of[2] and of[0] < box[2] and box[1] < of[3] and of[1] < box[3] for of in others)


def _covers(box: Box, discs: Sequence[tuple[float, float, float]]) -> bool:
    """Whether the box covers a part of one of the discs (x, y, radius)."""
    return any(
        np.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3])) < radius for x, y, radius in discs
    )


def gray(
    volume: CTVolume | None, cut: Cut, size: tuple[int, int], scale: float, window: tuple[float, float] = WINDOW_HU
) -> Image:
    """The CT alone, as RGB."""
    from PIL import Image

    if volume is None:
        return Image.new("RGB", size)
    fine = min(1.0, 1 / FINE_MM / scale)
    low, high = window
    hu = hu_at(volume, places(cut, size, scale, (max(2, round(size[0] * fine)), max(2, round(size[1] * fine)))))
    shown = Image.fromarray(((hu.clip(low, high) - low) * (255 / (high - low))).astype(np.float32))
    pixels = np.asarray(shown.resize(size, Image.Resampling.BICUBIC)) / GRAY_STEP
    return Image.fromarray((pixels.round() * GRAY_STEP).clip(0, 255).astype(np.uint8)).convert("RGB")


def places(cut: Cut, size: tuple[int, int], scale: float, pixels: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) LPS mm of the middles of `pixels` (width, height) that fill a panel of `size` at `scale`."""
    x, y = ((np.arange(n) + 0.5) * (whole / scale / n) - whole / scale / 2 for whole, n in zip(size, pixels))
    return cut.lps(*np.meshgrid(x, y))


@cache
def font(size: int) -> FreeTypeFont:
    """The font that Pillow brings along. Raises ImportError where Pillow was built without FreeType."""
    from PIL import ImageFont

    return ImageFont.load_default(size)  # type: ignore[return-value]


def readable(text: str) -> str:
    """`text` without what the font lacks: accents are left out, mm³ is mm3, other letters are question marks."""
    import unicodedata

    plain = "".join(of if of in DRAWN else unicodedata.normalize("NFKD", of) for of in text)
    return "".join(of if of.isascii() or of in DRAWN else "?" for of in plain if not unicodedata.combining(of))


def wrapped(text: str, size: int, width: float) -> list[str]:
    """`text` in lines of at most `width` pixels, broken between words."""
    lines: list[str] = []
    for word in readable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(word, size, width))
    return lines


def fitted(text: str, size: int, width: float) -> str:
    """`text`, or its end after an ellipsis where it is wider than `width` pixels."""
    text = readable(text)
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(f"…{text}") > width:
        text = text[1:]
    return f"…{text}"
