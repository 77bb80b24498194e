"""The key image of a case that a reader has gone through."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.forks import Measure
from CarotidLandmarkLib.landmarks.reading import UNREAD, Reading
from CarotidLandmarkLib.pictures import key, words
from CarotidLandmarkLib.pictures.key import cuts_of, is_near, key_image
from CarotidLandmarkLib.pictures.panel import ANSWER_COLOR, READER_COLOR
from CarotidLandmarkLib.pictures.words import told

from .test_key import panels_of, rows_of
from .test_panel import of_color

NEAR, FAR = np.array([2.0, 1.0, 3.0]), np.array([2.0, 1.0, 18.0])


@pytest.fixture
def detection(make_fork, make_detection):
    fork = make_fork()
    fork.measures = {"common_10_mm": Measure(6.1, 0.2, "mm")}
    return make_detection(fork)


def middle(panel, color):
    """Where a mark is, from the middle of its panel, in pixels."""
    found = of_color(panel, color)
    assert len(found) > 8
    return (found.min(0) + found.max(0)) / 2 - np.array(panel.shape[1::-1]) / 2


def test_an_accepted_point_is_drawn_as_it_was_detected(neck, detection):
    before, after = (
        np.asarray(key_image(neck, detection, readings=of)) for of in (None, {"left": Reading("accepted")})
    )
    for one, other in zip(panels_of(rows_of(before)[0]), panels_of(rows_of(after)[0])):
        np.testing.assert_array_equal(one, other)
    landmark = detection.landmark("left")
    assert words.status_of(landmark, Reading("accepted"))[::2] == ("accepted", "detected: found, presence 0.98")
    assert words.status_of(landmark, UNREAD)[::2] == ("found", "presence 0.98")


def test_a_point_moved_a_little_stays_at_its_fork_and_both_are_marked(neck, detection):
    reading = Reading("moved", NEAR)
    cuts = cuts_of(detection.landmark("left"), None, reading)
    assert [cut.name for cut, _ in cuts] == ["fork plane", "cross-section at the point", "CCA-ICA, stretched"]
    assert cuts[1][0].center.tolist() == NEAR.tolist()
    panels = panels_of(rows_of(key_image(neck, detection, readings={"left": reading}))[0])
    for (cut, scale), panel in zip(cuts, panels):
        assert np.abs(middle(panel, READER_COLOR) - np.array(cut.place(NEAR)[:2]) * scale).max() < 2.5
        assert len(of_color(panel, ANSWER_COLOR)) > 20
    text = [line for line, _ in told(detection.landmark("left"), None, 0.9, reading)]
    assert text[:2] == ["LPS 2.0, 1.0, 3.0 mm", "Moved by the reader, 3.7 mm from where it was detected."]
    assert "This is about the point as it was detected." in text


def test_a_point_moved_far_is_shown_where_it_is_without_what_was_measured_elsewhere(neck, detection):
    reading, landmark = Reading("moved", FAR), detection.landmark("left")
    cuts = [cut for cut, _ in cuts_of(landmark, None, reading)]
    assert [cut.name for cut in cuts] == ["axial", "coronal", "sagittal"]
    assert all(cut.center.tolist() == FAR.tolist() for cut in cuts)
    assert is_near(landmark.fork, Reading("moved", NEAR)) and not is_near(landmark.fork, reading)
    panels = panels_of(rows_of(key_image(neck, detection, readings={"left": reading}))[0])
    assert all(np.abs(middle(panel, READER_COLOR)).max() < 2 for panel in panels)
    written = written_at_the_side(landmark, reading)
    assert "CCA, 10 mm below" in written_at_the_side(landmark, UNREAD)
    assert "CCA, 10 mm below" not in written and not any("verified" in text for text in written)
    assert "where the point was detected, not" in " ".join(written)


def written_at_the_side(landmark, reading):
    texts = []
    pen = SimpleNamespace(text=lambda _, text, *__: texts.append(text))
    key.write_side(pen, (0, 0), landmark, None, 0.9, reading)
    return texts


def test_a_missing_one_has_no_cuts_marks_nor_measures(neck, detection):
    reading, landmark = Reading("missing"), detection.landmark("left")
    left, _ = rows_of(key_image(neck, detection, readings={"left": reading}))
    assert not any(len(of_color(panel, ANSWER_COLOR)) for panel in panels_of(left))
    assert written_at_the_side(landmark, reading) == ["Left", "missing", "detected: found, presence 0.98"]
    sentence = "Marked as missing by the reader; detected: found, presence 0.98."
    assert words.missing_of(landmark, reading) == sentence
    absent = detection.landmark("right")
    assert words.missing_of(absent, Reading("accepted")) == " ".join(absent.reasons)


def test_one_placed_where_none_was_detected_is_shown(neck, detection):
    reading = Reading("moved", NEAR)
    _, right = rows_of(key_image(neck, detection, readings={"right": reading}))
    assert all(np.abs(middle(panel, READER_COLOR)).max() < 2 for panel in panels_of(right))
    text = [line for line, _ in told(detection.landmark("right"), None, 0.9, reading)]
    assert text == ["LPS 2.0, 1.0, 3.0 mm", "Placed by the reader; none was detected."]


def test_the_pink_mark_is_explained_only_where_there_is_one(neck, detection):
    for reading, isExplained in ((UNREAD, False), (Reading("accepted"), False), (Reading("moved", NEAR), True)):
        foot = np.asarray(key_image(neck, detection, readings={"left": reading}))[-key.FOOT :]
        assert bool(len(of_color(foot, READER_COLOR))) == isExplained


@pytest.mark.parametrize(
    "values",
    [
        None,
        {},
        {"decision": "perhaps", "position_lps_mm": None},
        {"decision": "moved", "position_lps_mm": None},
        {"decision": "moved", "position_lps_mm": [1, 2]},
        {"decision": "moved", "position_lps_mm": [1, 2, float("nan")]},
        {"decision": "moved", "position_lps_mm": "here"},
    ],
)
def test_what_is_no_reading_is_refused(values):
    with pytest.raises(BadInputError, match="no reading"):
        Reading.from_dict(values)
