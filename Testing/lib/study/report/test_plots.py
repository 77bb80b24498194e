from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.study.scores import Score

pytest.importorskip("matplotlib")

from CarotidLandmarkLib.study.report import plots  # noqa: E402


@pytest.fixture
def scores(rows):
    return [row.score for row in rows]


def points(axes):
    """(n, 2) of everything scattered, without the medians."""
    drawn = [of.get_offsets() for of in axes.collections if type(of).__name__ == "PathCollection"]
    return np.concatenate([np.asarray(of) for of in drawn])


def labels(axes):
    return [text.get_text() for text in axes.get_xticklabels()]


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_violins_draw_every_error_above_its_method(scores, made):
    other = [row.score for row in made.rows(2.0)]
    axes = plots.violins({"one": scores, "two": other}).axes[0]
    drawn = points(axes)
    for place, errors in ((0, [0.2, 0.4, 0.5, 1, 3, 6, 12]), (1, [0.4, 0.8, 1, 2, 6, 12, 24])):
        here = sorted(y for x, y in drawn if abs(x - place) < 0.5)
        assert here == pytest.approx(sorted([*errors, np.median(errors)]))
    assert labels(axes) == ["one\nn = 7, 1 missed", "two\nn = 7, 1 missed"]
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low < 0.2 and high > 24, "nothing is cut off"


def test_a_violin_is_widest_where_most_errors_are():
    rng = np.random.default_rng(0)
    errors = np.concatenate([rng.uniform(0.9, 1.1, 80), rng.uniform(5, 20, 20)])
    axes = plots.violins({"one": [Score(str(i), "left", "found", True, e) for i, e in enumerate(errors)]}).axes[0]
    shape = next(of for of in axes.collections if type(of).__name__ == "FillBetweenPolyCollection" or of.get_paths())
    outline = shape.get_paths()[0].vertices
    assert 0.8 < outline[outline[:, 0].argmax(), 1] < 1.25
    assert np.abs(outline[:, 0]).max() == pytest.approx(0.4, abs=1e-6)


def test_violins_of_few_equal_and_no_errors():
    same = [Score(str(i), "left", "found", True, 0.0) for i in range(4)]
    axes = plots.violins({"same": same, "none": [Score("a", "left", "absent", True)]}).axes[0]
    assert labels(axes) == ["same\nn = 4", "none\nn = 0, 1 missed"]
    assert (points(axes)[:, 1] == plots.LEAST_MM).all()


def test_confidence_is_volume_against_error_with_its_regression(scores):
    measured = [s for s in scores if np.isfinite(s.error_mm)]
    volumes, errors = (np.array([getattr(s, name) for s in measured]) for name in ("volume_mm3", "error_mm"))
    linear, logarithmic = plots.confidence(scores).axes
    for axes in (linear, logarithmic):
        found, review = (np.asarray(of.get_offsets()) for of in axes.collections)
        expected = {
            s: {(v, e) for v, e, of in zip(volumes, errors, measured) if of.status == s} for s in plots.STATUS_MARKS
        }
        assert {tuple(p) for p in found} == expected["found"] and {tuple(p) for p in review} == expected["review"]
    x, y = linear.lines[0].get_data()
    slope, offset = np.polyfit(volumes, errors, 1)
    np.testing.assert_allclose(y, offset + slope * x)
    assert f"Pearson r = {np.corrcoef(volumes, errors)[0, 1]:.2f}" in texts(linear.get_legend())[-1]
    x, y = logarithmic.lines[0].get_data()
    slope, offset = np.polyfit(np.log10(volumes), np.log10(errors), 1)
    np.testing.assert_allclose(np.log10(y), offset + slope * np.log10(x))
    assert texts(linear.get_legend())[:2] == ["found (n = 5)", "review (n = 2)"]
    logarithmic.set_xlim(0.9, 6.3)
    assert [tick for tick in logarithmic.get_xticks() if 0.9 <= tick <= 6.3] == [1, 2, 5]


def test_the_passes_spread_is_drawn_below_where_it_is_known(scores):
    spread = [replace(s, paper_volume_mm3=1 + number) for number, s in enumerate(scores)]
    ours, _, paper, _ = plots.confidence(spread).axes
    assert ours.get_xlabel().startswith("Volume of the confidence ellipsoid")
    assert paper.get_xlabel() == "Volume of the passes' spread alone, mm³"
    assert {tuple(p) for p in points(paper)} == {(s.paper_volume_mm3, s.error_mm) for s in spread if s.error_mm > 0}
    alone = [replace(s, volume_mm3=float("nan")) for s in spread]
    assert len(plots.confidence(alone).axes) == 2


def test_the_numbers_of_a_wide_axis_do_not_overlap(scores):
    spread = [replace(s, volume_mm3=10.0 ** (0.6 * number - 3)) for number, s in enumerate(scores)]
    figure = plots.confidence(spread)
    figure.draw_without_rendering()
    axis = figure.axes[1].xaxis
    boxes = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
    shown = [box for box in boxes if figure.axes[1].bbox.x0 <= box.x0 and box.x1 <= figure.axes[1].bbox.x1]
    assert len(shown) > 3 and all(one.x1 < two.x0 for one, two in zip(shown, shown[1:]))


def test_success_curves_end_at_the_share_that_was_located_in_time(scores, made):
    figure = plots.success({"one": scores, "two": [row.score for row in made.rows(2.0)]})
    own, methods = figure.axes
    curves = {line.get_label(): line.get_data() for line in own.lines}
    assert list(curves) == ["all (n = 8)", "left (n = 4)", "right (n = 4)"]
    t, share = curves["all (n = 8)"]
    assert t[0] == 0 and t[-1] == pytest.approx(10) and share[0] == 0
    assert share[-1] == pytest.approx(100 * 6 / 8), "12 mm and the missed one never succeed"
    assert share[t >= 3.01][0] == pytest.approx(100 * 5 / 8)
    two = next(line for line in methods.lines if line.get_label() == "two (n = 8)")
    assert two.get_ydata()[-1] == pytest.approx(100 * 5 / 8)
    assert len(plots.success({"one": scores}).axes) == 1


def test_groups_show_errors_and_missed_landmarks(rows):
    figure = plots.groups(rows)
    assert [axes.get_xlabel().split(",")[0] for axes in figure.axes] == [
        "Slice spacing",
        "Stenosis of the internal carotid",
        "Distance of the truth to the border",
    ]
    axes = figure.axes[0]
    assert labels(axes) == ["< 1\nn = 2", "1 to < 2\nn = 1", "2 to < 3\nn = 4\n1 missed"]
    drawn = points(axes)
    ceiling = 1.6 * 12
    third = drawn[np.abs(drawn[:, 0] - 2) < 0.5]
    assert sorted(y for y in third[:, 1] if y < ceiling) == [1.0, 3.0, 12.0]
    assert (third[:, 1] > ceiling).sum() == 1 and (drawn[:, 1] > ceiling).sum() == 1, "the missed one, above the line"
    assert axes.get_ylim()[1] > drawn[:, 1].max()


def test_groups_without_facts_are_no_figure(rows):
    bare = [row.__class__(row.score, row.answer, row.truth) for row in rows]
    assert plots.groups(bare) is None
