"""Axial, coronal and sagittal cuts of a CT through landmarks, to scale, with truth, answer and ellipsoid.

Radiological convention: the patient's right is on the left of axial and coronal cuts, and sagittal ones have anterior
on the left. Pixels are square. The truth is a yellow +, the answer a green ×.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import CarotidLandmarkError
from ...landmarks.detection import Detection, LandmarkDetection, chi2_quantile
from ...landmarks.points import SIDES
from ...volume.ct import CTVolume
from ...volume.geometry import Grid
from ...volume.read import read_volume
from ...volume.sample import sample
from ..cases import Case
from .rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

WINDOW_HU = (-150.0, 550.0)  # width 700, level 200
TRUTH_COLOR, ANSWER_COLOR = "#fbbf24", "#4ade80"
BACKGROUND, INK = "#101216", "#e8eaed"
PIXELS = 256
LETTER_SIZE = 8
FIELD_MM = 40.0  # of a contact sheet's cut
PICTURE_MM = 56.0  # of a picture's cut
TITLE_LENGTH = 74
Landmarks = Mapping[str, "np.ndarray | None"]


class View(NamedTuple):
    """A cut: LPS unit vectors that point to the right and down in the picture, and the letters at its four edges."""

    name: str
    right: np.ndarray
    down: np.ndarray
    letters: str  # left, right, top, bottom


X, Y, Z = np.eye(3)
VIEWS = (View("axial", X, Y, "RLAP"), View("coronal", X, -Z, "RLSI"), View("sagittal", Y, -Z, "APSI"))


def picture(volume: CTVolume, detection: Detection, truth: Landmarks | None = None) -> Figure:
    """A detection: cuts through each side's answer, or else its truth (side to (3,) LPS mm), or the volume's centre."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure((10.2, 7.8), layout="constrained", facecolor=BACKGROUND)
    panels = figure.subfigures(len(SIDES), 1, squeeze=False, hspace=0.02).ravel()
    confidence = detection.settings["confidence"]
    for panel, side in zip(panels, SIDES):
        answer, true = detection.landmark(side), (truth or {}).get(side)
        center = next(p for p in (answer.position_lps_mm, true, volume.grid.center) if p is not None)
        three_planes(panel, volume, center, PICTURE_MM, answer, true, confidence)
        title = f"{side}: {answer.status}, presence {answer.presence:.2f}"
        if true is not None and answer.position_lps_mm is not None:
            title += f", {np.linalg.norm(answer.position_lps_mm - true):.2f} mm off"
        panel.set_facecolor(BACKGROUND)
        panel.suptitle(f"{title}; {PICTURE_MM:g} mm across", color=INK, fontsize=11)
        for axes, view in zip(panel.axes, VIEWS):
            axes.set_title(view.name, color=INK, fontsize=9)
    signs = [Line2D([], [], color=ANSWER_COLOR, marker="x", label=f"detected, with its {confidence:.0%} ellipsoid")]
    if truth:
        signs.append(Line2D([], [], color=TRUTH_COLOR, marker="+", markersize=10, ls="", label="truth"))
    figure.legend(
        handles=signs, loc="outside lower center", ncols=len(signs), frameon=False, labelcolor=INK, fontsize=9
    )
    return figure


