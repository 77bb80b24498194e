"""What is to be seen in the views: by colour, since all that is grey is the CT."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.ellipsoids import COLORS
from PIL import Image

POINT = (1.0, 0.3, 0.3)
RADIUS_PIXELS = 5 * np.array([2.9, 4.0])  # of the left ellipsoid, seen from the front: 5 pixels a mm


def has(pixels, color, tolerance=40):
    """Return where (x, y from the lower left corner) the picture is of that colour."""
    rows, columns = np.nonzero(np.abs(pixels.astype(int) - np.multiply(color, 255)).max(axis=2) < tolerance)
    return np.column_stack([columns, pixels.shape[0] - 1 - rows])


@pytest.fixture
def views(slices, threeD, landmarks, landmarkScene):
    landmarkScene.jumpTo(landmarks, "left")
    return {**slices, "3D": threeD}


def test_outlines_and_point_in_every_slice(views, landmarks, landmarkScene):
    for name in ("Red", "Green", "Yellow"):
        pixels = views[name].pixels()
        outline = has(pixels, COLORS["found"])
        assert 40 < len(outline) < 500, "an outline, not a filled area"
        away = outline - [200, 200]
        assert np.abs(away).max() < 25
        assert np.hypot(*away.T).min() > 5
        assert len(has(pixels, POINT)) > 10
        assert len(has(pixels, COLORS["review"])) == 0


def test_the_outline_has_the_size_of_the_ellipsoid(views, landmarks, landmarkScene):
    outline = has(views["Green"].pixels(), COLORS["found"]) - [200, 200]
    assert np.abs(outline).max(axis=0) == pytest.approx(RADIUS_PIXELS, abs=2.5)
    landmarkScene.setDisplay(landmarks, confidence=0.5)
    smaller = has(views["Green"].pixels(), COLORS["found"]) - [200, 200]
    assert np.abs(smaller).max(axis=0) == pytest.approx(RADIUS_PIXELS * np.sqrt(2.366 / 6.251), abs=2.5)


def test_colours_follow_the_decision(views, landmarks, landmarkScene):
    landmarkScene.accept(landmarks, "left")
    pixels = views["Red"].pixels()
    assert len(has(pixels, COLORS["accepted"])) > 40
    assert len(has(pixels, COLORS["found"])) == 0


def test_nothing_is_left_of_a_missing_landmark(views, landmarks, landmarkScene):
    landmarkScene.markMissing(landmarks, "left")
    landmarkScene.jumpTo(landmarks, "left")
    for name in ("Red", "Green", "Yellow"):
        pixels = views[name].pixels().astype(int)
        assert np.ptp(pixels, axis=2).max() < 20


def test_hidden_ellipsoids_leave_the_point(views, landmarks, landmarkScene):
    landmarkScene.setDisplay(landmarks, visible=False)
    pixels = views["Red"].pixels()
    assert len(has(pixels, COLORS["found"])) == 0
    assert len(has(pixels, POINT)) > 10


def middle(view, ras):
    x, y = np.round(view.worldToDisplay(ras)).astype(int)
    return view.pixels()[::-1][y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0)


def test_translucent_ellipsoids_in_three_dimensions(views, landmarks, landmarkScene):
    view = views["3D"]
    ras = landmarkScene.reviews(landmarks)["right"].ras - [0, 0, 5]  # below the point and its label
    colors = []
    for display in ({"opacity": 0.35}, {"opacity": 1.0}, {"visible": False}):
        landmarkScene.setDisplay(landmarks, **display)
        colors.append(middle(view, ras))
    translucent, opaque, background = colors
    assert opaque[0] > opaque[1] > opaque[2], "orange"
    assert background[2] > background[0], "blue"
    assert background[2] > translucent[2] > opaque[2]


def test_the_camera_has_the_landmark_in_its_middle(views, landmarks, landmarkScene):
    for side in ("left", "right"):
        landmarkScene.jumpTo(landmarks, side)
        views["3D"].render()
        np.testing.assert_allclose(
            views["3D"].worldToDisplay(landmarkScene.reviews(landmarks)[side].ras), [200, 200], atol=1
        )


def test_a_picture_as_a_file(views, tmp_path):
    path = tmp_path / "view.png"
    views["Red"].toPng(path)
    assert Image.open(path).size == (400, 400)
