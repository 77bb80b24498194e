"""What is drawn, seen as statistics, against the published numbers in ``priors``; and anatomy that must hold in any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.phantom import priors, vessels
from CarotidLandmarkLib.phantom.contrast import NONE, Filling
from CarotidLandmarkLib.phantom.curves import arc_length
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.phantom.shapes import Column, Tube
from CarotidLandmarkLib.phantom.streams import Streams
from CarotidLandmarkLib.phantom.style import MAKES, Style
from CarotidLandmarkLib.phantom.veins import draw_jugular_radii, draw_veins
from CarotidLandmarkLib.phantom.vessels import draw_builds
from CarotidLandmarkLib.volume.geometry import Grid

SLICE_MM = 2.0


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
    apart = np.array([to_body(p, p.carina["left"]) - to_body(p, p.carina["right"]) for p in many])
    assert (apart[:, 0] > 0).all()
    prior = priors.SEPARATION
    assert apart[:, 0].mean() == pytest.approx(prior["mean"], abs=3 * prior["sd"] / np.sqrt(len(many)))
    assert apart[:, 0].std() == pytest.approx(prior["sd"], rel=0.25)
    assert np.abs(apart[:, 1]).mean() == pytest.approx(priors.ABS_AP_DIFFERENCE_MEAN, rel=0.3)
    assert np.abs(apart[:, 2]).mean() == pytest.approx(priors.ABS_SI_DIFFERENCE_MEAN, rel=0.4)
    assert abs(apart[:, 1:].mean()) < 1.5, "neither side lies higher or farther in front"


def test_calibres_are_drawn_jointly_as_in_the_138_real_carotids(many):
    """Means, SDs and correlations of the logs of CCA, ICA/CCA and ECA/ICA, and of the two sides of a person."""
    rng, table = np.random.default_rng(0), priors.CALIBRES
    people = [draw_builds(rng) for _ in range(6000)]
    sides = np.array([[(b.common, b.internal, b.external) for b in (p["left"], p["right"])] for p in people])
    swapped = sides[..., 2] > sides[..., 1]
    logs = np.log(np.stack([2 * sides[..., 0], sides[..., 1] / sides[..., 0], sides[..., 2] / sides[..., 1]], -1))
    both = logs.reshape(-1, 3)[~swapped.ravel()]
    assert np.exp(np.median(both[:, 0])) == pytest.approx(6.4, abs=0.1)
    assert swapped.mean() == pytest.approx(priors.WIDER_EXTERNAL, abs=0.01)
    assert both.mean(0) == pytest.approx(table["mean"], abs=0.01)
    assert both.std(0) == pytest.approx(table["sd"], rel=0.1)
    assert np.corrcoef(both.T) == pytest.approx(table["correlation"], abs=0.06)
    kept = logs[~swapped.any(1)]
    for k in range(3):
        assert np.corrcoef(kept[:, 0, k], kept[:, 1, k])[0, 1] == pytest.approx(table["sides"][k], abs=0.06)
    common = np.array([p.facts[side]["cca_mm"] for p in many for side in SIDES])
    assert common.mean() == pytest.approx(6.48, abs=0.25)
    assert common.std() == pytest.approx(0.87, rel=0.25)


def test_fork_angles_have_the_quantiles_of_the_real_ones(many):
    drawn = np.array([p.facts[side]["angle_deg"] for p in many for side in SIDES])
    painted = np.array([fork_angle(p, side) for p in many for side in SIDES])
    share, degrees = np.array(priors.FORK_ANGLE).T
    for quantile in (0.25, 0.5, 0.75, 0.9):
        real = np.interp(quantile, share, degrees)
        assert np.quantile(drawn, quantile) == pytest.approx(real, abs=6)
        assert np.quantile(painted, quantile) == pytest.approx(real, abs=8)
    assert drawn.min() >= 5 and drawn.min() < 8
    assert 60 < drawn.max() <= 90


def fork_angle(phantom, side):
    """Degrees between the lines of internal and external over the first 10 mm after the carina."""
    ways = []
    for name in ("internal", "external"):
        points = phantom.centrelines[side][name][:, :3]
        s = arc_length(points)
        first, last = np.searchsorted(s, np.linalg.norm(phantom.carina[side] - points[0]) + [0, 10])
        ways.append((points[last] - points[first]) / np.linalg.norm(points[last] - points[first]))
    return np.degrees(np.arccos(ways[0] @ ways[1]))


def test_the_external_carotid_lies_where_it_was_seen(many):
    spin = np.array([p.facts[side]["spin_deg"] for p in many for side in SIDES])
    spin = (spin + 180) % 360 - 180
    assert (np.abs(spin - 22) < 45).mean() == pytest.approx(0.82, abs=0.1), "mostly in front or anteromedial"
    assert ((spin < -40) & (spin > -110)).mean() == pytest.approx(0.057, abs=0.045), "seldom lateral"


def test_forks_lie_from_the_second_vertebra_to_the_first_thoracic():
    rng = np.random.default_rng(0)
    z = np.array([fork[2] for _ in range(3000) for fork in vessels.draw_forks(rng, 1.0, -51).values()])
    assert np.median(z) == pytest.approx(0, abs=2)
    assert 0.015 < (z < -45).mean() < 0.06, "some are as low as the shoulders"
    assert 0.01 < (z > 25).mean() < 0.1, "some lie beside the axis"


def test_half_or_more_of_the_lumen_is_lost_in_some(many):
    assert 0.03 < np.mean([p.facts[side]["stenosis"] > 0.5 for p in many for side in SIDES]) < 0.5


def test_the_skull_base_lies_above_the_fork_as_measured(many):
    """From the carina to where the internal carotid enters the petrous bone, seen on the whole internal carotids."""
    rise = [66 - to_body(p, p.carina[side])[2] for p in many for side in SIDES]
    prior = priors.BIFURCATION_TO_SKULL_BASE
    assert np.median(rise) == pytest.approx(prior["median"], abs=10)


def test_contrast_has_the_phases_of_the_priors():
    rng = np.random.default_rng(0)
    fillings = [Filling.draw(rng) for _ in range(4000)]
    phases = [f.phase for f in fillings]
    for phase, row in priors.PHASES.items():
        assert phases.count(phase) / len(phases) == pytest.approx(row.share, abs=0.02)
    native = [f for f in fillings if f.phase == NONE]
    assert all(f.artery == f.vein == f.right_vein < 65 for f in native)
    rest = [f for f in fillings if f.phase != NONE]
    artery = np.array([f.artery for f in rest])
    vein = np.array([f.vein for f in rest])
    assert (artery < priors.WEAK_HU).mean() == pytest.approx(0.2 / 0.9, abs=0.04), "a fifth of all is weak"
    assert artery.min() < priors.LUMEN_HU[0] + 10 and artery.max() <= priors.LUMEN_HU[1]
    assert (vein > 0.95 * artery).mean() == pytest.approx(0.2 / 0.9, abs=0.04), "a fifth is venous"
    assert (vein < 60).mean() > 0.1, "some veins hold no contrast"
    late = [f for f in rest if f.late]
    assert len(late) / len(rest) == pytest.approx(priors.LATE_SIDE, abs=0.015)
    assert all(f.carotid(f.late) < f.carotid(-f.late) == f.artery for f in late)


def test_a_scan_without_contrast_shows_no_landmark(many):
    native = [p for p in many if p.phase == NONE]
    assert 0.04 < len(native) / len(many) < 0.17
    for phantom in native:
        assert phantom.truth == {"left": None, "right": None}
        assert not Scan.draw(phantom).covers(phantom.truth["left"])
        lumens = [t for side in SIDES for t in phantom.organs[f"{side} lumens"] + phantom.organs[f"{side} branches"]]
        assert max(t.hu for t in lumens) < 80
        assert all(carina.shape == (3,) for carina in phantom.carina.values())
    assert all(p.truth["left"] is p.carina["left"] for p in many if p.phase != NONE)


def test_jugulars_differ_between_sides_as_measured():
    rng = np.random.default_rng(0)
    radii = [draw_jugular_radii(rng) for _ in range(2000)]
    left, right = (np.array([r[s] for r in radii]) for s in (1.0, -1.0))
    assert np.median(np.log(right / left)) == pytest.approx(priors.JUGULAR_LOG_RATIO[0], abs=0.04)
    assert np.sqrt(left * right).mean() == pytest.approx(priors.JUGULAR_RADIUS[0], rel=0.1)


def test_calcium_lies_in_the_wall_and_some_of_it_in_rings(many):
    strips = 0
    for phantom in many:
        for side in SIDES:
            tubes = phantom.organs[f"{side} lumens"]
            for shape in phantom.organs[f"{side} calcium"]:
                assert priors.CALCIFICATION_HU[0] * 0.8 <= shape.hu <= priors.CALCIFICATION_HU[1] * 1.2
            rings = [c for c in phantom.organs[f"{side} calcium"] if isinstance(c, Tube)]
            strips += bool(rings)
            if rings and phantom.make == "full":
                points = np.concatenate([c.points for c in rings])
                depth = np.min([t.distance(points) for t in tubes], axis=0)
                assert np.median(depth) > -0.2, "not in the stream"
    assert 0.08 < strips / (2 * len(many)) < 0.26


def test_the_larynx_ossifies_to_any_degree_beside_the_carotids(necks):
    turned, apart, horns = [], [], []
    for phantom in necks:
        shapes = [s for s in phantom.organs["larynx"] if isinstance(s, Tube)]
        bone = sum(len(s.points) for s in shapes if s.hu >= priors.OSSIFIED_HU[0])
        turned.append(bone / sum(len(s.points) for s in shapes))
        places = np.concatenate([phantom.decoys["cartilage"], phantom.decoys["hyoid"]])
        lines = np.concatenate([v[:, :3] for side in SIDES for v in phantom.centrelines[side].values()])
        apart.append(np.linalg.norm(places[:, None] - lines, axis=-1).min())
        horns.append(places[:, 2].max() - places[:, 2].min())
    assert np.quantile(turned, 0.1) < 0.25 < 0.45 < np.quantile(turned, 0.9)
    assert np.mean([3 < distance < 15 for distance in apart]) > 0.5
    assert np.quantile(apart, 0.05) > 2.5, "cartilage does not lie in the carotids"
    assert np.mean(horns) > 25


def test_decoys_lie_where_their_names_say(necks):
    for phantom in necks[:5]:
        assert {"cartilage", "hyoid", "canal", "jaw angle", "plaque"} <= set(phantom.decoys)
        canal = to_body(phantom, phantom.decoys["canal"])
        assert canal[:, :2] == pytest.approx(phantom.space.canal(canal[:, 2]))
        for point in phantom.decoys["jaw angle"]:
            assert float(phantom.render(Grid.axis_aligned(point, (9, 9, 9), 2.0)).max()) > 400


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
        assert makes.count(make) / len(many) == pytest.approx(share, abs=0.1)
    for phantom in [p for p in many if p.make != "full"][:8]:
        for side in SIDES:
            truth = to_body(phantom, phantom.carina[side])
            tubes = phantom.organs[f"{side} lumens"]
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
    truth = to_body(phantom, phantom.carina["right"])
    tubes = phantom.organs["right lumens"] + phantom.organs["right branches"]
    away = [np.linalg.norm(t.points - truth, axis=1) for t in tubes]
    return max(float(a.max()) for a in away if a.min() < 15)
