"""Where the network computes."""

from __future__ import annotations

import torch

from ..errors import CannotRunError
from . import DEVICES


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is a CUDA GPU where there is one, else the CPU (MPS only when asked for).

    Raises CannotRunError for a device that this machine has not.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        missing = device.type not in DEVICES
    except RuntimeError:
        missing = True
    if not missing and device.type == "cuda":
        missing = (device.index or 0) >= torch.cuda.device_count()
    if not missing and device.type == "mps":
        missing = not torch.backends.mps.is_available()
    if missing:
        raise CannotRunError(f"The device '{name}' does not exist on this machine; use --device cpu or --device auto.")
    return device


def list_devices() -> list[dict[str, str]]:
    """The devices of this machine, best first: "device", as choose_device takes it, and "text", for a person."""
    devices = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices.append(
            {"device": f"cuda:{index}", "text": f"{properties.name}, {properties.total_memory / 1e9:.0f} GB"}
        )
    if torch.backends.mps.is_available():
        devices.append({"device": "mps", "text": "Apple GPU"})
    return [*devices, {"device": "cpu", "text": f"CPU, {torch.get_num_threads()} threads"}]


def is_out_of_memory(error: BaseException) -> bool:
    """True for every way in which Python, numpy and torch say that memory has run out."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
