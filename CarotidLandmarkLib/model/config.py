"""What a network is made of. The configuration travels with the weights, in their header."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ..errors import BadInputError

Channels = tuple[int, ...]
Window = tuple[float, float]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class ModelConfig:
    """Architecture, intensity windows and calibration of a MultiScaleLocNet.

    One entry per scale, coarse to fine, in `scales_mm`, `channels`, `convs` and `covariance_scale`.

    scales_mm: voxel size of each scale. channels: U-Net width at each level. convs: 3x3x3 convolutions per level.
    crop_size: voxels along a side of the crops of all scales but the first. slim_decoder: see UNet3d.
    window_hu: one (low, high) pair per input channel, mapped linearly onto [0, 1] and clamped.
    noise_mm: half width of the uniform shift, on each axis, of the last scale's crop.
    looks: passes at each scale between the first and the last; a further one is centred on the answer before it,
    so that a coarse answer at the edge of the crop is seen from nearby.
    starts_mm: heights above the coarse answer from which a detector goes on; it keeps the way that ends most present.
    covariance_scale: factor from each scale's heatmap covariance to a calibrated one.
    presence_scale, presence_offset: calibrated presence = sigmoid(scale * logit + offset).
    """

    name: str = "default"
    scales_mm: tuple[float, ...] = (4.0, 2.0, 1.0, 0.5)
    channels: tuple[Channels, ...] = ((16, 32, 64, 96), (16, 32, 64, 64), (16, 32, 64, 64), (8, 16, 32, 64))
    convs: tuple[int, ...] = (2, 1, 1, 2)
    crop_size: int = 56
    activation: str = "softmax"
    pooling: str = "blur"
    padding_mode: str = "zeros"
    slim_decoder: bool = True
    dropout: float = 0.0
    window_hu: tuple[Window, ...] = ((-200.0, 500.0), (-1000.0, 1500.0))
    noise_mm: float = 5.0
    looks: int = 2
    starts_mm: tuple[float, ...] = (0.0, -25.0, 25.0)
    covariance_scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    presence_scale: float = 1.0
    presence_offset: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.scales_mm)
        per_scale = (self.channels, self.convs, self.covariance_scale)
        if not 1 <= count <= 6 or any(len(value) != count for value in per_scale):
            raise BadInputError(
                "The model's configuration does not give each scale its channels, convs and calibration."
            )
        numbers = [*self.scales_mm, *self.covariance_scale, *(edge for window in self.window_hu for edge in window)]
        numbers += [self.dropout, self.noise_mm, self.presence_scale, self.presence_offset]
        sound = (
            all(math.isfinite(number) for number in numbers)
            and all(spacing > 0 for spacing in self.scales_mm)
            and all(1 <= len(widths) <= 6 and all(1 <= width <= 256 for width in widths) for widths in self.channels)
            and all(1 <= number <= 4 for number in self.convs)
            and bool(self.window_hu)
            and all(len(window) == 2 and window[0] < window[1] for window in self.window_hu)
            and 8 <= self.crop_size <= 256
            and 0 <= self.dropout < 1
            and self.noise_mm >= 0
            and self.looks >= 1
            and bool(self.starts_mm)
            and all(math.isfinite(height) for height in self.starts_mm)
            and self.activation in ("softmax", "relu")
            and self.pooling in ("max", "average", "blur")
            and self.padding_mode in ("zeros", "replicate")
        )
        if not sound:
            raise BadInputError("The model's configuration holds a value that is out of range or not known here.")

    @property
    def extent_mm(self) -> tuple[float, ...]:
        """Edge length of each scale's crop, mm (the first scale sees the whole volume instead)."""
        return tuple(self.crop_size * spacing for spacing in self.scales_mm)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """The reverse of to_dict. Raises BadInputError for unknown keys and for values of a wrong kind."""
        try:
            return cls(**{key: _tuples(value) for key, value in values.items()})
        except (TypeError, ValueError, AttributeError) as error:
            raise BadInputError(f"The model's configuration cannot be understood ({error}).") from error


PRESETS = {
    "default": ModelConfig(),
    "paper": ModelConfig(
        name="paper",
        channels=((16, 32, 64, 128),) * 4,
        convs=(1, 1, 1, 1),
        activation="relu",
        pooling="max",
        slim_decoder=False,
        dropout=0.5,
        looks=1,
        starts_mm=(0.0,),
        window_hu=((-200.0, 600.0),),
    ),
}
