"""CarotidLandmark: both carotid bifurcations in a neck CT, each with its uncertainty.

    volume = read_volume("neck.nrrd")
    detection = Detector.from_weights().detect(volume)

What is named here is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .detect.detector import Detector
    from .errors import CarotidLandmarkError
    from .landmarks.detection import Detection, LandmarkDetection, read_detection, write_detection
    from .pictures.key import key_image
    from .volume.ct import CTVolume
    from .volume.geometry import Grid
    from .volume.read import find_cases, read_volume

__version__ = "0.7.0"
__all__ = [
    "CTVolume",
    "CarotidLandmarkError",
    "Detection",
    "Detector",
    "Grid",
    "LandmarkDetection",
    "find_cases",
    "key_image",
    "read_detection",
    "read_volume",
    "write_detection",
]

_HOMES = {
    "detect.detector": ("Detector",),
    "errors": ("CarotidLandmarkError",),
    "landmarks.detection": ("Detection", "LandmarkDetection", "read_detection", "write_detection"),
    "pictures.key": ("key_image",),
    "volume.ct": ("CTVolume",),
    "volume.geometry": ("Grid",),
    "volume.read": ("find_cases", "read_volume"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
