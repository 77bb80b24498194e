"""What the tables compare, and with which budget: as data."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...model.config import PRESETS, ModelConfig
from ..train.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class Row:
    """A method, with what is changed of its architecture and of its training.

    paper: its error in the paper's Table 1, mean ± SD in mm, of patients. package: what it is from, if not from here.
    """

    name: str
    method: str
    about: str = ""
    paper: str = ""
    package: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def installed(self) -> bool:
        """Whether the package that it needs can be imported."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def design(self) -> tuple[ModelConfig, Recipe]:
        """Its architecture at full resolution, and how it is trained."""
        if self.package:
            from .peers import PEERS

            config, recipe = PEERS[self.method]
        else:
            config, recipe = PRESETS[self.method], RECIPES[self.method]
        about = self.about or recipe.about
        return replace(config, **self.architecture), replace(recipe, about=about, **self.training)


@dataclass(frozen=True)
class Budget:
    """half_resolution: see ModelConfig.at_half_resolution. minutes: of training a run, by `clock` (see Options); None
    where its steps are all that ends it."""

    half_resolution: bool
    minutes: float | None
    clock: str
    device: str


BASELINE = "default"
BUDGETS = {"small": Budget(True, 8.0, "cpu", "cpu"), "full": Budget(False, 120.0, "wall", "auto")}
_DEFAULT = Row(BASELINE, "default")
_ON_ANSWERS = {"anywhere": True}
TABLES = {
    "table1": (
        Row("heatmap", "heatmap", paper="6.45 ± 9.18"),
        Row("single-scale", "single-scale", paper="5.52 ± 5.69"),
        Row("patch-based", "patch-based", paper="4.35 ± 4.33"),
        Row("multi-step", "multi-step", paper="3.72 ± 4.20"),
        Row("end-to-end", "end-to-end", paper="3.61 ± 3.17"),
        Row("end-to-end-noise", "end-to-end-noise", paper="2.81 ± 2.37"),
        Row("heatmap-tuned", "heatmap-tuned"),
        Row("landmarker-scn", "landmarker-scn", package="landmarker"),
        Row("monai-unet", "monai-unet", package="monai"),
        _DEFAULT,
    ),
    "ablations": (
        _DEFAULT,
        Row(
            "without-cross-entropy",
            "default",
            "The default without its cross-entropy: L1 and presence alone.",
            training={"loss": "distance"},
        ),
        Row(
            "without-blurpool",
            "default",
            "The default with max pooling instead of BlurPool.",
            architecture={"pooling": "max"},
        ),
        Row(
            "without-normalisation",
            "default",
            "The default without its instance normalisation.",
            architecture={"normalise": False},
        ),
        Row(
            "without-mirroring",
            "default",
            "The default with crops of the left side as they are: the finer nets, still shared, see both sides.",
            architecture={"mirror_crops": False},
        ),
        Row(
            "skipped-voxels",
            "default",
            "The default with its two coarse levels made of every n-th voxel of the third level instead of means.",
            architecture={"skip_from_mm": 1.0},
        ),
        Row(
            "integer-crops",
            "default",
            "The default with crops on whole voxels whose answers are placed as if they were not, without gradient.",
            architecture={"integer_crops": True},
        ),
        Row(
            "on-answers",
            "default",
            "The default with every crop on the answer before, however far off, and the whole gradient through it (the "
            "default's are there only half of the time and where that is near, with a tenth of the gradient).",
            training={**_ON_ANSWERS, "through": 1.0},
        ),
        Row(
            "detached",
            "default",
            "The same as on-answers without a gradient through the crops: each scale learns from its own loss alone.",
            training={**_ON_ANSWERS, "through": 0.0},
        ),
    ),
}
