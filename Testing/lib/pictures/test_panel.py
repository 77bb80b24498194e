"""What is drawn over a CT must lie where it is in the world."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from CarotidLandmarkLib.pictures.cuts import cross_section, fork_plane, plain_cuts
from CarotidLandmarkLib.pictures.panel import ANSWER_COLOR, NAME_COLOR, TRUTH_COLOR, Panel, fitted, readable, wrapped
from CarotidLandmarkLib.pictures.stretched import stretched

SIZE = (360, 300)


def of_color(image, color, tolerance=90):
    """(n, 2) middles (x, y) of the pixels of a colour."""
    pixels = np.asarray(image).astype(int)
    rows, columns = np.nonzero(np.abs(pixels - ImageColor.getrgb(color)).sum(-1) < tolerance)
    return np.column_stack([columns, rows]) + 0.5


@pytest.mark.parametrize("scale", [4.0, 6.0, 9.5])
def test_the_bar_is_ten_millimetres_long(scale):
    panel = Panel(plain_cuts(np.zeros(3))[0], SIZE, scale, None)
    panel.scale_bar()
    row = np.asarray(panel.image)[SIZE[1] - 11]
    assert abs(int((row == 255).all(-1).sum()) - 10 * scale) <= 0.5
    bead = np.array([10.0, 0, 0])
    assert panel.pixel(*panel.cut.place(bead)[:2])[0] - panel.pixel(0, 0)[0] == pytest.approx(10 * scale)


def test_the_words_at_a_short_bar_are_whole():
    written = []
    for scale in (1.0, 6.0):
        panel = Panel(plain_cuts(np.zeros(3))[0], SIZE, scale, None)
        panel.scale_bar()
        words = np.asarray(panel.image)[SIZE[1] - 40 : SIZE[1] - 14].astype(int).sum(-1) > 600
        written.append(np.ptp(np.nonzero(words.any(0))[0]))
    assert abs(written[0] - written[1]) <= 1


def test_marks_and_ellipsoid_are_around_their_points(make_detection):
    answer, truth = make_detection(place=np.array([6.0, -5.0, 4.0])).landmark("left"), np.array([-9.0, 7.0, -8.0])
    for cut in plain_cuts(np.zeros(3)):
        panel = Panel(cut, SIZE, 6.0, None)
        panel.draw(answer, truth, 0.9)
        for color, point in ((ANSWER_COLOR, answer.position_lps_mm), (TRUTH_COLOR, truth)):
            found = of_color(panel.image, color)
            assert len(found) > 12
            at = panel.pixel(*cut.place(point)[:2])
            np.testing.assert_allclose((found.min(0) + found.max(0)) / 2, at, atol=1.5)
        outline = of_color(panel.image, ANSWER_COLOR, 220) - panel.pixel(*cut.place(answer.position_lps_mm)[:2])
        axes = np.stack(cut.axes(answer.position_lps_mm))
        radii = 6 * np.sqrt(6.2514 * np.diag(axes @ answer.covariance_mm2 @ axes.T))
        for axis in (0, 1):
            on_axis = outline[np.abs(outline[:, 1 - axis]) < 2, axis]
            assert np.abs(on_axis).max() == pytest.approx(radii[axis], abs=2), "no arm lies there"


def test_a_mark_beyond_the_edge_is_in_brackets_on_it():
    panel = Panel(plain_cuts(np.zeros(3))[0], SIZE, 6.0, None)
    panel.mark(np.array([60.0, 30.0, 5.0]), "x", ANSWER_COLOR)
    x, y = of_color(panel.image, ANSWER_COLOR, 120).mean(0) - np.array(SIZE) / 2
    assert 140 < x < 175 and y == pytest.approx(x / 2, abs=4)


def test_every_cut_bears_the_directions_and_the_picture_is_black_without_a_volume(make_fork):
    fork = make_fork()
    plane = fork_plane(fork)
    for cut in (*plain_cuts(np.zeros(3)), plane, stretched(fork, plane.right)):
        panel = Panel(cut, SIZE, 6.0, None)
        assert not np.asarray(panel.image).any()
        panel.letters()
        drawn = np.asarray(panel.image).any(-1)
        seen = [
            part.any()
            for part in (drawn[140:160, :20], drawn[140:160, -20:], drawn[:20, 170:190], drawn[-20:, 170:190])
        ]
        assert seen == [bool(text) for text in cut.letters]


def test_names_stand_beside_their_vessels_and_nowhere_on_one(make_fork, turn):
    fork = make_fork(turn(20))
    plane = fork_plane(fork)
    for cut, names in ((plane, 3), (cross_section(fork, np.zeros(3)), 2), (stretched(fork, plane.right), 3)):
        said = []
        panel = Panel(cut, SIZE, 6.0, None)
        panel.text = lambda at, text, color="", anchor="mm", said=said: said.append((text, at))
        panel.names([np.zeros(3)])
        assert sorted(text for text, _ in said) == ["CCA", "ECA", "ICA"][3 - names :]
        for text, at in said:
            for name, line in cut.vessels.items():
                places = [cut.place(row[:3]) for row in line]
                pixels = np.array([panel.pixel(of.x, of.y) for of in places if cut.upright or abs(of.off) < 4])
                away = np.hypot(*(pixels - at).T) - 6 * line[0, 3]
                assert away.min() > 4, "no text over a vessel"
                if name == text:
                    assert away.min() < 30, "beside its own"
    fork.internal_probability = None
    assert list(fork_plane(fork).vessels) == ["CCA", "ICA?", "ECA?"]


def test_a_name_is_left_out_where_there_is_no_room(make_fork):
    panel = Panel(fork_plane(make_fork()), (60, 60), 1.0, None)
    panel.names()
    assert len(of_color(panel.image, NAME_COLOR)) == 0


def test_text_has_only_what_the_font_has_and_fits():
    assert readable("Müller-Łódź 東京 ±1.2°") == "Muller-?odz ?? ±1.2°"
    assert readable("118 ± 5 mm³…") == "118 ± 5 mm3…"
    for text in ("a" * 400, "one two three " * 30, ""):
        for line in wrapped(text, 14, 200):
            assert line and line == fitted(line, 14, 200)
    assert " ".join(wrapped("one two three " * 30, 14, 200)) == " ".join(["one two three"] * 30)
    assert fitted("x" * 300 + "end", 14, 100).endswith("end") and fitted("x" * 300, 14, 100).startswith("…")
