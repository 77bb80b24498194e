"""A training case: the pieces of one volume that the network can ask for, small enough to keep by the hundred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...atomic import replacing
from ...detect.uncertainty import of_voxels
from ...errors import BadInputError
from ...landmarks.points import SIDES
from ...model.config import ModelConfig
from ...model.pyramid import ArrayPyramid, TensorLevel, averaged, of_geometry, to_tensors
from ...volume.geometry import Grid, Vector
from ...volume.sample import Level

# Room around each crop for augmentation: rotation and scaling, and the shift of its centre in mm at each finer scale.
STRETCH = 1.2
JITTER_MM = (0.0, 24.0, 14.0, 6.0)
DECOY_MM = 20.0
KNOWN_DECOYS = 0.5


@dataclass
class TrainingCase:
    """Views of one volume around its landmarks; a pyramid, as the network wants it, that knows only these views.

    truth: side -> (3,) LPS mm, or None where the landmark is not in the volume; ``unreviewed`` sides are unknown.
    wholes: spacing -> TensorLevel.
    pieces: (spacing, anchor (3,) LPS mm, TensorLevel), several a spacing. decoy: (3,), a place without a landmark near
    it. of_voxels: (3, 3) mm^2, what the volume's own voxels add to the covariance of a point in it.
    Images are int16 HU (1, 1, D, H, W).
    """

    name: str
    truth: dict[str, np.ndarray | None]
    wholes: dict[float, TensorLevel]
    pieces: list[tuple[float, np.ndarray, TensorLevel]]
    decoy: np.ndarray
    unreviewed: tuple[str, ...] = ()
    of_voxels: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))

    def whole(self, spacing_mm: float) -> TensorLevel:
        """The whole volume at this spacing, or, where that is not kept, averaged from a finer one that is."""
        if spacing_mm in self.wholes:
            return _floating(self.wholes[spacing_mm])
        finer = max(s for s in self.wholes if s < spacing_mm and spacing_mm % s == 0)
        return averaged(_floating(self.wholes[finer]), round(spacing_mm / finer))

    def around(self, center_lps: Vector | Tensor, extent_mm: float, spacing_mm: float) -> TensorLevel:
        """The stored piece of this spacing whose anchor is nearest to ``center_lps`` (3,), or the whole volume;
        of a case without pieces what the whole volume shows of a cube of edge ``extent_mm``, however it is rotated."""
        center = np.asarray(center_lps, float)
        near = [p for p in self.pieces if p[0] == spacing_mm]
        if near:
            return _floating(min(near, key=lambda p: float(np.linalg.norm(p[1] - center)))[2])
        if self.pieces or spacing_mm not in self.wholes:
            return self.whole(spacing_mm)
        return _floating(_box(self.wholes[spacing_mm], center, STRETCH * extent_mm * np.sqrt(3) / 2))

    def lacks(self, views: Views) -> list[float]:
        """The spacings of these views that neither are kept nor can be averaged from what is."""
        kept = {*self.wholes, *(spacing for spacing, _, _ in self.pieces)}
        wanted = {*views.wholes, *views.pieces} - kept
        return [spacing for spacing in wanted if all(w > spacing or spacing % w for w in self.wholes)]

    def save(self, path: Path) -> None:
        """Write atomically; read again by ``load_case``."""
        values = {
            "name": self.name,
            "decoy": torch.from_numpy(self.decoy),
            "truth": {side: None if p is None else torch.from_numpy(p) for side, p in self.truth.items()},
            "wholes": {spacing: tuple(level) for spacing, level in self.wholes.items()},
            "pieces": [(spacing, torch.from_numpy(anchor), tuple(level)) for spacing, anchor, level in self.pieces],
            "unreviewed": self.unreviewed,
            "of_voxels": torch.from_numpy(self.of_voxels),
        }
        with replacing(path) as part:
            torch.save(values, part)


class OnDevice:
    """The views of a case, as a network on ``device`` wants them."""

    def __init__(self, case: TrainingCase, device: torch.device) -> None:
        self.case, self.device = case, device

    def whole(self, spacing_mm: float) -> TensorLevel:
        return self._there(self.case.whole(spacing_mm))

    def around(self, center_lps: Vector | Tensor, extent_mm: float, spacing_mm: float) -> TensorLevel:
        center = center_lps.cpu().numpy() if isinstance(center_lps, Tensor) else center_lps
        return self._there(self.case.around(center, extent_mm, spacing_mm))

    def _there(self, level: TensorLevel) -> TensorLevel:
        return TensorLevel(level.image.to(self.device), level.world_to_index.to(of_geometry(self.device)))


def load_case(path: Path) -> TrainingCase:
    """Read what ``TrainingCase.save`` wrote; images are read when they are looked at. Raises BadInputError."""
    try:
        d = torch.load(path, weights_only=True, mmap=True)
        return TrainingCase(
            d["name"],
            {side: None if p is None else p.numpy() for side, p in d["truth"].items()},
            {spacing: TensorLevel(*level) for spacing, level in d["wholes"].items()},
            [(spacing, anchor.numpy(), TensorLevel(*level)) for spacing, anchor, level in d["pieces"]],
            d["decoy"].numpy(),
            d["unreviewed"],
            d["of_voxels"].numpy(),
        )
    except Exception as error:  # torch.load raises almost anything for a file that is not its own
        raise BadInputError(f"{path} is no training case of this version, or damaged: make it anew.") from error


class Views(NamedTuple):
    """What is kept of a volume: whole at these spacings, mm; of these others pieces: spacing to edge length around a
    landmark and around a decoy, mm."""

    wholes: tuple[float, ...]
    pieces: dict[float, tuple[float, float]]


def views_of(config: ModelConfig, anywhere: bool = False, whole: Sequence[int] = ()) -> Views:
    """What training a model of this configuration looks at: with ``anywhere`` at every scale all of the volume, else at
    the coarse ones and at those that ``whole`` numbers."""
    wholes = {config.scales_mm[0], *(config.scales_mm[scale] for scale in whole)}
    wholes |= {spacing for spacing in config.scales_mm if anywhere or spacing >= 2}
    pieces = {}
    for scale, spacing in enumerate(config.scales_mm):
        if spacing not in wholes:
            extent = config.crop_size * spacing * STRETCH
            pieces[spacing] = (extent + 2 * JITTER_MM[min(scale, len(JITTER_MM) - 1)], extent)
    return Views(tuple(sorted(wholes)), pieces)


def all_views(several: Sequence[Views]) -> Views:
    """What has all that each of several has."""
    pieces: dict[float, tuple[float, float]] = {}
    for views in several:
        for spacing, size in views.pieces.items():
            pieces[spacing] = max(pieces.get(spacing, size), size)
    wholes = {spacing for views in several for spacing in views.wholes}
    return Views(tuple(sorted(wholes)), dict(sorted(pieces.items())))


def cut_case(
    name: str,
    pyramid: ArrayPyramid,
    grid: Grid,
    truth: dict[str, np.ndarray | None],
    views: Views,
    seed: int,
    unreviewed: tuple[str, ...] = (),
    decoys: Sequence[np.ndarray] = (),
) -> TrainingCase:
    """The ``views`` of ``pyramid`` of a volume on ``grid``: wholes, and pieces around each landmark and one decoy.

    A side without a landmark has no pieces of its own. ``decoys``: kinds of places (n, 3) LPS mm that look like a fork,
    of which the decoy is one in half of the cases. Deterministic in ``seed``.
    """
    rng = np.random.default_rng(seed)
    wholes = {s: _packed(pyramid.whole(s)) for s in sorted(views.wholes, reverse=True)}
    decoy = _draw_decoy(rng, pyramid.whole(max(wholes)), [p for p in truth.values() if p is not None], decoys)
    pieces = []
    for spacing, (room, extent) in sorted(views.pieces.items(), reverse=True):
        for anchor in [truth[side] for side in SIDES if truth[side] is not None]:
            pieces.append((spacing, np.asarray(anchor, float), _packed(pyramid.around(anchor, room, spacing))))
        pieces.append((spacing, decoy, _packed(pyramid.around(decoy, extent, spacing))))
    return TrainingCase(name, truth, wholes, pieces, decoy, unreviewed, of_voxels(grid))


def _box(level: TensorLevel, center: np.ndarray, reach: float) -> TensorLevel:
    """The part of a level within ``reach`` mm of ``center`` on each axis; where that is outside, a layer at the border
    is left of it."""
    matrix = level.world_to_index.numpy()
    middle = matrix[:3, :3] @ center + matrix[:3, 3]
    away = reach * np.linalg.norm(matrix[:3, :3], axis=1) + 1
    size = np.array(level.image.shape[:1:-1])
    low = np.clip(np.floor(middle - away), 0, size - 1).astype(int)
    high = np.clip(np.ceil(middle + away) + 1, low + 1, size).astype(int)
    x, y, z = (slice(a, b) for a, b in zip(low.tolist(), high.tolist()))
    moved = level.world_to_index.clone()
    moved[:3, 3] -= torch.from_numpy(low)
    return TensorLevel(level.image[:, :, z, y, x], moved)


def _draw_decoy(
    rng: np.random.Generator, whole: Level, points: list[np.ndarray], known: Sequence[np.ndarray]
) -> np.ndarray:
    """A place ``DECOY_MM`` or more from all landmarks: one of the known ones, along the vessel above or below a
    landmark, or somewhere bright."""
    apart = [[at for at in kind if all(np.linalg.norm(at - p) > DECOY_MM for p in points)] for kind in known]
    kinds = [kind for kind in apart if kind]
    if kinds and rng.random() < KNOWN_DECOYS:
        kind = kinds[rng.integers(len(kinds))]
        return np.asarray(kind[rng.integers(len(kind))])
    if points and rng.random() < 0.6:
        at = points[rng.integers(len(points))] + rng.normal(0, 5, 3)
        return np.asarray(at + [0, 0, rng.choice([-1, 1]) * rng.uniform(DECOY_MM + 2, 60)])
    inverse = np.linalg.inv(whole.world_to_index)
    bright = np.argwhere((whole.image > 100) & (whole.image < 700))[:, ::-1]
    places = bright @ inverse[:3, :3].T + inverse[:3, 3]
    for point in points:
        places = places[np.linalg.norm(places - point, axis=1) > DECOY_MM]
    if not len(places):
        places = (inverse[:3, :3] @ (np.array(whole.image.shape[::-1]) / 2) + inverse[:3, 3])[None]
    return np.asarray(places[rng.integers(len(places))])


def _packed(level: Level) -> TensorLevel:
    return to_tensors(Level(level.image.round().clip(-32768, 32767).astype(np.int16), level.world_to_index))


def _floating(level: TensorLevel) -> TensorLevel:
    image: Tensor = level.image.float()
    return TensorLevel(image, level.world_to_index)
