"""The page of a speed benchmark: tables, and a chart of each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic import write_json, write_text
from ..speed import PEERS
from ..speed.measure import Row
from .figures import missing_packages, save_chart
from .plots import COLORS
from .tables import Table, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REMARKS = (
    "Each repeat goes through all variants, so that a machine that is slower for a while is so for all. Medians, in "
    "brackets the least and the most. Ratios are to the first row in the same repeat.",
    "A made-up volume in memory (soft tissue, air, two tubes) of 0.45 x 0.45 x 0.625 mm; every scale is run, whatever "
    "the networks believe. Without reading, the lumen and files. Both absent: both sides are looked for all over the "
    "body in vain.",
    "Memory: what comes on top of volume and model, each variant in a process of its own.",
    "Operations: those of the convolutions, two a multiplication; beside them their rate as a share of what a product "
    "of matrices of 2048 x 2048 reached in that repeat with the same library, number type and threads.",
    "The paper's networks and MONAI's are not trained: that changes nothing of their time. The volume is averaged once "
    "for all passes of the paper's method.",
)


def write_speed(out: Path, rows: Sequence[Row], facts: Mapping[str, Any]) -> None:
    """Write speed.json, .md and, where matplotlib is installed, .png and .svg to the folder ``out``."""
    write_json(out / "speed.json", {**facts, "rows": [{**r._asdict(), "variant": r.variant._asdict()} for r in rows]})
    kept = ", kept to AVX2" if facts["avx2"] else ""
    settings = f"{facts['model']} on {facts['machine']}, {plural(facts['threads'], 'thread')}{kept}."
    left_out = [f"Left out: {what}: {why}" for what, why in facts["left_out"].items()]
    said = ["# Speed", settings, *(f"## {t.title}\n\n{t.markdown()}" for t in (as_table(rows), stages(rows)))]
    said.append("\n".join(f"- {remark}" for remark in (*REMARKS, *left_out)))
    write_text(out / "speed.md", "\n\n".join(said) + "\n")
    if "matplotlib" not in missing_packages():
        save_chart(chart(rows), out / "speed")


def as_table(rows: Sequence[Row]) -> Table:
    """One row a variant and size."""
    header = ["Volume", "Variant", "Seconds", "Ratio", "CPU seconds", "More memory, MB", "GFLOP", "Of a matrix product"]
    lines = []
    for row in rows:
        low, high = row.ratio_spread
        line = [volume(row), row.variant.name, f"{row.seconds:.2f} ({row.spread[0]:.2f} to {row.spread[1]:.2f})"]
        line += [f"{row.ratio:.2f} ({low:.2f} to {high:.2f})", f"{row.cpu_seconds:.2f}"]
        line += ["" if row.peak_bytes is None else f"{row.peak_bytes / 2**20:.0f}"]
        lines.append([*line, f"{row.operations / 1e9:.0f}", f"{row.reached:.0%}"])
    return Table("All variants", header, lines)


def stages(rows: Sequence[Row]) -> Table:
    """Where the time of each variant goes."""
    names = list(dict.fromkeys(stage for row in rows for stage in row.stages))
    lines = [
        [volume(row), row.variant.name, *(f"{row.stages[name]:.2f}" if name in row.stages else "" for name in names)]
        for row in rows
    ]
    return Table("Seconds by stage", ["Volume", "Variant", *names], lines)


def volume(row: Row) -> str:
    """The size, as people write it."""
    return " × ".join(map(str, row.size))


def chart(rows: Sequence[Row]) -> Figure:
    """The medians on a logarithmic axis, with the spread, a panel a size."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    sizes = list(dict.fromkeys(row.size for row in rows))
    groups = [[row for row in rows if row.size == size] for size in sizes]
    figure = Figure((9.0, 0.8 + sum(0.6 + 0.3 * len(group) for group in groups)), layout="constrained")
    heights = [2 + len(group) for group in groups]
    panels = figure.subplots(len(groups), squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axes, group in zip(panels, groups):
        for place, row in enumerate(group):
            low, high = row.spread
            away = [[row.seconds - low], [high - row.seconds]]
            axes.errorbar([row.seconds], [place], xerr=away, fmt="o", color=COLORS[row.variant.what in PEERS])
            axes.annotate(f"{row.seconds:.2g} s", (high, place), (6, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(group)), [row.variant.name for row in group])
        axes.set_ylim(len(group) - 0.5, -0.5)
        axes.set_title(volume(group[0]), fontsize=10, loc="left")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(LogFormatter())
        axes.margins(x=0.15)
        axes.grid(color="#DDDDDD", linewidth=0.5)
    panels[-1].set_xlabel("seconds (logarithmic); lines from the least to the most")
    return figure
