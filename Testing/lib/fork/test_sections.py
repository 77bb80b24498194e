"""Calibres of tubes whose radii are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CarotidLandmarkLib.fork.sections import measure_sections, sample
from CarotidLandmarkLib.fork.trace import Branch
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.lib.fork.tubes import LUMEN, TISSUE, Tube, draw

STRAIGHT = [[3.0, 0, -40], [-3, 0, 40]]


def branch(line: list[list[float]] | np.ndarray, jitter: float = 0.0) -> Branch:
    """Points about 1 mm apart along a line, as the trace gives them."""
    line = np.asarray(line, float)
    along = np.r_[0, np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()]
    at = np.arange(0, along[-1])
    points = np.stack([np.interp(at, along, axis) for axis in line.T], 1)
    points += np.random.default_rng(0).normal(0, jitter, points.shape)
    return Branch(points, np.full(len(points), 2.0))


def ring(turn_mm: float) -> np.ndarray:
    angle = np.linspace(-1.2, 1.2, 60)
    return turn_mm * np.stack([np.cos(angle) - 0.7, 0 * angle, np.sin(angle)], 1)


def diameters(volume: CTVolume, line: list[list[float]] | np.ndarray, jitter: float = 0.0) -> np.ndarray:
    return measure_sections(volume, branch(line, jitter), LUMEN, TISSUE).diameter[2:-2]


@pytest.mark.parametrize("radius", [1.2, 2.0, 3.5])
def test_a_straight_tube(radius: float) -> None:
    found = diameters(draw([(STRAIGHT, radius, LUMEN)]), STRAIGHT)
    assert abs(np.median(found) - 2 * radius) < 0.15
    assert np.ptp(found) < 0.5


@pytest.mark.parametrize(("radius", "blur"), [(0.8, 0.4), (1.2, 0.6), (3.0, 0.6)])
def test_a_thin_lumen_is_as_wide_as_it_was_before_blur(radius: float, blur: float) -> None:
    y, x = (np.indices((80, 80)) - 39.5) * 0.2
    disc = ndimage.gaussian_filter(TISSUE + (LUMEN - TISSUE) * (np.hypot(x, y) < radius), blur / 0.2)
    grid = Grid.axis_aligned([0.0, 0, 0], (80, 80, 40), (0.2, 0.2, 0.8))
    found = diameters(CTVolume(np.tile(disc, (40, 1, 1)).astype(np.float32), grid), [[0, 0, -14], [0, 0, 14]])
    assert abs(np.median(found) - 2 * radius) < 0.12


def test_a_bent_tube_whose_trace_is_uneven() -> None:
    found = diameters(draw([(ring(20.0), 2.5, LUMEN)]), ring(20.0), jitter=0.5)
    assert abs(np.median(found) - 5) < 0.2 and np.abs(found - 5).max() < 0.6


def test_the_middle_of_the_lumen_is_found() -> None:
    volume = draw([(STRAIGHT, 2.5, LUMEN)])
    aside = np.add(STRAIGHT, [0, 1.0, 0])
    found = measure_sections(volume, branch(aside), LUMEN, TISSUE)
    assert np.abs(found.centre[4:-4, 1]).max() < 0.3


def test_noise_as_strong_as_in_a_bad_scan() -> None:
    found = diameters(draw([(STRAIGHT, 2.5, LUMEN)], noise=60.0), STRAIGHT)
    assert abs(np.median(found) - 5) < 0.25


def test_a_vessel_as_bright_that_touches_is_left_out() -> None:
    beside: Tube = ([[9.2, 0, -40], [3.2, 0, 40]], 3.4, LUMEN)
    found = diameters(draw([(STRAIGHT, 2.5, LUMEN), beside]), STRAIGHT)
    assert abs(np.median(found) - 5) < 0.3


@pytest.mark.parametrize("radius", [2.0, 3.0])
@pytest.mark.parametrize("common_mm", [0.5, 1.0])
@pytest.mark.parametrize("sides", [(1,), (1, -1)])
def test_of_a_lumen_that_runs_into_others_its_own_part_is_measured_or_none(
    radius: float, common_mm: float, sides: tuple[int, ...]
) -> None:
    away = 2.5 + radius - common_mm
    beside: list[Tube] = [([[3.0, side * away, -40], [-3, side * away, 40]], radius, LUMEN) for side in sides]
    found = diameters(draw([(STRAIGHT, 2.5, LUMEN), *beside]), STRAIGHT)
    assert len(sides) == 2 or np.isfinite(found).all()
    assert np.abs(found[np.isfinite(found)] - 5).max(initial=0) < 0.35


def test_calcium_in_the_wall_is_no_lumen() -> None:
    calcium: Tube = ([[2.6, 0, -2], [2.5, 0, 2]], 1.2, 1200.0)
    plain = np.median(diameters(draw([(STRAIGHT, 2.5, LUMEN)]), STRAIGHT)[36:41])
    found = diameters(draw([(STRAIGHT, 2.5, LUMEN), calcium]), STRAIGHT)[36:41]
    assert np.nanmedian(found) < plain - 0.2  # the speck takes a part of the lumen
    assert np.nanmedian(found) > plain - 1.2


@pytest.mark.parametrize("hu", [TISSUE, 1200.0])
def test_in_the_midst_of_a_clot_or_of_calcium_there_is_no_calibre(hu: float) -> None:
    inside = [[0.45, 0, -6], [-0.45, 0, 6]]
    found = diameters(draw([(STRAIGHT, 2.4, LUMEN), (inside, 0.9, hu)]), STRAIGHT)
    assert np.isnan(found).sum() > 10 and np.nanmin(found) > 4


def test_where_nothing_is_told_apart_there_is_no_number() -> None:
    flat = draw([([[0, 0, -40], [0, 0, 40]], 20.0, LUMEN)])
    assert np.isnan(diameters(flat, STRAIGHT)).all()


@pytest.mark.parametrize("line", [[[0, 0, 0], [0, 0, 2.0]], [[0, 0, 0], [0, 0, 2.0], [0, 0, 0.1]]])
def test_a_vessel_too_short_has_no_sections(line: list[list[float]]) -> None:
    """As one is, too, that comes back to where it began."""
    found = measure_sections(draw([]), branch(line), LUMEN, TISSUE)
    assert len(found.length) == 0 and found.end == 0 and found.beside(np.zeros(3)) == 0
    assert np.isnan(found.at(0.0))


def test_no_course_is_too_odd() -> None:
    volume, rng = draw([(STRAIGHT, 2.5, LUMEN)]), np.random.default_rng(0)
    for number in range(40):
        course = np.cumsum(rng.normal(0, 0.6, (3 + number % 12, 3)), axis=0)
        found = measure_sections(volume, Branch(course, np.ones(len(course))), LUMEN, TISSUE)
        assert found.centre.shape == (len(found.length), 3) and len(found.diameter) == len(found.length)


def test_lengths_count_from_beside_a_point() -> None:
    found = measure_sections(draw([(STRAIGHT, 2.5, LUMEN)]), branch(STRAIGHT), LUMEN, TISSUE)
    start, end = np.array(STRAIGHT)
    way = (end - start) / np.linalg.norm(end - start)
    for length in (-5.0, 0.5, 20.3):
        assert abs(found.beside(start + length * way + [0, 2, 0]) - length) < 0.3
    assert np.linalg.norm(found.place(30.0) - start - 30 * way) < 0.4


def test_outside_of_the_volume_there_are_no_hu(neck: CTVolume) -> None:
    inside = neck.grid.index_to_world([[10, 20, 30], [10.5, 20, 30]])
    hu = sample(neck, np.concatenate([inside, [[0, 0, 400.0]]]))
    assert hu[0] == neck.array[30, 20, 10] and hu[1] == neck.array[30, 20, 10:12].mean()
    assert np.isnan(hu[2])
