from __future__ import annotations

import numpy as np
import torch

from CarotidLandmarkLib.detect.backends.moments import moments
from CarotidLandmarkLib.model.center_of_mass import CenterOfMass


def test_moments_are_those_of_the_layer():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20, 24, 17)).astype(np.float32)
    for step in range(9):
        logits[4 + step, 6 + step, 3 + step] += 14.0
    logits += 90.0  # whose exponential is more than a float32 holds
    position, covariance, log_mass = moments(logits)
    expected = [of[0, 0].numpy() for of in CenterOfMass()(torch.from_numpy(logits).double()[None, None])]
    np.testing.assert_allclose(position, expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(covariance, expected[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_mass, expected[2], rtol=1e-6)
    assert np.abs(covariance).min() > 1
