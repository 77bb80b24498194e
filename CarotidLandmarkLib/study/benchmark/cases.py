"""The phantoms of a benchmark: the same for every row, made once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from ...atomic import write_text
from ...landmarks.points import SIDES
from ...model.config import ModelConfig
from ...phantom.files import VISIBLE_MM, write_phantoms
from ...phantom.phantom import Phantom
from ...phantom.scan import Scan
from ..processes import pool
from ..train.sources import PhantomRecipe

KIND = "neck"
TEST = "test"
RULE = f"procedural phantoms, the first of each split, from seed 0 on, whose scan is a {KIND} with both points in view"


def suitable_seeds(split: str) -> Iterator[int]:
    """Seeds of the split's phantoms as the paper's patients are: scans of a neck with both bifurcations in view."""
    for seed in itertools.count():
        phantom = Phantom.draw(seed, split)
        scan = Scan.draw(phantom)
        if scan.kind == KIND and all(bool(scan.covers(phantom.truth[side], VISIBLE_MM)) for side in SIDES):
            yield seed


def prepare_cases(
    folder: Path,
    counts: Mapping[str, int],
    configs: Sequence[ModelConfig],
    workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, list[int]]:
    """Make what is missing in ``folder`` of so many phantoms a split, and return the seeds of each split.

    `train/` and `val/` hold training cases with the views that all ``configs`` need, `test/` whole volumes with their
    points, as `carotid-landmark phantom` writes them. `seeds.json` lists the seeds.
    """
    listing = folder / "seeds.json"
    folder.mkdir(parents=True, exist_ok=True)
    if listing.is_file():
        seeds = json.loads(listing.read_text(encoding="utf-8"))
    else:
        seeds = {split: list(itertools.islice(suitable_seeds(split), count)) for split, count in counts.items()}
        write_text(listing, json.dumps(seeds) + "\n")
    wanted = [(split, seed) for split in counts for seed in seeds[split]]
    missing = [(split, seed) for split, seed in wanted if not _made(folder, split, seed)]
    for split in counts:
        (folder / split).mkdir(exist_ok=True)
    with pool(workers) as executor:
        coming = [executor.submit(_make, folder, split, seed, tuple(configs)) for split, seed in missing]
        for done, future in enumerate(as_completed(coming), start=len(wanted) - len(missing) + 1):
            future.result()
            progress(done, len(wanted))
    return seeds


def _made(folder: Path, split: str, seed: int) -> bool:
    name = f"{split}-{seed:05d}.phantom.json" if split == TEST else f"{split}-{seed}.case"
    return (folder / split / name).is_file()


def _make(folder: Path, split: str, seed: int, configs: Sequence[ModelConfig]) -> None:
    if split == TEST:
        write_phantoms(folder / split, 1, seed, split)
    else:
        PhantomRecipe(split).make(seed, configs).save(folder / split / f"{split}-{seed}.case")
