"""The key image of a case."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from CarotidLandmarkLib.errors import CannotRunError
from CarotidLandmarkLib.landmarks.forks import MEASURES, Measure
from CarotidLandmarkLib.landmarks.reading import UNREAD
from CarotidLandmarkLib.pictures import key, words
from CarotidLandmarkLib.pictures.key import cuts_of, key_image, png, save, window_of
from CarotidLandmarkLib.pictures.panel import readable
from CarotidLandmarkLib.pictures.words import told
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid

from .test_panel import ANSWER_COLOR, TRUTH_COLOR, of_color

NAMES = ["fork plane", "cross-section at the carina", "CCA-ICA, stretched"]


def rows_of(image):
    """The two sides of a picture: left, right."""
    pixels = np.asarray(image)[key.HEAD : -key.FOOT]
    half = len(pixels) // 2
    return pixels[:half], pixels[half:]


def panels_of(row):
    starts = np.cumsum([key.GAP, *(size[0] + key.GAP for size in key.SIZES)])
    return [row[key.TITLE : key.TITLE + size[1], at : at + size[0]] for at, size in zip(starts, key.SIZES)]


def test_both_sides_are_drawn_and_the_absent_one_says_why(neck, make_fork, make_detection):
    detection = make_detection(make_fork())
    landmark = detection.landmark("left")
    assert [cut.name for cut, _ in cuts_of(landmark)] == NAMES
    image = key_image(neck, detection)
    assert image == key_image(neck, replace(detection, settings={}))  # as of a program that told no confidence
    left, right = rows_of(image)
    for panel in panels_of(left):
        lit = panel.max(axis=2)
        assert lit.std() > 20, "a CT"
        assert len(of_color(panel, ANSWER_COLOR)) > 20, "point and ellipsoid"
        middle = of_color(panel, ANSWER_COLOR).mean(0) - np.array(panel.shape[1::-1]) / 2
        assert np.abs(middle).max() < 8
    assert len(of_color(right[:, : -key.TEXT - 2 * key.GAP], ANSWER_COLOR)) == 0
    assert not any(len(of_color(part, TRUTH_COLOR)) for part in (left, right))
    texts = []
    pen = SimpleNamespace(rectangle=lambda *_, **__: None, text=lambda _, text, *__: texts.append(text))
    key.absent(pen, (0, 0, 900, 300), detection.landmark("right"))
    assert texts == ["No carotid bifurcation on the right", "No bifurcation is seen at the 4 mm scale (presence 0.01)."]


@pytest.mark.parametrize("lost", ["vessels", "carina_lps_mm", "fork", "short"])
def test_without_vessels_the_cuts_are_axial_coronal_and_sagittal_through_the_point(
    lost, neck, make_fork, make_detection
):
    fork = make_fork()
    if lost == "short":
        fork.vessels["external"] = fork.vessels["external"][:3]
    elif lost != "fork":
        setattr(fork, lost, None)
    detection = make_detection(None if lost == "fork" else fork, place=np.array([1.0, 2.0, 3.0]))
    cuts = [cut for cut, _ in cuts_of(detection.landmark("left"))]
    assert [cut.name for cut in cuts] == ["axial", "coronal", "sagittal"]
    assert all(cut.center.tolist() == [1, 2, 3] for cut in cuts)
    left, _ = rows_of(key_image(neck, detection))
    for panel in panels_of(left):
        assert len(of_color(panel, ANSWER_COLOR)) > 20


def test_truth_is_marked_also_where_nothing_was_found(neck, make_fork, make_detection):
    truth = {"left": np.array([0.0, 4.0, 3.0]), "right": np.array([5.0, 1, 2])}
    detection = make_detection(make_fork())
    for row in rows_of(key_image(neck, detection, truth)):
        assert all(len(of_color(panel, TRUTH_COLOR)) > 8 for panel in panels_of(row))
    assert ("5.00 mm from the truth", TRUTH_COLOR) in told(detection.landmark("left"), truth["left"], 0.9, UNREAD)


def test_what_is_said_of_a_landmark(make_fork, make_detection):
    fork = make_fork()
    fork.measures = {
        "common_10_mm": Measure(6.13, 0.21, "mm"),
        "angle_deg": Measure(48.2, 3.1, "deg"),
        "bulb_mm": Measure(None, None, "mm", "It is not seen."),
        "calcium_mm3": Measure(118.4, None, "mm3"),
        "area_ratio": Measure(0.931, 0.05, ""),
    }
    fork.notes = ["Which daughter is the internal carotid cannot be told."]
    landmark = make_detection(fork).landmark("left")
    landmark.reasons = ["A rival is near."]
    text = [line for line, _ in told(landmark, None, 0.9, UNREAD)]
    assert text[0] == "± 1.8 x 1.4 x 1.1 mm (90 % ellipsoid)"
    assert text[2].startswith("Lumen: verified: one artery below the point, two above it; they part 0.4 mm from it")
    assert text[3:] == ["A rival is near.", fork.notes[0]]
    assert words.measures_of(fork) == [
        ("CCA, 10 mm below", "6.1 ± 0.2 mm"),
        ("area (ICA + ECA) / CCA", "0.93 ± 0.05"),
        ("angle ICA - ECA", "48.2 ± 3.1°"),
        ("calcium", "118 mm³"),
    ]
    assert not any("?" in readable(value) for _, value in words.measures_of(fork))
    fork.check, fork.reasons = "contradicted", ["No artery is here."]
    assert words.check_of(fork) == "Lumen: contradicted. No artery is here."
    assert words.check_of(None) == "Lumen: not looked at."
    assert set(words.KEY_MEASURES) <= set(MEASURES)


def test_much_text_stays_in_its_column(neck, make_fork, make_detection):
    fork = make_fork()
    fork.measures = {name: Measure(6.1, 0.2, "mm") for name in MEASURES}
    detection = make_detection(fork, case="a long name of a case " * 20)
    detection.landmark("left").reasons = ["Many words are said of it. " * 30]
    image = np.asarray(key_image(neck, detection)).astype(int)
    plain = np.asarray(key_image(neck, make_detection(fork))).astype(int)
    end = key.HEAD + key.TITLE + key.SIZES[0][1] + 1
    beyond = slice(end, end + key.GAP - 2)
    np.testing.assert_array_equal(image[beyond], plain[beyond])
    assert (image[:, -key.GAP :] == image[0, 0]).all(), "nothing is cut by the border"


def test_the_window_follows_the_lumen(make_fork):
    fork = make_fork()
    low, high = window_of(fork)
    assert low == -150 and (350 - low) / (high - low) == pytest.approx(0.8, abs=0.05)
    fork.lumen_hu = 2000.0
    assert window_of(fork)[1] == 750
    assert window_of(None) == (-150, 550)


@pytest.mark.parametrize("shape", [(1, 40, 40), (3, 2, 2), (40, 40, 40)])
def test_strange_volumes_are_drawn_all_the_same(shape, make_fork, make_detection):
    array = np.full(shape, np.nan, np.float32)
    volume = CTVolume(array, Grid.axis_aligned(np.array([3.0, 0, 0]), shape[::-1], (0.5, 0.5, 5.0)))
    for place in (np.zeros(3), np.full(3, 4000.0)):
        for fork in (make_fork(), None):
            assert key_image(volume, make_detection(fork, place)).size[0] > 1000


def test_a_noisy_case_is_a_small_file_that_is_soon_drawn(make_fork, make_detection, tmp_path):
    grid = Grid.axis_aligned(np.zeros(3), (240, 240, 180), (0.4, 0.4, 0.6))
    volume = CTVolume(np.random.default_rng(0).normal(60, 60, grid.shape).astype(np.int16), grid)
    detection = make_detection(make_fork())
    detection.landmarks[1] = type(detection.landmarks[0])(**{**vars(detection.landmarks[0]), "side": "right"})
    began = time.process_time()
    save(key_image(volume, detection), tmp_path / "a.png")
    assert time.process_time() - began < 3, "some 0.6 s where nothing else runs"
    assert (tmp_path / "a.png").stat().st_size < 500_000


def test_the_file_is_signed_and_whole_or_not_there(neck, make_detection, tmp_path):
    image = key_image(neck, make_detection(status="absent"))
    data = png(image)
    assert key.SIGN in data[:256]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(image))
    with pytest.raises(CannotRunError, match="a.png"):
        save(image, tmp_path / "none" / "a.png")
