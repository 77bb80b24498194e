"""How far vessels are followed."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.fork import Branch, trace_fork
from CarotidLandmarkLib.fork.course import along_trunk, trusted, unshared
from CarotidLandmarkLib.fork.tree import Tree
from CarotidLandmarkLib.fork.triple import Arm
from Testing.lib.fork.tubes import CARINA, LUMEN, RADIUS, SLOPE, Tube, draw, fork

WIDEST = 3.2
LENGTH = np.arange(40.0)
TRUNK = np.stack([0 * LENGTH, 0 * LENGTH, LENGTH], 1)


def followed(radius: np.ndarray, aside: np.ndarray | float = 0.0) -> Arm:
    """What is trusted of a vessel along z whose middle lies so far aside at each mm."""
    centre = TRUNK + np.multiply.outer(aside * np.ones(len(LENGTH)), [1.0, 0, 0])
    return trusted(Arm(LENGTH, centre, radius * np.ones(len(LENGTH)), list(range(len(LENGTH)))), WIDEST)


def test_an_even_vessel_is_followed_to_its_end() -> None:
    assert followed(2.5).nodes == list(range(40))
    assert followed(2.5 - 0.03 * LENGTH, aside=0.01 * LENGTH**2).length[-1] == 39  # thinner and bent bit by bit


def test_not_into_a_branch() -> None:
    on = LENGTH >= 25
    arm = followed(np.where(on, 1.0, 2.5), np.where(on, 2.0 + 0.7 * (LENGTH - 25), 0))
    assert arm.length[-1] == 24 and arm.nodes == list(range(25))


def test_not_into_a_vein() -> None:
    arm = followed(
        np.where(LENGTH >= 25, 2.5 + 0.9 * (LENGTH - 24), 2.5), np.where(LENGTH >= 25, 0.5 * (LENGTH - 24), 0)
    )
    assert 20 <= arm.length[-1] <= 26


@pytest.mark.parametrize(("behind", "end"), [(0.0, 39), (4.6, 24)], ids=["itself", "its sister"])
def test_behind_a_place_where_two_touch_only_the_vessel_itself_is_followed(behind: float, end: int) -> None:
    touch = (LENGTH >= 25) & (LENGTH < 29)
    arm = followed(np.where(touch, 3.6, 2.5), np.where(touch, 3.0, np.where(LENGTH >= 29, behind, 0)))
    assert arm.length[-1] == end
    assert np.abs(arm.centre[:, 0]).max() == 0  # what lies between the two is left out


def test_a_narrow_place_is_no_branch() -> None:
    narrow = 2.6 - 1.7 * np.exp(-(((LENGTH - 12) / 4) ** 2))
    assert followed(narrow).length[-1] == 39
    assert trusted(Arm(LENGTH, TRUNK, 3 * narrow, []), WIDEST).length[-1] < 20  # no artery widens so much


def test_the_trunk_is_followed_and_not_the_longer_branch() -> None:
    trunk, branch = np.arange(30), np.arange(30, 60)
    time = np.append(np.arange(30.0), np.arange(15.0, 45.0))
    aside = np.outer(np.arange(2.0, 32.0), [0.8, 0, 0.6])
    centre = np.concatenate([TRUNK[:30], TRUNK[14] + aside])
    radius = np.append(np.full(30, 2.4), np.full(30, 1.1))
    parent = np.append(trunk - 1, branch - 1)
    parent[30] = 14
    order = np.argsort(time, kind="stable")  # as a wave numbers them
    number = np.argsort(order)
    parent = np.where(parent[order] < 0, -1, number[parent[order]])
    no = np.zeros((0, 2), int)
    tree = Tree(time[order], centre[order], radius[order], radius[order], parent, no, no, no)
    nodes = tree.path(int(number[59]))
    arm = Arm(tree.time[nodes], tree.centre[nodes], tree.radius[nodes], nodes)
    found = along_trunk(tree, arm)
    assert found.nodes == number[trunk].tolist()
    assert found.length[-1] == 29 and np.abs(found.centre[:, 0]).max() == 0


@pytest.mark.filterwarnings("error")
def test_a_parting_at_once_behind_a_jump_is_judged_by_what_there_is() -> None:
    """Two nodes come before it: the vessel, and what lies beyond a place where it touched another."""
    time = np.array([0.0, 10, 11, 11, 12, 12, 13, 13])
    centre = np.array([[0, 0, 0], [0, 0, 10], [0, 0, 11], [1, 0, 10], [0, 0, 12], [2, 0, 10], [0, 0, 13], [3, 0, 10.0]])
    radius = np.array([2.4, 2.4, 2.4, 1, 2.4, 1, 2.4, 1])
    no = np.zeros((0, 2), int)
    tree = Tree(time, centre, radius, radius, np.array([-1, 0, 1, 1, 2, 3, 4, 5]), no, no, no)
    nodes = [0, 1, 3, 5, 7]
    assert along_trunk(tree, Arm(time[nodes], centre[nodes], radius[nodes], nodes)).nodes == [0, 1, 2, 4, 6]


def meeting(slope: float) -> tuple[Arm, Arm]:
    """A vessel along z, bent by `slope` from 20 mm on, and one that comes from the side; then they are one."""
    bent = slope * np.maximum(LENGTH - 20, 0)
    centre = TRUNK + np.multiply.outer(bent, [1.0, 0, 0])
    aside = centre + np.multiply.outer(np.maximum(20 - LENGTH, 0), [0.5, 0, 0])
    shared = list(range(20, 40))
    radius = np.full(len(LENGTH), 2.5)
    return Arm(LENGTH, centre, radius, [*range(20), *shared]), Arm(LENGTH, aside, radius, [*range(100, 120), *shared])


def test_what_two_vessels_run_in_together_is_of_the_one_that_goes_straight_on() -> None:
    trunk, other = unshared(*meeting(0.0))
    assert trunk.length[-1] == 39 and other.length[-1] == 19 and other.nodes == list(range(100, 120))
    other, trunk = unshared(*meeting(0.0)[::-1])
    assert trunk.length[-1] == 39 and other.length[-1] == 19


def test_what_foretells_neither_of_two_vessels_is_of_none() -> None:
    assert [arm.length[-1] for arm in unshared(*meeting(-0.25))] == [19, 19]


def test_two_vessels_that_part_again_stay_as_they_are() -> None:
    one, two = meeting(0.0)
    two.nodes[35:] = range(200, 205)
    assert [arm.length[-1] for arm in unshared(one, two)] == [39, 39]
    two.nodes[20:] = range(300, 320)
    assert [arm.length[-1] for arm in unshared(one, two)] == [39, 39]


def inside_mm(branch: Branch, tubes: list[Tube]) -> np.ndarray:
    """How far each point of `branch` lies within one of the daughters among `tubes`."""
    out = []
    for corners, radius, _ in tubes[1:3]:
        start, way = np.array(corners[0]), np.subtract(corners[1], corners[0])
        along = np.clip((branch.points - start) @ way / (way @ way), 0, 1)
        out.append(radius - np.linalg.norm(branch.points - start - along[:, None] * way, axis=1))
    return np.max(out, axis=0)


@pytest.mark.parametrize("radius", [1.3, 5.0], ids=["a branch", "a vein"])
def test_what_leaves_or_touches_a_daughter_is_not_followed(radius: float) -> None:
    vessels = fork()
    common, right, left = vessels
    height = 24.0
    here = np.array([-SLOPE * height, 0, height])
    aside = here - [RADIUS + radius - 0.5, 0, 0] if radius > RADIUS else here
    other = ([aside.tolist(), (aside + [-9, -6, 4]).tolist(), (aside + [-14, -14, 20]).tolist()], radius, LUMEN)
    short = ([left[0][0], (here * (height + 3) / height).tolist()], RADIUS, LUMEN)  # the vessel itself ends there
    traced = trace_fork(draw([common, right, short, other]), CARINA, "left")
    assert traced.defects == []
    for branch in (traced.internal, traced.external):
        assert branch.length_mm > 12
        assert inside_mm(branch, [common, right, left]).min() > -1
