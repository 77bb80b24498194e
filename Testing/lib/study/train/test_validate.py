"""The calibration that training fits is that of the ellipsoids which the detector draws."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.detect.uncertainty import of_voxels
from CarotidLandmarkLib.landmarks.detection import chi2_quantile
from CarotidLandmarkLib.study.train.validate import CONFIDENCE, calibrate

HEATMAP = np.diag([0.2, 0.2, 0.3])
AWAY = np.random.default_rng(5).normal(0, 1, (20, 3))


class Answers:
    """In place of a network of one scale: at ``AWAY`` of the truth, one case after the other, in one pass."""

    def __init__(self):
        self.config = SimpleNamespace(scales_mm=(1.0,), covariance_scale=(1.0,))
        self.coming = iter(AWAY)

    def eval(self):
        pass

    train = eval

    def parameters(self):
        return iter([torch.zeros(1)])

    def __call__(self, views, samples, generator):
        def answer(point):
            at = torch.from_numpy(point + next(self.coming))[None]
            return [SimpleNamespace(position=at, covariance=torch.from_numpy(HEATMAP)[None])]

        return {side: answer(point) for side, point in views.case.truth.items()}


def test_a_case_knows_its_voxels(case, volume, tmp_path):
    from CarotidLandmarkLib.study.train.cases import load_case

    np.testing.assert_array_equal(case.of_voxels, of_voxels(volume.grid))
    case.save(tmp_path / "a.case")
    np.testing.assert_array_equal(load_case(tmp_path / "a.case").of_voxels, case.of_voxels)


@pytest.mark.parametrize("slices_mm", [0.6, 5.0])
def test_the_ellipsoids_of_the_calibration_have_the_voxels_in_them(case, slices_mm):
    thick = replace(case, of_voxels=np.diag([0.5, 0.5, slices_mm]) ** 2 / 12)
    (scale,), cases = calibrate(Answers(), [thick] * 10, seed=0)
    covariance = scale * (HEATMAP + thick.of_voxels)
    distances = np.einsum("ni,ni->n", AWAY, np.linalg.solve(covariance, AWAY.T).T)
    assert cases == 10
    assert np.quantile(distances, CONFIDENCE) == pytest.approx(chi2_quantile(CONFIDENCE))
