"""Axial, coronal and sagittal cuts of a CT on matplotlib axes, to scale, with marks.

Radiological convention, as in ``demo.picture``: the patient's right is on the left of axial and coronal cuts, and
sagittal ones have anterior on the left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...volume.ct import CTVolume
from ...volume.geometry import Grid
from ...volume.sample import sample
from .demo_picture import DETECTED, TRUTH, WINDOW_HU, View, section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 200
LETTER_SIZE = 7


def hexed(color: tuple[int, int, int]) -> str:
    """A colour of 0 to 255 as matplotlib takes it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


TRUTH_COLOR, PREDICTION_COLOR = hexed(TRUTH), hexed(DETECTED)


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
        axes.text(
            x, y, letter, color="white", fontsize=LETTER_SIZE, ha=side, va="center", transform=axes.transAxes, alpha=0.8
        )  # fmt: skip


def mark(axes: Axes, point: np.ndarray | None, center: np.ndarray, view: View, sign: str) -> None:
    """Mark a ``point`` (3,) LPS mm, moved along the normal into the cut: "+" the truth, "×" the prediction.

    The arms of the truth's leave the point itself, and a prediction on it, to be seen. One beyond the edge is marked
    at the edge, in brackets.
    """
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Affine2D

    if point is None:
        return
    half = axes.get_xlim()[1]
    place = np.array([(point - center) @ view.right, (point - center) @ view.down])
    color = TRUTH_COLOR if sign == "+" else PREDICTION_COLOR
    reach = float(np.abs(place).max())
    if reach > half:
        x, y = (0.86 * half / reach * place).tolist()
        halo = [withStroke(linewidth=2, foreground="black")]
        axes.text(x, y, f"({sign})", color=color, fontsize=10, ha="center", va="center", path_effects=halo, zorder=5)
        return
    gap, size, angle = (0.35, 17, 0) if sign == "+" else (0.2, 9, 45)
    arms = [np.array(end) * along for end in ((1, 0), (-1, 0), (0, 1), (0, -1)) for along in (gap, 1)]
    style = MarkerStyle(Path(arms, [Path.MOVETO, Path.LINETO] * 4), transform=Affine2D().rotate_deg(angle))
    for ink, width in (("black", 2.8), (color, 1.4)):
        axes.plot(*place[:, None], marker=style, color=ink, markersize=size, markeredgewidth=width, ls="", zorder=5)


def outline(
    axes: Axes, covariance: np.ndarray, point: np.ndarray, confidence: float, center: np.ndarray, view: View
) -> None:
    """Draw the section of the ``confidence`` ellipsoid around ``point`` in the plane through it parallel to the cut."""
    line = section(covariance, confidence, view.right, view.down)
    x, y = (line + [(point - center) @ view.right, (point - center) @ view.down]).T
    axes.plot(x, y, color=PREDICTION_COLOR, linewidth=1.2, zorder=4)
