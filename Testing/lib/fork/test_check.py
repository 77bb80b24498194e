"""What the lumen says of points that are carinas, and of points that are not."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.fork import Check, Fork, check_fork, trace_fork
from CarotidLandmarkLib.volume.ct import CTVolume
from Testing.lib.fork.tubes import CARINA, LUMEN, RADIUS, SLOPE, TISSUE, draw, fork


def check(volume: CTVolume, point: np.ndarray) -> Check:
    return check_fork(trace_fork(volume, point, "left"), point)


def test_the_carina_is_verified(traced: Fork) -> None:
    found = check_fork(traced, traced.point)
    assert (found.status, found.reasons, found.no_artery) == ("verified", [], False)
    assert abs(found.distance_mm - np.linalg.norm(traced.point - CARINA)) < 0.8


@pytest.mark.parametrize("height", [-14.0, 14.0, 20.0])
def test_a_point_elsewhere_on_the_vessel_is_not(neck: CTVolume, height: float) -> None:
    point = CARINA + [0, 0, height] if height < 0 else np.array([SLOPE * (CARINA[2] + height), 0, CARINA[2] + height])
    found = check(neck, point)
    assert found.status != "verified"
    assert not found.no_artery


def test_the_same_fork_contradicts_another_point(traced: Fork) -> None:
    found = check_fork(traced, CARINA - [0, 0, 14])
    assert found.status == "contradicted" and "14 mm" in found.reasons[0]
    assert not found.no_artery


def test_a_jugular_as_bright_that_all_but_touches(neck: CTVolume) -> None:
    jugular = ([[9.2, 1, -48], [9.2, 1, -4], [14, 6, 20], [17, 8, 48]], 5.2, LUMEN)
    assert check(draw([*fork(), jugular]), CARINA).status == "verified"


def test_daughters_that_touch_again() -> None:
    common, _, _ = fork()
    bows = [
        ([[0, 0, 0], [way * 4.6, 0, 12], [way * 2.2, 0, 20], [way * 7, 0, 32], [way * 9, 0, 48]], 2.3, LUMEN)
        for way in (1, -1)
    ]
    assert check(draw([common, *bows]), np.array([0, 0, 6.2])).status == "verified"


def test_calcium_beside_the_lumen() -> None:
    specks = [([[0, 3.4, -6], [0, 3.4, 2]], 1.0, 1100.0), ([[-4.8, 2.2, 7], [-5.4, 2.2, 11]], 0.8, 900.0)]
    assert check(draw([*fork(), *specks]), CARINA).status == "verified"


def test_one_of_two_crossing_vessels_is_no_fork() -> None:
    crossing = [([[-way * 8, 0, -48], [0, way * 1.2, 0], [way * 8, 0, 48]], RADIUS, LUMEN) for way in (1, -1)]
    assert check(draw(crossing), np.array([0.0, 0, 6])).status != "verified"


def test_an_occluded_daughter_is_not_no_artery() -> None:
    common, internal, external = fork()
    stump = ([[0, 0, 0], [SLOPE * 13, 0, 13]], RADIUS, LUMEN)
    found = check(draw([common, (internal[0], RADIUS, TISSUE), stump, external]), CARINA)
    assert found.status == "unclear" and not found.no_artery


@pytest.mark.parametrize("hu", [TISSUE, 55.0])
def test_no_contrast_is_no_artery(hu: float) -> None:
    found = check(draw(fork(hu=hu)), CARINA)
    assert found.status == "contradicted" and found.no_artery


def test_bone_is_no_artery(neck: CTVolume) -> None:
    horn = ([[20, 15, 0], [21, 15, 12]], 2.2, 700.0)
    found = check(draw([*fork(), horn]), np.array([20.5, 15, 4]))
    assert found.status == "contradicted" and found.no_artery


@pytest.mark.parametrize("hu", [-1000.0, 40.0, 1500.0])
def test_even_surroundings_of_any_kind(hu: float) -> None:
    volume = draw([])
    volume.array[:] = hu
    assert check(volume, CARINA).status != "verified"


def test_outside_of_the_volume(neck: CTVolume) -> None:
    found = check(neck, np.array([0.0, 0, 300]))
    assert found.status == "contradicted" and "outside" in found.reasons[0]
    assert not found.no_artery


def test_a_volume_that_ends_5_mm_above_is_unclear() -> None:
    found = check(draw(fork(), high=float(CARINA[2]) + 5), CARINA)
    assert found.status == "unclear" and not found.no_artery


@pytest.mark.parametrize("corner", [0, -1])
def test_every_corner_of_the_volume(neck: CTVolume, corner: int) -> None:
    point = neck.grid.index_to_world(np.array(neck.grid.size) * (corner == -1) + (corner == -1) * -1.0)
    assert check(neck, point).status != "verified"
