"""The worst landmarks as a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...errors import CarotidLandmarkError
from ...volume.ct import CTVolume
from ...volume.read import read_volume
from ..cases import Case
from .cuts import mark, outline, show_cut
from .demo_picture import VIEWS
from .rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 2  # landmarks
INCHES = 2.0  # a cut
FIELD_MM = 40.0
TITLE_LENGTH = 74


def contact_sheet(rows: Sequence[Row], truths: Mapping[str, Case], confidence: float) -> Figure:
    """Cuts through the truth of each landmark of ``rows`` with its prediction and ellipsoid, or, of a false positive,
    through the prediction. A cut shows ``FIELD_MM``, or as much as it takes to have both in the picture."""
    from matplotlib.figure import Figure

    down = -(-len(rows) // ACROSS)
    figure = Figure((ACROSS * (3 * INCHES + 0.2), down * (INCHES + 0.42) + 0.05), layout="constrained")
    panels = figure.subfigures(down, ACROSS, squeeze=False, wspace=0.02).ravel()
    for number, (panel, row) in enumerate(zip(panels, rows), start=1):
        volume = _volume(truths[row.score.case])
        place = row.answer.position_lps_mm
        center = row.truth if row.truth is not None else place
        assert center is not None
        field = max(FIELD_MM, 2.4 * (row.error_mm or 0.0))
        for axes, view in zip(panel.subplots(1, len(VIEWS)), VIEWS):
            show_cut(axes, volume, center, view, field)
            if place is not None and row.answer.covariance_mm2 is not None:
                outline(axes, row.answer.covariance_mm2, place, confidence, center, view)
            mark(axes, row.truth, center, view, "+")
            mark(axes, place, center, view, "×")
        title = f"{number}. {row.score.case} {row.score.side}: {row.verdict}; {field:.0f} mm across"
        title += "" if volume is not None else "; the volume cannot be read"
        panel.suptitle(title if len(title) <= TITLE_LENGTH else "…" + title[-TITLE_LENGTH:], fontsize=8)
    return figure


def _volume(truth: Case) -> CTVolume | None:
    try:
        return read_volume(truth.volume, truth.series)
    except CarotidLandmarkError:
        return None
