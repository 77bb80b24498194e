"""The page of a robustness benchmark: a table and curves of every corruption."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic import write_json, write_text
from ..corruptions import CORRUPTIONS
from ..robustness import Step
from .figures import Drawn, missing_packages, save_chart
from .plots import error_axis
from .tables import Table, interval, number, percent
from .write import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = {"found": "#0072B2", "review": "#E69F00", "absent": "#7F7F7F", "silent": "#B00020"}
ACROSS = 3
SILENT = '"found", and yet more than 5 mm off or not to be seen at all'
LOCATED = "Of the landmarks that can be seen and were located"


def write_robustness(out: Path, steps: Sequence[Step], facts: Mapping[str, Any]) -> None:
    """Write robustness.json, .md and, where [report] is installed, .html with its figures, to the folder ``out``."""
    write_json(out / "robustness.json", {**facts, "steps": [step._asdict() for step in steps]})
    table = as_table(steps)
    title = f"Robustness of {facts['model']} on {facts['data']}"
    remarks = [
        f"Silent: {SILENT}; its 95% interval is a bootstrap over cases.",
        "Errors and coverage are those of the landmarks that can be seen and were located.",
        *(f"{corruption.about}: {(corruption.apply.__doc__ or '').strip()}" for corruption in CORRUPTIONS.values()),
        "Phantom millimetres are not patient millimetres. Not for clinical use.",
    ]
    said = [f"# {title}", table.markdown(), "\n".join(f"- {remark}" for remark in remarks)]
    write_text(out / "robustness.md", "\n\n".join(said) + "\n")
    if missing_packages():
        return
    promised = facts["confidence"]
    drawn = []
    for name, heading, caption, figure in (
        ("answers", "Shares of each answer", f"Red: silent failures, {SILENT}.", answers(steps)),
        ("errors", "Errors", f"{LOCATED}; the axis is logarithmic.", errors(steps)),
        ("coverage", f"Coverage of the {100 * promised:.4g}% ellipsoid", f"{LOCATED}.", coverage(steps, promised)),
    ):
        drawn.append(Drawn(f"robustness-{name}", heading, caption, out))
        save_chart(figure, out / drawn[-1].name)
    worst = max(steps, key=lambda step: step.shares["silent"])
    summary = [
        f"{facts['cases']} cases, {len(steps)} steps. Most silent failures at one step: "
        f"{percent(worst.shares['silent'])} ({CORRUPTIONS[worst.corruption].about.lower()}, {worst.amount:g} "
        f"{CORRUPTIONS[worst.corruption].unit}).",
        remarks[-1],
    ]
    about = [f"samples {facts['samples']}", f"weights {str(facts['sha256'])[:12]}"]
    write_text(out / "robustness.html", render(title, about, summary, [table], drawn, remarks))


def as_table(steps: Sequence[Step]) -> Table:
    """One row a step."""
    header = ["Corruption", "Step", "Landmarks (visible)", "Found", "Review", "Absent", "Silent failures"]
    header += ["95% interval, %", "Median, mm", "P95, mm", "Coverage"]
    rows = []
    for step in steps:
        corruption, shares = CORRUPTIONS[step.corruption], step.shares
        row = [corruption.about, f"{step.amount:g} {corruption.unit}", f"{step.landmarks} ({step.visible})"]
        row += [percent(shares[name]) for name in COLORS]
        row += [interval(step.silent_95, 100, 1) or "–", number(step.median_mm), number(step.p95_mm)]
        row += [percent(step.coverage)]
        rows.append(row)
    return Table("Every step", header, rows)


def answers(steps: Sequence[Step]) -> Figure:
    """Shares of found, review, absent and silent."""

    def draw(axes: Axes, group: Sequence[Step]) -> None:
        for status, color in COLORS.items():
            wide = 2.4 if status == "silent" else 1.4
            _line(axes, [100 * step.shares[status] for step in group], color, status, wide)
        axes.set_ylim(-4, 104)

    return _panels(steps, draw, "% of the landmarks")


def errors(steps: Sequence[Step]) -> Figure:
    """Median and 95th percentile of the error, on one logarithmic axis."""

    def draw(axes: Axes, group: Sequence[Step]) -> None:
        _line(axes, [step.p95_mm for step in group], "#D55E00", "95th percentile")
        _line(axes, [step.median_mm for step in group], "#0072B2", "median")
        axes.set_ylim(low, high)
        error_axis(axes)

    known = [error for step in steps for error in (step.median_mm, step.p95_mm) if error]
    low, high = min(known, default=1.0) / 1.3, max(known, default=1.0) * 1.3
    return _panels(steps, draw, "Error, mm")


def coverage(steps: Sequence[Step], confidence: float) -> Figure:
    """Share of the truths in the ellipsoid, and the one that it promises."""

    def draw(axes: Axes, group: Sequence[Step]) -> None:
        axes.axhline(100 * confidence, color="#7F7F7F", linestyle="--", linewidth=1, label="promised")
        _line(axes, [step.coverage and 100 * step.coverage for step in group], "#0072B2", "in the ellipsoid")
        axes.set_ylim(-4, 104)

    return _panels(steps, draw, "% of the located landmarks")


def _panels(steps: Sequence[Step], draw: Callable[[Axes, Sequence[Step]], None], label: str) -> Figure:
    """A panel a corruption, from mild to severe."""
    from matplotlib.figure import Figure

    names = [name for name in CORRUPTIONS if any(step.corruption == name for step in steps)]
    down = -(-len(names) // ACROSS)
    figure = Figure((10.5, 0.5 + 2.5 * down), layout="constrained")
    panels = figure.subplots(down, ACROSS, squeeze=False).ravel()
    for axes, name in zip(panels, names):
        group = [step for step in steps if step.corruption == name]
        draw(axes, group)
        axes.set_xticks(range(len(group)), [f"{step.amount:g}" for step in group])
        axes.set_title(CORRUPTIONS[name].about, fontsize=10)
        axes.set_xlabel(CORRUPTIONS[name].unit, fontsize=8)
        axes.grid(color="#DDDDDD", linewidth=0.5)
    for axes in panels[len(names) :]:
        axes.remove()
    for axes in panels[::ACROSS][:down]:
        axes.set_ylabel(label, fontsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=4)
    return figure


def _line(axes: Axes, values: Sequence[float | None], color: str, label: str, width: float = 1.4) -> None:
    known = [math.nan if value is None else value for value in values]
    axes.plot(range(len(values)), known, "o-", color=color, lw=width, ms=4, label=label)
