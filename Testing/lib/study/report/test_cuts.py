"""What is drawn over a CT must lie where it is in the world."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import chi2_quantile
from CarotidLandmarkLib.volume.ct import write_volume

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure  # noqa: E402

from CarotidLandmarkLib.study.cases import Case  # noqa: E402
from CarotidLandmarkLib.study.report import cuts  # noqa: E402
from CarotidLandmarkLib.study.report.cuts import FIELD_MM, PICTURE_MM, VIEWS, contact_sheet, picture, section  # noqa: E402
from CarotidLandmarkLib.study.report.heatmaps import heat_on_cut, heatmaps, scale_heats  # noqa: E402
from CarotidLandmarkLib.study.report.rows import make_rows, worst_first  # noqa: E402


def brightest(image, half):
    """Middle (x, y), mm, of the voxels above half of the maximum of a cut from -half to half."""
    rows, columns = np.nonzero(image > (image.max() + image.min()) / 2)
    return (np.array([columns.mean(), rows.mean()]) + 0.5) / cuts.PIXELS * 2 * half - half


def marks(axes, color):
    """(n, 2) of the marks of a colour, mm from the middle of the cut."""
    lines = [line for line in axes.lines if line.get_color() == color and len(line.get_xdata()) == 1]
    return np.array([np.ravel(line.get_data()) for line in lines]).reshape(-1, 2)


def test_section_is_where_the_ellipsoid_meets_the_plane():
    covariance = np.array([[4.0, 1, 0.5], [1, 2, -0.3], [0.5, -0.3, 1]])
    for view in VIEWS:
        outline = section(covariance, 0.9, view, points=24)
        points = outline @ np.stack([view.right, view.down])
        distance2 = np.einsum("ni,ij,nj->n", points, np.linalg.inv(covariance), points)
        np.testing.assert_allclose(distance2, chi2_quantile(0.9), rtol=1e-6)
        np.testing.assert_allclose(outline[0], outline[-1], atol=1e-9)


def test_views_are_radiological():
    axial, coronal, sagittal = VIEWS
    for view in VIEWS:
        directions = dict(zip("LRPASI", [v for axis in np.eye(3) for v in (axis, -axis)]))
        for letter, toward in zip(view.letters, (-view.right, view.right, -view.down, view.down)):
            np.testing.assert_array_equal(directions[letter], toward)
    assert axial.letters[0] == coronal.letters[0] == "R" and sagittal.letters[0] == "A"


def test_a_mark_lies_on_what_the_cut_shows(volume, balls):
    for view in VIEWS:
        axes = Figure().subplots()
        ball, normal = balls["left"], np.cross(view.right, view.down)
        center = ball - 3 * view.right + 4 * view.down
        cuts.show_cut(axes, volume, center, view, 40.0)
        cuts.mark(axes, ball + 2 * normal, center, view, "+")
        np.testing.assert_allclose(marks(axes, cuts.TRUTH_COLOR), [[3, -4]], atol=1e-9)
        np.testing.assert_allclose(brightest(np.asarray(axes.images[0].get_array()), 20.0), [3, -4], atol=0.3)
        assert axes.get_xlim() == (-20, 20) and axes.get_ylim() == (20, -20)


def test_a_mark_beyond_the_edge_is_in_brackets_on_it():
    axes = Figure().subplots()
    axial = VIEWS[0]
    cuts.show_cut(axes, None, np.zeros(3), axial, 40.0)
    cuts.mark(axes, np.array([60.0, 30.0, 5.0]), np.zeros(3), axial, "×")
    text = axes.texts[-1]
    assert text.get_text() == "(×)" and len(marks(axes, cuts.ANSWER_COLOR)) == 0
    x, y = text.get_position()
    assert 15 < x < 20 and y == pytest.approx(x / 2)


def test_heat_lies_on_the_ball_at_every_scale(detector, volume, balls):
    """The model's logits are the brightness: the heat must cover the ball, in the mirrored crops of the left, too."""
    for side, heats in scale_heats(detector.model, volume).items():
        assert [of.spacing_mm for of in heats] == [4.0, 2.0, 1.0, 0.5]
        for of in heats:
            assert np.linalg.norm(of.position - balls[side]) < max(0.5, of.spacing_mm)
            for view in VIEWS:
                heat = heat_on_cut(of, balls[side] + 4 * view.right - 3 * view.down, view, 28.0)
                assert heat.max() > 0.3
                np.testing.assert_allclose(brightest(heat, 14.0), [-4, 3], atol=0.4 + 0.2 * of.spacing_mm)


def test_heatmaps_have_a_row_a_scale_and_a_block_a_model(detector, volume, balls):
    heats = scale_heats(detector.model, volume)["left"]
    truth = balls["left"] + [0, 0, 2.0]
    figure = heatmaps({"one": heats, "two": heats[2:]}, volume, truth)
    one, two, _ = figure.subfigs
    assert [block.get_suptitle() for block in (one, two)] == ["one", "two"]
    assert [bool(axes.images) for axes in one.axes] == [True] * 12
    assert [bool(axes.images) for axes in two.axes] == [False] * 6 + [True] * 6, "two finer scales, in their rows"
    titles = [axes.get_title() for axes in one.axes if axes.get_title()]
    assert titles[3].startswith("0.5 mm scale, 2.0 mm off; 28 mm across")
    coronal = one.axes[10]
    assert len(coronal.images) == 2, "the CT and the heat"
    np.testing.assert_allclose(marks(coronal, cuts.ANSWER_COLOR), [[0, 0]], atol=1e-9)
    (x, _, z) = truth - heats[3].position
    np.testing.assert_allclose(marks(coronal, cuts.TRUTH_COLOR), [[x, -z]], atol=1e-9)


