from __future__ import annotations

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.model.crop import crop, side_frame
from CarotidLandmarkLib.model.pyramid import TensorLevel, TensorPyramid
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.cases import JITTER_MM, cut_case, load_case, views_of
from CarotidLandmarkLib.volume.sample import FILL, VolumePyramid


def peak(level, center, spacing, side="right", size=16):
    """LPS mm of the centre of mass of what is brighter than soft tissue in a crop."""
    frame = side_frame(side, spacing)
    image = crop(level.image, level.world_to_index[None], torch.from_numpy(np.array(center))[None], frame[None], size)
    weights = (image[0, 0].double() - 90).clamp(min=0)
    axes = torch.meshgrid(*(torch.arange(size, dtype=torch.float64),) * 3, indexing="ij")
    index = torch.stack([(weights * axis).sum() / weights.sum() for axis in reversed(axes)])
    return (torch.from_numpy(np.array(center)) + frame @ (index - (size - 1) / 2)).numpy()


def test_a_case_shows_what_the_volume_shows_around_each_landmark(case, volume, truth):
    pyramid = TensorPyramid(VolumePyramid(volume))
    for spacing in (1.0, 2.0):
        for side, point in truth.items():
            extent = 16 * spacing
            for view in (case.around(point, extent, spacing), pyramid.around(point, extent, spacing)):
                assert peak(view, point, spacing, side) == pytest.approx(point, abs=0.35)


def test_pieces_leave_room_for_the_jitter(case, truth):
    for scale, spacing in enumerate((4.0, 2.0, 1.0, 0.5)):
        if spacing >= 2:
            continue
        level = case.around(truth["left"], 16 * spacing, spacing)
        for corner in np.array(np.meshgrid(*([-1, 1],) * 3)).reshape(3, -1).T:
            far = truth["left"] + corner * (8 * spacing + JITTER_MM[scale] - 0.6)
            index = level.world_to_index[:3, :3].numpy() @ far + level.world_to_index[:3, 3].numpy()
            assert (index >= -0.5).all() and (index <= np.array(level.image.shape[:1:-1]) - 0.5).all()


def test_the_decoy_is_no_landmark(volume, tiny, truth):
    for seed in range(8):
        case = cut_case("a", VolumePyramid(volume), volume.grid, dict(truth), views_of(tiny), seed)
        assert min(np.linalg.norm(case.decoy - p) for p in truth.values()) > 15


def test_half_of_the_decoys_are_places_that_are_known_to_mislead(volume, tiny, truth):
    near, far = truth["left"] + [0.0, 3.0, 3.0], truth["left"] + [0.0, 24.0, 0.0]
    kinds = [np.array([near, far]), np.array([near]), np.zeros((0, 3))]
    pyramid = VolumePyramid(volume)
    drawn = [
        cut_case("a", pyramid, volume.grid, dict(truth), views_of(tiny), seed, decoys=kinds).decoy.tolist()
        for seed in range(24)
    ]
    assert 6 <= drawn.count(far.tolist()) <= 18 and near.tolist() not in drawn


def test_a_saved_case_is_the_same_case(case, tmp_path):
    case.save(tmp_path / "a.case")
    back = load_case(tmp_path / "a.case")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.case"]
    assert back.name == case.name and np.array_equal(back.decoy, case.decoy)
    assert torch.equal(back.whole(4.0).image, case.whole(4.0).image)
    assert torch.equal(back.whole(4.0).world_to_index, case.whole(4.0).world_to_index)
    for side, point in case.truth.items():
        assert np.array_equal(back.truth[side], point)
        assert torch.equal(back.around(point, 8, 0.5).image, case.around(point, 8, 0.5).image)


def test_augmented_wholes_keep_every_voxel_at_its_place_in_the_world(case, truth):
    augmentation = Augmentation(cut=0.0)
    level = case.whole(2.0)
    mirrored = set()
    for seed in range(6):
        moved, flipped = augmentation.whole(level, np.random.default_rng(seed))
        mirrored.add(flipped)
        determinant = float(torch.linalg.det(moved.world_to_index[:3, :3]))
        assert (determinant < 0) == flipped
        for point in truth.values():
            assert peak(moved, point, 1.0, size=20) == pytest.approx(point, abs=0.5)
    assert mirrored == {True, False}


def test_cut_wholes_sometimes_lose_a_landmark(case, truth):
    lost = 0
    for seed in range(20):
        level, _ = Augmentation(cut=1.0, smallest_cut=6).whole(case.whole(4.0), np.random.default_rng(seed))
        size = np.array(level.image.shape[:1:-1])
        for point in truth.values():
            index = level.world_to_index[:3, :3].numpy() @ point + level.world_to_index[:3, 3].numpy()
            lost += bool((index < 0).any() or (index > size - 1).any())
    assert 3 < lost < 37


def test_contrast_leaves_what_is_outside_of_the_scan():
    image = torch.full((1, 1, 4, 4, 4), 100.0)
    image[..., 0] = FILL
    changed = Augmentation().contrast(image, np.random.default_rng(0), torch.Generator().manual_seed(0))
    assert (changed[..., 0] == FILL).all()
    assert not torch.equal(changed[..., 1:], image[..., 1:])


def test_deformations_are_small_rotations_and_scales():
    for seed in range(50):
        matrix = Augmentation().deformation(np.random.default_rng(seed))
        assert np.linalg.svd(matrix)[1] == pytest.approx(np.ones(3), abs=0.2)
        assert np.linalg.det(matrix) > 0


def test_levels_are_named_tuples_that_torch_saves_safely(case, tmp_path):
    case.save(tmp_path / "b.case")
    torch.load(tmp_path / "b.case", weights_only=True)
    assert isinstance(case.whole(4.0), TensorLevel)
