"""What the tests of batches have processes do with a case instead of detecting."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from CarotidLandmarkLib.detect.results import Outcome
from CarotidLandmarkLib.errors import BadInputError


def act(case: Outcome) -> Outcome:
    """By the case's name: "dies" ends the process, "dies once" ends the first that works on it, "bad" is an error.

    A line with the process is added to its file each time that a case is done.
    """
    died = case.path.with_suffix(".died")
    time.sleep(0.05)
    if case.name.startswith("dies") and not (case.name == "dies once" and died.exists()):
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with open(case.path, "a") as file:
        file.write(f"{os.getpid()}\n")
    return replace(case, error=BadInputError("It is bad.")) if case.name == "bad" else case


def make_cases(folder: Path, *names: str) -> list[Outcome]:
    return [Outcome(name, folder / f"{name}.txt") for name in names]


def processes_of(case: Outcome) -> list[str]:
    """Those that have done it."""
    return case.path.read_text().split() if case.path.exists() else []