@pytest.fixture
def sheet(make_neck, balls, made, tmp_path):
    """Case a: left 8 mm too high and for review, right not found."""
    write_volume(make_neck(), tmp_path / "a.nrrd", compress=False)
    detection = made.detection("a")
    left, right = detection.landmarks
    left.position_lps_mm, left.status = balls["left"] + [0, 0, 8.0], "review"
    left.covariance_mm2 = np.diag([4.0, 1.0, 9.0])
    right.position_lps_mm, right.status = None, "absent"
    truths = {"a": Case("a", tmp_path / "a.nrrd", balls)}
    return worst_first(make_rows(truths, {"a": detection})), truths


def test_contact_sheet_shows_truth_prediction_and_ellipsoid(sheet):
    rows, truths = sheet
    missed, wrong = contact_sheet(rows, truths, 0.9).subfigs
    assert missed.get_suptitle() == f"1. a right: missed; {FIELD_MM:g} mm across"
    assert wrong.get_suptitle() == f"2. a left: review, 8.00 mm off; {FIELD_MM:g} mm across"
    for panel, predictions in ((missed, 0), (wrong, 1)):
        for axes in panel.axes:
            np.testing.assert_allclose(marks(axes, cuts.TRUTH_COLOR), [[0, 0]], atol=1e-9)
            assert len(marks(axes, cuts.ANSWER_COLOR)) == predictions
            shown = brightest(np.asarray(axes.images[0].get_array()), FIELD_MM / 2)
            np.testing.assert_allclose(shown, [0, 0], atol=0.3)
    for axes, view, place in zip(wrong.axes, VIEWS, ([0, 0], [0, -8], [0, -8])):
        np.testing.assert_allclose(marks(axes, cuts.ANSWER_COLOR)[0], place, atol=1e-6)
        line = next(line for line in axes.lines if len(line.get_xdata()) > 1)
        expected = section(np.diag([4.0, 1.0, 9.0]), 0.9, view) + place
        np.testing.assert_allclose(np.stack(line.get_data(), 1), expected, atol=1e-6)


def test_contact_sheet_widens_for_a_gross_error_and_bears_a_lost_volume(sheet):
    rows, truths = sheet
    truths["a"].volume.unlink()
    rows[1].answer.position_lps_mm[2] += 42
    row = rows[1].__class__(rows[1].score.__class__("a", "left", "review", True, 50.0), rows[1].answer, rows[1].truth)
    panel = contact_sheet([row], truths, 0.9).subfigs[0]
    assert panel.get_suptitle() == "1. a left: review, 50.00 mm off; 120 mm across; the volume cannot be read"
    np.testing.assert_allclose(marks(panel.axes[1], cuts.ANSWER_COLOR), [[0, -50]], atol=1e-6)


def test_picture_has_a_row_a_side_with_what_was_detected_and_the_truth(detector, volume, balls):
    detection = detector.detect(volume, samples=2)
    truth = {"left": detection.landmark("left").position_lps_mm + [0, 0, 8.0], "right": None}
    left, right = picture(volume, detection, truth).subfigs
    assert left.get_suptitle().startswith("left: found, presence ") and left.get_suptitle().endswith(
        ", 8.00 mm off; 56 mm across"
    )
    assert right.get_suptitle().startswith("right: found") and "mm off" not in right.get_suptitle()
    for panel, side in ((left, "left"), (right, "right")):
        away = balls[side] - detection.landmark(side).position_lps_mm
        for axes, view in zip(panel.axes, VIEWS):
            np.testing.assert_allclose(marks(axes, cuts.ANSWER_COLOR)[0], [0, 0], atol=1e-9)
            shown = brightest(np.asarray(axes.images[0].get_array()), PICTURE_MM / 2)
            np.testing.assert_allclose(shown, [away @ view.right, away @ view.down], atol=0.3)
            assert len(axes.lines) > 2, "the ellipsoid, too"
    np.testing.assert_allclose(marks(left.axes[1], cuts.TRUTH_COLOR)[0], [0, -8], atol=1e-6)
    assert [len(marks(axes, cuts.TRUTH_COLOR)) for axes in right.axes] == [0, 0, 0]


def test_picture_of_an_absent_landmark_is_of_the_middle_without_marks(detector, make_neck, balls):
    volume = make_neck(balls={"left": balls["left"]})
    right = picture(volume, detector.detect(volume, samples=1)).subfigs[1]
    assert right.get_suptitle().startswith("right: absent, presence ")
    assert [(len(axes.images), len(axes.lines)) for axes in right.axes] == [(1, 0)] * 3
