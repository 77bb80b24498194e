"""Errors by what may explain them: slice spacing, stenosis, distance to the border of the volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..scores import summary
from .rows import Row


class Factor(NamedTuple):
    """Landmarks with ``value(row)`` in [edges[i - 1], edges[i]) make up group i, called names[i]."""

    key: str
    title: str
    value: Callable[[Row], float | None]
    edges: tuple[float, ...]
    names: tuple[str, ...]


FACTORS = (
    Factor(
        "slice_spacing_mm",
        "Slice spacing, mm",
        lambda row: None if row.slice_spacing is None else round(row.slice_spacing, 2),
        (1.0, 2.0, 3.0),
        ("< 1", "1 to < 2", "2 to < 3", "≥ 3"),
    ),
    Factor(
        "stenosis",
        "Stenosis of the internal carotid",
        lambda row: row.stenosis,
        (0.01, 0.5, 0.7, 1.0),
        ("none", "< 50%", "50–69%", "70–99%", "occluded"),
    ),
    Factor(
        "border_mm",
        "Distance of the truth to the border, mm",
        lambda row: row.border,
        (10.0, 20.0, 40.0),
        ("< 10", "10 to < 20", "20 to < 40", "≥ 40"),
    ),
)


def group_rows(rows: Sequence[Row], factor: Factor) -> dict[str, list[Row]]:
    """The landmarks in the volume by group, in the order of ``factor``, without empty groups and unknown values."""
    groups: dict[str, list[Row]] = {name: [] for name in factor.names}
    for row in rows:
        value = factor.value(row)
        if row.score.present and value is not None:
            groups[factor.names[sum(value >= edge for edge in factor.edges)]].append(row)
    return {name: group for name, group in groups.items() if group}


def subgroups(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Factor key to its groups, each with counts, mean, median, 95th percentile and largest error in mm, for JSON."""
    keys = ("present", "located", "missed", "review", "mean_mm", "median_mm", "p95_mm", "max_mm")
    result = {}
    for factor in FACTORS:
        groups = {name: summary([row.score for row in group]) for name, group in group_rows(rows, factor).items()}
        result[factor.key] = [{"group": name, **{key: of[key] for key in keys}} for name, of in groups.items()]
    return result
