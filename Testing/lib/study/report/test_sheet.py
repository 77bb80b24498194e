"""The worst landmarks and the heatmaps, drawn as the key image is."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from CarotidLandmarkLib.pictures.cuts import plain_cuts
from CarotidLandmarkLib.pictures.panel import ANSWER_COLOR, TRUTH_COLOR, Panel
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.study.report import heatmaps as drawn
from CarotidLandmarkLib.study.report import sheet as sheets
from CarotidLandmarkLib.study.report.heatmaps import heat_on_cut, heatmaps, scale_heats
from CarotidLandmarkLib.study.report.rows import make_rows, worst_first
from CarotidLandmarkLib.study.report.sheet import FIELD_MM, GAP, PIXELS, TITLE, contact_sheet
from CarotidLandmarkLib.volume.ct import write_volume


def middles(image, color):
    """Middle (x, y), mm from the middle of a panel FIELD_MM wide, of what has the colour; None where nothing has it."""
    rows, columns = np.nonzero(np.abs(np.asarray(image).astype(int) - ImageColor.getrgb(color)).sum(-1) < 90)
    if not len(rows):
        return None
    ends = np.array([[of.min(), of.max()] for of in (columns, rows)]).mean(1) + 0.5
    return (ends - PIXELS / 2) * FIELD_MM / PIXELS


def panels_of(image, across, down):
    """The three pictures of a block of the sheet."""
    left, top = across * (3 * PIXELS + 3 * GAP), down * (TITLE + PIXELS + GAP) + TITLE
    starts = [left + (PIXELS + GAP) * number for number in range(3)]
    return [image.crop((x, top, x + PIXELS, top + PIXELS)) for x in starts]


@pytest.fixture
def titles(monkeypatch):
    said = []
    real = sheets.block
    for module in (sheets, drawn):
        monkeypatch.setattr(module, "block", lambda title, panels: said.append(title) or real(title, panels))
    return said


@pytest.fixture
def case(make_neck, balls, made, tmp_path):
    """Case a: left 8 mm too high and for review, right not found."""
    write_volume(make_neck(), tmp_path / "a.nrrd", compress=False)
    detection = made.detection("a")
    left, right = detection.landmarks
    left.position_lps_mm, left.status = balls["left"] + [0, 0, 8.0], "review"
    left.covariance_mm2 = np.diag([4.0, 1.0, 9.0])
    right.position_lps_mm, right.status = None, "absent"
    truths = {"a": Case("a", tmp_path / "a.nrrd", balls)}
    return worst_first(make_rows(truths, {"a": detection})), truths


def test_contact_sheet_shows_truth_prediction_and_ellipsoid(case, titles):
    rows, truths = case
    image = contact_sheet(rows, truths, 0.9)
    assert titles == [
        f"1. a right: missed; {FIELD_MM:g} mm across",
        f"2. a left: review, 8.00 mm off; {FIELD_MM:g} mm across",
    ]
    missed, wrong = panels_of(image, 0, 0), panels_of(image, 1, 0)
    for panel in (*missed, *wrong):
        np.testing.assert_allclose(middles(panel, TRUTH_COLOR), [0, 0], atol=0.8)
        gray = np.asarray(panel.convert("L")).astype(int)
        assert gray[PIXELS // 2 - 2 : PIXELS // 2 + 2, PIXELS // 2 - 2 : PIXELS // 2 + 2].mean() > 120, "the ball"
    assert [middles(panel, ANSWER_COLOR) for panel in missed] == [None] * 3
    for panel, place in zip(wrong, ([0, 0], [0, -8], [0, -8])):
        np.testing.assert_allclose(middles(panel, ANSWER_COLOR), place, atol=0.8)


def test_contact_sheet_widens_for_a_gross_error_and_bears_a_lost_volume(case, titles):
    rows, truths = case
    truths["a"].volume.unlink()
    rows[1].answer.position_lps_mm[2] += 42
    row = rows[1].__class__(rows[1].score.__class__("a", "left", "review", True, 50.0), rows[1].answer, rows[1].truth)
    image = contact_sheet([row], truths, 0.9)
    assert titles == ["1. a left: review, 50.00 mm off; 120 mm across; the volume cannot be read"]
    x, y = middles(panels_of(image, 0, 0)[1], ANSWER_COLOR) * 3
    assert x == pytest.approx(0, abs=2) and y == pytest.approx(-50, abs=2)


def test_heat_lies_on_the_ball_at_every_scale(torch_detector, volume, balls):
    """The model's logits are the brightness: the heat must cover the ball, in the mirrored crops of the left, too."""
    for side, heats in scale_heats(torch_detector.backend.model, volume).items():
        assert [of.spacing_mm for of in heats] == [4.0, 2.0, 1.0, 0.5]
        for of in heats:
            assert np.linalg.norm(of.position - balls[side]) < max(0.5, of.spacing_mm)
            for cut in plain_cuts(balls[side]):
                panel = Panel(cut, (140, 140), 5.0, None)
                cut = type(cut)(cut.name, cut.center + 4 * cut.right - 3 * cut.down, cut.right, cut.down)
                panel.cut = cut
                heat = heat_on_cut(of, panel)
                assert heat.max() > 0.3
                rows, columns = np.nonzero(heat > (heat.max() + heat.min()) / 2)
                place = (np.array([columns.mean(), rows.mean()]) + 0.5 - 70) / 5
                np.testing.assert_allclose(place, [-4, 3], atol=0.4 + 0.2 * of.spacing_mm)


def test_heatmaps_have_a_row_a_scale_and_a_block_a_model(torch_detector, volume, balls, titles):
    heats = scale_heats(torch_detector.backend.model, volume)["left"]
    truth = heats[3].position + [0, 0, 2.0]
    image = heatmaps({"one": heats, "two": heats[2:]}, volume, truth)
    assert [title.split(",")[0] for title in titles] == ["one"] * 4 + ["two"] * 2
    assert titles[3].startswith("one, 0.5 mm scale, 2.0 mm off; 28 mm across")
    for across in (0, 1):
        for down in range(4):
            pixels = np.asarray(panels_of(image, across, down)[0])
            assert (pixels.min() == 255) == (across == 1 and down < 2), "two finer scales, in their rows"
    coronal = panels_of(image, 0, 3)[1]
    np.testing.assert_allclose(middles(coronal, ANSWER_COLOR), [0, 0], atol=0.8)
    np.testing.assert_allclose(middles(coronal, TRUTH_COLOR), [0, -2 * FIELD_MM / 28], atol=0.8)
    colors = np.asarray(coronal).astype(int)
    assert (colors[..., 0] - colors[..., 1] > 60).sum() > 200, "the heat"
