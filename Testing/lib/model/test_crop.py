from __future__ import annotations

import pytest
import torch
from torch import Tensor

from CarotidLandmarkLib.model.crop import covariance_to_world, crop, side_frame, to_world


def rotation(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))[0]


def oblique_volume(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """An image linear in its own index, its (1, 4, 4) index-to-world matrix and the gradient (3,) of its values."""
    axes = [torch.arange(n, dtype=torch.float64) for n in (20, 24, 28)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    slope = torch.tensor([3.0, -2.0, 0.5], dtype=torch.float64)
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, :3] = rotation(1) * torch.tensor([0.7, 0.6, 0.9], dtype=torch.float64)
    affine[:3, 3] = torch.tensor([-100.0, 50.0, 900.0])
    return (slope[0] * x + slope[1] * y + slope[2] * z).to(dtype)[None, None], affine[None], slope


def world_of(affine: Tensor, index: list[float]) -> Tensor:
    return (affine[:, :3, :3] @ torch.tensor(index, dtype=torch.float64)) + affine[:, :3, 3]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
def test_every_voxel_of_an_oblique_crop_of_an_oblique_image_is_where_it_should_be(
    dtype: torch.dtype, tolerance: float
) -> None:
    image, affine, slope = oblique_volume(dtype)
    center, frame = world_of(affine, [13.2, 11.1, 9.3]), 0.5 * rotation(2)[None]
    size = (7, 6, 5)
    result = crop(image, torch.linalg.inv(affine), center, frame, size)
    assert result.shape == (1, 1, 5, 6, 7) and result.dtype == dtype
    for x, y, z in ((0, 0, 0), (6, 0, 0), (0, 5, 0), (0, 0, 4), (6, 5, 4), (3, 2, 1)):
        world = to_world(center, frame, size, torch.tensor([[x, y, z]], dtype=torch.float64))
        index = torch.linalg.solve(affine[0, :3, :3], (world - affine[:, :3, 3])[0])
        assert abs(float(result[0, 0, z, y, x]) - float(index @ slope)) < tolerance


def test_crop_on_the_voxel_grid_copies_voxels() -> None:
    image = torch.randn(1, 1, 9, 10, 11, dtype=torch.float64)
    center = torch.tensor([[5.0, 4.0, 3.0]], dtype=torch.float64)
    result = crop(image, torch.eye(4, dtype=torch.float64)[None], center, torch.eye(3, dtype=torch.float64)[None], 3)
    torch.testing.assert_close(result, image[:, :, 2:5, 3:6, 4:7], rtol=0, atol=1e-9)


def test_outside_is_fill_and_the_border_is_blended_over_one_voxel() -> None:
    image = torch.zeros(1, 1, 4, 4, 4)
    eye = torch.eye(4, dtype=torch.float64)[None]
    center = torch.tensor([[-0.5, 1.5, 1.5]], dtype=torch.float64)
    row = crop(image, eye, center, eye[:, :3, :3], (4, 2, 2))[0, 0, 0, 0]
    torch.testing.assert_close(row, torch.tensor([-1024.0, -1024.0, 0.0, 0.0]), atol=1e-3, rtol=0)
    half = crop(image, eye, center + 0.5, eye[:, :3, :3], (2, 2, 2))[0, 0, 0, 0]
    torch.testing.assert_close(half, torch.tensor([-512.0, 0.0]), atol=1e-3, rtol=0)


def test_one_image_serves_crops_with_their_own_centres_and_frames() -> None:
    image, affine, _ = oblique_volume()
    inverse = torch.linalg.inv(affine)
    centers = torch.cat([world_of(affine, [10, 11, 9]), world_of(affine, [14.5, 8, 7])])
    frames = torch.stack([0.5 * rotation(3), 0.8 * rotation(4)])
    both = crop(image, inverse, centers, frames, 4)
    for i in range(2):
        alone = crop(image, inverse, centers[i : i + 1], frames[i : i + 1], 4)
        torch.testing.assert_close(both[i : i + 1], alone)


def test_gradients_by_gradcheck() -> None:
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(1, 1, 7, 8, 9, dtype=torch.float64, generator=generator).requires_grad_()
    affine = oblique_volume()[1]
    center = world_of(affine, [4.3, 3.6, 3.2]).requires_grad_()
    frame = (0.4 * rotation(6))[None].requires_grad_()

    def values(image: Tensor, center: Tensor, frame: Tensor) -> Tensor:
        return crop(image, torch.linalg.inv(affine), center, frame, (3, 2, 3), fill=0.3)

    assert torch.autograd.gradcheck(values, (image, center, frame), eps=1e-7, atol=1e-5)


def test_left_crop_is_the_right_crop_of_the_mirrored_image() -> None:
    image = torch.randn(1, 1, 12, 12, 13, dtype=torch.float64)
    to_index = torch.eye(4, dtype=torch.float64)[None]
    center = torch.tensor([[4.3, 5.1, 6.2]], dtype=torch.float64)
    mirrored = center.clone()
    mirrored[:, 0] = 12 - center[:, 0]
    left = crop(image, to_index, center, side_frame("left", 0.7)[None], 6)
    right = crop(image.flip(-1), to_index, mirrored, side_frame("right", 0.7)[None], 6)
    torch.testing.assert_close(left, right, rtol=0, atol=1e-9)
    assert not torch.allclose(left, crop(image, to_index, center, side_frame("right", 0.7)[None], 6))


def test_covariance_to_world_follows_spacing_mirror_and_rotation() -> None:
    frame = (rotation(7) @ side_frame("left", [0.5, 1.0, 2.0]))[None]
    covariance = torch.tensor([[[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 3.0]]], dtype=torch.float64)
    points = torch.linalg.cholesky(covariance) @ torch.randn(3, 20000, dtype=torch.float64)
    index = points.mT[0] - points.mT[0].mean(0)
    world = to_world(torch.zeros(1, 3, dtype=torch.float64), frame, 1, index)
    torch.testing.assert_close(covariance_to_world(frame, index.T.cov()[None]), world.T.cov()[None])
