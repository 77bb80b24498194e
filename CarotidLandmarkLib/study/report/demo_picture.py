"""One picture of a detection: axial, coronal and sagittal cuts through each landmark.

Radiological convention: the patient's right is on the left of axial and coronal cuts; sagittal cuts look left (anterior
on the left). Pixels are square.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ...atomic import replacing
from ...landmarks.detection import Detection, LandmarkDetection, chi2_quantile
from ...landmarks.points import SIDES
from ...volume.ct import CTVolume
from ...volume.geometry import Grid
from ...volume.sample import sample
from .strokes import draw_lines, draw_text, text_width

WINDOW_HU = (-150.0, 550.0)  # width 700, level 200
FIELD_MM = 56.0
PANEL = 440  # pixels along a panel's edge
GAP, HEAD, FOOT = 6, 46, 50
BACKGROUND = (16, 18, 22)
INK = (232, 234, 237)
SOFT = (150, 156, 165)
DETECTED = (74, 222, 128)
TRUTH = (251, 191, 36)
STATUS_INK = {"found": DETECTED, "review": (251, 146, 60), "absent": (248, 113, 113)}


class View(NamedTuple):
    """A cut: LPS unit vectors that point to the right and down in the picture, and the letters at its four edges."""

    name: str
    right: np.ndarray
    down: np.ndarray
    letters: str  # left, right, top, bottom


X, Y, Z = np.eye(3)
VIEWS = (View("axial", X, Y, "RLAP"), View("coronal", X, -Z, "RLSI"), View("sagittal", Y, -Z, "APSI"))


def draw_detection(volume: CTVolume, detection: Detection, truth: dict[str, np.ndarray | None]) -> np.ndarray:
    """The picture (H, W, 3) uint8: a row for each side, a column for each cut, both ellipsoid and truth outlined.

    truth: side to (3,) LPS mm or None. A side without position is cut at its truth, or else at the volume's centre.
    """
    step = PANEL + GAP
    image = np.empty((HEAD + len(SIDES) * step + FOOT, len(VIEWS) * step + GAP, 3))
    image[:] = BACKGROUND
    for column, view in enumerate(VIEWS):
        draw_text(image, view.name, (GAP + column * step + PANEL / 2, 15), 16, INK, anchor=0.5)
    for row, side in enumerate(SIDES):
        for column, view in enumerate(VIEWS):
            top, left = HEAD + row * step, GAP + column * step
            panel = image[top : top + PANEL, left : left + PANEL]
            _draw_panel(
                panel, volume, detection.landmark(side), truth.get(side), view, detection.settings["confidence"]
            )
            if column == 0:
                _draw_caption(panel, detection.landmark(side), truth.get(side))
    _draw_legend(image, detection.settings["confidence"])
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def write_png(image: np.ndarray, path: Path) -> None:
    """Write (H, W, 3) uint8 as a PNG that appears by rename."""
    with replacing(path, ".png") as part:
        sitk.WriteImage(sitk.GetImageFromArray(image, isVector=True), str(part))


def section(
    covariance: np.ndarray, confidence: float, right: np.ndarray, down: np.ndarray, points: int = 90
) -> np.ndarray:
    """Outline (points, 2), mm along `right` and `down`, of the confidence ellipsoid in the plane through its centre.

    Exact: the points p of the plane with p . inv(covariance) . p = chi2.
    """
    plane = np.stack([right, down], axis=1)
    precision = np.linalg.inv(covariance + 1e-9 * np.eye(3))
    variances, axes = np.linalg.eigh(plane.T @ precision @ plane)
    angle = np.linspace(0, 2 * np.pi, points)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return circle * np.sqrt(chi2_quantile(confidence) / variances) @ axes.T


def _draw_panel(
    panel: np.ndarray,
    volume: CTVolume,
    landmark: LandmarkDetection,
    truth: np.ndarray | None,
    view: View,
    confidence: float,
) -> None:
    center = next(p for p in (landmark.position_lps_mm, truth, volume.grid.center) if p is not None)
    spacing = FIELD_MM / PANEL
    origin = center - (view.right + view.down) * spacing * (PANEL - 1) / 2
    axes = np.stack([view.right, view.down, np.cross(view.right, view.down)], axis=1)
    hu = sample(volume, Grid((PANEL, PANEL, 1), np.full(3, spacing), origin, axes))[0].numpy().astype(np.float64)
    low, high = WINDOW_HU
    panel[:] = 255 * np.clip((hu - low) / (high - low), 0, 1)[..., None]

    def pixel(point: np.ndarray) -> np.ndarray:
        return np.array([(point - origin) @ view.right, (point - origin) @ view.down]) / spacing

    if landmark.position_lps_mm is not None and landmark.covariance_mm2 is not None:
        middle = pixel(landmark.position_lps_mm)
        outline = section(landmark.covariance_mm2, confidence, view.right, view.down) / spacing + middle
        draw_lines(panel, [outline], DETECTED, width=2.0, halo=1.0)
        draw_lines(panel, [np.stack([middle, middle])], DETECTED, width=5.0, halo=1.0)
    if truth is not None:
        arms = [np.array([[a, b]]) * sign for a, b in ((1, 1), (1, -1)) for sign in (-1, 1)]
        draw_lines(
            panel, [pixel(truth) + np.concatenate([5 * arm, 11 * arm]) for arm in arms], TRUTH, width=2.0, halo=1.0
        )
    edge, size = 10, 14
    places = ((edge, 0.0), (PANEL - edge, 1.0))
    for letter, (x, anchor) in zip(view.letters[:2], places):
        draw_text(panel, letter, (x, (PANEL - size) / 2), size, INK, anchor)
    for letter, y in zip(view.letters[2:], (edge, PANEL - edge - size)):
        draw_text(panel, letter, (PANEL / 2, y), size, INK, 0.5)


def _draw_caption(panel: np.ndarray, landmark: LandmarkDetection, truth: np.ndarray | None) -> None:
    draw_text(panel, landmark.side, (10, 10), 16, INK)
    draw_text(panel, landmark.status, (10, 34), 11, STATUS_INK[landmark.status])
    if truth is not None and landmark.position_lps_mm is not None:
        error = np.linalg.norm(landmark.position_lps_mm - truth)
        draw_text(panel, f"{error:.2f} mm off", (10, PANEL - 22), 11, INK)


def _draw_legend(image: np.ndarray, confidence: float) -> None:
    y, size, x = image.shape[0] - FOOT / 2, 12.0, 24.0
    angle = np.linspace(0, 2 * np.pi, 60)
    draw_lines(image, [np.stack([x + 11 * np.cos(angle), y + 7 * np.sin(angle)], axis=1)], DETECTED, width=2.0)
    draw_lines(image, [np.array([[x, y], [x, y]])], DETECTED, width=5.0)
    words = f"detected with {100 * confidence:g} % ellipsoid"
    draw_text(image, words, (x + 22, y - size / 2), size, INK)
    x += 22 + text_width(words, size) + 50
    for sign in (-1, 1):
        draw_lines(image, [np.array([[x - 7, y - sign * 7], [x + 7, y + sign * 7]])], TRUTH, width=2.0)
    draw_text(image, "truth", (x + 18, y - size / 2), size, INK)
    draw_text(image, f"{FIELD_MM:g} mm across", (image.shape[1] - 20, y - size / 2), size, SOFT, anchor=1.0)
