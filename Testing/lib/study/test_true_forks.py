"""The true forks of phantoms: what is read, and that their measures are those of the bodies that were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.study.cases import read_stenoses
from CarotidLandmarkLib.study.true_forks import read_true_forks
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.lib.study import made_forks as made


def grid(low: float, high: float) -> Grid:
    return Grid.axis_aligned([0, 0, (low + high) / 2], (100, 100, round(2 * (high - low))), [0.8, 0.8, 0.5])


def test_the_measures_of_straight_vessels(tmp_path) -> None:
    found = made.truth(tmp_path).measures()
    assert "internal_narrowest_at_mm" not in found, "nothing is narrowed"
    assert found.pop("calcium_mm3") == 40.0 and found.pop("nascet_percent") == pytest.approx(0, abs=1e-6)
    assert found.pop("angle_deg") == pytest.approx(2 * np.degrees(np.arctan(made.SLOPE)), abs=1e-6)
    assert found.pop("area_ratio") == pytest.approx(2 * (made.RADIUS / made.COMMON_RADIUS) ** 2, abs=1e-6)
    assert found.pop("common_20_mm") == pytest.approx(2 * made.COMMON_RADIUS, abs=1e-6)
    assert found.pop("common_10_mm") == pytest.approx(2 * made.COMMON_RADIUS, abs=0.15), "some of the daughters' ends"
    assert found == pytest.approx(dict.fromkeys(found, 2 * made.RADIUS), abs=1e-6)
    assert set(found) == {"bulb_mm", "internal_20_mm", "internal_30_mm", "external_10_mm", "internal_narrowest_mm"}


def test_above_its_end_the_common_carotid_is_both_daughters_together(tmp_path) -> None:
    """With a small angle they part 16 mm above it; 10 mm below that they are two discs that overlap by much."""
    slope, r = 0.15, made.RADIUS
    apart = 2 * slope * (made.carina(slope)[2] - 10)
    both = 2 * np.pi * r**2 - (2 * r**2 * np.arccos(apart / (2 * r)) - apart / 2 * np.sqrt(4 * r**2 - apart**2))
    found = made.truth(tmp_path, slope=slope).measures()
    assert found["common_10_mm"] == pytest.approx(2 * np.sqrt(both / np.pi), abs=0.1)
    assert found["common_10_mm"] > 2 * r + 0.3


def test_lengths_count_from_the_carina_and_the_narrowest_place_is_found(tmp_path) -> None:
    """Half as wide around 12 mm beyond the carina."""
    along = made.vessel(made.SLOPE)[:, :3]
    length = along @ [made.SLOPE, 0, 1] / np.hypot(made.SLOPE, 1) - made.carina()[2] / np.hypot(made.SLOPE, 1)
    radius = made.RADIUS * (1 - 0.5 * np.exp(-(((length - 12) / 4) ** 2)))
    lines = made.vessels(internal_radius=radius)
    both = {name: (line[::-1] if name == "common" else line).tolist() for name, line in lines.items()}
    found = made.truth(tmp_path, centrelines_lps_mm={"left": both, "right": both}).measures()
    assert found["internal_narrowest_mm"] == pytest.approx(made.RADIUS, abs=0.1)
    assert found["internal_narrowest_at_mm"] == pytest.approx(12, abs=1)
    assert found["nascet_percent"] == pytest.approx(50, abs=2)
    assert found["internal_20_mm"] == pytest.approx(2 * np.interp(20, length, radius), abs=0.03)


@pytest.mark.parametrize(
    ("low", "high", "shown"), [(-20, 30, True), (-7.5, 20, True), (-5, 30, False), (-20, 18, False)]
)
def test_a_fork_is_whole_where_the_volume_holds_its_vessels(tmp_path, low, high, shown) -> None:
    """The carina lies at 8.4 mm: 15 mm below it is -6.6, and 12 mm beyond it the daughters are at 18.9."""
    assert made.truth(tmp_path).shown_by(grid(low, high)) == shown


def test_a_carina_far_above_where_the_daughters_begin_is_shown_by_a_volume_that_holds_it(tmp_path) -> None:
    fork = made.truth(tmp_path, slope=0.12)
    assert fork.carina[2] > 18 and fork.shown_by(grid(-20, 40)) and not fork.shown_by(grid(10, 40))


def test_a_vessel_that_ends_early_is_not_whole(tmp_path) -> None:
    lines = {name: line[:37].tolist() for name, line in made.vessels().items()}
    lines["common"].reverse()
    fork = made.truth(tmp_path, centrelines_lps_mm={"left": lines, "right": lines})
    assert not fork.shown_by(grid(-20, 30)), "the daughters end 10 mm beyond the carina"


def test_occluded_forks_and_files_without_calcium_are_told(tmp_path) -> None:
    assert made.truth(tmp_path).is_open and not made.truth(tmp_path, occluded=1.0).is_open
    old = {name: value for name, value in made.about().items() if name != "bright_calcium_mm3"}
    assert "calcium_mm3" not in read_true_forks(made.case(tmp_path, old))["right"].measures()


@pytest.mark.parametrize("gone", ["all", "facts", "centrelines_lps_mm", "carina_lps_mm", "a number", "the range"])
def test_without_a_phantom_that_tells_its_vessels_there_is_no_truth(tmp_path, gone) -> None:
    values = None if gone == "all" else made.about()
    if gone == "a number":
        values["centrelines_lps_mm"]["left"]["internal"][3][2] = None
    elif gone == "the range":
        values["centrelines_lps_mm"]["left"]["internal"][3][2] = 10**400
        values["facts"]["left"]["stenosis"] = 10**400
        assert read_stenoses(made.case(tmp_path, values)) == {}
    elif values:
        del values[gone]
    assert read_true_forks(made.case(tmp_path, values)) == {}
