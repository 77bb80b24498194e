"""Errors that a user can cause.

The message is one sentence: what was wrong, where, and what to do. The command line prints it and exits with
``exit_code``; it never shows a traceback for one of these. ``reason`` is a word for programs, where one acts on it.
"""

from __future__ import annotations


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
