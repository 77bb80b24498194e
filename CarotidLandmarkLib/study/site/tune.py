"""Fine-tuning: the net of the finest scale goes on learning from a site's cases, with phantoms mixed in.

The nets keep the definition that they were trained on: the site's offset is taken off its points, and added to answers
afterwards (see detect.definition). So phantoms need no other truth, and all that compares one scale with another, or
with the lumen, stays as it is. What the net says of presence stays, too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...atomic import remove_folder, write_text
from ...landmarks.points import mirrored
from ...model.config import ModelConfig
from ...model.weights import load_weights
from ..cases import Case, digest
from ..methods import get
from ..patients import marks_of
from ..train.cases import Views
from ..train.data import TrainingData
from ..train.loop import WEIGHTS, Options, launch, run
from ..train.sources import CaseStore, PhantomRecipe, VolumeRecipe

BATCH = 2  # volumes a step
LEARNING_RATE, DECOYS = 1e-3, 0.25
PHANTOM_SPLIT = "train"
KEPT_EVERY_MINUTES = 1.0


@dataclass(frozen=True)
class Tuning:
    """One run in ``folder``. offset (3,): of the site, left side, LPS mm; kept: where training cases are."""

    folder: Path
    base: Path
    cases: Sequence[Case]
    offset: np.ndarray
    kept: Path
    phantoms: int
    steps: int
    device: str = "cpu"

    @property
    def identity(self) -> str:
        """Stands for what it is shown."""
        facts = digest(self.cases), self.offset.tolist(), self.phantoms
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def settle(self) -> None:
        """Make the folder that of this run: what one with other cases has left in it goes."""
        mark = self.folder / "identity"
        if mark.is_file() and mark.read_text() != self.identity:
            remove_folder(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(mark, self.identity)

    @property
    def weights(self) -> Path:
        """Where its result is."""
        return self.folder / WEIGHTS


class SiteData(TrainingData):
    """A site's cases by the definition of the weights, and phantoms, in proportion to their numbers; none to validate
    on, since other folds judge."""

    def __init__(self, tuning: Tuning, config: ModelConfig) -> None:
        self.offset, self.seed, self.online, self.anywhere = tuning.offset, 0, False, False
        self.stores, self.validation, self.count = [], [], 0
        self.site, phantoms = stores(tuning.cases, config, tuning.kept)
        self._add(self.site, len(tuning.cases))
        self._add(phantoms, tuning.phantoms)
        self.description = f"{len(tuning.cases)} cases of a site and {tuning.phantoms} procedural phantoms"
        self.identity, self.volumes = tuning.identity, marks_of(tuning.cases)

    def _get(self, store: Any, index: int) -> Any:
        case = store.get(index)
        if store is not self.site:
            return case
        truth = {side: None if p is None else p - mirrored(side, self.offset) for side, p in case.truth.items()}
        return replace(case, truth=truth)


def stores(cases: Sequence[Case], config: ModelConfig, kept: Path) -> tuple[CaseStore, CaseStore]:
    """Training cases of the site, and phantoms, with what the finest scale looks at; kept in this folder."""
    finest = config.scales_mm[-1]
    views = get(config.name).recipe.views(config)
    pieces = {spacing: size for spacing, size in views.pieces.items() if spacing == finest}
    views = Views(tuple({config.scales_mm[0], *([] if pieces else [finest])}), pieces)
    phantoms = PhantomRecipe(PHANTOM_SPLIT)
    return CaseStore(VolumeRecipe(cases), views, kept), CaseStore(phantoms, views, kept)


def prepare(case: Case | int, base: Path, kept: Path) -> None:
    """Make the training case of a volume, or of the phantom of this number, unless it is there."""
    config = load_weights(base)[0].config
    site, phantoms = stores([case] if isinstance(case, Case) else [], config, kept)
    if isinstance(case, Case):
        site.get(0)
    else:
        phantoms.get(case)


def tune(tuning: Tuning) -> None:
    """`train_on` in a process of its own, of one thread; what it says goes to a log."""
    tuning.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(tuning.folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.setdefault("TQDM_MININTERVAL", "30")
    os.environ.setdefault("CAROTID_LANDMARK_TRACEBACK", "1")
    import torch

    torch.set_num_threads(1)
    train_on(tuning)


def train_on(tuning: Tuning) -> None:
    """Train, or go on with what was trained before; the result does not depend on where it was interrupted."""
    config = load_weights(tuning.base)[0].config
    recipe = replace(get(config.name).recipe, learning_rate=LEARNING_RATE, decoys=DECOYS)
    options = Options(
        out=tuning.folder,
        start=(tuning.base,),
        scales=config.scales_mm[-1:],
        batch=BATCH,
        steps=tuning.steps,
        epoch=max(tuning.steps, 1),
        checkpoint_minutes=KEPT_EVERY_MINUTES,
        device=tuning.device,
        workers=0,
        resume=True,
        keep_presence=True,
    )
    run(options, config, recipe, SiteData(tuning, config), launch(options))
