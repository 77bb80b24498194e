"""What the fork view shows: the three vessels in their plane, and in 3D the lumen around the ellipsoid."""

import numpy as np
import pytest
from CarotidLandmarkSlicer.coordinates import rasFromLps
from CarotidLandmarkSlicer.ellipsoids import COLORS
from CarotidLandmarkSlicer.forkScene import ForkScene

from Testing.host.forkSamples import AWAY, CARINA_LPS, RADII, forkDetection
from Testing.host.mrmlHost import slicer
from Testing.host.samples import addCtVolume
from Testing.render.test_pictures import has, middle

LUMEN = (0.86, 0.33, 0.28)


@pytest.fixture
def forks(landmarkScene):
    return ForkScene(landmarkScene)


@pytest.fixture
def landmarks(landmarkScene):
    node = landmarkScene.applyDetection(addCtVolume(), *forkDetection())
    node.GetDisplayNode().SetPointLabelsVisibility(False)
    return node


def along(name, height):
    """A point (3,) RAS within the wall of a vessel, seen from the front."""
    return rasFromLps(CARINA_LPS + height * np.array(AWAY[name]))


def test_the_three_vessels_are_outlined_in_the_fork_view(slices, landmarks, forks):
    forks.show(landmarks, "left")
    view = slices["Green"]
    outline = has(view.pixels(), LUMEN)
    for name in AWAY:
        place, off = view.worldToDisplay(along(name, 12))
        assert abs(off) < 1.0
        gaps = np.linalg.norm(outline - place, axis=1) / (400 / 60)
        assert gaps.min() == pytest.approx(RADII[name], abs=0.7)


def test_the_lumen_is_translucent_around_the_ellipsoid(threeD, landmarks, landmarkScene, forks):
    slicer.util.getNode("View1").SetUseDepthPeeling(True)
    forks.show(landmarks, "left")
    place = along("common", 15)
    colors = []
    for lumenVisible in (True, False):
        forks.setDisplay(landmarks, lumenVisible, False)
        colors.append(middle(threeD, place))
    shown, background = colors
    assert shown[0] > background[0] + 10 and shown[2] < background[2] - 20, "red over blue"
    assert shown[2] > 60, "but translucent"
    forks.setDisplay(landmarks, True, False)
    landmarkScene.setDisplay(landmarks, opacity=1.0)
    green = has(threeD.pixels(), COLORS["found"], tolerance=110)
    away = np.linalg.norm(green - threeD.worldToDisplay(landmarkScene.reviews(landmarks)["left"].ras), axis=1)
    assert (away < 25).sum() > 50, "the ellipsoid is seen through the lumen"


def test_the_middle_lines_are_seen_in_3d_alone(threeD, slices, landmarks, forks):
    forks.show(landmarks, "left")
    place = along("common", 15)
    with_ = middle(threeD, place)
    green = slices["Green"].pixels()
    forks.setDisplay(landmarks, True, False)
    assert np.abs(with_ - middle(threeD, place)).max() > 20
    assert (slices["Green"].pixels() == green).all()
