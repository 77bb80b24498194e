"""How each method is trained: what differs between them, as data. Their architectures are model.config.PRESETS."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """about: the method in a sentence, with what the paper leaves open and why it is as it is.

    loss and weights: names in losses.LOSSES and losses.WEIGHTS (of the scales over the course of training).
    optimizer: "adamw" with a warm-up and a cosine to 1 %, or "adam" at a constant rate.
    through: share of the gradient that a finer scale sends back through its crop's centre.
    answers: share of the crops that are centred on the previous scale's answer, where that is near, else on the truth.
    coarse_only: share of the steps that are for the coarsest net alone. decoys: share of the others that also show a
    crop without a landmark.
    anywhere: every crop is centred on the answer before, however far off, for which cases hold the whole volume.
    augmented: volumes are seen rotated, scaled, mirrored, cut and with other contrast.
    presence: whether the landmark is there is learned; else every volume is taken to hold both.
    average: of the weights, what the moving average keeps in a step; 0: the last step's weights are the answer.
    clip: largest norm of each net's gradient.
    """

    about: str
    loss: str
    weights: str = "equal"
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    through: float = 1.0
    answers: float = 1.0
    coarse_only: float = 0.0
    decoys: float = 0.5
    anywhere: bool = False
    augmented: bool = True
    presence: bool = True
    average: float = 0.998
    clip: float = 5.0


_PAPER = Recipe(
    "Ma et al. 2020: all scales at once, every crop on the answer before, however far off, in training and at test, "
    "gradients through all of them, uniform noise of 5 mm on each axis before the last one, in training and in 50 "
    "passes at test; Adam at 5e-4. As in every row of the paper there is no augmentation, no clipping of gradients, no "
    "presence and no moving average: the weights are the last step's. Not in the paper: coarse levels are means and of "
    "any extent; one net serves both sides, mirrored for the left.",
    loss="paper",
    weights="paper",
    optimizer="adam",
    learning_rate=5e-4,
    decoys=0.0,
    anywhere=True,
    augmented=False,
    presence=False,
    average=0.0,
    clip=math.inf,
)

RECIPES = {
    "default": Recipe(
        "Ours: softmax heatmaps, L1 and cross-entropy to a small Gaussian, instance normalisation, antialiased "
        "pooling, averaged levels, two windows, a second look at each scale, presence; crops half around the truth and "
        "half around the answer before, whose gradient is weakened to a tenth, since what comes from a fine scale is "
        "many times what its own loss gives a coarse one; half of the steps are for the slow coarsest net alone.",
        loss="default",
        learning_rate=2e-3,
        through=0.1,
        answers=0.5,
        coarse_only=0.5,
    ),
    "paper": _PAPER,
    "end-to-end-noise": _PAPER,
    "end-to-end": replace(
        _PAPER,
        about="Ma et al. 2020 without the noise: all scales at once, gradients through the crops, a single pass.",
    ),
    "multi-step": replace(
        _PAPER,
        about="Ma et al. 2020, the scales trained one after another, each for a quarter of the budget (the paper gives "
        "no shares) on crops around the frozen answer before, however far off; no gradient between them, no noise.",
        weights="stages",
        through=0.0,
    ),
    "single-scale": replace(
        _PAPER,
        about="Loc-Net on the whole volume at its one resolution, with a fifth level for the extra convolution and "
        "down-sampling of the paper's footnote; squared distance, Adam at 5e-4.",
        weights="equal",
    ),
    "heatmap": replace(
        _PAPER,
        about="The same U-Net without a centre of mass: regression of a Gaussian of SD 6 mm by its squared difference, "
        "in units of the Gaussian's own square, so that it does not depend on resolution and extent; the answer is the "
        "highest voxel.",
        loss="heatmap",
        weights="equal",
    ),
    "heatmap-tuned": Recipe(
        "A heatmap U-Net as good as we can make it: softmax over the volume and cross-entropy to a Gaussian of 1.2 "
        "voxels, instance normalisation, antialiased pooling, two windows, AdamW with a cosine; the answer is the "
        "centre of mass within 4 mm of the peak.",
        loss="cross-entropy",
        learning_rate=2e-3,
    ),
    "patch-based": replace(
        _PAPER,
        about="Noothout et al. 2018: every patch of 8 voxels says whether it holds the landmark, and where it is; the "
        "mean of where they point to, weighted by how likely they hold it. The paper averages over the patches above a "
        "threshold; weights need none, and never leave a volume without an answer. Whole volumes instead of "
        "sub-images, as in every row. Adam at 1e-3.",
        loss="patches",
        weights="equal",
        learning_rate=1e-3,
    ),
}
