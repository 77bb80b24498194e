"""3D convolution by oneDNN on any CPU, forwards and backwards."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv3d_weight

SLAB = 100_000_000
ONES = (1, 1, 1)


class Conv3d(nn.Conv3d):
    """Convolution that computes in its input's type, whatever the type its parameters are kept in.

    But float32 where a gradient is wanted of an input two voxels deep: oneDNN, as in torch 2.13 on CPUs with bfloat16,
    leaves the weights' gradient of that unwritten.

    float32 on a CPU is given to oneDNN by name, where the output is as large as the input. torch 2.13 of its own accord
    gives it a single image only if all channels of a slice of it, rows by columns, are over 20,480 values, and else
    takes up to ten times as long, for the gradients as well.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dtype == torch.bfloat16 and input.shape[2] == 2 and torch.is_grad_enabled():
            return self.forward(input.float()).to(input.dtype)
        bias = None if self.bias is None else self.bias.to(input.dtype)
        weight = self.weight.to(input.dtype)
        onednn = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
        fits = input.is_cpu and input.dtype == torch.float32 and input.dim() == 5
        if onednn and fits and self._keeps_the_size():
            return _ByName.apply(input, weight, bias) if torch.is_grad_enabled() else _convolve(input, weight, bias)
        return self._conv_forward(input, weight, bias)

    def _keeps_the_size(self) -> bool:
        plain = self.stride == ONES and self.dilation == ONES and self.groups == 1 and self.padding_mode == "zeros"
        odd = all(n % 2 for n in self.kernel_size)
        return plain and odd and self.padding == tuple(n // 2 for n in self.kernel_size)


def _convolve(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    padding = [n // 2 for n in weight.shape[2:]]
    return torch.mkldnn_convolution(image, weight, bias, padding, ONES, ONES, 1)


class _ByName(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(image, weight)
        return _convolve(image, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        image, weight = ctx.saved_tensors
        image, gradient = (x.contiguous(memory_format=torch.channels_last_3d) for x in (image, gradient))
        of_image = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_image = _convolve(gradient, weight.flip(2, 3, 4).transpose(0, 1).contiguous(), None)
        if ctx.needs_input_grad[1]:
            of_weight = _gradient_of_weight(image, weight, gradient)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3, 4))
        return of_image, of_weight, of_bias


def _gradient_of_weight(image: Tensor, weight: Tensor, gradient: Tensor) -> Tensor:
    """Two slabs of the image at a time, at most SLAB values: as a batch, which torch gives to oneDNN whatever its size,
    and because without AVX-512 oneDNN has no kernel for some 200 million values or more, and takes minutes."""
    slabs = 2 * max(1, -(-image.numel() // SLAB))
    depth = -(-image.shape[2] // slabs)
    above, *beside = (n // 2 for n in weight.shape[2:])
    total = torch.zeros_like(weight)
    for first in range(0, image.shape[2], 2 * depth):
        two = (first, first + depth)
        seen = torch.cat([_slab(image, at - above, at + depth + above) for at in two])
        wanted = torch.cat([_slab(gradient, at, at + depth) for at in two])
        total += conv3d_weight(seen, weight.shape, wanted, padding=(0, *beside))
    return total


def _slab(x: Tensor, begin: int, end: int) -> Tensor:
    """These slices of x, and zeros for those before its first and behind its last one."""
    low, high = (min(max(at, 0), x.shape[2]) for at in (begin, end))
    inside = x[:, :, low:high]
    return F.pad(inside, (0, 0, 0, 0, low - begin, end - high)) if high - low < end - begin else inside
