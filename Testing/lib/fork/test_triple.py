"""What speaks against three vessels' being a carotid fork."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from CarotidLandmarkLib.fork.arms import find_meeting
from CarotidLandmarkLib.fork.box import SPACING_MM
from CarotidLandmarkLib.fork.lumen import EDGE_MM, RECIPES, Recipe, ordered_masks
from CarotidLandmarkLib.fork.tree import Part, Tree, grow
from CarotidLandmarkLib.fork.triple import Arm, Triple

LEVEL, TISSUE, CALCIUM = 350.0, 45.0, 1100.0


@pytest.mark.parametrize(("core_mm", "said"), [(1.0, 0), (4.0, 3)], ids=["a core of calcium", "calcium alone"])
def test_a_lumen_around_calcium_is_seen(core_mm: float, said: int) -> None:
    z, y, x = np.indices((61, 31, 31))
    away = np.hypot(y - 15, x - 15) * SPACING_MM
    hu = np.where(away < core_mm, CALCIUM, np.where(away < 3, LEVEL, TISSUE))
    length = np.arange(17.0)
    arm = Arm(length, np.stack([0 * length, 0 * length, length], 1), np.full(17, 3.0), [])
    empty = grow(Part(hu > LEVEL, np.zeros(3, int)), np.array([[0, 15, 15]]), 1.0)
    assert len(Triple(empty, arm, (arm, arm), [], 1.0).unlike(hu, LEVEL, TISSUE)) == said


@pytest.mark.parametrize(("radius", "said"), [(2.4, 3), (4.2, 0)], ids=["rim", "lumen"])
def test_the_rim_of_calcium_is_no_lumen(radius: float, said: int) -> None:
    z, y, x = np.indices((61, 31, 31))
    away = np.hypot(y - 15, x - 15) * SPACING_MM
    hu = np.where(away < 0.8, CALCIUM, np.where(away < radius, LEVEL, TISSUE))
    length = np.arange(17.0)
    arm = Arm(length, np.stack([0 * length, 0 * length, length], 1), np.full(17, radius), [])
    empty = grow(Part(hu > TISSUE, np.zeros(3, int)), np.array([[0, 15, 15]]), 1.0)
    triple = Triple(empty, arm, (arm, arm), [], 1.0)
    assert not triple.unlike(hu, LEVEL, TISSUE)
    reasons = triple.unlike(hu, LEVEL, TISSUE, calcified=True)
    assert len(reasons) == said and all("calcium" in reason for reason in reasons)


def test_a_cross_section_of_two_is_oval() -> None:
    z, y, x = np.indices((40, 31, 31))
    one, two = np.hypot(y - 15, x - 11) < 4.5, np.hypot(y - 15, x - 19) < 4.5
    for mask, low, high in ((one, 0.9, 1.2), (one | two, 1.7, 2.4)):
        tree = grow(Part(mask, np.zeros(3, int)), np.argwhere(mask & (z == 0)), 20.0)
        assert low < np.median(tree.oval) < high


@pytest.mark.parametrize("low", [0.5, 0.65, 0.85])
def test_a_radius_is_that_of_half_the_contrast(low: float) -> None:
    z, y, x = np.indices((40, 31, 31))
    edge = special.ndtr((4 - np.hypot(y - 15, x - 15)) * SPACING_MM / EDGE_MM)
    tree = grow(Part(edge > low, np.zeros(3, int), Recipe(low).rim_mm), np.argwhere((edge > low) & (z == 0)), 20.0)
    assert abs(np.mean(tree.radius) - 4 * SPACING_MM) < 0.3


def test_every_level_has_its_turn() -> None:
    masks = ordered_masks([300.0, 500.0, 900.0])
    assert masks[0] == (RECIPES[0], 300.0)
    assert (RECIPES[7], 300.0) in masks and {level for _, level in masks} == {300.0, 500.0, 900.0}


@pytest.mark.parametrize(("radius", "end"), [(0.9, (7, 9)), (2.2, (12, None))], ids=["a branch", "the vessel itself"])
def test_a_path_that_turns_off_into_a_branch_where_two_vessels_touch(
    radius: float, end: tuple[int, int | None]
) -> None:
    path, sister = [0, 1, 2, 3, 4, 6, 8, 10, 12, 13, 14, 15], [0, 1, 2, 3, 5, 7, 9, 11]
    radii = np.full(16, 2.4)
    radii[[10, 12, 13, 14, 15]] = radius
    no = np.zeros(0, int)
    tree = Tree(np.arange(16.0), np.zeros((16, 3)), radii, radii, no, np.array([[8, 9]]), no, no)
    assert find_meeting(tree, path, sister, 4) == end
