from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import read_points
from CarotidLandmarkLib.phantom import Phantom, phantom_volume, write_phantoms
from CarotidLandmarkLib.phantom.canvas import Canvas
from CarotidLandmarkLib.phantom.carina import carina
from CarotidLandmarkLib.phantom.contrast import NONE
from CarotidLandmarkLib.phantom.files import ORIENTATIONS, calcium_mm3, reorient
from CarotidLandmarkLib.phantom.patches import PhantomPyramid
from CarotidLandmarkLib.phantom.scaffold import list_scaffolds, load_scaffold
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.phantom.shapes import Ellipsoid, Tube
from CarotidLandmarkLib.phantom.veins import keep_clear
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.read import read_volume
from CarotidLandmarkLib.volume.sample import VolumePyramid


def body_points(phantom):
    return {side: (p - phantom.space.origin) @ phantom.space.rotation for side, p in phantom.carina.items()}


def test_a_seed_gives_the_same_neck_and_splits_share_none():
    one, again, other = Phantom.draw(5, "train"), Phantom.draw(5, "train"), Phantom.draw(5, "test")
    assert np.array_equal(one.carina["left"], again.carina["left"])
    assert np.linalg.norm(one.carina["left"] - other.carina["left"]) > 1
    grid = Grid.axis_aligned(one.carina["left"], (20, 20, 20), 1.0)
    assert torch.equal(one.render(grid), again.render(grid))


def test_the_carina_of_a_straight_fork_is_where_its_cones_part():
    """Two tubes of radius r that leave at +-a part where the gap between their axes is 2 r."""
    radius, angle, up = 2.0, np.radians(25), np.linspace(0, 30, 31)[:, None]
    trunk = Tube(np.array([[0.0, 0, -20], [0, 0, 0]]), np.full(2, radius), 1.0)
    ways = [np.array([s * np.sin(angle), 0, np.cos(angle)]) for s in (1, -1)]
    inner, outer = (Tube(up * way, np.full(31, radius), 1.0) for way in ways)
    found = carina(trunk, inner, outer)
    assert found == pytest.approx([0, 0, radius / np.sin(angle)], abs=0.1)
    upright = Tube(up * np.array([0.0, 0, 1.0]), np.full(31, radius), 1.0)
    assert carina(trunk, upright, upright) is None


def lumen_pieces(tubes, center, dz, half=6.0, step=0.05):
    """An axial slice (n, n) at ``center`` + dz of the union of tubes, and its pieces numbered by another library."""
    x, y = np.meshgrid(np.arange(-half, half, step), np.arange(-half, half, step))
    points = (center + np.stack([x, y, np.full_like(x, dz)], -1)).reshape(-1, 3)
    inside = np.minimum.reduce([tube.distance(points) for tube in tubes]).reshape(x.shape) < 0
    return inside, ndimage.label(inside)[0]


@pytest.mark.parametrize("seed", [0, 3])
def test_the_painted_lumens_part_at_the_truth(seed):
    """Axial slices of the lumens alone, labelled by another library: one piece just below the carina, two above."""
    phantom = Phantom.draw(seed, "test")
    for side in ("left", "right"):
        truth = phantom.carina[side]
        body = body_points(phantom)[side]
        tubes = phantom.organs[f"{side} lumens"]
        near = sorted(tubes, key=lambda t: float(np.linalg.norm(t.points - body, axis=1).min()))[:3]
        window = (slice(112, 129), slice(112, 129))
        below, joined = lumen_pieces(near, body, -0.4)
        assert below[window].any(), "no lumen just below the carina"
        above, parted = lumen_pieces(near, body, 0.4)
        assert not above[window].all(), "no gap just above the carina"
        lower = np.unique(joined[window][below[window]])
        assert len(lower) == 1, "the lumens have parted below the carina already"
        _, higher = lumen_pieces(near, body, 1.5)
        assert len(np.unique(higher[higher > 0])) > len(np.unique(joined[joined > 0])), "the lumens do not part above"
        assert truth == pytest.approx(phantom.space.to_world(body), abs=1e-6)


