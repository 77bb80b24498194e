"""Which backend runs a weights file."""

from __future__ import annotations

import os
from typing import Any

from ...errors import BadInputError, CannotRunError
from ...model.weights import Weights, build_model, read_weights
from .. import BACKENDS
from ..device import choose_device, has_torch, may_have_cuda
from .backend import Backend


def load(
    path: str | os.PathLike[str] | None, device: str = "auto", backend: str = "auto"
) -> tuple[Backend, dict[str, Any]]:
    """The networks of the weights at `path`, ready to run, and their header; see Detector.from_weights."""
    if backend not in BACKENDS:
        raise BadInputError(f"The backend {backend!r} is not known; there are {', '.join(BACKENDS)}.")
    if backend == "openvino" and device not in ("auto", "cpu"):
        raise CannotRunError(f"OpenVINO computes on the CPU, not on '{device}'; use --backend torch for that.")
    weights = read_weights(path)
    if backend == "torch" or device not in ("auto", "cpu"):
        return _in_torch(weights, device), weights.header
    if backend == "openvino":
        return _in_openvino(weights), weights.header
    return _automatic(weights, device), weights.header


def _automatic(weights: Weights, device: str) -> Backend:
    """torch where it has a CUDA GPU, else OpenVINO where it is there and knows the networks, else torch."""
    if device == "auto" and may_have_cuda() and choose_device().type == "cuda":
        return _in_torch(weights, device)
    try:
        from ...model.openvino_graph import lacking
    except ImportError as error:
        if not has_torch():
            raise CannotRunError(
                f"Neither OpenVINO ({error}) nor PyTorch is there, and one of them must run the networks: "
                "pip install openvino."
            ) from error
        return _in_torch(weights, device)
    known = lacking(weights.config) is None or not has_torch()
    return _in_openvino(weights) if known else _in_torch(weights, device)


def _in_openvino(weights: Weights) -> Backend:
    try:
        from .with_openvino import OpenVinoBackend
    except ImportError as error:
        raise CannotRunError(f"OpenVINO cannot be imported ({error}): pip install openvino.") from error
    return OpenVinoBackend(weights)


def _in_torch(weights: Weights, device: str) -> Backend:
    try:
        from .with_torch import TorchBackend
    except ImportError as error:
        raise CannotRunError(f"PyTorch cannot be imported ({error}): pip install torch.") from error
    chosen = choose_device(device)
    return TorchBackend(build_model(weights), chosen)
