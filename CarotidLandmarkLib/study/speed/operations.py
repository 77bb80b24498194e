"""Floating-point operations of the networks' convolutions, two a multiplication, and what a matrix product reaches."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model.weights import Weights

if TYPE_CHECKING:
    import torch

MATRIX, PRODUCTS = 2048, 4


class Operations(ABC):
    """A sum of the operations of networks, by scale and extent (D, H, W) of what they are shown."""

    def __init__(self) -> None:
        self.total = 0
        self.known: dict[tuple[int, ...], int] = {}

    def add(self, scale: int, extent: Sequence[int], times: int = 1) -> None:
        """Images of this extent are shown to the network of this scale."""
        key = (scale, *extent)
        if key not in self.known:
            self.known[key] = self.count(scale, tuple(extent))
        self.total += times * self.known[key]

    @abstractmethod
    def count(self, scale: int, extent: tuple[int, ...]) -> int:
        """The operations of one image."""


class OfGraphs(Operations):
    """Those of OpenVINO's graphs."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights

    def count(self, scale: int, extent: tuple[int, ...]) -> int:
        """See Operations."""
        from ...model.openvino_graph import build

        total = 0
        for node in build(self.weights.config, self.weights.tensors, scale, extent).get_ops():
            kind = node.get_type_name()
            if kind in ("Convolution", "GroupConvolution"):
                kernel = list(node.input(1).get_shape())[1 if kind == "Convolution" else 2 :]
                total += 2 * math.prod(node.output(0).get_shape()) * math.prod(kernel)
        return total


class OfModules(Operations):
    """Those of torch's networks, one a scale, that see so many channels."""

    def __init__(self, nets: Sequence[Any], channels: int = 1) -> None:
        super().__init__()
        self.nets, self.channels = nets, channels

    def count(self, scale: int, extent: tuple[int, ...]) -> int:
        """See Operations; the network is shown an empty image."""
        import torch

        total = 0

        def counted(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            nonlocal total
            transposed = isinstance(module, torch.nn.ConvTranspose3d)
            total += 2 * (inputs[0] if transposed else output).numel() * module.weight[0].numel()

        kinds = (torch.nn.Conv3d, torch.nn.ConvTranspose3d)
        hooks = [m.register_forward_hook(counted) for m in self.nets[scale].modules() if isinstance(m, kinds)]
        with torch.inference_mode():
            self.nets[scale](torch.zeros(1, self.channels, *extent, device=next(self.nets[scale].parameters()).device))
        for hook in hooks:
            hook.remove()
        return total


class MatrixProduct:
    """Operations a second of a product of square matrices, with the library and the number type of an engine."""

    def __init__(self, engine: str, threads: int) -> None:
        backend, precision = engine.split("/")
        rng = np.random.default_rng(0)
        one, other = (rng.normal(size=(MATRIX, MATRIX)).astype(np.float32) for _ in range(2))
        if backend == "openvino":
            self.product = _in_openvino(one, other, precision, threads)
        else:
            import torch

            a, b = (torch.from_numpy(matrix).to(getattr(torch, precision)) for matrix in (one, other))
            self.product = lambda: a @ b
        self.product()

    def speed(self) -> float:
        """Operations a second, now."""
        begun = time.perf_counter()
        for _ in range(PRODUCTS):
            self.product()
        return 2 * MATRIX**3 * PRODUCTS / (time.perf_counter() - begun)


def _in_openvino(one: np.ndarray, other: np.ndarray, precision: str, threads: int) -> Any:
    from ...model.quiet_openvino import openvino, opset13

    parameter = opset13.parameter(list(one.shape), np.float32)
    graph = openvino.Model([opset13.matmul(parameter, other, False, False)], [parameter])
    how = {"INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision]}
    request = (
        openvino.Core()
        .compile_model(graph, "CPU", {**how, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1})
        .create_infer_request()
    )
    return lambda: request.infer([one])
