"""An ablation of the default: its crops between voxels."""

from __future__ import annotations

from torch import Tensor

from ...model.locnet import LocNet
from .default import METHOD as DEFAULT


class IntegerNet(LocNet):
    """Sees crops on whole voxels (known of the paper's implementation)."""

    def place(self, center: Tensor, spacing_mm: float) -> Tensor:
        """See ScaleNet."""
        return (center.detach() / spacing_mm).round() * spacing_mm


METHOD = DEFAULT.but(
    "integer-crops",
    "The default with crops on whole voxels whose answers are placed as if they were not, without gradient.",
    {"network": "integer-crops"},
    network=IntegerNet,
    table="ablations",
    place=5,
)
