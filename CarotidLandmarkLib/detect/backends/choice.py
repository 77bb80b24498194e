"""Which backend runs a weights file."""

from __future__ import annotations

from ...errors import BadInputError, CannotRunError
from ...model.weights import Weights, build_model
from .. import BACKENDS
from ..device import choose_device, has_cuda, has_torch
from .backend import Backend


def load(weights: Weights, device: str = "auto", backend: str = "auto") -> Backend:
    """The networks of `weights`, ready to run; see Detector.from_weights."""
    if backend not in BACKENDS:
        raise BadInputError(f"The backend {backend!r} is not known; there are {', '.join(BACKENDS)}.")
    if backend == "openvino" and device not in ("auto", "cpu"):
        raise CannotRunError(f"OpenVINO computes on the CPU, not on '{device}'; use --backend torch for that.")
    if backend == "torch" or device not in ("auto", "cpu"):
        return _in_torch(weights, device)
    if backend == "openvino":
        return _in_openvino(weights)
    return _automatic(weights, device)


def _automatic(weights: Weights, device: str) -> Backend:
    """torch where it has a CUDA GPU, else OpenVINO where it is there and knows the networks, else torch."""
    if device == "auto" and has_cuda():
        return _in_torch(weights, device)
    try:
        from ...model.openvino_graph import lacking
    except ImportError as error:
        try:
            return _in_torch(weights, device)
        except CannotRunError as other:
            raise CannotRunError(
                f"Neither OpenVINO ({error}) nor PyTorch is there, and one of them must run the networks: "
                f"pip install openvino. ({other})"
            ) from error
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
