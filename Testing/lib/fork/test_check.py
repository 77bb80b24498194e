"""What the lumen says of points that are carinas, and of points that are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.fork import Check, Fork, check_fork, trace_fork
from CarotidLandmarkLib.volume.ct import CTVolume
from Testing.lib.fork.tubes import CARINA, LUMEN, RADIUS, SLOPE, TISSUE, Tube, draw, fork, thicken


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


def test_a_point_near_to_the_carina_is_this_one(traced: Fork) -> None:
    checks = [check_fork(traced, traced.carina + [0, 0, height]) for height in (1.9, 3.4, 6.0)]
    assert [check.status for check in checks] == ["verified", "verified", "unclear"]
    assert [check.certain for check in checks] == [True, False, False]


def test_calcium_hides_where_exactly_the_lumens_part(traced: Fork) -> None:
    hidden = replace(traced, calcified=True)
    checks = [check_fork(hidden, traced.carina + [0, 0, height]) for height in (1.0, 5.4, 6.0, -14.0)]
    assert [check.status for check in checks] == ["verified", "verified", "unclear", "unclear"]
    assert not any(check.certain for check in checks)


@pytest.mark.parametrize("height, status", [(0.0, "verified"), (3.0, "unclear")])
def test_a_thin_daughter_counts_where_the_lumens_do_not_part_at_the_point(height: float, status: str) -> None:
    common, internal, external = fork()
    volume = draw([common, internal, (external[0], 0.8, LUMEN)])
    point = CARINA - [0, 0, 4.0]
    traced = trace_fork(volume, point, "left")
    assert traced.calibres == traced.defects and "A vessel above has a radius" in traced.defects[0]
    assert check_fork(traced, traced.carina + [0, 0, height]).status == status


def test_where_a_daughter_divides_is_no_carotid_fork() -> None:
    common, _, external = fork()
    aside = SLOPE * 24
    stem = ([[0, 0, 0], [aside, 0, 24]], RADIUS, LUMEN)
    twigs: list[Tube] = [([[aside, 0, 24], [aside + 4, way * 10, 49]], 2.0, LUMEN) for way in (1, -1)]
    found = check(draw([common, stem, external, *twigs]), np.array([aside + 0.8, 0, 30.0]))
    assert found.status == "unclear" and "farther down" in found.reasons[0]


def test_where_the_thin_external_carotid_divides_its_wider_sister_tells() -> None:
    common, internal, _ = fork()
    aside = -SLOPE * 24
    stem: Tube = ([[0, 0, 0], [aside, 0, 24]], 1.7, LUMEN)
    twigs: list[Tube] = [([[aside, 0, 24], [aside - 4, way * 10, 49]], 1.4, LUMEN) for way in (1, -1)]
    wide: Tube = (internal[0], 3.0, LUMEN)
    found = check(draw([common, wide, stem, *twigs]), np.array([aside - 0.8, 0, 29.0]))
    assert found.status == "unclear" and any("farther down" in reason for reason in found.reasons)


def test_where_a_thin_branch_leaves_beyond_a_slender_sister_is_no_carotid_fork() -> None:
    stem = ([[0, 0, -48], [0, 0, 48]], 3.6, LUMEN)
    twig: Tube = ([[0, 0, 0], [20, 0, 45]], 1.4, LUMEN)
    sister: Tube = ([[0, 0, -6], [-22, 0, 45]], 2.1, LUMEN)
    point = np.array([3.6, 0, 11])
    assert check(draw([stem, twig]), point).status == "verified"
    found = check(draw([stem, twig, sister]), point)
    assert found.status == "unclear" and "mm below the fork" in found.reasons[0]


def test_where_a_wider_vessel_joins_a_daughter_from_below_it_is_not_the_common_carotid_that_divides() -> None:
    common, internal, external = fork(radius=2.0)
    other: Tube = ([[SLOPE * 12, 0, 12], [SLOPE * 12 + 9, 0, 0], [23, 0, -48]], 3.8, LUMEN)
    found = check(draw([(common[0], 2.4, LUMEN), internal, external, other]), CARINA)
    assert found.status == "unclear" and any("wide vessel leaves" in reason for reason in found.reasons)


@pytest.mark.parametrize(("side", "status"), [("right", "unclear"), ("left", "verified")])
def test_a_fork_lateral_of_a_brighter_vessel_is_the_veins(side: str, status: str) -> None:
    artery = ([[13, 2, -48], [13, 2, 48]], 2.6, 1.8 * LUMEN)
    found = check_fork(trace_fork(draw([*fork(slope=0.2), artery]), CARINA, side), CARINA)
    assert found.status == status
    assert (status == "verified") or "may be the vein" in found.reasons[0]


@pytest.mark.parametrize(
    ("begins", "aside", "radius", "hu", "status"),
    [
        (-20.0, 6.5, 2.4, LUMEN, "contradicted"),
        (-40.0, 6.5, 2.4, LUMEN, "verified"),
        (-20.0, 14.0, 2.4, LUMEN, "contradicted"),
        (-20.0, 18.0, 2.4, LUMEN, "verified"),
        (-20.0, 8.5, 5.0, LUMEN, "verified"),
        (-20.0, 6.5, 2.4, 0.6 * LUMEN, "verified"),
    ],
    ids=["a sister", "longer followed", "far off", "farther away", "a wide vein", "a dim vein"],
)
def test_a_fork_whose_artery_has_a_sister_where_the_volume_ends_may_be_a_branchs(
    begins: float, aside: float, radius: float, hu: float, status: str
) -> None:
    beside: Tube = ([[0, -aside, -48], [0, -aside, 0], [0, -aside - 9, 48]], radius, hu)
    whole = draw([*fork(), beside])
    first = round((begins - whole.grid.origin[2]) / whole.grid.spacing[2])
    grid = replace(
        whole.grid,
        size=(*whole.grid.size[:2], whole.grid.size[2] - first),
        origin=whole.grid.index_to_world([0, 0, first]),
    )
    found = check(CTVolume(whole.array[first:], grid), CARINA)
    assert found.status == status
    assert status == "verified" or "runs beside it" in found.reasons[0]


def test_two_vessels_side_by_side_are_no_common_carotid() -> None:
    pair = [([[way * 2.2, 0, -48], [way * 2.2, 0, 0], [way * 16, 0, 48]], RADIUS, LUMEN) for way in (1, -1)]
    found = check(draw(pair), np.array([0.0, 0, 2]))
    assert found.status == "unclear" and any("two that touch" in reason for reason in found.reasons)


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


def test_calcium_that_all_but_fills_a_daughter() -> None:
    plug = ([[-SLOPE * 7, 0.8, 7], [-SLOPE * 13, 0.8, 13]], 1.7, 1100.0)
    found = trace_fork(draw([*fork(), plug]), CARINA, "left")
    assert check_fork(found, CARINA).status == "verified"
    assert found.calcified


def test_calcium_all_along_the_common_carotid() -> None:
    plug = ([[0, 1.2, -17], [0, 1.2, -3]], 1.8, 1100.0)
    assert check(draw([*fork(), plug]), CARINA).status == "verified"


def test_bone_beside_the_vessel_is_not_taken_for_calcium() -> None:
    plug = ([[-SLOPE * 7, 0.8, 7], [-SLOPE * 13, 0.8, 13]], 1.7, 1100.0)
    spine = ([[5.8, 6.6, -48], [5.8, 6.6, 48]], 5.2, 900.0)
    assert check(draw([*fork(), plug, spine]), CARINA).status == "verified"


def test_a_trifurcation_is_not_contradicted() -> None:
    third = ([[0, 0, 0], [0, -SLOPE * 48, 48]], RADIUS, LUMEN)
    found = check(draw([*fork(), third]), CARINA)
    assert found.status != "contradicted" and not found.no_artery


@pytest.mark.parametrize(("hu", "status"), [(LUMEN - 150, "verified"), (LUMEN, "unclear")], ids=["dimmer", "as bright"])
def test_a_jugular_that_touches_over_40_mm(hu: float, status: str) -> None:
    jugular = ([[7.9, 1, -48], [7.9, 1, -8], [13, 6, 15], [17, 8, 48]], 5.0, hu)
    found = check(draw([jugular, *fork()]), CARINA)
    assert found.status in ("verified", status) and not found.no_artery


def rings(low: float, high: float, aside: float, radius: float) -> list[Tube]:
    """A stent around a daughter: rings of wire, 2 mm apart."""
    turn = np.linspace(0, 2 * np.pi, 13)
    out: list[Tube] = []
    for z in np.arange(low, high, 2.0):
        ring = np.column_stack([aside * z + radius * np.cos(turn), radius * np.sin(turn), np.full(len(turn), z)])
        out.append((ring.tolist(), 0.35, 2800.0))
    return out


def test_a_stent() -> None:
    found = check(draw([*fork(), *rings(2, 20, SLOPE, RADIUS)]), CARINA)
    assert found.status != "contradicted" and not found.no_artery


def test_calcium_that_goes_on_below_the_box_is_not_bone() -> None:
    plug = ([[0, 1.2, -49], [0, 1.2, -3]], 1.8, 1100.0)
    assert check(draw([*fork(), plug]), CARINA).status == "verified"


def test_wide_vessels() -> None:
    wide = [([[0, 0, -48], [0, 0, 0]], 5.6, LUMEN)]
    wide += [([[0, 0, 0], [way * 0.45 * 48, 0, 48]], radius, LUMEN) for way, radius in ((1, 5.6), (-1, 3.7))]
    assert check(draw(wide), np.array([0.0, 0, 10])).status == "verified"


def test_a_daughter_that_touches_its_sister_where_it_branches() -> None:
    common, _, _ = fork()
    bows = [
        ([[0, 0, 0], [way * 4.6, 0, 10], [way * 2.2, 0, 17], [way * 8, 0, 32], [way * 10, 0, 48]], 2.3, LUMEN)
        for way in (1, -1)
    ]
    branch = ([[-2.6, 0, 17], [-10, -8, 15], [-22, -20, 5]], 1.0, LUMEN)
    assert check(draw([common, *bows, branch]), np.array([0, 0, 6.2])).status == "verified"


def test_clips_beside_the_fork() -> None:
    clips = [([[4.6, y, z], [7.0, y, z]], 0.7, 3000.0) for y, z in ((3.5, 4.0), (-4.0, -3.0), (4.5, -9.0))]
    assert check(draw([*fork(), *clips]), CARINA).status == "verified"


def test_noise_of_60_hu() -> None:
    assert check(draw(fork(), noise=60.0), CARINA).status == "verified"


def test_slices_of_3_mm(neck: CTVolume) -> None:
    assert check(thicken(neck, 4), CARINA).status == "verified"


def test_values_of_8_bits() -> None:
    volume = draw(fork())
    bits = CTVolume(np.clip(volume.array, 0, 255).astype(np.int16), volume.grid)
    assert check(bits, CARINA).status == "verified"


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


@pytest.mark.parametrize("radius", [0.9, 1.1])
def test_a_thin_artery_is_not_no_artery(radius: float) -> None:
    thin = ([[0, 0, -48], [0, 0, 48]], radius, LUMEN)
    found = check(draw([thin]), np.array([0.5, 0.3, 0]))
    assert found.status == "unclear" and not found.no_artery and found.suspect


def test_a_vessel_that_metal_hides_below_is_not_no_artery() -> None:
    metal = ([[0, 0, -30], [0, 0, -8]], 10.0, 3000.0)
    found = check(draw([*fork(), metal]), CARINA)
    assert found.status == "unclear" and not found.no_artery


@pytest.mark.parametrize("hu", [55.0, LUMEN], ids=["without contrast", "as bright as the artery"])
def test_a_point_in_a_vein(hu: float) -> None:
    vein = ([[19, 6, -48], [19, 6, 48]], 5.0, hu)
    found = check(draw([*fork(), vein]), np.array([19.0, 6, 6]))
    assert found.status != "verified"
    assert found.no_artery == (hu < LUMEN)


def test_a_point_in_the_airway_or_in_the_spine(neck: CTVolume) -> None:
    airway, spine = ([[-19, -9, -48], [-19, -9, 48]], 7.0, -1000.0), ([[8, 18, -48], [8, 18, 48]], 9.0, 800.0)
    volume = draw([*fork(), airway, spine])
    assert check(volume, np.array([-19.0, -9, 6])).no_artery
    assert check(volume, np.array([8.0, 18, 6])).status != "verified"


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