def test_vessels_are_bright_in_what_is_rendered(drawn):
    for phantom in map(drawn, range(3)):
        trunk = phantom.organs["left lumens"][0]
        at = phantom.space.to_world(trunk.points[len(trunk.points) // 2])
        hu = phantom.render(Grid.axis_aligned(at, (3, 3, 3), 0.5))
        assert float(hu[1, 1, 1]) == pytest.approx(trunk.hu, abs=30)


def test_no_other_vessel_runs_through_a_carotid():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        artery = Tube(np.array([[0.0, 0, -40], [2, 1, 0], [0, 0, 40]]), np.full(3, 3.0), 1.0)
        z = np.linspace(-35, 35, 40)
        path = np.stack([rng.normal(2, 2) + 0 * z, rng.normal(0, 2) + 0 * z, z], 1)
        vein = Tube(path, np.full(40, 6.0), 1.0, stretch=np.array([1.0, rng.uniform(0.75, 1.4), 1.0]))
        moved = keep_clear(vein, [artery])
        assert (artery.distance(moved.points) - 6.0).min() > -0.5
        assert np.linalg.norm(np.diff(moved.points, axis=0), axis=1).max() < 8


def test_kinds_of_scan_show_or_miss_the_bifurcations(drawn):
    shown = {kind: [] for kind in ("neck", "chest", "head")}
    for phantom in map(drawn, range(20)):
        for kind, seen in shown.items():
            scan = Scan.draw(phantom, kind)
            seen += [bool(scan.covers(p)) for p in phantom.carina.values()]
    assert np.mean(shown["neck"]) > 0.85
    assert np.mean(shown["chest"]) < 0.1
    assert np.mean(shown["head"]) < 0.1


def test_noise_is_as_strong_as_said_and_absent_outside_the_field_of_view():
    phantom = Phantom.draw(2, "test")
    scan = Scan.draw(phantom, "neck", (0.5, 1.0))
    scan.noise_sd, scan.texture, scan.circle = 20.0, 0.0, 60.0
    scan.padding, scan.sharpening, scan.marbling = -1024.0, 0.0, 0.0
    scan.tilt, scan.motion, scan.window = 0.0, None, None
    middle = scan.grid.center
    grid = Grid((80, 80, 6), scan.grid.spacing, middle - 40 * scan.grid.spacing * [1, 1, 0], np.eye(3))
    noisy = scan.acquire(phantom, grid, torch.Generator().manual_seed(0))
    clean = phantom.render(grid, scan.psf_mm)
    inside = clean > -900
    assert float((noisy - clean)[inside].std()) == pytest.approx(20, rel=0.3)
    away = Grid.axis_aligned(middle + [70.0, 0, 0], (4, 4, 4), 1.0)
    assert (scan.acquire(phantom, away, torch.Generator()) == -1024).all()


def test_patches_agree_with_the_volume_that_is_written():
    """The training view of a phantom is what a reader of its file sees: same geometry, same values up to noise."""
    phantom = Phantom.draw(4, "test")
    scan = Scan.draw(phantom, "slab", (0.8, 2.0))
    scan.noise_sd = scan.texture = scan.streaks = scan.sharpening = scan.marbling = 0.0
    scan.circle = scan.motion = scan.window = None
    scan.tilt, scan.filled = 0.0, (1.0, 1.0, 1.0)
    phantom.metal = phantom.metal[:0]
    truth = phantom.carina["left"]
    grid = Grid.axis_aligned(truth, (60, 60, 24), scan.grid.spacing)
    scan.grid = grid
    from CarotidLandmarkLib.phantom.files import _acquire

    written = VolumePyramid(_acquire(phantom, scan, "RAS"))
    rendered = PhantomPyramid(phantom, scan)
    for spacing in (4.0, 2.0, 1.0):
        views = []
        for pyramid in (written, rendered):
            level = pyramid.whole(spacing) if spacing >= 2 else pyramid.around(truth, 12.0, spacing)
            k, j, i = np.meshgrid(*(np.arange(-2, 3) * spacing,) * 3, indexing="ij")
            world = truth + np.stack([i, j, k], -1).reshape(-1, 3)
            index = world @ level.world_to_index[:3, :3].T + level.world_to_index[:3, 3]
            views.append(ndimage.map_coordinates(level.image, index.T[::-1], order=1))
        assert np.corrcoef(views)[0, 1] > 0.95
        assert np.abs(views[0] - views[1]).mean() < 25


def test_a_volume_is_the_same_in_any_orientation():
    array = np.random.default_rng(0).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
    grid = Grid((7, 6, 5), [0.5, 0.6, 1.2], [3.0, -4, 9], np.eye(3))
    for name in ORIENTATIONS:
        turned, other = reorient(array, grid, name)
        for ijk in np.ndindex(*other.size):
            back = np.round(grid.world_to_index(other.index_to_world(ijk))).astype(int)
            assert turned[ijk[::-1]] == array[tuple(back[::-1])]


def test_written_phantoms_are_read_back_with_their_truth(tmp_path, drawn):
    seed = 25
    phantom = drawn(seed)
    assert phantom.phase != NONE and Scan.draw(phantom).kind == "slab", "few voxels"
    (path,) = write_phantoms(tmp_path, 1, seed, "val")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / f"val-{seed:05d}.mrk.json").touch()
    with pytest.raises(BadInputError, match="mrk.json exists and is no phantom"):
        write_phantoms(tmp_path / "mine", 1, seed, "val")
    volume, points = read_volume(path), read_points(tmp_path / f"val-{seed:05d}.mrk.json")
    about = json.loads((tmp_path / f"val-{seed:05d}.phantom.json").read_text())
    assert about["make"] == phantom.make
    assert volume.array.dtype == np.int16
    for side, truth in phantom.truth.items():
        assert about["carina_lps_mm"][side] == pytest.approx(phantom.carina[side])
        inside = truth is not None and volume.grid.distance_inside(truth) > 2
        line = np.array(about["centrelines_lps_mm"][side]["internal"])
        assert np.linalg.norm(line[:, :3] - phantom.carina[side], axis=1).min() < 12
        assert (points.points[side] is not None) == inside
        assert about["calcium_mm3"][side] == round(calcium_mm3(phantom, side), 1)
        assert about["bright_calcium_mm3"][side] <= about["calcium_mm3"][side]
        if inside:
            assert points.points[side] == pytest.approx(truth, abs=1e-6)
    again, _ = phantom_volume(seed, "val", orientation=about["orientation"])
    assert np.array_equal(again.array, volume.array)


def test_calcium_is_summed_near_the_carina_where_it_is_seen(drawn):
    phantom = next(p for p in map(drawn, range(40)) if not p.organs["left calcium"] and not p.organs["left hardware"])
    assert calcium_mm3(phantom, "left") == 0
    at, size = body_points(phantom)["left"], np.array([2.0, 1.5, 1])
    specks = [Ellipsoid(at + [0, 0, up], size, hu) for up, hu in ((0, 700.0), (8, 300.0), (32, 900.0))]
    one = 4 / 3 * np.pi * 2 * 1.5
    phantom = replace(phantom, organs={**phantom.organs, "left calcium": specks, "left hardware": []})
    assert calcium_mm3(phantom, "left") == pytest.approx(2 * one, rel=0.2)
    phantom.facts = {"left": {"lumen_hu": 350.0}}
    assert calcium_mm3(phantom, "left", 100.0) == pytest.approx(one, rel=0.2)
    phantom.organs["left hardware"] = [Ellipsoid(at, np.full(3, 5.0), 2000.0)]
    assert calcium_mm3(phantom, "left") == pytest.approx(one, rel=0.2)


@pytest.fixture
def label_map(tmp_path):
    """A canal, a mandible and two glands as blocks, in a folder as a user would give it; canal at x = 10, y = 40 mm."""
    labels = {"Mandible": 1, "Spinal-Canal": 2, "Submandibular-Lt": 3, "Submandibular-Rt": 4}
    array = np.zeros((60, 90, 90), np.uint8)
    array[:, 68:76, 46:54] = 2
    array[30:34, 4:30, 25:75] = 1
    array[28:36, 38:46, 70:78] = 3
    array[28:36, 38:46, 22:30] = 4
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 1.5, 4.0))
    image.SetOrigin((-64.25, -67.25, 300.0))
    sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), str(tmp_path / "someone.nii.gz"))  # as some tools write labels
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def test_a_scaffold_puts_canal_and_glands_where_the_labels_say(label_map):
    (path,) = list_scaffolds(label_map)
    scaffold = load_scaffold(path)
    assert load_scaffold(path) is scaffold
    assert set(scaffold.fields) == {"Mandible", "Submandibular-Lt", "Submandibular-Rt"}
    assert scaffold.gland_y == pytest.approx(-45, abs=1)
    gland = scaffold.fields["Submandibular-Lt"]
    k, j, i = np.unravel_index(int(gland.distance.argmin()), gland.distance.shape)
    assert gland.grid.index_to_world([i, j, k]) == pytest.approx([36, -45, 4], abs=4)
    phantom = Phantom.draw(0, "test", scaffold)
    assert phantom.scaffold == "someone"
    assert (phantom.carina["left"] - phantom.carina["right"])[0] > 20
    canvas = Canvas(
        Grid.axis_aligned(phantom.space.to_world(np.array([0.0, -80, 8])), (2, 2, 2), 1.0), phantom.space, 0.5
    )
    for shape in phantom.shapes:
        canvas.paint(shape)
    assert float(canvas.hu.mean()) > 100


