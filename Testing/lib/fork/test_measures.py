"""Measures of forks whose calibres, angle, narrowing and calcium are known, and why some have no value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.fork import Branch, Fork, trace_fork
from CarotidLandmarkLib.fork.measures import UNITS, UNNAMED, measure_fork, vessel_values
from CarotidLandmarkLib.fork.sections import Sections
from CarotidLandmarkLib.landmarks.forks import VESSELS, Measure
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from Testing.lib.fork.tubes import CARINA, COMMON_RADIUS, LUMEN, RADIUS, SLOPE, TISSUE, Tube, draw, fork

AXIS = np.array([SLOPE, 0, 1]) / np.hypot(SLOPE, 1)  # of the daughter that goes left
BESIDE = float(CARINA @ AXIS)  # mm along it from where the axes meet to beside the carina
SEED = 3025  # a phantom with calcium at the left fork
ANGLE = 2 * np.degrees(np.arctan(SLOPE))


def line(*ends: list[float], radius: float = 2.0) -> Branch:
    points = np.concatenate(
        [np.linspace(a, b, max(int(np.linalg.norm(np.subtract(b, a))), 2)) for a, b in zip(ends, ends[1:])]
    )
    return Branch(points, np.full(len(points), radius))


def known(internal: float = 44.0, external: float = 44.0, common: float = 40.0) -> Fork:
    """The common fork as a perfect trace gives it; lengths in mm from where the axes meet."""
    return Fork(
        "left",
        CARINA + [0.5, 0, 0],
        level_hu=LUMEN,
        tissue_hu=TISSUE,
        common=line([0, 0, 0], [0, 0, -common]),
        internal=line([0, 0, 0], list(internal * AXIS)),
        external=line([0, 0, 0], list(external * AXIS * [-1, 1, 1])),
        internal_probability=0.95,
        carina=CARINA,
    )


def narrowed(radius: float, beyond: float = RADIUS) -> list[Tube]:
    """The fork whose left daughter is narrow from 12 to 21 mm beyond the carina, and then has another radius."""
    common, _, right = fork()
    at = [list((BESIDE + length) * AXIS) for length in (-BESIDE, 12, 21, 40)]
    return [
        common,
        right,
        (at[:2], RADIUS, LUMEN),
        (at[1:3], radius, LUMEN),
        (at[2:], beyond, LUMEN),
    ]


def values(measures: dict[str, Measure]) -> dict[str, float | None]:
    return {name: measure.value for name, measure in measures.items()}


@pytest.fixture(scope="module")
def plain(neck: CTVolume) -> dict[str, Measure]:
    return measure_fork(known(), neck, np.diag([1.0, 1, 4]))


def test_all_of_a_plain_fork(plain: dict[str, Measure]) -> None:
    assert list(plain) == list(UNITS)
    assert {name: measure.unit for name, measure in plain.items()} == UNITS
    found = values(plain)
    for name in ("common_10_mm", "common_20_mm"):
        assert abs(found[name] - 2 * COMMON_RADIUS) < 0.2
    for name in ("bulb_mm", "internal_20_mm", "internal_30_mm", "external_10_mm", "internal_narrowest_mm"):
        assert abs(found[name] - 2 * RADIUS) < 0.3
    assert abs(found["area_ratio"] - 2 * (RADIUS / COMMON_RADIUS) ** 2) < 0.1
    assert abs(found["angle_deg"] - ANGLE) < 2
    assert found["nascet_percent"] < 6
    assert found["calcium_mm3"] == 0
    assert found["above_top_mm"] == pytest.approx(126 * 0.8 / 2 - CARINA[2])
    assert found["below_bottom_mm"] == pytest.approx(126 * 0.8 / 2 + CARINA[2])


def test_the_traced_fork_measures_alike(traced: Fork, neck: CTVolume) -> None:
    found = values(measure_fork(replace(traced, internal_probability=0.9), neck))
    assert abs(found["common_20_mm"] - 2 * COMMON_RADIUS) < 0.2
    assert abs(found["internal_20_mm"] - 2 * RADIUS) < 0.3 and abs(found["external_10_mm"] - 2 * RADIUS) < 0.3
    assert abs(found["angle_deg"] - ANGLE) < 5


def test_the_spread_follows_the_landmarks(plain: dict[str, Measure], neck: CTVolume) -> None:
    small = measure_fork(known(), neck, np.diag([0.01, 0.01, 0.04]))
    assert 1 < plain["above_top_mm"].sd < 3.5
    assert plain["above_top_mm"].sd == pytest.approx(10 * small["above_top_mm"].sd)
    assert all(measure.sd is not None for measure in plain.values())
    assert 0.3 <= plain["common_20_mm"].sd < 0.5  # never surer than the method is
    assert 6 <= plain["angle_deg"].sd < 9
    assert values(small) == values(plain)
    assert measure_fork(known(), neck, np.diag([1.0, 1, 4])) == plain
    assert measure_fork(known(), neck, np.diag([1.0, 1, 4]), seed=1) != plain
    assert all(measure.sd is None for measure in measure_fork(known(), neck).values())


@pytest.mark.parametrize("covariance", [np.eye(2), np.full((3, 3), np.nan)])
def test_what_is_no_covariance(covariance: np.ndarray, neck: CTVolume) -> None:
    with pytest.raises(ValueError, match="covariance"):
        measure_fork(known(), neck, covariance)


def test_a_narrow_place() -> None:
    found = values(measure_fork(known(), draw(narrowed(1.4))))
    assert abs(found["internal_narrowest_mm"] - 2.8) < 0.3
    assert abs(found["internal_narrowest_at_mm"] - 16.5) < 2.5
    assert abs(found["nascet_percent"] - 100 * (1 - 1.4 / RADIUS)) < 8


def test_the_spread_covers_what_a_web_is_told_too_mildly() -> None:
    """2 mm of the vessel, shorter than what a calibre is the median of, are narrow."""
    scan = draw(fork(), noise=0)
    k, j, i = np.indices(scan.grid.shape)
    world = scan.grid.index_to_world(np.stack([i, j, k], -1))
    along = world @ AXIS
    away = np.linalg.norm(world - along[..., None] * AXIS, axis=-1)
    web = (np.abs(along - BESIDE - 15) < 1) & (away < RADIUS + 1) & (away > 1)
    measures = measure_fork(known(), replace(scan, array=np.where(web, int(TISSUE), scan.array)), np.eye(3) * 0.1)
    for name, true in (("internal_narrowest_mm", 2.0), ("nascet_percent", 100 * (1 - 1 / RADIUS))):
        assert abs(measures[name].value - true) < 2 * measures[name].sd


def test_beyond_a_narrow_place_all_is_thin() -> None:
    found = measure_fork(known(), draw(narrowed(0.9, 1.1)))["nascet_percent"]
    assert found.value is None and "collapsed" in found.reason


def test_beyond_a_narrow_place_nothing_is_even() -> None:
    common, _, right = fork()
    steps = [list((BESIDE + length) * AXIS) for length in np.arange(-BESIDE, 38, 4)]
    cones = [([a, b], 2.0 + 1.2 * (i % 2), LUMEN) for i, (a, b) in enumerate(zip(steps, steps[1:]))]
    found = measure_fork(known(), draw([common, right, *cones]))["nascet_percent"]
    assert found.value is None and "even part" in found.reason


def test_calcium_in_the_wall_counts_and_bone_does_not() -> None:
    speck: Tube = ([[0, 3.6, -8], [0, 3.6, 0]], 1.2, 1200.0)
    bone: Tube = ([[-20, -12, 6], [20, -12, 6]], 4.0, 900.0)
    dim: Tube = ([[0, -3.6, -8], [0, -3.6, 0]], 1.2, LUMEN + 60)
    far: Tube = ([[0, 3.6, -34], [0, 3.6, -28]], 1.2, 1200.0)
    truth = np.pi * 1.2**2 * (8 + 4 / 3 * 1.2)
    found = measure_fork(known(), draw([*fork(), bone, speck, dim, far]))["calcium_mm3"].value
    assert abs(found / truth - 1) < 0.3
    assert measure_fork(known(), draw([*fork(), bone, dim, far]))["calcium_mm3"].value == 0


def test_daughters_that_cannot_be_told_apart(neck: CTVolume) -> None:
    found = measure_fork(replace(known(), internal_probability=None), neck)
    unnamed = {name for name, measure in found.items() if measure.reason == UNNAMED}
    assert unnamed == {
        "bulb_mm", "internal_20_mm", "internal_30_mm", "external_10_mm", "area_ratio", "internal_narrowest_mm",
        "internal_narrowest_at_mm", "nascet_percent",
    }  # fmt: skip
    assert all(found[name].value is not None for name in found if name not in unnamed)


def test_vessels_that_are_not_followed_far_enough(neck: CTVolume) -> None:
    found = measure_fork(known(internal=BESIDE + 26, external=BESIDE + 9, common=4), neck)
    reasons = {name: measure.reason for name, measure in found.items() if measure.reason}
    assert "common carotid is followed for 1" in reasons.pop("common_10_mm")
    assert "common carotid is followed" in reasons.pop("common_20_mm")
    assert "internal carotid is followed for 24 mm only." in reasons.pop("internal_30_mm")
    assert "internal carotid is followed" in reasons.pop("internal_narrowest_mm")
    assert "internal carotid is followed" in reasons.pop("internal_narrowest_at_mm")
    assert "internal carotid is followed" in reasons.pop("nascet_percent")
    assert "external carotid is followed for 7 mm only." in reasons.pop("external_10_mm")
    assert "external carotid" in reasons.pop("angle_deg")
    assert "common carotid" in reasons.pop("area_ratio")
    assert "common carotid" in reasons.pop("calcium_mm3")
    assert reasons == {}


def test_a_landmark_that_may_lie_far_below_the_fork_has_measures_all_the_same(neck: CTVolume) -> None:
    measures = measure_fork(known(), neck, np.diag([1.0, 1, 900]))
    assert abs(measures["angle_deg"].value - ANGLE) < 2
    vessels = {name: Sections(np.arange(40.0), np.arange(40.0)[:, None] * AXIS, np.full(40, 4.0)) for name in VESSELS}
    reason = "The internal carotid begins 20 mm beyond the carina."
    assert vessel_values(vessels, -20 * AXIS, 1.0)["angle_deg"] == reason


def test_angle_and_calcium_of_a_vessel_that_is_followed_a_little_less_far(neck: CTVolume) -> None:
    found = values(measure_fork(known(external=BESIDE + 13.5), neck))
    assert found["external_10_mm"] is not None
    assert abs(found["angle_deg"] - ANGLE) < 3 and found["calcium_mm3"] == 0


def test_vessels_of_next_to_no_length(neck: CTVolume) -> None:
    found = measure_fork(known(internal=2, external=2, common=2), neck, np.eye(3))
    reasons = {name: measure.reason for name, measure in found.items() if measure.reason}
    assert set(UNITS) - set(reasons) == {"above_top_mm", "below_bottom_mm"}
    assert all("is followed for 0 mm only" in reason for reason in reasons.values())


def test_a_vessel_lost_in_what_is_beside_it() -> None:
    cloud: Tube = ([list((BESIDE + 18) * AXIS), list((BESIDE + 24) * AXIS)], 14.0, LUMEN)
    found = measure_fork(known(), draw([*fork(), cloud]))
    assert "stand out" in found["internal_20_mm"].reason and "stand out" in found["internal_narrowest_mm"].reason
    assert found["common_20_mm"].value is not None


def test_a_point_without_a_fork_has_heights_alone(neck: CTVolume) -> None:
    found = measure_fork(trace_fork(neck, [-20.0, -20, 0], "left"), neck)
    assert {name for name, measure in found.items() if measure.value is not None} == {"above_top_mm", "below_bottom_mm"}
    assert found["bulb_mm"].reason == "No vessel with contrast lies beside the point."
    assert found["above_top_mm"].value == pytest.approx(126 * 0.8 / 2)


def test_a_point_outside_has_nothing(neck: CTVolume) -> None:
    found = measure_fork(trace_fork(neck, [0.0, 0, 300], "left"), neck)
    assert all(measure.value is None for measure in found.values())
    assert "outside" in found["above_top_mm"].reason


def test_heights_in_a_volume_that_is_upside_down() -> None:
    volume = draw(fork(), direction=np.diag([1.0, -1, -1]), high=30.0)
    upright = draw(fork(), high=30.0)
    found = [values(measure_fork(known(), one)) for one in (volume, upright)]
    for name in ("above_top_mm", "below_bottom_mm"):
        assert found[0][name] == pytest.approx(found[1][name])
    assert found[0]["above_top_mm"] < found[0]["below_bottom_mm"]


@pytest.mark.torch
def test_a_phantom() -> None:
    from CarotidLandmarkLib.phantom.files import BRIGHT_HU, calcium_mm3
    from CarotidLandmarkLib.phantom.phantom import Phantom

    phantom = Phantom.draw(SEED, "val")
    carina = phantom.carina["left"]
    grid = Grid.axis_aligned(carina, (110, 110, 170), (0.5, 0.5, 0.6))
    volume = CTVolume(phantom.render(grid).numpy().round().astype(np.int16), grid)
    found = values(measure_fork(trace_fork(volume, carina + [0.5, 0.5, 0.5], "left"), volume))
    internal = phantom.centrelines["left"]["internal"]
    along = np.append(0, np.linalg.norm(np.diff(internal[:, :3], axis=0), axis=1).cumsum())
    beside = along[np.linalg.norm(internal[:, :3] - carina, axis=1).argmin()]
    for length in (20, 30):
        assert abs(found[f"internal_{length}_mm"] - 2 * np.interp(beside + length, along, internal[:, 3])) < 0.4
    truth = calcium_mm3(phantom, "left", BRIGHT_HU)
    assert truth > 20 and abs(found["calcium_mm3"] / truth - 1) < 0.4


@pytest.mark.parametrize(("hidden", "told"), [(2, True), (3, False)])
def test_a_narrow_place_may_hide_where_the_vessel_is_lost(hidden: int, told: bool) -> None:
    length = np.arange(45.0)
    course = length[:, None] * [[0.0, 0, 1]]
    lost = np.full(45, 5.0)
    lost[20 : 20 + hidden] = np.nan
    vessels = {name: Sections(length, course, lost if name == "internal" else np.full(45, 5.0)) for name in VESSELS}
    found = vessel_values(vessels, np.zeros(3), 1.5)
    assert found["internal_30_mm"] == found["bulb_mm"] == 5.0
    assert ("stand out" in str(found["internal_narrowest_mm"])) is not told
