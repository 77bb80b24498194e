"""Where things lie in a cut."""

from __future__ import annotations

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import chi2_quantile
from CarotidLandmarkLib.pictures.cuts import FILL_HU, cross_section, fork_plane, hu_at, letter, plain_cuts, section
from CarotidLandmarkLib.pictures.panel import Panel
from CarotidLandmarkLib.pictures.stretched import stretched

SIZE, SCALE = (360, 300), 6.0
BEADS = np.array([[3.0, -2.0, 6.0], [-8.0, 4.0, -10.0], [1.5, 9.0, 2.0]])


def brightest(panel, near):
    """(x, y) pixel of the middle of what is white within 12 pixels of a pixel (x, y)."""
    gray = np.asarray(panel.image.convert("L")).astype(float)
    rows, columns = np.indices(gray.shape)
    white = (gray > 130) & (np.hypot(columns + 0.5 - near[0], rows + 0.5 - near[1]) < 12)
    assert white.any(), "nothing bright is there"
    return np.array([columns[white].mean() + 0.5, rows[white].mean() + 0.5])


def cuts_of(fork):
    point = np.zeros(3)
    plane = fork_plane(fork)
    return [*plain_cuts(point), plane, cross_section(fork, point), stretched(fork, plane.right)]


@pytest.mark.parametrize("angle", [0, 35, 80, 200])
def test_a_bead_is_seen_at_the_pixel_that_the_cut_says(angle, make_fork, make_beads, turn):
    """Also along a bent vessel: beads in each cut, somewhere off its middle."""
    fork = make_fork(turn(angle), bend=4.0)
    for cut in cuts_of(fork):
        x, y = np.array([8.0, -6.0]), np.array([-11.0, 9.0])
        beads = cut.lps(x, y)
        np.testing.assert_allclose([cut.place(bead) for bead in beads], np.column_stack([x, y, 0 * x]), atol=0.35)
        panel = Panel(cut, SIZE, SCALE, make_beads(beads), (0.0, 1000.0))
        for at in map(panel.pixel, x, y):
            np.testing.assert_allclose(brightest(panel, at), at, atol=1.5)


def test_a_point_off_a_plane_is_moved_along_the_normal(make_fork):
    for cut in cuts_of(make_fork())[:5]:
        toward = np.cross(cut.down, cut.right)
        np.testing.assert_allclose(cut.place(cut.lps(np.array(3.0), np.array(2.0)) + 4 * toward), [3, 2, 4], atol=1e-9)


def test_cuts_are_radiological(make_fork, turn):
    axial, coronal, sagittal, *_ = cuts_of(make_fork())
    assert [cut.letters for cut in (axial, coronal, sagittal)] == [
        ("R", "L", "A", "P"),
        ("R", "L", "S", "I"),
        ("A", "P", "S", "I"),
    ]
    assert letter(np.array([0.8, -0.6, 0.0])) == "LA" and letter(np.array([0.1, 0.3, -0.95])) == "I"
    for angle in range(0, 360, 45):
        fork = make_fork(turn(angle))
        across, plane = cross_section(fork, np.zeros(3)), fork_plane(fork)
        assert across.right[0] > 0.9 and across.down[1] > 0.9, "the patient's left is on the right, the back below"
        assert plane.down[2] < -0.9, "the head is up"
        main = np.abs(plane.right[:2]).argmax()
        assert plane.right[main] > 0, "seen from the front or from the left"


def test_the_planes_are_those_of_the_vessels(make_fork, turn):
    fork = make_fork(turn(35))
    plane, across = fork_plane(fork), cross_section(fork, np.array([1.0, 2, 3]))
    for line in fork.vessels.values():
        assert max(abs(plane.place(point).off) for point in line[:, :3]) < 1e-6
    along = fork.vessels["common"][-1, :3] - fork.vessels["common"][0, :3]
    assert abs(across.right @ along) < 1e-6 and abs(across.down @ along) < 1e-6
    np.testing.assert_allclose(across.center, fork.carina_lps_mm)
    fork.check = "unclear"
    np.testing.assert_allclose(cross_section(fork, np.array([1.0, 2, 3])).center, [1, 2, 3])


def test_the_stretched_cut_has_the_internal_carotid_in_its_middle_and_the_external_beside_it(make_fork, turn):
    for angle in (0, 120):
        fork = make_fork(turn(angle), bend=5.0)
        plane = fork_plane(fork)
        cut = stretched(fork, plane.right)
        for name in ("common", "internal"):
            places = np.array([cut.place(point) for point in fork.vessels[name][:, :3]])
            assert np.abs(places[:, [0, 2]]).max() < 0.8
            assert (np.sign(places[5:, 1]) == (1 if name == "common" else -1)).all(), "below is below"
            length = np.linalg.norm(np.diff(fork.vessels[name][:, :3], axis=0), axis=1).cumsum()
            np.testing.assert_allclose(np.abs(places[1:, 1]), length, atol=0.8)
        external = fork.vessels["external"][8:, :3]
        places = np.array([cut.place(point) for point in external])
        assert np.abs(places[:, 2]).max() < 0.5, "it lies in the cut"
        side = np.sign(plane.place(external[-1]).x - plane.place(fork.vessels["internal"][-1, :3]).x)
        assert (np.sign(places[:, 0]) == side).all(), "on the side where the fork plane has it"
        assert np.isnan(cut.lps(np.array(0.0), np.array(60.0))).all(), "there the vessel was not followed any more"


def test_section_is_where_the_ellipsoid_meets_the_plane(make_fork):
    covariance = np.array([[4.0, 1, 0.5], [1, 2, -0.3], [0.5, -0.3, 1]])
    for cut in cuts_of(make_fork()):
        axes = cut.axes(np.zeros(3))
        outline = section(covariance, 0.9, axes, points=24)
        points = outline @ np.stack(axes)
        distance2 = np.einsum("ni,ij,nj->n", points, np.linalg.inv(covariance), points)
        np.testing.assert_allclose(distance2, chi2_quantile(0.9), rtol=1e-6)
        np.testing.assert_allclose(outline[0], outline[-1], atol=1e-9)


def test_outside_of_the_volume_is_air_and_no_number_is_none(make_beads):
    volume = make_beads(BEADS)
    inside, low = volume.grid.center, volume.grid.bounds()[0]
    points = np.array([inside, low + 0.1, low - 0.1, np.full(3, np.nan), [1e6, 0, 0]])
    np.testing.assert_allclose(hu_at(volume, points), [40, 40, FILL_HU, FILL_HU, FILL_HU], atol=1)
    assert (hu_at(volume, points[2:]) == FILL_HU).all()
    volume.array[45, 45, 45] = np.nan
    assert np.isfinite(hu_at(volume, points)).all()
