"""Sheets of cuts for the report: the worst landmarks, each in its axial, coronal and sagittal cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import CarotidLandmarkError
from ...pictures.cuts import plain_cuts
from ...pictures.panel import Panel, fitted, font
from ...volume.ct import CTVolume
from ...volume.read import read_volume
from ..cases import Case
from .rows import Row

if TYPE_CHECKING:
    from PIL.Image import Image

FIELD_MM = 40.0  # of a cut
PIXELS, GAP, TITLE, SIZE = 240, 4, 22, 14
PAPER, INK = "white", "black"


def contact_sheet(rows: Sequence[Row], truths: Mapping[str, Case], confidence: float) -> Image:
    """Cuts through the truth of each landmark of ``rows`` or, of a false positive, through the prediction.

    A cut shows ``FIELD_MM``, or as much as it takes to have both in the picture.
    """
    blocks = []
    for number, row in enumerate(rows, start=1):
        volume = _volume(truths[row.score.case])
        center = row.truth if row.truth is not None else row.answer.position_lps_mm
        assert center is not None
        field = max(FIELD_MM, 2.4 * (row.error_mm or 0.0))
        title = f"{number}. {row.score.case} {row.score.side}: {row.verdict}; {field:.0f} mm across"
        title += "" if volume is not None else "; the volume cannot be read"
        panels = [Panel(cut, (PIXELS, PIXELS), PIXELS / field, volume) for cut in plain_cuts(center)]
        for panel in panels:
            panel.draw(row.answer, row.truth, confidence)
        blocks.append(block(title, panels))
    return stacked([stacked(blocks[at : at + 2], 0) for at in range(0, len(blocks), 2)], 1)


def block(title: str, panels: Sequence[Panel]) -> Image:
    """The panels beside each other, under a title."""
    from PIL import Image, ImageDraw

    row = stacked([panel.image for panel in panels], 0)
    image = Image.new("RGB", (row.width, TITLE + row.height), PAPER)
    ImageDraw.Draw(image).text((0, TITLE / 2), fitted(title, SIZE, row.width), INK, font(SIZE), "lm")
    image.paste(row, (0, TITLE))
    return image


def stacked(images: Sequence[Image], axis: int) -> Image:
    """The images beside each other (axis 0) or below each other (axis 1)."""
    from PIL import Image

    ends = [0]
    for image in images:
        ends.append(ends[-1] + image.size[axis] + GAP)
    size = [max(of) for of in zip(*(image.size for image in images))]
    size[axis] = ends[-1] - GAP
    whole = Image.new("RGB", (size[0], size[1]), PAPER)
    for image, start in zip(images, ends):
        whole.paste(image, (start, 0) if axis == 0 else (0, start))
    return whole


def _volume(truth: Case) -> CTVolume | None:
    try:
        return read_volume(truth.volume, truth.series)
    except CarotidLandmarkError:
        return None
