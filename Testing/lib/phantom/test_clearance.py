from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.phantom import Phantom
from CarotidLandmarkLib.phantom.clearance import NEAR_MM, BoneMap
from CarotidLandmarkLib.phantom.shapes import Ellipsoid, Space, Tube
from CarotidLandmarkLib.phantom.vessels import Carotid

STRAIGHT = Space(np.eye(3), np.zeros(3), np.zeros((2, 1)), (-100.0, 100.0), np.zeros((0, 7)))


def carotid_at(x: float) -> Carotid:
    line = np.linspace([x, -20, -40], [x, -20, 40], 81)
    tube = Tube(line, np.full(81, 3.0), 300.0)
    return Carotid(tube, tube, tube, np.array([x, -20.0, 0.0]))


@pytest.mark.parametrize(
    ("x", "z", "meets"), [(28.0, 0.0, True), (28.0, NEAR_MM - 6, True), (28.0, NEAR_MM + 14, False), (14.0, 0.0, False)]
)
def test_a_carotid_meets_bone_only_near_its_carina(x, z, meets):
    bones = BoneMap([Ellipsoid(np.array([28.0, -20, z]), np.full(3, 8.0), 700.0)], STRAIGHT)
    assert bones.meets(carotid_at(x)) == meets


def test_soft_tissue_is_no_bone():
    assert not BoneMap([Ellipsoid(np.array([28.0, -20, 0]), np.full(3, 8.0), 90.0)], STRAIGHT).meets(carotid_at(28.0))


def test_forks_are_drawn_again_until_both_carotids_are_clear(monkeypatch):
    first = Phantom.draw(11, "test")
    said: list[bool] = []
    meets = BoneMap.meets

    def refuse_the_first(self, carotid):
        said.append(not said or meets(self, carotid))
        return said[-1]

    monkeypatch.setattr(BoneMap, "meets", refuse_the_first)
    again = Phantom.draw(11, "test")
    assert said[0] and said[-2:] == [False, False]
    assert all(np.linalg.norm(again.carina[side] - first.carina[side]) > 0.5 for side in first.carina)
    assert np.linalg.norm(again.carina["left"] - again.carina["right"]) > 25
