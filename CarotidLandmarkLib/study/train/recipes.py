"""How each method is trained: what differs between them, as data. Their architectures are model.config.PRESETS."""

from __future__ import annotations

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


_PAPER = Recipe(
    "Ma et al. 2020: all scales at once, gradients through the crops, noise before the last one, in training and in "
    "50 passes at test; Adam at 5e-4. Not in the paper: the presence of the landmark is learned, too, as in every row, "
    "and the weights are a moving average in place of the choice of an epoch.",
    loss="paper",
    weights="paper",
    optimizer="adam",
    learning_rate=5e-4,
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
        "no shares) on crops around the frozen answer before; no gradient between them, no noise.",
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
    "patch-based": Recipe(
        "Noothout et al. 2018: every patch of 8 voxels says whether it holds the landmark, and where it is; the mean "
        "of where they point to, weighted by how likely they hold it. The paper averages over the patches above a "
        "threshold; weights need none, and never leave a volume without an answer. Whole volumes instead of "
        "sub-images, as in every row. Adam at 1e-3.",
        loss="patches",
        optimizer="adam",
    ),
}
