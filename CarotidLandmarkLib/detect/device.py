"""Where the networks compute."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from ..errors import CannotRunError
from . import DEVICES

if TYPE_CHECKING:
    import torch

DRIVERS = ("nvcuda.dll", "amdhip64.dll") if os.name == "nt" else ("libcuda.so.1", "libamdhip64.so")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name in torch; "auto" is a CUDA GPU where there is one, else the CPU (MPS only when asked
    for).

    Raises CannotRunError for a device that this machine has not.
    """
    import torch

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


def has_torch() -> bool:
    """Whether torch is installed; it is not imported to find out."""
    return importlib.util.find_spec("torch") is not None


def may_have_cuda() -> bool:
    """Whether torch, where it is installed, is to be asked for a GPU; without a driver that would be a slow import for
    nothing."""
    return has_torch() and any(_loads(driver) for driver in DRIVERS)


def has_cuda() -> bool:
    """Whether torch sees a CUDA GPU. One that is installed but cannot be imported sees none."""
    if not may_have_cuda():
        return False
    try:
        return choose_device().type == "cuda"
    except (ImportError, OSError):  # a build for another system, or a library of it that is missing
        return False


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def list_devices() -> list[dict[str, str]]:
    """The devices of this machine, best first: "device", for Detector.from_weights, and "text", for a person."""
    devices = []
    with suppress(ImportError, OSError):  # as in has_cuda
        devices = _devices_of_torch()
    return [*devices, {"device": "cpu", "text": f"CPU, {allowed_threads()} threads"}]


def _devices_of_torch() -> list[dict[str, str]]:
    if not (may_have_cuda() or (sys.platform == "darwin" and has_torch())):
        return []
    import torch

    devices = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        text = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB"
        devices.append({"device": f"cuda:{index}", "text": text})
    if torch.backends.mps.is_available():
        devices.append({"device": "mps", "text": "Apple GPU"})
    return devices


def allowed_threads() -> int:
    """How many threads may compute: as many as OMP_NUM_THREADS says, or else as there are cores, but no more than the
    process may use at once."""
    with suppress(ValueError):
        told = int(os.environ.get("OMP_NUM_THREADS", ""))
        if told > 0:
            return told
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = min(cores, len(os.sched_getaffinity(0)))
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        quota, period = (int(number) for number in CPU_QUOTA.read_text().split())
        cores = min(cores, max(1, round(quota / period)))
    return cores


def is_out_of_memory(error: BaseException) -> bool:
    """True for every way in which Python, numpy, torch and OpenVINO say that memory has run out."""
    text = str(error).lower()
    said = ("out of memory", "can't allocate memory", "failed to allocate", "bad_alloc", "bad allocation")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(words in text for words in said))
