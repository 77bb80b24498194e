"""Errors that a user can cause.

The message is one sentence: what was wrong, where, and what to do. The command line prints it and exits with
``exit_code``; it never shows a traceback for one of these. ``reason`` is a word for programs, where one acts on it.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path


class CarotidLandmarkError(Exception):
    """Base of every error that is reported to the user as one sentence."""

    exit_code = 3
    reason: str | None = None


class BadInputError(CarotidLandmarkError):
    """A file, folder or value given by the user cannot be used."""

    exit_code = 2


class CannotRunError(CarotidLandmarkError):
    """The input may be fine, but it cannot be run here: weights, memory, device or output folder."""

    exit_code = 3


class OutOfMemoryError(CannotRunError):
    """Memory ran out on a device; another device may have enough."""

    reason = "out_of_memory"


class CancelledError(CarotidLandmarkError):
    """The user stopped the work."""

    exit_code = 130


class FaultError(CannotRunError):
    """An error that nobody foresaw, of ours or of a library."""


def as_sentence(error: Exception) -> CarotidLandmarkError:
    """`error` itself where it is one of these, else a FaultError whose sentence tells its type, message and place.

    Its traceback goes to stderr where the environment variable CAROTID_LANDMARK_TRACEBACK is set.
    """
    if isinstance(error, CarotidLandmarkError):
        return error
    if os.environ.get("CAROTID_LANDMARK_TRACEBACK"):
        traceback.print_exception(type(error), error, error.__traceback__)
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] == "torch":
        return CannotRunError("This needs PyTorch, which is not installed: pip install 'carotid-landmark[torch]'.")
    if isinstance(error, MemoryError):
        return OutOfMemoryError("Memory ran out; close other programs.")
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    place = next((f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in (ours or frames)[::-1]), "")
    message = " ".join(str(error).split())
    return FaultError(f"This should not happen, please report it: {type(error).__name__}{place}: {message}")