def contact_sheet(rows: Sequence[Row], truths: Mapping[str, Case], confidence: float) -> Figure:
    """Cuts through the truth of each landmark of ``rows`` or, of a false positive, through the prediction.

    A cut shows ``FIELD_MM``, or as much as it takes to have both in the picture.
    """
    from matplotlib.figure import Figure

    down = -(-len(rows) // 2)
    figure = Figure((12.4, down * 2.42 + 0.05), layout="constrained")
    panels = figure.subfigures(down, 2, squeeze=False, wspace=0.02).ravel()
    for number, (panel, row) in enumerate(zip(panels, rows), start=1):
        volume = _volume(truths[row.score.case])
        center = row.truth if row.truth is not None else row.answer.position_lps_mm
        assert center is not None
        field = max(FIELD_MM, 2.4 * (row.error_mm or 0.0))
        three_planes(panel, volume, center, field, row.answer, row.truth, confidence)
        title = f"{number}. {row.score.case} {row.score.side}: {row.verdict}; {field:.0f} mm across"
        title += "" if volume is not None else "; the volume cannot be read"
        panel.suptitle(title if len(title) <= TITLE_LENGTH else "…" + title[-TITLE_LENGTH:], fontsize=8)
    return figure


def three_planes(
    panel: Figure | SubFigure,
    volume: CTVolume | None,
    center: np.ndarray,
    field_mm: float,
    answer: LandmarkDetection,
    truth: np.ndarray | None,
    confidence: float,
) -> None:
    """Fill ``panel`` with the three cuts through ``center`` (3,) LPS mm, ``field_mm`` wide, and what lies there."""
    place = answer.position_lps_mm
    for axes, view in zip(panel.subplots(1, len(VIEWS)), VIEWS):
        show_cut(axes, volume, center, view, field_mm)
        if place is not None and answer.covariance_mm2 is not None:
            line = section(answer.covariance_mm2, confidence, view)
            x, y = (line + [(place - center) @ view.right, (place - center) @ view.down]).T
            for ink, width in (("black", 2.4), (ANSWER_COLOR, 1.2)):
                axes.plot(x, y, color=ink, linewidth=width, zorder=4)
        mark(axes, truth, center, view, "+")
        mark(axes, place, center, view, "×")


def cut_grid(center: np.ndarray, view: View, field_mm: float) -> Grid:
    """A square of ``PIXELS``, ``field_mm`` wide, around ``center`` (3,) LPS mm: index i to the right, j down."""
    spacing = field_mm / PIXELS
    origin = center - (view.right + view.down) * spacing * (PIXELS - 1) / 2
    axes = np.stack([view.right, view.down, np.cross(view.right, view.down)], axis=1)
    return Grid((PIXELS, PIXELS, 1), np.full(3, spacing), origin, axes)


def show_cut(axes: Axes, volume: CTVolume | None, center: np.ndarray, view: View, field_mm: float) -> None:
    """Draw the cut of ``volume`` (black without one); the axes are mm from ``center``, and fixed."""
    half = field_mm / 2
    extent = (-half, half, half, -half)
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    if volume is not None:
        hu = sample(volume, cut_grid(center, view, field_mm))[0].numpy()
        axes.imshow(hu, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], extent=extent, interpolation="bilinear")
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", autoscale_on=False)
    places = ((0.03, 0.5, "left"), (0.97, 0.5, "right"), (0.5, 0.94, "center"), (0.5, 0.06, "center"))
    for letter, (x, y, side) in zip(view.letters, places):
        _text(axes, x, y, letter, color="white", fontsize=LETTER_SIZE, ha=side, transform=axes.transAxes)


def mark(axes: Axes, point: np.ndarray | None, center: np.ndarray, view: View, sign: str) -> None:
    """Mark a ``point`` (3,) LPS mm, moved along the normal into the cut: "+" the truth, "×" the answer.

    The arms leave the point itself, its ellipsoid and a mark of the other kind to be seen. One beyond the edge is
    marked at the edge, in brackets.
    """
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D

    if point is None:
        return
    half = axes.get_xlim()[1]
    place = np.array([(point - center) @ view.right, (point - center) @ view.down])
    color = TRUTH_COLOR if sign == "+" else ANSWER_COLOR
    reach = float(np.abs(place).max())
    if reach > half:
        x, y = (0.86 * half / reach * place).tolist()
        _text(axes, x, y, f"({sign})", color=color, fontsize=10, ha="center", zorder=5)
        return
    gap, size, angle = (0.4, 20, 0) if sign == "+" else (0.4, 14, 45)
    arms = [np.array(end) * along for end in ((1, 0), (-1, 0), (0, 1), (0, -1)) for along in (gap, 1)]
    style = MarkerStyle(Path(arms, [Path.MOVETO, Path.LINETO] * 4), transform=Affine2D().rotate_deg(angle))
    for ink, width in (("black", 2.8), (color, 1.4)):
        axes.plot(*place[:, None], marker=style, color=ink, markersize=size, markeredgewidth=width, ls="", zorder=5)


def section(covariance: np.ndarray, confidence: float, view: View, points: int = 90) -> np.ndarray:
    """Outline (points, 2), mm to the right and down, of the confidence ellipsoid in the cut through its centre.

    Exact: the points p of the plane with p . inv(covariance) . p = chi2.
    """
    plane = np.stack([view.right, view.down], axis=1)
    precision = np.linalg.inv(covariance + 1e-9 * np.eye(3))
    variances, axes = np.linalg.eigh(plane.T @ precision @ plane)
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return circle * np.sqrt(chi2_quantile(confidence) / variances) @ axes.T


def _text(axes: Axes, x: float, y: float, text: str, **how: Any) -> None:
    from matplotlib.patheffects import withStroke

    axes.text(x, y, text, va="center", path_effects=[withStroke(linewidth=2, foreground="black")], **how)


def _volume(truth: Case) -> CTVolume | None:
    try:
        return read_volume(truth.volume, truth.series)
    except CarotidLandmarkError:
        return None
