"""What a method is: an architecture, how it is trained, and its row in a table."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Optional

from torch import Tensor

from ...model.config import ModelConfig
from ...model.locnet import ScaleNet
from ...model.multiscale import ScaleOutput
from ...model.networks import NETWORKS
from ..train.cases import Views, views_of
from ..train.losses import equal_weights

Loss = Callable[[ScaleOutput, Optional[Tensor]], Tensor]
ScaleWeights = Callable[[float, int], "list[float]"]


@dataclass(frozen=True)
class Recipe:
    """about: the method in a sentence, with what the paper leaves open and why it is as it is.

    loss: of one output, with the truth (B, 3) LPS mm or None where the landmark is not there.
    weights: of the scales, coarse to fine, at a progress from 0 to 1.
    optimizer: "adamw" with a warm-up and a cosine to 1 %, or "adam" at a constant rate.
    through: share of the gradient that a finer scale sends back through its crop's centre.
    answers: share of the crops that are centred on the previous scale's answer, where that is near, else on the truth.
    coarse_only: share of the steps that are for the coarsest net alone. decoys: share of the others that also show a
    crop without a landmark.
    anywhere: every crop is centred on the answer before, however far off, for which cases hold the whole volume.
    whole: scales, by number, at which cases hold the whole volume although only its crops are looked at.
    augmented: volumes are seen rotated, scaled, mirrored, cut and with other contrast.
    presence: whether the landmark is there is learned; else every volume is taken to hold both.
    average: of the weights, what the moving average keeps in a step; 0: the last step's weights are the answer.
    clip: largest norm of each net's gradient.
    """

    about: str
    loss: Loss
    weights: ScaleWeights = equal_weights
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    through: float = 1.0
    answers: float = 1.0
    coarse_only: float = 0.0
    decoys: float = 0.5
    anywhere: bool = False
    whole: tuple[int, ...] = ()
    augmented: bool = True
    presence: bool = True
    average: float = 0.998
    clip: float = 5.0

    def views(self, config: ModelConfig) -> Views:
        """What cases must hold for a model of this configuration to be trained so."""
        return views_of(config, self.anywhere, self.whole)


@dataclass(frozen=True)
class Method:
    """config: its architecture at full resolution; config.name is the method's.

    table and place: the table that it is a row of, and where. paper: its error in the paper's Table 1, mean ± SD in mm,
    of patients. package: what its net is from, if not from here. network: the net of a scale that config.network names,
    if that is the method's own; from then on weights files with it can be read.
    """

    config: ModelConfig
    recipe: Recipe
    table: str = ""
    place: int = 0
    paper: str = ""
    package: str = ""
    network: type[ScaleNet] | None = None

    def __post_init__(self) -> None:
        if self.network is not None:
            NETWORKS[self.config.network] = self.network

    @property
    def name(self) -> str:
        return self.config.name

    def installed(self) -> bool:
        """Whether the package that it needs can be imported."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def but(
        self,
        name: str,
        about: str,
        config: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
        **row: Any,
    ) -> Method:
        """A method like this one, with something changed of its architecture, its training and its row."""
        changed = replace(self.config, name=name, **(config or {}))
        return replace(self, config=changed, recipe=replace(self.recipe, about=about, **(recipe or {})), **row)
