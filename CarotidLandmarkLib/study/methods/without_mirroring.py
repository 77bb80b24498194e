"""An ablation of the default: its mirrored crops."""

from __future__ import annotations

from torch import Tensor

from ...model.crop import side_frame
from ...model.locnet import LocNet
from .default import METHOD as DEFAULT


class UnmirroredNet(LocNet):
    """Sees crops of both sides as they are."""

    def frame(self, side: str, spacing_mm: float) -> Tensor:
        """See ScaleNet."""
        return side_frame("right", spacing_mm)


METHOD = DEFAULT.but(
    "without-mirroring",
    "The default with crops of the left side as they are: the finer nets, still shared, see both sides.",
    {"network": "without-mirroring"},
    network=UnmirroredNet,
    table="ablations",
    place=3,
)
