"""One case: read its volume, detect, and say what went wrong in a sentence."""

from __future__ import annotations

import itertools
import os
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic import write_bytes
from ..errors import (
    BadInputError,
    CancelledError,
    CannotRunError,
    CarotidLandmarkError,
    OutOfMemoryError,
    as_sentence,
)
from ..fork.structures import NAMED, maps_in, read_structures
from ..landmarks.detection import Detection
from ..landmarks.reading import Reading
from ..pictures.key import key_image, png
from ..volume.ct import CTVolume
from ..volume.read import read_volume
from . import LARGEST_SEED, SAMPLES
from .detector import Detector
from .device import is_out_of_memory
from .lumen import add_heights
from .search import Cancelled, Progress

_PILLOW = "Pillow cannot be used ({error}): pip install pillow."


@dataclass(frozen=True)
class Settings:
    """samples, confidence, seed: see Detector.detect. series: UID or part of the name of a DICOM series to read.
    spacing: mm along x, y and z of a file that gives none. fork: whether to look at the lumen. picture: whether to draw
    the key image. structures: folder with label maps of bones to measure heights from (see fork.structures), or with
    such a folder for each case, by its name.

    Raises BadInputError for a seed below 0 or above LARGEST_SEED, and for structures without the fork.
    """

    samples: int = SAMPLES
    confidence: float = 0.90
    seed: int = 0
    series: str | None = None
    spacing: tuple[float, ...] | None = None
    fork: bool = True
    picture: bool = False
    structures: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise BadInputError(f"The seed {self.seed} cannot be; give a whole number from 0 to {LARGEST_SEED}.")
        if self.structures is not None and not self.fork:
            raise BadInputError("Heights beside structures are measured at the fork: leave --no-fork out.")

    def structures_of(self, name: str) -> Path | None:
        """The folder of label maps for the case of this name, None where heights are not asked for."""
        if self.structures is None:
            return None
        own = self.structures / name
        return own if own.is_dir() else self.structures

    def told(self) -> dict[str, Any]:
        """What a detection says of these beside the Detector's own settings: what was not left as it is."""
        structures = None if self.structures is None else str(self.structures)
        told = {"series": self.series, "spacing": self.spacing, "structures": structures}
        return {name: value for name, value in told.items() if value is not None}


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, with a number behind those that came before, so that no case overwrites another's files."""
    used: set[str] = set()
    unique = []
    for name in names:
        candidates = (f"{name}-{number}" if number > 1 else name for number in itertools.count(1))
        unique.append(next(candidate for candidate in candidates if _folded(candidate) not in used))
        used.add(_folded(unique[-1]))
    return unique


def detect_case(
    detector: Detector,
    name: str,
    path: str | os.PathLike[str],
    settings: Settings,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Detection:
    """Detect in the volume file or DICOM folder at `path`; the timing includes reading and drawing.

    A picture that cannot be drawn is a warning of the detection.
    Raises BadInputError, CancelledError, OutOfMemoryError when memory runs out, and FaultError for what nobody foresaw.
    """
    if progress:
        progress("reading", 0.0)
    started = time.perf_counter()
    try:
        volume = read_volume(path, settings.series, settings.spacing)
        read = time.perf_counter() - started
        folder = settings.structures_of(name)
        structures = None if folder is None else read_structures(folder, volume)
        detection = detector.detect(
            volume, settings.samples, settings.confidence, settings.seed, name, progress, cancelled, fork=settings.fork
        )
        if folder is not None and structures is not None:
            add_heights(detection, structures)
            if not any(file.exists() for file in maps_in(folder).values()):
                detection.warnings.append(f"'{folder}' holds none of the label maps {NAMED}.")
        if settings.picture:
            _draw(volume, detection)
    except (CarotidLandmarkError, BrokenPipeError):  # the latter of whoever hears of the progress
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise as_sentence(error) from error
        advice = "try --device cpu" if detector.backend.device != "cpu" else "close other programs or crop the volume"
        raise OutOfMemoryError(f"Memory ran out on {detector.backend.device} with '{path}'; {advice}.") from error
    detection.settings.update(settings.told())
    detection.timing_s["read"] = read
    detection.timing_s["total"] += read
    return detection


def draw_case(
    path: str | os.PathLike[str],
    detection: Detection,
    readings: Mapping[str, Reading],
    output: str | os.PathLike[str],
    progress: Progress,
    cancelled: Cancelled,
) -> None:
    """Draw the key image of a `detection` in the volume at `path`, as a reader has left it, to the file `output`.

    Raises BadInputError, CancelledError, OutOfMemoryError, and CannotRunError where Pillow is missing or the file
    cannot be written; then what was there stays.
    """
    progress("reading", 0.0)
    try:
        volume = read_volume(path)
        _check(cancelled)
        progress("drawing the key image", 0.5)
        picture = png(key_image(volume, detection, readings=readings))
    except ImportError as error:
        raise CannotRunError(f"There is no picture, since {_PILLOW.format(error=error)}") from error
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError("Memory ran out while the key image was drawn; close other programs.") from error
    _check(cancelled)
    write_bytes(output, picture)


def _check(cancelled: Cancelled) -> None:
    if cancelled():
        raise CancelledError("Stopped before the picture was written.")


def _draw(volume: CTVolume, detection: Detection) -> None:
    started = time.perf_counter()
    try:
        detection.picture = png(key_image(volume, detection))
    except ImportError as error:
        detection.warnings.append(f"There is no picture, since {_PILLOW.format(error=error)}")
    except MemoryError:
        detection.warnings.append("There is no picture, since memory ran out while it was drawn.")
    detection.timing_s["picture"] = time.perf_counter() - started
    detection.timing_s["total"] += detection.timing_s["picture"]


def _folded(name: str) -> str:
    """The same for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
