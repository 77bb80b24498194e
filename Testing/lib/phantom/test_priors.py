"""What is drawn, seen as statistics, against the published numbers in ``priors``; and anatomy that must hold in any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from CarotidLandmarkLib.phantom import priors
from CarotidLandmarkLib.phantom.disease import Filling
from CarotidLandmarkLib.phantom.phantom import SIDES, Phantom
from CarotidLandmarkLib.phantom.scan import PADDING_HU, Scan
from CarotidLandmarkLib.phantom.shapes import Column, Tube
from CarotidLandmarkLib.phantom.streams import Streams
from CarotidLandmarkLib.phantom.style import MAKES, Style
from CarotidLandmarkLib.phantom.veins import draw_jugular_radii, draw_veins
from CarotidLandmarkLib.volume.geometry import Grid

MANY = 120
SLICE_MM = 2.0


@pytest.fixture(scope="module")
def many():
    return [Phantom.draw(seed, "val") for seed in range(MANY)]


@pytest.fixture(scope="module")
def necks(many):
    return [phantom for phantom in many if phantom.make == "full"]


def to_body(phantom, point):
    return (point - phantom.space.origin) @ phantom.space.rotation


def axial(phantom, z, width=240.0, spacing=SLICE_MM, depth=1):
    """HU (D, H, W) of slices of the body at height ``z``, square to its axes, around the canal."""
    n = int(width / spacing)
    middle = np.array([*phantom.space.canal(np.array(z)), z])
    half = (np.array([n, n, depth]) - 1) / 2 * spacing
    corner = phantom.space.to_world(middle - half)
    return phantom.render(Grid((n, n, depth), np.full(3, spacing), corner, phantom.space.rotation)).numpy()


def test_both_forks_lie_apart_as_in_the_real_cases(many):
    apart = np.array([to_body(p, p.truth["left"]) - to_body(p, p.truth["right"]) for p in many])
    assert (apart[:, 0] > 0).all()
    prior = priors.SEPARATION
    assert apart[:, 0].mean() == pytest.approx(prior["mean"], abs=3 * prior["sd"] / np.sqrt(MANY))
    assert apart[:, 0].std() == pytest.approx(prior["sd"], rel=0.25)
    assert np.abs(apart[:, 1]).mean() == pytest.approx(priors.ABS_AP_DIFFERENCE_MEAN, rel=0.3)
    assert np.abs(apart[:, 2]).mean() == pytest.approx(priors.ABS_SI_DIFFERENCE_MEAN, rel=0.4)
    assert abs(apart[:, 1:].mean()) < 1.5, "neither side lies higher or farther in front"


def test_diameters_have_the_mean_and_spread_of_the_priors(many):
    for name, vessel in (("cca_mm", "CCA"), ("ica_mm", "ICA_distal"), ("eca_mm", "ECA")):
        drawn = np.array([p.facts[side][name] for p in many for side in SIDES])
        mean, sd = priors.DIAMETERS[vessel]
        assert drawn.mean() == pytest.approx(mean, abs=0.03 * mean)
        assert drawn.std() == pytest.approx(sd, rel=0.2)


def test_fork_angles_and_turns_are_spread_as_published(many):
    angle = np.array([p.facts[side]["angle_deg"] for p in many for side in SIDES])
    means, sds = np.array(priors.BIFURCATION_ANGLES).T
    assert angle.mean() == pytest.approx(means.mean(), abs=4)
    assert angle.std() == pytest.approx(np.sqrt((sds**2).mean() + means.var()), rel=0.25)
    assert 20 <= angle.min() < 30
    assert 80 < angle.max() <= 95
    spin = np.array([p.facts[side]["spin_deg"] for p in many for side in SIDES])
    spin = (spin + 180) % 360 - 180
    assert (np.abs(spin - 22) < 45).mean() == pytest.approx(0.82, abs=0.1), "mostly in front or anteromedial"
    assert ((spin < -40) & (spin > -110)).mean() == pytest.approx(0.057, abs=0.045), "seldom lateral"


def test_half_or_more_of_the_lumen_is_lost_in_some(many):
    assert 0.03 < np.mean([p.facts[side]["stenosis"] > 0.5 for p in many for side in SIDES]) < 0.5


def test_the_skull_base_lies_above_the_fork_as_measured(many):
    """From the carina to where the internal carotid enters the petrous bone, seen on the whole internal carotids."""
    rise = [66 - to_body(p, p.truth[side])[2] for p in many for side in SIDES]
    prior = priors.BIFURCATION_TO_SKULL_BASE
    assert np.median(rise) == pytest.approx(prior["median"], abs=10)


def test_lumen_veins_and_jugulars_vary_as_said():
    rng = np.random.default_rng(0)
    fillings = [Filling.draw(rng) for _ in range(2000)]
    artery = np.array([f.artery for f in fillings])
    low, high = priors.LUMEN_HU
    assert artery.mean() == pytest.approx((low + high) / 2, rel=0.05)
    assert artery.std() == pytest.approx((high - low) / np.sqrt(12), rel=0.05)
    assert low <= artery.min() < low + 10
    vein = np.array([f.vein for f in fillings])
    assert 0.15 < (np.abs(vein - artery) < 60).mean() < 0.5, "some veins are as bright as arteries"
    assert (vein < 60).mean() > 0.05, "some veins hold no contrast"
    radii = [draw_jugular_radii(rng) for _ in range(2000)]
    left, right = (np.array([r[s] for r in radii]) for s in (1.0, -1.0))
    assert np.median(np.log(right / left)) == pytest.approx(priors.JUGULAR_LOG_RATIO[0], abs=0.04)
    assert np.sqrt(left * right).mean() == pytest.approx(priors.JUGULAR_RADIUS[0], rel=0.1)


def test_the_jugular_lies_lateral_to_the_fork():
    rng = np.random.default_rng(1)
    filling, aside, behind = Filling.draw(rng), [], []
    for number in range(200):
        s = (-1.0) ** number
        fork = np.array([s * 29, -28, -5.0])
        vein = draw_veins(rng, s, fork, filling, 5.5)[0]
        level = vein.points[np.abs(vein.points[:, 2] - fork[2]).argmin()]
        aside.append(s * (level[0] - fork[0]))
        behind.append(level[1] - fork[1])
    assert np.mean(np.array(aside) > 0) > 0.95
    assert np.mean(np.array(behind) > 0) > 0.7


def test_tissues_have_the_hu_of_the_priors(necks):
    """Pooled voxels of axial slices below the fork: peaks at fat and muscle, a tail of bone; and places by name."""
    slices = [axial(p, -32.0).ravel() for p in necks[::3]]
    edges = np.arange(-150, 151, 10)
    middles = (edges[:-1] + edges[1:]) / 2
    fat, flesh = middles < -60, (middles > 0) & (middles < 100)
    each = np.array([np.histogram(hu, edges)[0] for hu in slices])
    peaks = [middles[flesh][count[flesh].argmax()] for count in each]
    assert np.mean(peaks) == pytest.approx(priors.MUSCLE_HU + 8, abs=10)
    inside, counts = np.concatenate([hu[hu > -300] for hu in slices]), each.sum(0)
    assert np.average(middles[fat], weights=counts[fat]) == pytest.approx(priors.FAT_HU + 8, abs=14)
    shares = [counts[fat].sum() / len(inside), counts[flesh].sum() / len(inside), (inside > 250).mean()]
    assert 0.1 < shares[0] < 0.5
    assert 0.3 < shares[1] < 0.85
    assert 0.02 < shares[2] < 0.15


def test_named_places_have_their_hu(necks):
    def mean_at(place, phantoms):
        found = []
        for p in phantoms:
            at = p.space.to_world(p.space.bend(np.array(place, float)))
            found.append(float(p.render(Grid.axis_aligned(at, (1, 1, 1), 1.0))))
        return np.array(found)

    brain = mean_at([0, -18, 140], necks[:12])
    assert brain.mean() == pytest.approx(priors.BRAIN_HU, abs=6)
    assert brain.std() < 12
    thyroid = np.array([max(mean_at([17, -50, z], [p])[0] for z in (-62, -56)) for p in necks[:12]])
    mean, sd, *_ = priors.THYROID_HU
    assert np.median(thyroid) == pytest.approx(mean, abs=2 * sd)
    assert (mean_at([0, -47, -70], necks[:12]) < -500).mean() > 0.7, "the trachea holds air"


def test_no_bone_or_muscle_lies_outside_of_the_skin(necks):
    """In slices from the shoulders to the mouth little bone is within 3 mm of the air around the body."""
    bare = []
    for phantom in necks[:8]:
        for z in (-125.0, -55.0, -25.0, 5.0, 22.0, 40.0):
            hu = axial(phantom, z, 480.0 if z < -80 else 240.0)[0]
            label, count = ndimage.label(hu < -400)
            corner = label[0, 0]
            near = ndimage.binary_dilation(label == corner, iterations=2)
            bone = hu > 300
            bare.append((bone & near).sum() / max(bone.sum(), 1))
    assert np.mean(bare) < 0.02
    assert np.mean(np.array(bare) > 0.1) < 0.1


def test_the_skin_holds_all_muscles(necks):
    """In slices of the neck what hangs together with the body hardly reaches beyond the outline of its skin."""
    for phantom in necks[:6]:
        skin = next(s for s in phantom.shapes if isinstance(s, Column) and len(s.inner) == 2)
        alone = replace(phantom, organs={"skin": [skin]})
        for z in (-55.0, -25.0):
            whole, outline = (axial(p, z)[0] > -400 for p in (phantom, alone))
            label, _ = ndimage.label(whole)
            body = np.isin(label, np.unique(label[outline & whole]))
            assert (body & ~outline).sum() < 0.02 * outline.sum()


def test_vertebral_arteries_run_in_holes_of_the_bone(necks):
    """At 16.5 mm beside the canal, 11 in front: soft tissue or contrast with bone around it at some heights."""
    ringed = 0
    for phantom in necks[:4]:
        for hu in axial(phantom, -20.0, 60.0, 1.0, depth=40):
            ring = [hu[int(30 - 11 + 6 * np.sin(a)), int(30 + 16.5 + 6 * np.cos(a))] for a in np.linspace(0, 6.28, 12)]
            ringed += np.mean(np.array(ring) > 250) > 0.6
    assert ringed >= 16


def test_every_make_is_drawn_and_keeps_its_fork(many):
    makes = [p.make for p in many]
    for make, share in MAKES.items():
        assert makes.count(make) / MANY == pytest.approx(share, abs=0.1)
    for phantom in [p for p in many if p.make != "full"][:8]:
        for side in SIDES:
            truth = to_body(phantom, phantom.truth[side])
            hu = phantom.facts[side]["lumen_hu"]
            tubes = [s for s in phantom.shapes if isinstance(s, Tube) and s.hu == hu]
            depth = np.min([t.distance(truth + [[0, 0, -1.5]])[0] for t in tubes])
            assert depth < 0.3, "no lumen just below the carina"


def test_an_implanted_tree_ends_where_it_is_cut():
    styles = ((seed, Style.draw(Streams(seed, "test")("style"), False)) for seed in range(2000))
    seed, style = next((n, s) for n, s in styles if s.make == "implant" and s.reach and max(s.reach) < 65)
    cut = Phantom.draw(seed, "test")
    assert cut.make == "implant"
    assert 37 < _reach(cut) < 90, "a whole tree goes 95 mm and more"
    assert any(isinstance(s, Tube) and len(s.inner) for s in cut.shapes), "the neck around it is whole"


def _reach(phantom):
    """The farthest point, from the right carina, of those lumens that come within 15 mm of it."""
    truth = to_body(phantom, phantom.truth["right"])
    hu = phantom.facts["right"]["lumen_hu"]
    tubes = [s for s in phantom.shapes if isinstance(s, Tube) and s.hu == hu]
    away = [np.linalg.norm(t.points - truth, axis=1) for t in tubes]
    return max(float(a.max()) for a in away if a.min() < 15)


def test_scans_differ_as_widely_as_archives(many):
    phantom = many[0]
    scans = [Scan.draw(replace(phantom, seed=seed)) for seed in range(600)]
    width = np.array([s.grid.extent_mm[0] for s in scans])
    thick = np.array([s.grid.spacing[2] for s in scans])
    noise = np.array([s.noise_sd for s in scans])
    assert 0.03 < (width > 300).mean() < 0.2
    assert 0.02 < (thick >= 4).mean() < 0.15
    assert np.median(thick) < 2.1
    assert noise.min() < 4
    assert 0.04 < (noise > 30).mean() < 0.15
    assert noise.max() <= 60
    assert {s.padding for s in scans} == {value for value, _ in PADDING_HU}
    assert 0.3 < np.mean([s.circle is not None for s in scans]) < 0.4
    assert 0.15 < np.mean([s.sharpening > 0 for s in scans]) < 0.35


def test_padding_lies_outside_of_the_disc_only():
    phantom = Phantom.draw(3, "test")
    scan = Scan.draw(phantom, "neck", (1.0, 3.0))
    scan.circle, scan.padding = 50.0, -3024.0
    middle = scan.grid.center
    grid = Grid.axis_aligned(middle, (140, 140, 1), 1.0)
    hu = scan.acquire(phantom, grid, torch.Generator().manual_seed(0))[0].numpy()
    y, x = np.mgrid[:140, :140] - 69.5
    outside = np.hypot(x, y) > 51
    assert (hu[outside] == -3024).all()
    assert (hu[~outside & (np.hypot(x, y) < 49)] >= -1024).all()
    beyond = Grid.axis_aligned(middle + [0, 0, 400.0], (4, 4, 1), 1.0)
    assert (scan.acquire(phantom, beyond, torch.Generator()) == -1024).all()


def test_a_sharp_kernel_overshoots_and_marbling_adds_fat():
    phantom = Phantom.draw(next(s for s in range(50) if Phantom.draw(s, "test").make == "full"), "test")
    scan = Scan.draw(phantom, "neck", (0.6, 3.0))
    scan.noise_sd = scan.texture = scan.streaks = scan.sharpening = scan.marbling = 0.0
    scan.circle = None
    at = phantom.space.to_world(phantom.space.bend(np.array([0.0, -20, -45])))
    grid = Grid.axis_aligned(at, (200, 200, 1), 0.6)
    plain = scan.acquire(phantom, grid, torch.Generator())
    scan.sharpening = 1.0
    sharp = scan.acquire(phantom, grid, torch.Generator())
    assert float(sharp.diff(dim=2).abs().mean()) > 1.15 * float(plain.diff(dim=2).abs().mean())
    scan.sharpening, scan.marbling = 0.0, 0.8
    marbled = scan.acquire(phantom, grid, torch.Generator())
    flesh = (plain > 0) & (plain < 90)
    assert 0.02 < float((marbled[flesh] < -20).float().mean()) < 0.4
    assert torch.equal(marbled[plain > 300], plain[plain > 300])
