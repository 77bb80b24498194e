"""One case: read its volume, detect, and say what went wrong in a sentence."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import BadInputError, OutOfMemoryError
from ..landmarks.detection import Detection
from ..volume.read import read_volume
from .detector import Detector
from .device import is_out_of_memory
from .search import Cancelled, Progress


@dataclass(frozen=True)
class Settings:
    """samples, confidence, seed: see Detector.detect. series: UID or part of the name of a DICOM series to read.
    spacing: mm along x, y and z of a file that gives none."""

    samples: int = 50
    confidence: float = 0.90
    seed: int = 0
    series: str | None = None
    spacing: tuple[float, ...] | None = None


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, with a number behind those that came before, so that no case overwrites another's files."""
    used: set[str] = set()
    unique = []
    for name in names:
        candidates = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
        unique.append(next(candidate for candidate in candidates if candidate.lower() not in used))
        used.add(unique[-1].lower())
    return unique


def detect_case(
    detector: Detector,
    name: str,
    path: str | os.PathLike[str],
    settings: Settings,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Detection:
    """Detect in the volume file or DICOM folder at `path`; the timing includes reading.

    Raises BadInputError, CancelledError, and OutOfMemoryError when memory runs out.
    """
    if not os.fspath(path).isprintable():  # bytes that are no text make ITK end the whole process
        raise BadInputError(f"The name of {os.fspath(path)!r} holds bytes that are no text; rename it.")
    if progress:
        progress("reading", 0.0)
    started = time.perf_counter()
    try:
        volume = read_volume(path, settings.series, settings.spacing)
        read = time.perf_counter() - started
        detection = detector.detect(
            volume, settings.samples, settings.confidence, settings.seed, name, progress, cancelled
        )
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        advice = "try --device cpu" if detector.device.type != "cpu" else "close other programs or crop the volume"
        raise OutOfMemoryError(f"Memory ran out on {detector.device} with '{path}'; {advice}.") from error
    detection.timing_s["read"] = read
    detection.timing_s["total"] += read
    return detection
