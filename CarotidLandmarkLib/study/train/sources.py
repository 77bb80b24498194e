"""Where training cases come from: phantoms made as they are needed, or volumes on disk; kept as files."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Protocol, Union

import torch

from ...errors import BadInputError
from ...landmarks.points import SIDES
from ...model.config import ModelConfig
from ...phantom.patches import PhantomPyramid
from ...phantom.phantom import Phantom
from ...phantom.scaffold import load_scaffold
from ...phantom.scan import Scan
from ...volume.read import case_name, read_volume
from ...volume.sample import VolumePyramid
from ..cases import Case
from .cases import TrainingCase, cut_case, load_case

Configs = Union[ModelConfig, Sequence[ModelConfig]]


class Recipe(Protocol):
    """How to make the case of an index, in any process; ``key`` names its file."""

    def key(self, index: int) -> str: ...
    def make(self, index: int, config: Configs) -> TrainingCase: ...


class PhantomRecipe:
    """The phantom of each seed; of them the share ``scaffolded`` is built on ``scaffolds`` in turn."""

    def __init__(
        self,
        split: str,
        first_seed: int = 0,
        scaffolds: Sequence[Path] = (),
        scaffolded: float = 0.0,
        device: str = "cpu",
    ) -> None:
        self.split, self.first_seed, self.device = split, first_seed, device
        self.scaffolds, self.share = list(scaffolds), scaffolded if scaffolds else 0.0

    def scaffold_of(self, seed: int) -> Path | None:
        count = int((seed + 1) * self.share + 1e-9)
        return self.scaffolds[(count - 1) % len(self.scaffolds)] if count > int(seed * self.share + 1e-9) else None

    def key(self, index: int) -> str:
        path = self.scaffold_of(self.first_seed + index)
        return f"{self.split}-{self.first_seed + index}" + (f"-{case_name(path)}" if path else "")

    def make(self, index: int, config: Configs) -> TrainingCase:
        seed = self.first_seed + index
        path = self.scaffold_of(seed)
        phantom = Phantom.draw(seed, self.split, load_scaffold(path) if path else None)
        scan = Scan.draw(phantom)
        truth = {side: phantom.truth[side] if scan.covers(phantom.truth[side], 2.0) else None for side in SIDES}
        return cut_case(self.key(index), PhantomPyramid(phantom, scan, self.device), truth, config, seed)


class VolumeRecipe:
    """Volumes with their points, read from disk."""

    def __init__(self, samples: Sequence[Case]) -> None:
        self.samples = list(samples)

    def key(self, index: int) -> str:
        return f"{index:05d}-{self.samples[index].name}"

    def make(self, index: int, config: Configs) -> TrainingCase:
        sample = self.samples[index]
        pyramid = VolumePyramid(read_volume(sample.volume, sample.series))
        return cut_case(sample.name, pyramid, sample.points, config, index, sample.unreviewed)


class CaseFolder:
    """Cases that lie ready in ``folder``, by their names' order. Raises BadInputError if there are none."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.case"))
        if not self.paths:
            raise BadInputError(f"There are no training cases (*.case) in {folder}.")

    def __len__(self) -> int:
        return len(self.paths)

    def prefetch(self, indices: Sequence[int]) -> None:
        """Nothing: they are there."""

    def get(self, index: int) -> TrainingCase:
        return load_case(self.paths[index])

    def close(self) -> None:
        """Nothing: nothing is open."""


class CaseStore:
    """Cases by index, made once by ``workers`` processes (0: here, when asked for) and kept in ``folder``."""

    def __init__(self, recipe: Recipe, config: Configs, folder: Path, workers: int = 0) -> None:
        self.recipe, self.config, self.folder = recipe, config, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.pool = (
            ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
            )
            if workers
            else None
        )
        self.coming: dict[int, Future[None]] = {}

    def prefetch(self, indices: Sequence[int]) -> None:
        """Begin to make these cases, in this order."""
        for index in indices:
            if self.pool and index not in self.coming and not self.path(index).exists():
                self.coming[index] = self.pool.submit(_make, self.recipe, index, self.config, self.path(index))

    def path(self, index: int) -> Path:
        return self.folder / f"{self.recipe.key(index)}.case"

    def get(self, index: int) -> TrainingCase:
        if index in self.coming:
            self.coming.pop(index).result()
        elif not self.path(index).exists():
            _make(self.recipe, index, self.config, self.path(index))
        return load_case(self.path(index))

    def close(self) -> None:
        if self.pool:
            self.pool.shutdown(wait=False, cancel_futures=True)


def _make(recipe: Recipe, index: int, config: Configs, path: Path) -> None:
    recipe.make(index, config).save(path)
