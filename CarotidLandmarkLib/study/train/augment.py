"""Random views of a training case: rotated, scaled, mirrored, cropped, with other contrast and more noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...model.crop import crop
from ...model.pyramid import TensorLevel, of_geometry
from ...volume.sample import FILL


@dataclass(frozen=True)
class Augmentation:
    """Ranges of what is drawn. Angles in degrees, shifts and noise in HU, shares are probabilities."""

    angle: float = 10.0
    scale: float = 0.13
    gain: float = 0.12
    shift: float = 25.0
    noise: float = 18.0
    mirror: float = 0.5
    cut: float = 0.35
    smallest_cut: int = 14

    def deformation(self, rng: np.random.Generator) -> np.ndarray:
        """(3, 3) rotation about all axes times a scale per axis."""
        a, b, c = np.radians(rng.uniform(-self.angle, self.angle, 3))
        turn = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
        rotation = np.linalg.solve(np.eye(3) + turn / 2, np.eye(3) - turn / 2)  # Cayley: exactly orthogonal
        common = rng.uniform(1 - self.scale, 1 + self.scale)
        return np.asarray(rotation * common * rng.uniform(0.96, 1.04, 3))

    def contrast(self, image: Tensor, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        """HU with another gain around water, offset and noise; what is outside of the scan stays as it is."""
        gain, shift = rng.uniform(1 - self.gain, 1 + self.gain), rng.uniform(-self.shift, self.shift)
        noise = torch.randn(image.shape, generator=generator).to(image.device) * (self.noise * rng.random() ** 2)
        return torch.where(image > FILL + 1, image * gain + shift + noise, image)

    def of_whole(
        self, size: np.ndarray, world_to_index: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
        """A deformed and sometimes cut view of a whole volume of ``size`` (3,) voxels, x, y, z: its middle (3,) in LPS
        mm, its frame (3, 3), its size (3,), and whether it is mirrored (then left is right)."""
        low, high = np.zeros(3), size.astype(float)
        if rng.random() < self.cut:
            axis = int(rng.choice([2, 2, 2, 0, 1]))
            keep = min(float(size[axis]), rng.uniform(self.smallest_cut, max(self.smallest_cut, size[axis])))
            low[axis] = rng.uniform(0, size[axis] - keep)
            high[axis] = low[axis] + keep
        inverse = np.linalg.inv(world_to_index)
        middle = inverse[:3, :3] @ ((low + high - 1) / 2) + inverse[:3, 3]
        mirrored = bool(rng.random() < self.mirror)
        frame = self.deformation(rng) @ inverse[:3, :3] @ np.diag([-1.0 if mirrored else 1.0, 1, 1])
        return middle, frame, np.maximum(np.round(high - low), self.smallest_cut).astype(int), mirrored

    def whole(self, level: TensorLevel, rng: np.random.Generator) -> tuple[TensorLevel, bool]:
        """See ``of_whole``: the view itself, and whether it is mirrored."""
        size = np.array(level.image.shape[:1:-1])
        middle, frame, shape, mirrored = self.of_whole(size, level.world_to_index.cpu().numpy(), rng)
        device = of_geometry(level.image.device)
        image = crop(
            level.image,
            level.world_to_index[None].to(device),
            torch.from_numpy(middle)[None].to(device),
            torch.from_numpy(frame)[None].to(device),
            shape.tolist(),
        )
        affine = np.eye(4)
        affine[:3, :3] = frame
        affine[:3, 3] = middle - frame @ ((shape - 1) / 2)
        return TensorLevel(image, torch.from_numpy(np.linalg.inv(affine)).to(device)), mirrored
