"""The protocol's table as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_markdown(table: Mapping[str, Any]) -> str:
    """Return a table of ``metrics.evaluate`` as Markdown: figures down, all / left / right across, then uncertainty."""
    groups = [table["all"], table["left"], table["right"]]
    rows: list[list[str]] = [
        ["Landmarks in the volume (located / missed)", *(_counts(group) for group in groups)],
        ["Error, mean ± SD, mm", *(f"{_number(group['mean_mm'])} ± {_number(group['sd_mm'])}" for group in groups)],
        ["— 95% interval of the mean", *(_interval(group["interval_95"]["mean_mm"]) for group in groups)],
        ["Median, mm", *(_with_interval(group, "median_mm") for group in groups)],
        ["95th percentile, mm", *(_with_interval(group, "p95_mm") for group in groups)],
        ["Largest, mm", *(_number(group["max_mm"]) for group in groups)],
    ]
    for threshold in table["all"]["success"]:
        rows.append(
            [
                f"Within {threshold} mm",
                *(
                    f"{_percent(group['success'][threshold])} "
                    f"{_interval(group['interval_95']['success'][threshold], 100, 1)}"
                    for group in groups
                ),
            ]
        )
    for name, key in (
        ("Errors over 10 mm (found / review)", "failures_over_10_mm"),
        ("Not in the volume but located (found / review)", "false_positives"),
    ):
        rows.append([name, *(f"{group[key]['found']} / {group[key]['review']}" for group in groups)])
    unsure = table["uncertainty"]
    return "\n".join(
        [
            f"| {table['cases']} cases | All | Left | Right |",
            "|---|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"| Uncertainty ({unsure['landmarks']} landmarks) | |",
            "|---|---|",
            f"| Pearson of confidence volume and error | {_number(unsure['pearson_volume_error'])} |",
            f"| AUSE, mm | {_number(unsure['ause_mm'])} |",
            f"| AUROC for an error over 5 mm | {_number(unsure['auroc_error_over_5_mm'])} |",
            f"| Coverage of the {unsure['confidence']:.0%} ellipsoid | {_percent(unsure['coverage'])} |",
            "",
        ]
    )


def _counts(group: Mapping[str, Any]) -> str:
    return f"{group['present']} ({group['located']} / {group['missed']})"


def _with_interval(group: Mapping[str, Any], key: str) -> str:
    return f"{_number(group[key])} {_interval(group['interval_95'][key])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _interval(limits: list[float] | None, factor: float = 1, digits: int = 2) -> str:
    return "" if limits is None else f"[{limits[0] * factor:.{digits}f}, {limits[1] * factor:.{digits}f}]"
