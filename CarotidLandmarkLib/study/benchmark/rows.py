"""What the tables compare, and with which budget: as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..methods import get, names
from ..methods.method import Method


@dataclass(frozen=True)
class Budget:
    """half_resolution: see ModelConfig.at_half_resolution. minutes: of training a run, by `clock` (see Options); None
    where its steps are all that ends it."""

    half_resolution: bool
    minutes: float | None
    clock: str
    device: str


BASELINE = "default"
BUDGETS = {"small": Budget(True, 8.0, "cpu", "cpu"), "full": Budget(False, 120.0, "wall", "auto")}
TABLES = ("table1", "ablations")


def rows_of(table: str) -> list[Method]:
    """The methods that are rows of a table, in its order; the baseline is one of every table."""
    rows = [method for method in map(get, names()) if method.table == table]
    if all(row.name != BASELINE for row in rows):
        rows.append(replace(get(BASELINE), place=-1))
    return sorted(rows, key=lambda row: row.place)
