"""Ma, Gupta and Sabuncu, ISBI 2020: end to end, with noise injection. Where the paper is silent:

- widths, max pooling, dropout and the rectified output are those of the authors' implementation;
- one network serves both sides (the paper has one per landmark), which halves the time of every row alike;
- window: the soft tissue and contrast medium that a carotid is made of;
- no second look, no other starts: the paper has one way down.
"""

from __future__ import annotations

import math

from ...model.config import ModelConfig
from ..train.losses import paper_loss, paper_weights
from .method import Method, Recipe

METHOD = Method(
    ModelConfig(
        name="end-to-end-noise",
        channels=((16, 32, 64, 128),) * 4,
        convs=(1, 1, 1, 1),
        activation="relu",
        pooling="max",
        slim_decoder=False,
        dropout=0.5,
        looks=1,
        starts_mm=(0.0,),
        peaks=1,
        sweep_mm=0.0,
        window_hu=((-200.0, 600.0),),
    ),
    Recipe(
        "Ma et al. 2020: all scales at once, every crop on the answer before, however far off, in training and at "
        "test, gradients through all of them, uniform noise of 5 mm on each axis before the last one, in training "
        "and in 50 passes at test; Adam at 5e-4. As in every row of the paper there is no augmentation, no clipping "
        "of gradients, no presence and no moving average: the weights are the last step's. Not in the paper: coarse "
        "levels are means and of any extent; one net serves both sides, mirrored for the left.",
        loss=paper_loss,
        weights=paper_weights,
        optimizer="adam",
        learning_rate=5e-4,
        decoys=0.0,
        anywhere=True,
        augmented=False,
        presence=False,
        average=0.0,
        clip=math.inf,
    ),
    table="table1",
    place=5,
    paper="2.81 ± 2.37",
)
