from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from CarotidLandmarkLib.landmarks.detection import chi2_quantile
from CarotidLandmarkLib.study.report.demo_picture import (
    DETECTED,
    FIELD_MM,
    PANEL,
    TRUTH,
    VIEWS,
    draw_detection,
    section,
    write_png,
)
from CarotidLandmarkLib.study.report.strokes import GLYPHS

COVARIANCE = np.array([[4.0, 1, 0.5], [1, 2, -0.3], [0.5, -0.3, 1]])


def test_section_is_where_the_ellipsoid_meets_the_plane():
    for view in VIEWS:
        outline = section(COVARIANCE, 0.9, view.right, view.down, points=24)
        points = outline @ np.stack([view.right, view.down])
        distance2 = np.einsum("ni,ij,nj->n", points, np.linalg.inv(COVARIANCE), points)
        np.testing.assert_allclose(distance2, chi2_quantile(0.9), rtol=1e-6)
        np.testing.assert_allclose(outline[0], outline[-1], atol=1e-9)


def test_views_are_radiological():
    axial, coronal, sagittal = VIEWS
    for view in VIEWS:
        directions = dict(zip("LRPASI", [v for axis in np.eye(3) for v in (axis, -axis)]))
        for letter, toward in zip(view.letters, (-view.right, view.right, -view.down, view.down)):
            np.testing.assert_array_equal(directions[letter], toward)
    assert axial.letters[0] == coronal.letters[0] == "R" and sagittal.letters[0] == "A"


def test_picture_shows_the_bright_balls_detections_and_truth(detector, volume, balls, tmp_path):
    detection = detector.detect(volume, samples=2)
    image = draw_detection(volume, detection, {"left": balls["left"] + [0, 0, 8], "right": None})
    write_png(image, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), image)

    def painted(color, part):
        return int((np.abs(part.astype(int) - color).sum(-1) < 30).sum())

    top = image[46 : 46 + PANEL]
    bottom = image[46 + PANEL + 6 : 46 + 2 * PANEL + 6]
    for row in (top, bottom):
        assert painted(DETECTED, row[:, :PANEL]) > 20
    assert painted(TRUTH, top) > 100 and painted(TRUTH, bottom) == 0
    coronal = top[:, PANEL + 6 : 2 * PANEL + 12]
    rows = np.nonzero((np.abs(coronal.astype(int) - TRUTH).sum(-1) < 30).any(1))[0]
    assert abs((PANEL / 2 - rows.mean()) / PANEL * FIELD_MM - 8) < 0.5, "superior is up and millimetres are to scale"


def test_an_absent_landmark_has_a_panel_without_outline(detector, make_neck, balls):
    volume = make_neck(balls={"left": balls["left"]})
    image = draw_detection(volume, detector.detect(volume, samples=1), {})
    right = image[46 + PANEL + 6 + 60 : 46 + 2 * PANEL + 6]
    assert (np.abs(right.astype(int) - DETECTED).sum(-1) < 30).sum() == 0


def test_every_letter_stays_on_its_raster():
    for strokes in GLYPHS.values():
        for stroke in strokes.split():
            assert len(stroke) % 2 == 0 and set(stroke[::2]) <= set("01234") and set(stroke[1::2]) <= set("0123456")
