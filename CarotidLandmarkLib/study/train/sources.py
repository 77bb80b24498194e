"""Where training cases come from: phantoms made as they are needed, or volumes on disk; kept as files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import BadInputError
from ...landmarks.points import SIDES
from ...phantom.contrast import NONE
from ...phantom.patches import PhantomPyramid
from ...phantom.phantom import Phantom
from ...phantom.scaffold import load_scaffold
from ...phantom.scan import Scan
from ...volume.ct import hash_files
from ...volume.read import case_name, read_volume
from ...volume.sample import VolumePyramid
from ..cases import Case, kept_name
from ..processes import pool, result_of
from . import cases
from .cases import TrainingCase, Views, cut_case, load_case


class Recipe(Protocol):
    """How to make the case of an index, in any process; ``facts`` are all that it depends on, but for the code."""

    def name(self, index: int) -> str: ...
    def facts(self, index: int) -> tuple[Any, ...]: ...
    def make(self, index: int, views: Views) -> TrainingCase: ...


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

    def name(self, index: int) -> str:
        path = self.scaffold_of(self.first_seed + index)
        return f"{self.split}-{self.first_seed + index}" + (f"-{case_name(path)}" if path else "")

    def facts(self, index: int) -> tuple[Any, ...]:
        path = self.scaffold_of(self.first_seed + index)
        return self.split, self.first_seed + index, _content(path, path.parent / "labels.json") if path else None

    def make(self, index: int, views: Views) -> TrainingCase:
        seed = self.first_seed + index
        path = self.scaffold_of(seed)
        phantom = Phantom.draw(seed, self.split, load_scaffold(path) if path else None)
        scan = Scan.draw(phantom)
        truth = {side: phantom.truth[side] if scan.covers(phantom.truth[side], 2.0) else None for side in SIDES}
        decoys = [places[scan.covers(places)] for places in phantom.decoys.values() if len(places)]
        if phantom.phase == NONE:  # a fork without contrast looks most like one with it
            unseen = np.stack([phantom.carina[side] for side in SIDES])
            decoys += [unseen[scan.covers(unseen)]] * max(len(decoys), 1)
        pyramid = PhantomPyramid(phantom, scan, self.device)
        return cut_case(self.name(index), pyramid, scan.grid, truth, views, seed, decoys=decoys)


class VolumeRecipe:
    """Volumes with their points, read from disk."""

    def __init__(self, samples: Sequence[Case]) -> None:
        self.samples = list(samples)

    def name(self, index: int) -> str:
        return self.samples[index].name

    def facts(self, index: int) -> tuple[Any, ...]:
        sample = self.samples[index]
        points = {side: None if point is None else point.tolist() for side, point in sorted(sample.points.items())}
        sha256 = sample.sha256 or read_volume(sample.volume, sample.series).sha256
        return sha256, points, sample.unreviewed

    def make(self, index: int, views: Views) -> TrainingCase:
        sample = self.samples[index]
        volume = read_volume(sample.volume, sample.series)
        seed = int((volume.sha256 or "0")[:8], 16)
        return cut_case(sample.name, VolumePyramid(volume), volume.grid, sample.points, views, seed, sample.unreviewed)


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
    """Cases by index, made once by ``workers`` processes (0: here, when asked for) and kept in ``folder``.

    A file is named by all that its case depends on, so that what was kept of other points, phantoms or scales is not
    taken for it.
    """

    def __init__(self, recipe: Recipe, views: Views, folder: Path, workers: int = 0) -> None:
        self.recipe, self.views, self.folder, self.workers = recipe, views, folder, workers
        self.paths: dict[int, Path] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self.opened = ExitStack()
        self.pool: ProcessPoolExecutor | None = None
        self.coming: dict[int, Future[None]] = {}

    def prefetch(self, indices: Sequence[int]) -> None:
        """Begin to make these cases, in this order."""
        for index in indices:
            if self.workers and index not in self.coming and not self.path(index).exists():
                self.pool = self.pool or self.opened.enter_context(pool(self.workers))
                self.coming[index] = self.pool.submit(_make, self.recipe, index, self.views, self.path(index))

    def path(self, index: int) -> Path:
        if index not in self.paths:
            key = digest(source_digest(), tuple(self.views), self.recipe.facts(index))
            self.paths[index] = self.folder / f"{kept_name(self.recipe.name(index), key)}.case"
        return self.paths[index]

    def get(self, index: int) -> TrainingCase:
        if index in self.coming:
            result_of(self.coming.pop(index))
        if self.path(index).exists():
            with suppress(BadInputError):  # what a power cut has left is made again
                return load_case(self.path(index))
        _make(self.recipe, index, self.views, self.path(index))
        return load_case(self.path(index))

    def close(self) -> None:
        self.opened.close()


def digest(*facts: Any) -> str:
    """16 hexadecimal digits that stand for these facts, which are plain values and containers of them."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@lru_cache
def source_digest() -> str:
    """Stands for the code that makes cases and phantoms, but for what writes these to files: a number that someone has
    to count up would be forgotten, and a case made anew for a changed comment costs seconds."""
    package = Path(__file__).resolve().parents[2]
    files = [path for room in ("phantom", "volume") for path in (package / room).rglob("*") if path.is_file()]
    files = [path for path in files if path.suffix in (".py", ".json") and path != package / "phantom" / "files.py"]
    files += [Path(__file__), Path(cases.__file__)]
    return hash_files(sorted(files))


@lru_cache
def _content(*paths: Path) -> str:
    return hash_files(paths)


def _make(recipe: Recipe, index: int, views: Views, path: Path) -> None:
    recipe.make(index, views).save(path)