def test_a_folder_without_labels_is_no_scaffold(tmp_path):
    with pytest.raises(BadInputError, match="labels.json"):
        list_scaffolds(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSON"),
        ("{'Mandible': 1}", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[1, 2]", "organs and whole numbers"),
        ('{"Mandible": "one", "Spinal-Canal": 2}', "organs and whole numbers"),
        ("{}", "Spinal-Canal and Mandible"),
        ('{"Mandible": 1}', "Spinal-Canal"),
    ],
)
def test_labels_that_say_too_little_are_told(text, said, label_map):
    (label_map / "labels.json").write_text(text)
    for read in (list_scaffolds, lambda folder: load_scaffold.__wrapped__(folder / "someone.nii.gz")):
        with pytest.raises(BadInputError, match=said) as told:
            read(label_map)
        assert "labels.json" in str(told.value) and "\n" not in str(told.value)


def test_a_canal_far_from_the_jaw_is_told(label_map):
    path = label_map / "someone.nii.gz"
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    array[array == 2] = 0
    array[:3, 68:76, 46:54] = 2
    array[array == 1] = 0
    array[58:, 4:30, 25:75] = 1
    far = sitk.GetImageFromArray(np.where(array > 2, 0, array))
    far.CopyInformation(image)
    sitk.WriteImage(far, str(path))
    with pytest.raises(BadInputError, match="spinal canal in .*someone.nii.gz is not where its jaw is"):
        load_scaffold.__wrapped__(path)


