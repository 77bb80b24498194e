"""A training case: the pieces of one volume that the network can ask for, small enough to keep by the hundred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...atomic import replacing
from ...landmarks.points import SIDES
from ...model.config import ModelConfig
from ...model.multiscale import LevelLike, PyramidLike
from ...volume.geometry import Vector
from ...volume.sample import Level

# Room around each crop for augmentation: rotation and scaling, and the shift of its centre in mm at each finer scale.
STRETCH = 1.2
JITTER_MM = (0.0, 24.0, 14.0, 6.0)
DECOY_MM = 20.0


@dataclass
class TrainingCase:
    """Views of one volume around its landmarks; a pyramid, as the network wants it, that knows only these views.

    truth: side -> (3,) LPS mm, or None where the landmark is not in the volume; ``unreviewed`` sides are unknown.
    wholes: spacing -> Level.
    pieces: (spacing, anchor (3,) LPS mm, Level), several a spacing. decoy: (3,), a place without a landmark near it.
    Images are int16 HU (1, 1, D, H, W).
    """

    name: str
    truth: dict[str, np.ndarray | None]
    wholes: dict[float, Level]
    pieces: list[tuple[float, np.ndarray, Level]]
    decoy: np.ndarray
    unreviewed: tuple[str, ...] = ()

    def whole(self, spacing_mm: float) -> Level:
        """The whole volume at this spacing, or, where that is not kept, averaged from a finer one that is."""
        if spacing_mm in self.wholes:
            return _floating(self.wholes[spacing_mm])
        finer = max(s for s in self.wholes if s < spacing_mm and spacing_mm % s == 0)
        return averaged(_floating(self.wholes[finer]), round(spacing_mm / finer))

    def around(self, center_lps: Vector | Tensor, extent_mm: float, spacing_mm: float) -> Level:
        """The stored piece of this spacing whose anchor is nearest to ``center_lps`` (3,), or the whole volume."""
        near = [p for p in self.pieces if p[0] == spacing_mm]
        if not near:
            return self.whole(spacing_mm)
        center = np.asarray(center_lps, float)
        return _floating(min(near, key=lambda p: float(np.linalg.norm(p[1] - center)))[2])

    def save(self, path: Path) -> None:
        """Write atomically; read again by ``load_case``."""
        values = {
            "name": self.name,
            "decoy": torch.from_numpy(self.decoy),
            "truth": {side: None if p is None else torch.from_numpy(p) for side, p in self.truth.items()},
            "wholes": {spacing: tuple(level) for spacing, level in self.wholes.items()},
            "pieces": [(spacing, torch.from_numpy(anchor), tuple(level)) for spacing, anchor, level in self.pieces],
            "unreviewed": self.unreviewed,
        }
        with replacing(path) as part:
            torch.save(values, part)


def load_case(path: Path) -> TrainingCase:
    """Read what ``TrainingCase.save`` wrote."""
    d = torch.load(path, weights_only=True)
    return TrainingCase(
        d["name"],
        {side: None if p is None else p.numpy() for side, p in d["truth"].items()},
        {spacing: Level(*level) for spacing, level in d["wholes"].items()},
        [(spacing, anchor.numpy(), Level(*level)) for spacing, anchor, level in d["pieces"]],
        d["decoy"].numpy(),
        d.get("unreviewed", ()),
    )


def cut_case(
    name: str,
    pyramid: PyramidLike,
    truth: dict[str, np.ndarray | None],
    config: ModelConfig | Sequence[ModelConfig],
    seed: int,
    unreviewed: tuple[str, ...] = (),
) -> TrainingCase:
    """The views of ``pyramid`` that the scales of ``config``, or of any of several, need around each landmark and
    around one decoy.

    A side without a landmark has no pieces of its own. Deterministic in ``seed``.
    """
    configs = [config] if isinstance(config, ModelConfig) else config
    rng = np.random.default_rng(seed)
    wanted = {s for c in configs for s in (*c.scales_mm, c.skip_from_mm) if s >= 2} | {c.scales_mm[0] for c in configs}
    wanted |= {c.skip_from_mm for c in configs if c.skip_from_mm}
    wholes = {s: _packed(pyramid.whole(s)) for s in sorted(wanted, reverse=True)}
    decoy = _draw_decoy(rng, pyramid.whole(max(wanted)), [p for p in truth.values() if p is not None])
    extents: dict[float, tuple[float, float]] = {}
    for c in configs:
        for scale, spacing in enumerate(c.scales_mm):
            if scale and spacing < 2:
                extent = c.crop_size * spacing * STRETCH
                room = extent + 2 * JITTER_MM[min(scale, len(JITTER_MM) - 1)]
                extents[spacing] = max(extents.get(spacing, (0.0, 0.0)), (room, extent))
    pieces = []
    for spacing, (room, extent) in sorted(extents.items(), reverse=True):
        for anchor in [truth[side] for side in SIDES if truth[side] is not None]:
            pieces.append((spacing, np.asarray(anchor, float), _packed(pyramid.around(anchor, room, spacing))))
        pieces.append((spacing, decoy, _packed(pyramid.around(decoy, extent, spacing))))
    return TrainingCase(name, truth, wholes, pieces, decoy, unreviewed)


def averaged(level: LevelLike, factor: int) -> Level:
    """The means of blocks of ``factor``^3 voxels, counted from the first one; a block at the end may be smaller."""
    image = torch.nn.functional.avg_pool3d(level.image, factor, ceil_mode=True, count_include_pad=False)
    shrink = np.diag([1 / factor] * 3 + [1.0])
    shrink[:3, 3] = (1 - factor) / 2 / factor
    return Level(image, torch.from_numpy(shrink) @ level.world_to_index)


def _draw_decoy(rng: np.random.Generator, whole: LevelLike, points: list[np.ndarray]) -> np.ndarray:
    """A place ``DECOY_MM`` or more from all landmarks: along the vessel above or below one, or somewhere bright."""
    if points and rng.random() < 0.6:
        at = points[rng.integers(len(points))] + rng.normal(0, 5, 3)
        return np.asarray(at + [0, 0, rng.choice([-1, 1]) * rng.uniform(DECOY_MM + 2, 60)])
    inverse = np.linalg.inv(whole.world_to_index.numpy())
    bright = torch.nonzero((whole.image[0, 0] > 100) & (whole.image[0, 0] < 700)).numpy()[:, ::-1]
    places = bright @ inverse[:3, :3].T + inverse[:3, 3]
    for point in points:
        places = places[np.linalg.norm(places - point, axis=1) > DECOY_MM]
    if not len(places):
        places = (inverse[:3, :3] @ (np.array(whole.image.shape[:1:-1]) / 2) + inverse[:3, 3])[None]
    return np.asarray(places[rng.integers(len(places))])


def _packed(level: LevelLike) -> Level:
    return Level(level.image.round().clamp(-32768, 32767).to(torch.int16).cpu(), level.world_to_index.cpu())


def _floating(level: Level) -> Level:
    image: Tensor = level.image.float()
    return Level(image, level.world_to_index)
