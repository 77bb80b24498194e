"""The forks of phantoms: their vessels as they were drawn, and the measures that a perfect trace would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from ..fork.measures import vessel_values
from ..fork.sections import Sections
from ..landmarks.forks import VESSELS
from ..landmarks.points import SIDES, as_position
from ..phantom.shapes import Tube
from ..volume.geometry import Grid
from .cases import Case, read_phantom

STEP_MM, NEAR_MM = 0.25, 0.2  # between true sections, and how far from a place one counts for it
UNION_MM, REACH_MM, FINE_MM = 1.0, 9.0, 0.3  # between sections of joined lumens, half their width, their pixels
CLEAR_MM = 3.0  # so far below their beginning the daughters no longer widen the common carotid
BELOW_MM, ABOVE_MM = 15.0, 12.0  # of the vessels that the volume has to show around the carina
NARROWED_PERCENT = 30.0  # of less narrowing no one place is the narrowest


@dataclass(frozen=True)
class TrueFork:
    """One side of a phantom.

    carina: (3,) LPS mm. vessels: each of VESSELS from the fork outwards, (n, 4), LPS mm and the open lumen's radius in
    mm; the daughters begin where the common one ends, and part at the carina, higher up. is_open: neither the common
    nor the internal one is occluded. calcium_mm3: what can be told from the lumen within 20 mm, None is not known.
    """

    carina: np.ndarray
    vessels: dict[str, np.ndarray]
    is_open: bool
    calcium_mm3: float | None = None

    @cached_property
    def lumens(self) -> dict[str, Tube]:
        """The three as solids in LPS mm."""
        return {name: Tube(line[:, :3], line[:, 3], 0.0) for name, line in self.vessels.items()}

    def shown_by(self, grid: Grid) -> bool:
        """Whether the volume holds the middle of the vessels BELOW_MM below and ABOVE_MM above the carina."""
        for name, line in self.vessels.items():
            reach = BELOW_MM if name == "common" else ABOVE_MM
            points = np.concatenate([[self.carina], _along(line[:, :3], STEP_MM)])
            away = np.linalg.norm(points - self.carina, axis=1)
            if away.max() < reach or grid.distance_inside(points[away <= reach]).min() < 0:
                return False
        return True

    def measures(self) -> dict[str, float]:
        """The true measures by name, those of fork.measures without heights; what the fork does not have is not there.

        `internal_narrowest_at_mm` is there only where the internal carotid has NARROWED_PERCENT.
        """
        vessels = {name: self._daughter(name) for name in VESSELS[1:]}
        told = vessel_values({"common": self._common(), **vessels}, self.carina, NEAR_MM)
        found = {name: value for name, value in told.items() if not isinstance(value, str)}
        if found.get("nascet_percent", 0.0) < NARROWED_PERCENT:
            found.pop("internal_narrowest_at_mm", None)
        return found if self.calcium_mm3 is None else {**found, "calcium_mm3": self.calcium_mm3}

    def _daughter(self, name: str) -> Sections:
        line = _along(self.vessels[name], STEP_MM)
        return Sections(_lengths(line[:, :3]), line[:, :3], 2 * line[:, 3])

    def _common(self) -> Sections:
        """The common carotid from the carina down; above where the daughters begin it is all three lumens together."""
        below = self.vessels["common"]
        apart = float(np.linalg.norm(self.carina - below[0, :3]))
        line = _along(np.concatenate([[[*self.carina, below[0, 3]]], below]), STEP_MM)
        length, diameter = _lengths(line[:, :3]), 2 * line[:, 3]
        joined = np.arange(0, min(apart + CLEAR_MM, length[-1]), UNION_MM)
        places = np.stack([np.interp(joined, length, axis) for axis in line[:, :3].T], 1)
        areas = [self._union_mm2(place, way) for place, way in zip(places, np.gradient(places, axis=0))]
        near = length <= joined[-1]
        diameter[near] = np.interp(length[near], joined, 2 * np.sqrt(np.divide(areas, np.pi)))
        return Sections(length, line[:, :3], diameter)

    def _union_mm2(self, place: np.ndarray, way: np.ndarray) -> float:
        """The area of the lumens together around `place` (3,), across `way` (3,)."""
        one = np.cross(way, np.eye(3)[np.abs(way).argmin()])
        two = np.cross(way, one)
        aside = np.arange(-REACH_MM, REACH_MM + FINE_MM / 2, FINE_MM)
        points = (
            place + aside[:, None, None] * one / np.linalg.norm(one) + aside[None, :, None] * two / np.linalg.norm(two)
        )
        near = [Tube(line[:, :3], line[:, 3], 0.0) for line in self._near(place)]
        share = np.clip(0.5 - np.minimum.reduce([lumen.distance(points) for lumen in near]) / FINE_MM, 0, 1)
        labels, _ = ndimage.label(share)
        middle = len(aside) // 2
        nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
        label = labels[tuple(nearest[:, middle, middle])]  # the carina itself lies on the lumens' edge
        return float(share[labels == label].sum()) * FINE_MM**2

    def _near(self, place: np.ndarray) -> list[np.ndarray]:
        """Of each vessel that comes near to `place` (3,) what may be within a section there."""
        parts = []
        for line in self.vessels.values():
            near = np.flatnonzero(np.linalg.norm(line[:, :3] - place, axis=1) <= 2 * REACH_MM)
            if len(near) > 1:
                parts.append(line[near[0] : near[-1] + 1])
        return parts


def read_true_forks(case: Case) -> dict[str, TrueFork]:
    """Side to its true fork, where a phantom's file beside the volume tells its vessels; else empty."""
    about = read_phantom(case)
    try:
        return {side: _true_fork(about, side) for side in SIDES}
    except (KeyError, TypeError, ValueError, OverflowError):
        return {}


def _true_fork(about: Mapping[str, Any], side: str) -> TrueFork:
    facts, vessels = about["facts"][side], {}
    for name in VESSELS:
        line = np.array(about["centrelines_lps_mm"][side][name], dtype=np.float64)
        if line.ndim != 2 or line.shape[1] != 4 or len(line) < 2 or not np.isfinite(line).all():
            raise ValueError(f"the {side} {name} vessel is not rows of 4 finite numbers")
        vessels[name] = line[::-1] if name == "common" else line  # it is written as the blood flows
    calcium = about.get("bright_calcium_mm3")
    return TrueFork(
        as_position(about["carina_lps_mm"][side]),
        vessels,
        not facts["occluded"] and not facts["common_occluded"],
        None if calcium is None else float(calcium[side]),
    )


def _along(line: np.ndarray, step: float) -> np.ndarray:
    """(m, k) the same polyline (n, k), whose first three columns are places, every `step` mm."""
    length = _lengths(line[:, :3])
    return np.stack([np.interp(np.arange(0, length[-1], step), length, column) for column in line.T], 1)


def _lengths(points: np.ndarray) -> np.ndarray:
    return np.append(0.0, np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum())