def test_labels_without_glands_do(label_map):
    (label_map / "labels.json").write_text(json.dumps({"Mandible": 1, "Spinal-Canal": 2}))
    assert load_scaffold.__wrapped__(label_map / "someone.nii.gz").gland_y == pytest.approx(-50.9)


def test_maps_that_are_none_are_told(label_map):
    path = label_map / "someone.nii.gz"
    whole = path.read_bytes()
    flat = sitk.GetImageFromArray(np.ones((9, 9), np.uint8))
    for number, spoil in enumerate(
        (
            lambda: path.write_bytes(whole[: len(whole) // 2]),
            lambda: path.write_bytes(b"no image"),
            lambda: sitk.WriteImage(flat, str(path)),
            path.unlink,
        )
    ):
        spoil()
        with pytest.raises(BadInputError, match="someone.nii.gz") as told:
            load_scaffold.__wrapped__(path)
        assert "\n" not in str(told.value), number


@pytest.mark.shared
def test_real_anatomy_carries_a_vessel_tree(shared_data):
    maps = list_scaffolds(shared_data / "anatomy")
    assert len(maps) == 20
    for path in maps[:3]:
        phantom = Phantom.draw(1, "test", load_scaffold(path))
        grid = Grid.axis_aligned(phantom.carina["left"], (20, 20, 20), 1.0)
        assert float(phantom.render(grid).max()) > 150
