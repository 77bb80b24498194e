"""The paper's Loc-Net at one resolution.

The footnote's extra convolution and down-sampling are read as a fifth level of the U-Net, of twice the width, because
it must see as far in mm as the coarse nets do; one pass, since there is no crop to shift.
"""

from __future__ import annotations

from ..train.losses import equal_weights
from .end_to_end_noise import METHOD as PAPER

METHOD = PAPER.but(
    "single-scale",
    "Loc-Net on the whole volume at its one resolution, with a fifth level for the extra convolution and "
    "down-sampling of the paper's footnote; squared distance, Adam at 5e-4.",
    {
        "scales_mm": (1.0,),
        "channels": ((16, 32, 64, 128, 256),),
        "convs": (1,),
        "covariance_scale": (1.0,),
        "noise_mm": 0.0,
        "crop_size": 224,
    },
    {"weights": equal_weights},
    place=1,
    paper="5.52 ± 5.69",
)
