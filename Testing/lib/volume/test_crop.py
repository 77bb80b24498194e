from __future__ import annotations

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.model.crop import crop as of_tensors
from CarotidLandmarkLib.volume.crop import crop
from CarotidLandmarkLib.volume.sample import Level

SIZE = 21
COS, SIN = np.cos(0.4), np.sin(0.4)
TURN = np.array([[COS, -SIN, 0], [SIN, COS, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, COS, SIN], [0, -SIN, COS]]
LINEAR = {
    "plain": np.diag([1.1, 0.9, 0.5]),
    "mirrored": np.diag([-1.0, 1, 2]),
    "permuted": np.array([[0, 0, -0.7], [1, 0, 0], [0, 1.3, 0]]),
    "oblique": TURN,
    "oblique and anisotropic": TURN * [[1.0], [0.6], [1.7]],
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("away", [0.0, 14.0, 400.0])
def test_crops_are_those_of_tensors_within_the_view_and_beyond_it(name, away):
    rng = np.random.default_rng(3)
    image = rng.normal(0, 300, (30, 41, 36)).astype(np.float32)
    world_to_index = np.eye(4)
    world_to_index[:3, :3], world_to_index[:3, 3] = LINEAR[name], [18.2, 19.7, 15.4]
    center, frame = np.array([away, -away / 2, 0.3]), np.diag([-0.8, 0.8, 0.8])
    matrices = (torch.from_numpy(of)[None] for of in (world_to_index, center, frame))
    expected = of_tensors(torch.from_numpy(image)[None, None], *matrices, SIZE)[0, 0].numpy()
    found = crop(Level(image, world_to_index), center, frame, SIZE)
    assert found.dtype == np.float32 and found.shape == (SIZE,) * 3
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05)
    outside = (expected == -1024).mean()
    assert (outside > 0 or away == 0) and (outside == 1) == (away == 400)
