"""Do two readers of the same cases agree? Each reader's newest revision of a case is compared with each other's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ...landmarks.corrections import Correction
from ...landmarks.points import AXES, SAME_MM, SIDES, mirrored
from ..reliability import bland_altman, icc_2_1
from ..stats import bootstrap, each, interval, mean, percentiles
from .readings import last_words

LIMIT_MM = 3.0
COLUMNS = (
    *("case", "side", "reader_a", "reader_b", "decision_a", "decision_b"),
    *(f"{axis}_{reader}_lps_mm" for reader in "ab" for axis in "xyz"),
    *(f"{axis}_mm" for axis in AXES),
    "distance_mm",
)


@dataclass(frozen=True)
class Reread:
    """One landmark that both of two ``readers`` decided on; ``points`` are (3,) LPS mm, None where it is missing."""

    case: str
    side: str
    readers: tuple[str, str]
    decisions: tuple[str, str]
    points: tuple[np.ndarray | None, np.ndarray | None]

    @property
    def offset_mm(self) -> np.ndarray | None:
        """From the first reader's point to the second's along AXES (3,), None where either has none."""
        first, second = self.points
        return None if first is None or second is None else mirrored(self.side, second - first)

    @property
    def distance_mm(self) -> float | None:
        """How far the points are apart; None where either has none."""
        return None if self.offset_mm is None else float(np.linalg.norm(self.offset_mm))

    @property
    def one_missing(self) -> str | None:
        """The reader who alone says that there is no landmark; None where they do not differ in it."""
        missing = [point is None for point in self.points]
        return self.readers[missing.index(True)] if missing.count(True) == 1 else None

    def row(self) -> dict[str, Any]:
        """The landmark as a line with COLUMNS."""
        row: dict[str, Any] = {"case": self.case, "side": self.side, "distance_mm": self.distance_mm}
        for name, reader, decision, point in zip("ab", self.readers, self.decisions, self.points):
            row.update({f"reader_{name}": reader, f"decision_{name}": decision})
            row.update({} if point is None else {f"{axis}_{name}_lps_mm": of for axis, of in zip("xyz", point)})
        if self.offset_mm is not None:
            row.update({f"{axis}_mm": of for axis, of in zip(AXES, self.offset_mm)})
        return row


def find_rereads(corrections: Iterable[Correction]) -> list[Reread]:
    """Every landmark that two readers decided on, once for each pair of readers, which are in alphabetical order."""
    by_case: dict[str, list[Correction]] = {}
    for of in last_words(corrections):
        by_case.setdefault(of.case, []).append(of)
    found = []
    for case, readings in by_case.items():
        for a, b in combinations(sorted(readings, key=lambda of: of.reader), 2):
            for side in SIDES:
                if side not in (*a.unreviewed, *b.unreviewed):
                    decisions = a.decisions[side], b.decisions[side]
                    points = a.truth().points[side], b.truth().points[side]
                    found.append(Reread(case, side, (a.reader, b.reader), decisions, points))
    return found


def agreements(rereads: Sequence[Reread], limit_mm: float = LIMIT_MM) -> list[dict[str, Any]]:
    """``agreement`` of each pair of readers, in the order of their names."""
    pairs = sorted({of.readers for of in rereads})
    return [agreement([of for of in rereads if of.readers == pair], limit_mm) for pair in pairs]


def agreement(rereads: Sequence[Reread], limit_mm: float = LIMIT_MM) -> dict[str, Any]:
    """Return how two readers agree, as plain dictionaries; mm, second reader less first.

    "landmarks" are those that both placed, "both_accepted" how many of them both left at one prediction;
    "both_missing" and "only" (reader to number) count what both, or one alone, called missing. "distance" has mean,
    median and P95 with bootstrap intervals over cases. "axes" maps each of AXES to ``bland_altman`` of the differences
    and "icc", ``icc_2_1`` of the positions; for both the right side is mirrored onto the left (x changes its sign), so
    that a bias means away from the midline, backwards or upwards on either side. The correlation compares the readers'
    differences with the spread of positions in the coordinates of the scans, which scans that lie differently on the
    table alone make large. "over_limit" are rows of landmarks that are further apart than ``limit_mm``, or missing for
    one reader alone, worst first.
    """
    readers = rereads[0].readers
    placed = [of for of in rereads if of.offset_mm is not None]
    differences = np.array([of.offset_mm for of in placed]).reshape(-1, 3)
    positions = np.array([[mirrored(of.side, point) for point in of.points if point is not None] for of in placed])
    apart = [of for of in rereads if of.one_missing or (of.distance_mm or 0) > limit_mm]
    apart.sort(key=lambda of: -(np.inf if of.distance_mm is None else of.distance_mm))
    return {
        "readers": list(readers),
        "cases": len({of.case for of in rereads}),
        "landmarks": len(placed),
        "both_accepted": sum(
            of.decisions == ("accepted", "accepted") and (of.distance_mm or 0) < SAME_MM for of in placed
        ),
        "both_missing": sum(of.points[0] is None and of.points[1] is None for of in rereads),
        "only": {reader: sum(of.one_missing == reader for of in rereads) for reader in readers},
        "distance": _distance(np.linalg.norm(differences, axis=1), [of.case for of in placed]),
        "axes": {
            axis: {
                **bland_altman(differences[:, i]),
                "icc": icc_2_1(positions.reshape(-1, 2, 3)[:, :, i]),
            }
            for i, axis in enumerate(AXES)
        },
        "limit_mm": limit_mm,
        "over_limit": [of.row() for of in apart],
    }


def _distance(distances: np.ndarray, cases: Sequence[str]) -> dict[str, Any] | None:
    if not len(distances):
        return None

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        median, p95 = percentiles(distances, (50, 95), weights)
        return {"mean": mean(distances, weights), "median": median, "p95": p95}

    of_all = each(float, figures(np.ones(len(distances))))
    return {**of_all, "interval_95": each(interval, bootstrap(figures, cases))}
