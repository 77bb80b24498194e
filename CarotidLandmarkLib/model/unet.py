"""3D U-Net of any extent (Cicek et al., MICCAI 2016, arXiv 1606.06650)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import Conv3d

SLOPE = 0.1


class BlurPool3d(nn.Module):
    """Halves each axis after a fixed binomial [1, 2, 1] filter, against aliasing (Zhang 2019, arXiv 1904.11486)."""

    def forward(self, x: Tensor) -> Tensor:
        return means_of_means(x) if x.is_cuda else _Blur.apply(x)


def means_of_means(x: Tensor) -> Tensor:
    """The same filter as two means of two voxels along each axis, which a GPU computes far quicker."""
    return F.avg_pool3d(F.avg_pool3d(F.pad(x, (1,) * 6), 2, 1), 2, 2)


class _Blur(torch.autograd.Function):
    """A grouped convolution. Its gradient goes axis by axis: PyTorch's own takes a CPU several times as long."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.size = x.shape[2:]
        tap = torch.tensor([0.25, 0.5, 0.25], device=x.device, dtype=x.dtype)
        kernel = tap[:, None, None] * tap[:, None] * tap
        return F.conv3d(x, kernel.expand(x.shape[1], 1, 3, 3, 3), stride=2, padding=1, groups=x.shape[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        for axis in (4, 3, 2):
            shape = (*gradient.shape[:axis], ctx.size[axis - 2], *gradient.shape[axis + 1 :])
            wide = torch.empty(
                shape, dtype=gradient.dtype, device=gradient.device, memory_format=torch.channels_last_3d
            )
            even, odd = (wide.movedim(axis, 0)[first::2] for first in (0, 1))
            narrow = gradient.movedim(axis, 0)
            quarter = 0.25 * narrow
            even.copy_(0.5 * narrow)
            odd.copy_(quarter[: len(odd)])
            odd[: len(quarter) - 1] += quarter[1 : len(odd) + 1]
            gradient = wide
        return gradient


POOLING: dict[str, Callable[[], nn.Module]] = {
    "max": lambda: nn.MaxPool3d(2),
    "blur": BlurPool3d,
}


class InstanceNorm3d(nn.InstanceNorm3d):
    """Each channel of each image to mean 0 and variance 1, then scaled and shifted (Ulyanov 2016, arXiv 1607.08022).

    A single image is normalised as a batch, which is the same and keeps its memory format: on a CPU six times as fast,
    so several are taken one by one there. A single voxel stays as it is.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, input: Tensor) -> Tensor:
        if input[0, 0].numel() == 1:
            return input
        if len(input) > 1 and input.is_cpu:
            return torch.cat([self.forward(one) for one in input.split(1)])
        if len(input) > 1:
            return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)
        return F.batch_norm(input, None, None, self.weight, self.bias, training=True, eps=self.eps)


class UNet3d(nn.Module):
    """U-Net with nearest upsampling and concatenation; (B, C, D, H, W) of any extent in, same extent out, float32.

    channels: width of each level. convs_per_level: 3x3x3 convolutions on each level of either side.
    slim_decoder: the last convolution before an upsampling narrows to the width of the level above, which halves the
    cost of the full-resolution level; without it the decoder is the paper's. activation: "softmax" leaves logits
    (last layer small, so that training starts from a flat heatmap), "relu" rectifies inside and at the output, "linear"
    inside only. dropout acts on the way down. normalise: instance normalisation after each convolution.
    The convolutions are of the input's type (float32 or bfloat16), the head is always float32, since a logit of 20 in
    bfloat16 is off by up to 6 %.

    Convolutions pad with zeros: replicate padding adds a copy and 10 to 25 % to each of them on a CPU. The windowed
    input is 0 for air, so zeros go on as the air around a body does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: Sequence[int],
        convs_per_level: int = 1,
        pooling: str = "blur",
        activation: str = "softmax",
        dropout: float = 0.0,
        slim_decoder: bool = True,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        self.relu_output = activation == "relu"
        slope = SLOPE if activation == "softmax" else 0.0

        def block(width: int, *widths: int, drop: float = 0.0) -> nn.Sequential:
            layers: list[nn.Module] = []
            for fan_in, fan_out in zip((width, *widths), widths):
                convolution = Conv3d(fan_in, fan_out, 3, padding=1)
                layers += [convolution, *([InstanceNorm3d(fan_out)] if normalise else []), nn.LeakyReLU(slope)]
            return nn.Sequential(*layers, *([nn.Dropout(drop)] if drop else []))

        last = len(channels) - 1
        ends = [channels[max(i - 1, 0)] if slim_decoder else channels[i] for i in range(last + 1)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        width = in_channels
        for i, wide in enumerate(channels):
            inner = [wide] * (convs_per_level - 1)
            self.down.append(block(width, *inner, ends[i] if i == last else wide, drop=dropout))
            if i < last:
                self.up.append(block(wide + ends[i + 1], *inner, ends[i]))
            width = wide
        self.pool: nn.Module = POOLING[pooling]()
        self.head = nn.Linear(ends[0], out_channels)
        self._initialise(slope)

    def _initialise(self, slope: float) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, slope, nonlinearity="leaky_relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        if self.relu_output:
            nn.init.kaiming_normal_(self.head.weight)
            nn.init.constant_(self.head.bias, 0.1)
        else:
            nn.init.normal_(self.head.weight, std=0.01 if slope else 0.001)
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        extent = x.shape[2:]
        padding = [amount for n in reversed(extent) for amount in (0, -n % self.multiple)]
        if any(padding):
            x = F.pad(x, padding, mode="replicate")
        x = x.to(memory_format=torch.channels_last_3d)
        skips: list[Tensor] = []
        for i, level in enumerate(self.down):
            x = level(self.pool(x) if i else x)
            skips.append(x)
        x = skips.pop()
        for level in reversed(self.up):
            x = level(torch.cat([skips.pop(), F.interpolate(x, scale_factor=2, mode="nearest")], 1))
        x = self.head(x.movedim(1, -1).float()).movedim(-1, 1)[:, :, : extent[0], : extent[1], : extent[2]]
        return F.relu(x) if self.relu_output else x


def parameter_count(module: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in module.parameters())
