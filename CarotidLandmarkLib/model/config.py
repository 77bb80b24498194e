"""What a network is made of. The configuration travels with the weights, in their header."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ..errors import BadInputError

BFLOAT16_TOLERANCE = 0.1  # share of their spread by which logits may differ from those in float32, see numerics.py
# What older weights files may say: all of them the same, but for the switches of methods that now bring a network.
GONE = {"padding_mode": "zeros", "presence_scale": 1.0, "presence_offset": 0.0, "window_mm": 12.0, "subvoxel": False}
GONE |= {"skip_from_mm": 0.0, "integer_crops": False, "mirror_crops": True}
SWITCHES = {"skip_from_mm": "skipped-voxels", "integer_crops": "integer-crops", "mirror_crops": "without-mirroring"}

Channels = tuple[int, ...]
Window = tuple[float, float]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class ModelConfig:
    """Architecture, intensity windows and calibration of a model. What weights files do not mention has its default.

    One entry per scale, coarse to fine, in `scales_mm`, `channels`, `convs` and `covariance_scale`.

    network: what answers at each scale, a name of networks.NETWORKS.
    scales_mm: voxel size of each scale. channels: U-Net width at each level. convs: 3x3x3 convolutions per level.
    crop_size: voxels along a side of the crops of all scales but the first, and about that many of a whole volume
    where there is but one scale. activation, pooling, dropout, slim_decoder, normalise: see UNet3d.
    window_hu: one (low, high) pair per input channel, mapped linearly onto [0, 1] and clamped.
    noise_mm: half width of the uniform shift, on each axis, of the last scale's crop.
    looks: passes at each scale but the first, each centred on the answer before it, so that an answer at the edge of
    the crop is seen from nearby; noise is for the last of them at the last scale.
    starts_mm: heights above the coarse answer from which a detector goes on; it keeps the way that ends most present.
    peaks: of the heatmap before the last scale's, so many are looked at by the last scale, too; the one is kept that
    both together find likeliest.
    sweep_mm: before a landmark is given up, the second scale looks for it all over the body, at places so far apart;
    0 leaves this out.
    covariance_scale: factor from each scale's heatmap covariance to a calibrated one.
    """

    name: str = "default"
    network: str = "loc-net"
    scales_mm: tuple[float, ...] = (4.0, 2.0, 1.0, 0.5)
    channels: tuple[Channels, ...] = ((16, 32, 64, 96), (16, 32, 64, 64), (16, 32, 64, 64), (8, 16, 32, 64))
    convs: tuple[int, ...] = (2, 1, 1, 2)
    crop_size: int = 56
    activation: str = "softmax"
    pooling: str = "blur"
    slim_decoder: bool = True
    dropout: float = 0.0
    normalise: bool = False
    window_hu: tuple[Window, ...] = ((-200.0, 500.0), (-1000.0, 1500.0))
    noise_mm: float = 5.0
    looks: int = 2
    starts_mm: tuple[float, ...] = (0.0, -25.0, 25.0)
    peaks: int = 3
    sweep_mm: float = 48.0
    covariance_scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        count = len(self.scales_mm)
        per_scale = (self.channels, self.convs, self.covariance_scale)
        if not 1 <= count <= 6 or any(len(value) != count for value in per_scale):
            raise BadInputError(
                "The model's configuration does not give each scale its channels, convs and calibration."
            )
        numbers = [*self.scales_mm, *self.covariance_scale, *(edge for window in self.window_hu for edge in window)]
        numbers += [self.dropout, self.noise_mm, *self.starts_mm, self.sweep_mm]
        sound = (
            all(math.isfinite(number) for number in numbers)
            and all(number > 0 for number in (*self.scales_mm, *self.covariance_scale))
            and all(1 <= len(widths) <= 6 and all(1 <= width <= 256 for width in widths) for widths in self.channels)
            and all(1 <= number <= 4 for number in self.convs)
            and bool(self.window_hu)
            and all(len(window) == 2 and window[0] < window[1] for window in self.window_hu)
            and 8 <= self.crop_size <= 256
            and 0 <= self.dropout < 1
            and self.noise_mm >= 0
            and self.looks >= 1
            and bool(self.starts_mm)
            and self.sweep_mm >= 0
            and self.peaks >= 1
            and self.activation in ("softmax", "relu", "linear")
            and self.pooling in ("max", "blur")
        )
        if not sound:
            raise BadInputError("The model's configuration holds a value that is out of range or not known here.")

    @property
    def extent_mm(self) -> tuple[float, ...]:
        """Edge length of each scale's crop, mm (the first scale sees the whole volume instead)."""
        return tuple(self.crop_size * spacing for spacing in self.scales_mm)

    def at_half_resolution(self) -> ModelConfig:
        """The same experiment with voxels twice as large and half as many along each axis; lengths in mm stay."""
        return dataclasses.replace(
            self,
            scales_mm=tuple(2 * spacing for spacing in self.scales_mm),
            crop_size=self.crop_size // 2,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """The reverse of to_dict, also of older versions. Raises BadInputError for unknown keys and for values of a
        wrong kind."""
        try:
            values = {key: value for key, value in values.items() if GONE.get(key, ...) != value}
            switch = next((key for key in SWITCHES if key in values), None)
            if switch:
                del values[switch]
                values["network"] = SWITCHES[switch]
            return cls(**{key: _tuples(value) for key, value in values.items()})
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise BadInputError(f"The model's configuration cannot be understood ({error}).") from error
