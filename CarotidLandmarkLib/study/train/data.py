"""The training and validation cases of a run, in an order that depends on its options only."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import BadInputError
from ...model.config import ModelConfig
from ...phantom.scaffold import list_scaffolds
from ..cases import Case, digest, read_cases
from ..methods.method import Recipe
from ..patients import marks_of, members, patients_of
from .cases import TrainingCase
from .sources import CaseFolder, CaseStore, PhantomRecipe, VolumeRecipe

if TYPE_CHECKING:
    from .loop import Options

POOL = 64  # phantoms in use at a time when they are made online
RENEWED = 16  # of them are new in each round through the pool
AHEAD = 24


class TrainingData:
    """Cases by step. Volumes from ``options.data`` and phantoms are mixed in proportion to their numbers.

    A tenth of the volumes (at least one, chosen by the seed, with all others of the same patients) is held out for
    validation; phantoms for validation come from their own split.
    With ``options.cases`` all are ready-made: those of its folders `train` and `val`.
    ``description`` says in words what there is, ``identity`` stands for it, ``volumes`` are marks_of the volumes.
    Cases show all of the volume at every scale where the ``recipe`` has crops anywhere, and else pieces of it around
    the landmarks.
    """

    def __init__(self, options: Options, config: ModelConfig, recipe: Recipe, device: str) -> None:
        views = recipe.views(config)
        self.anywhere = recipe.anywhere
        folder = options.cache or options.out / "cases"
        self.seed = options.seed
        self.stores: list[tuple[CaseStore | CaseFolder, int]] = []
        self.validation: list[tuple[CaseStore | CaseFolder, int]] = []
        self.online = options.phantoms == "online"
        self.count = 0
        self.volumes: set[str] = set()
        parts = []
        facts: list[Any] = []
        if options.cases is not None:
            ready, val_ready = (CaseFolder(options.cases / split) for split in ("train", "val"))
            missing = min(
                (spacing for one in (ready, val_ready) for spacing in self._get(one, 0).lacks(views)), default=0
            )
            if missing:
                raise BadInputError(f"The cases in {options.cases} lack what {config.name} looks at at {missing:g} mm.")
            self._add(ready, len(ready))
            self.validation += [(val_ready, i) for i in range(len(val_ready))]
            parts.append(f"{len(ready)} training cases")
            facts.append([path.name for one in (ready, val_ready) for path in one.paths])
        if options.data is not None:
            samples = read_cases(options.data)
            order = np.random.default_rng([options.seed, 17]).permutation(len(samples))
            train, held = _hold_out(samples, order)
            self._add(CaseStore(VolumeRecipe(train), views, folder / "data", options.workers), len(train))
            store = CaseStore(VolumeRecipe(held), views, folder / "data-val")
            self.validation += [(store, i) for i in range(len(held))]
            self.volumes = marks_of(samples)
            parts.append(f"{len(samples)} volumes")
            facts.append(digest(samples))
        number = 0 if self.online else int(options.phantoms)
        if self.online or number:
            scaffolds = list_scaffolds(options.scaffold) if options.scaffold else []
            worker_device = device if options.workers == 0 else "cpu"
            train_recipe = PhantomRecipe("train", options.first_seed, scaffolds, options.scaffold_share, worker_device)
            self._add(CaseStore(train_recipe, views, folder, options.workers), number)
            val_recipe = PhantomRecipe("val", 0, scaffolds, options.scaffold_share, worker_device)
            val = CaseStore(val_recipe, views, folder, options.workers)
            self.validation += [(val, i) for i in range(options.validation)]
            share = f", {options.scaffold_share:.0%} on scaffolds" if scaffolds else ""
            parts.append(f"{'online' if self.online else number} procedural phantoms{share}")
            names = [path.name for path in scaffolds]
            facts.append([options.phantoms, options.first_seed, names, options.scaffold_share if names else None])
        if not self.stores:
            raise BadInputError(
                "There is nothing to train on: give --phantoms N, --phantoms online, --cases or --data."
            )
        if self.online and len(self.stores) > 1:
            raise BadInputError("--phantoms online can't be mixed with --data or --cases: give --phantoms a number.")
        self.description = " and ".join(parts)
        self.identity = hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace")).hexdigest()

    def _add(self, store: CaseStore | CaseFolder, number: int) -> None:
        self.stores.append((store, number))
        self.count += number

    def _locate(self, position: int) -> tuple[CaseStore | CaseFolder, int]:
        """The store and index of the case at a position of the endless sequence of steps."""
        size = POOL if self.online else self.count
        turn, place = divmod(position, size)
        index = int(np.random.default_rng([self.seed, 23, turn]).permutation(size)[place])
        if self.online:
            return self.stores[0][0], index + turn * RENEWED
        for store, number in self.stores:
            if index < number:
                return store, index
            index -= number
        raise IndexError(position)

    def case(self, position: int) -> TrainingCase:
        for ahead in range(position, position + AHEAD):
            store, index = self._locate(ahead)
            store.prefetch([index])
        return self._get(*self._locate(position))

    def validation_cases(self) -> Iterator[TrainingCase]:
        for store, index in self.validation:
            store.prefetch([index])
        for store, index in self.validation:
            yield self._get(store, index)

    def _get(self, store: CaseStore | CaseFolder, index: int) -> TrainingCase:
        case = store.get(index)
        return replace(case, pieces=[]) if self.anywhere else case

    def close(self) -> None:
        for store in {store for store, _ in [*self.stores, *self.validation]}:
            store.close()


def _hold_out(samples: Sequence[Case], order: np.ndarray) -> tuple[list[Case], list[Case]]:
    """Those to train on, and those to validate on: a tenth, by this order, of whole patients; of the patient with the
    fewest cases where each has more than a tenth."""
    wanted = max(1, len(samples) // 10) if len(samples) > 1 else 0
    patients = patients_of(samples[i] for i in order)
    of_patient = members(patients)
    held: set[str] = set()
    for names in of_patient.values():
        if len(held) + len(names) <= wanted:
            held.update(names)
    if wanted and len(of_patient) == 1:
        held = set(list(patients)[:wanted])
    elif wanted and not held:
        held = set(sorted(of_patient.values(), key=len)[0])
    most = max(map(len, of_patient.values()))
    if wanted and most > len(samples) / 2:
        print(
            f"{most} of {len(samples)} cases are of one patient, by DICOM's patient ID or by their voxels"
            + (": it is validated on other scans of whom it is trained on." if len(of_patient) == 1 else "."),
            file=sys.stderr,
        )
    return [case for case in samples if case.name not in held], [case for case in samples if case.name in held]
