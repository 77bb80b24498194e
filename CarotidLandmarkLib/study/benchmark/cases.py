"""The phantoms of a benchmark: the same for every row, made once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from pathlib import Path

from ...atomic import reading_back, write_text
from ...landmarks.points import SIDES
from ...phantom.files import VISIBLE_MM, write_phantoms
from ...phantom.phantom import Phantom
from ...phantom.scan import Scan
from ..processes import pool, result_of
from ..train.cases import Views, all_views
from ..train.sources import PhantomRecipe, digest
from .rows import TABLES, rows_of

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


def training_folder(folder: Path, views: Views) -> Path:
    """Where `prepare_cases` puts training cases with these views: cases with others lie beside them."""
    return folder / f"views-{digest(tuple(views))}"


def needed_views(half_resolution: bool) -> Views:
    """What the training cases show: all that the rows of all tables need."""
    rows = [row for table in TABLES for row in rows_of(table) if row.installed()]
    configs = [row.config.at_half_resolution() if half_resolution else row.config for row in rows]
    return all_views([row.recipe.views(config) for config, row in zip(configs, rows)])


def prepare_cases(
    folder: Path, counts: Mapping[str, int], views: Views, workers: int, progress: Callable[[int, int], None]
) -> dict[str, list[int]]:
    """Make what is missing in ``folder`` of so many phantoms a split, and return the seeds of each split.

    `train/` and `val/` of the `training_folder` hold training cases, `test/` whole volumes with their points, as
    `carotid-landmark phantom` writes them. `seeds.json` lists the seeds.
    """
    listing = folder / "seeds.json"
    folder.mkdir(parents=True, exist_ok=True)
    if listing.is_file():
        with reading_back(listing) as told:
            seeds = {split: [int(seed) for seed in told[split][: counts[split]]] for split in counts}
    else:
        seeds = {split: list(itertools.islice(suitable_seeds(split), count)) for split, count in counts.items()}
        write_text(listing, json.dumps(seeds) + "\n")
    wanted = [(split, seed) for split in counts for seed in seeds[split]]
    homes = {split: (folder if split == TEST else training_folder(folder, views)) / split for split in counts}
    for home in homes.values():
        home.mkdir(parents=True, exist_ok=True)
    missing = [(split, seed) for split, seed in wanted if not _made(homes[split], split, seed)]
    if not missing:
        return seeds
    with pool(workers) as executor:
        coming = [executor.submit(_make, homes[split], split, seed, views) for split, seed in missing]
        for done, future in enumerate(as_completed(coming), start=len(wanted) - len(missing) + 1):
            result_of(future)
            progress(done, len(wanted))
    return seeds


def _made(home: Path, split: str, seed: int) -> bool:
    name = f"{split}-{seed:05d}.phantom.json" if split == TEST else f"{split}-{seed}.case"
    return (home / name).is_file()


def _make(home: Path, split: str, seed: int, views: Views) -> None:
    if split == TEST:
        write_phantoms(home, 1, seed, split)
    else:
        PhantomRecipe(split).make(seed, views).save(home / f"{split}-{seed}.case")
