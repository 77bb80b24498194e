"""The vessels at both forks as Slicer markups, and the points that centreline tools ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from .forks import ForkResult
from .markups import control_point, markup, write_markup_file
from .points import LABELS

SHORT = {"common": "CCA", "internal": "ICA", "external": "ECA"}
COLORS = {"common": (0.85, 0.25, 0.20), "internal": (0.95, 0.60, 0.20), "external": (0.65, 0.40, 0.80)}
SEED_MM, END_MM = (15.0, 40.0), 3.0  # from the fork along each vessel, as far as that goes but for its end


def short_names(fork: ForkResult) -> dict[str, str]:
    """Of each vessel (of VESSELS), with a question mark where the daughters cannot be told apart."""
    doubt = "" if fork.internal_probability is not None else "?"
    return {name: short + ("" if name == "common" else doubt) for name, short in SHORT.items()}


def seeds(fork: ForkResult) -> dict[str, np.ndarray]:
    """Of each vessel (of VESSELS) that is followed so far, a point (3,) LPS mm within its lumen, SEED_MM from the fork
    and END_MM before its end: of the common carotid the inlet, of the others outlets. None at all without an inlet and
    an outlet."""
    found = {}
    for name, line in (fork.vessels or {}).items():
        length = np.append(0.0, np.linalg.norm(np.diff(line[:, :3], axis=0), axis=1).cumsum())
        reached = np.nonzero((length >= SEED_MM[0]) & (length <= min(SEED_MM[1], length[-1] - END_MM)))[0]
        if len(reached):
            found[name] = line[reached[-1], :3]
    return found if "common" in found and len(found) > 1 else {}


def write_forks(path: str | os.PathLike[str], forks: Mapping[str, ForkResult]) -> None:
    """Write the vessels of each side as curves, with a radius (mm) at every point, as SlicerVMTK has it.

    Raises CannotRunError if the file cannot be written.
    """
    curves = []
    for side, fork in forks.items():
        for name, line in (fork.vessels or {}).items():
            label = f"{LABELS[side]} {short_names(fork)[name]}"
            points = [control_point(number, label, place) for number, place in enumerate(line[:, :3], start=1)]
            radius = {
                "name": "Radius",
                "enabled": True,
                "units": "mm",
                "printFormat": "%5.3f %s",
                "controlPointValues": line[:, 3].tolist(),
            }
            display = {"pointLabelsVisibility": False, "glyphScale": 0.5, "selectedColor": list(COLORS[name])}
            curves.append(markup("Curve", points, [radius], display, label))
    write_markup_file(path, curves)


def write_seeds(path: str | os.PathLike[str], forks: Mapping[str, ForkResult]) -> None:
    """Write a list of `seeds` for each side that has some, as SlicerVMTK's Extract Centerline takes it.

    The start is not selected. Raises CannotRunError if the file cannot be written.
    """
    lists = []
    for side, fork in forks.items():
        shorts = short_names(fork)
        points = [
            control_point(number, f"{LABELS[side]} {shorts[name]}", place, selected=name != "common")
            for number, (name, place) in enumerate(seeds(fork).items(), start=1)
        ]
        lists += [markup("Fiducial", points, name=f"{LABELS[side]} seeds")] if points else []
    write_markup_file(path, lists)
