from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.detect.backends.backend import Answer
from CarotidLandmarkLib.detect.peaks import likely_cells, peaks
from CarotidLandmarkLib.errors import CannotRunError

CENTER, SPACING = np.array([10.0, -20.0, 30.0]), 2.0


@pytest.mark.parametrize(
    "values",
    [(np.full(3, np.nan), np.eye(3), 0.0), (CENTER, np.full((3, 3), np.inf), 0.0), (CENTER, np.eye(3), np.nan)],
)
def test_an_answer_that_is_no_number_is_a_sentence(values):
    with pytest.raises(CannotRunError, match="no numbers: take other weights"):
        Answer(*values, CENTER, np.eye(3))


def answer(logits: np.ndarray) -> Answer:
    """Of an LPS-aligned heatmap (z, y, x) around CENTER."""
    return Answer(CENTER, np.eye(3), 0.0, CENTER, SPACING * np.eye(3), logits.astype(np.float32))


def place(z: float, y: float, x: float) -> np.ndarray:
    return CENTER + SPACING * (np.array([x, y, z]) - 19.5)


def test_a_flat_heatmap_has_one_peak_in_its_middle():
    ((where, share),) = peaks(answer(np.zeros((40, 40, 40))), most=3)
    assert np.abs(where - CENTER).max() <= SPACING / 2
    assert share == pytest.approx(9**3 / 40**3)


def test_each_plateau_is_one_peak_and_the_higher_comes_first():
    logits = np.zeros((40, 40, 40))
    logits[3:10, 3:10, 3:24] = 3.0
    logits[25:30, 30:35, 5:8] = 4.0
    found = [where for where, _ in peaks(answer(logits), most=3)]
    np.testing.assert_allclose(found[:2], [place(27, 32, 6), place(6, 6, 13)])
    assert len(found) == 3  # and the ground


def test_peaks_are_as_many_as_asked_for_and_know_what_lies_around_them():
    logits = np.full((40, 40, 40), -30.0)
    for number, x in enumerate((5, 15, 25, 35)):
        logits[20, 20, x] = 10 - number
    found = peaks(answer(logits), most=2)
    np.testing.assert_allclose([where for where, _ in found], [place(20, 20, 5), place(20, 20, 15)])
    odds = np.exp(-np.arange(4.0))
    assert [share for _, share in found] == pytest.approx(list(odds[:2] / odds.sum()), abs=1e-6)


def test_a_peak_far_below_the_highest_is_none():
    logits = np.full((40, 40, 40), -30.0)
    logits[20, 20, 5], logits[20, 20, 30] = 10.0, 4.0
    assert len(peaks(answer(logits), most=3)) == 1


def test_likely_cells_hold_tissue_and_the_liked_ones_come_first():
    hu, logits = np.full((10, 7, 4), -1000.0), np.zeros((10, 7, 4), np.float32)
    hu[:4, :4] = 40.0
    hu[8:, 4:] = 40.0  # a cell that the end cuts is judged by what there is of it
    hu[4:8, 4:5, :2] = 40.0  # a sixth of a cell
    logits[9, 6, 3], logits[3, 0, 0] = 2.0, 1.0
    cells = likely_cells(hu, answer(logits), edge=4, most=9)
    np.testing.assert_allclose(cells, [[1.5, 5.5, 9.0], [1.5, 1.5, 1.5]])
    assert len(likely_cells(hu, answer(logits), edge=4, most=1)) == 1
    np.testing.assert_allclose(likely_cells(np.zeros((2, 9, 9)), answer(np.zeros((2, 9, 9))), 9, 5), [[4.0, 4.0, 0.5]])
