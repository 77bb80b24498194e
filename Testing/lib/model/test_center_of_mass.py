from __future__ import annotations

import pytest
import torch

from CarotidLandmarkLib.model.center_of_mass import CenterOfMass


@pytest.mark.parametrize("activation", ["softmax", "relu"])
def test_moments_are_those_of_the_definition(activation: str) -> None:
    heatmap = torch.randn(2, 3, 6, 7, 8, dtype=torch.float64)
    heatmap = heatmap if activation == "softmax" else heatmap.relu()
    weights = heatmap.exp() if activation == "softmax" else heatmap
    mass = weights.sum((2, 3, 4))
    axes = [torch.arange(n, dtype=torch.float64) for n in (6, 7, 8)]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flip(-1).reshape(-1, 3)
    weights = weights.flatten(2) / mass[..., None]
    mean = weights @ points
    offset = points - mean[:, :, None]
    moments = CenterOfMass(activation)(heatmap)
    torch.testing.assert_close(moments.position, mean)
    torch.testing.assert_close(moments.covariance, torch.einsum("bcn,bcni,bcnj->bcij", weights, offset, offset))
    torch.testing.assert_close(moments.log_mass, mass.log())


def test_a_single_voxel_far_from_the_origin_is_found_exactly_and_without_spread() -> None:
    heatmap = torch.full((1, 1, 120, 40, 90), -100.0)
    heatmap[0, 0, 117, 3, 86] = 60.0
    moments = CenterOfMass()(heatmap)
    torch.testing.assert_close(moments.position, torch.tensor([[[86.0, 3.0, 117.0]]]), rtol=0, atol=1e-4)
    assert moments.covariance.abs().max() < 1e-6


def test_covariance_has_no_negative_eigenvalue_for_narrow_peaks_at_the_edge() -> None:
    heatmap = torch.randn(4, 1, 56, 56, 56)
    heatmap[:, :, 54, 1, 53] = 40.0
    assert torch.linalg.eigvalsh(CenterOfMass()(heatmap).covariance).min() > -1e-7


def test_relu_heatmap_without_mass_is_at_the_centre_with_a_low_mass_and_finite_gradient() -> None:
    heatmap = torch.zeros(1, 1, 5, 6, 7, requires_grad=True)
    moments = CenterOfMass("relu")(heatmap)
    moments.position.sum().backward()
    torch.testing.assert_close(moments.position, torch.tensor([[[3.0, 2.5, 2.0]]]))
    assert -100 < moments.log_mass < -10 and heatmap.grad is not None and heatmap.grad.isfinite().all()


def test_bfloat16_input_and_autocast_do_not_lower_the_precision() -> None:
    heatmap = torch.randn(1, 1, 30, 30, 30).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moments = CenterOfMass()(heatmap)
    assert moments.position.dtype == torch.float32
    torch.testing.assert_close(moments.position, CenterOfMass()(heatmap.double()).position.float(), rtol=0, atol=1e-4)
