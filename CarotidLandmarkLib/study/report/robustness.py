"""The page of a robustness benchmark: a table and curves of every corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...atomic import write_json, write_text
from ..corruptions import CORRUPTIONS
from ..robustness import Step
from .figures import Drawn, missing_packages, save
from .tables import Table, interval, number, percent
from .write import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = {"found": "#0072B2", "review": "#E69F00", "absent": "#7F7F7F", "silent": "#B00020"}
ACROSS = 3
SILENT = "`found`, and yet more than 5 mm off or not to be seen at all"


def write_robustness(out: Path, steps: Sequence[Step], facts: Mapping[str, Any]) -> None:
    """Write robustness.json, .md and, where [report] is installed, .html with its figure, to the folder ``out``."""
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
    drawn = Drawn("robustness", "Shares of each answer", f"Red: silent failures, {SILENT}.", out)
    figure = curves(steps)
    for suffix in (".png", ".svg"):
        save(figure, out / f"{drawn.name}{suffix}")
    worst = max(steps, key=lambda step: step.shares["silent"])
    summary = [
        f"{facts['cases']} cases, {len(steps)} steps. Most silent failures at one step: "
        f"{percent(worst.shares['silent'])} ({CORRUPTIONS[worst.corruption].about.lower()}, {worst.amount:g} "
        f"{CORRUPTIONS[worst.corruption].unit}).",
        remarks[-1],
    ]
    about = [f"samples {facts['samples']}", f"weights {str(facts['sha256'])[:12]}"]
    write_text(out / "robustness.html", render(title, about, summary, [table], [drawn], remarks))


def as_table(steps: Sequence[Step]) -> Table:
    """One row a step."""
    header = ["Corruption", "Step", "Landmarks (visible)", "Found", "Review", "Absent", "Silent failures"]
    header += ["95% interval, %", "Median, mm", "P95, mm", "Coverage"]
    rows = []
    for step in steps:
        corruption, shares = CORRUPTIONS[step.corruption], step.shares
        row = [corruption.about, f"{step.amount:g} {corruption.unit}", f"{step.landmarks} ({step.visible})"]
        row += [percent(shares[name]) for name in COLORS]
        row += [interval(step.silent_95, 100, 1), number(step.median_mm), number(step.p95_mm), percent(step.coverage)]
        rows.append(row)
    return Table("Every step", header, rows)


def curves(steps: Sequence[Step]) -> Figure:
    """A panel a corruption: shares of found, review, absent and silent, from mild to severe."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = [name for name in CORRUPTIONS if any(step.corruption == name for step in steps)]
    down = -(-len(names) // ACROSS)
    figure = Figure((10.5, 0.5 + 2.5 * down), layout="constrained")
    panels = figure.subplots(down, ACROSS, squeeze=False).ravel()
    for axes, name in zip(panels, names):
        group = [step for step in steps if step.corruption == name]
        places = range(len(group))
        for status, color in COLORS.items():
            wide = 2.4 if status == "silent" else 1.4
            axes.plot(places, [100 * step.shares[status] for step in group], "o-", color=color, lw=wide, ms=4)
        axes.set_xticks(places, [f"{step.amount:g}" for step in group])
        axes.set_title(CORRUPTIONS[name].about, fontsize=10)
        axes.set_xlabel(CORRUPTIONS[name].unit, fontsize=8)
        axes.set_ylim(-4, 104)
        axes.grid(color="#DDDDDD", linewidth=0.5)
    for axes in panels[len(names) :]:
        axes.remove()
    for axes in panels[::ACROSS][:down]:
        axes.set_ylabel("% of the landmarks", fontsize=9)
    handles = [Line2D([], [], color=color, marker="o", label=name) for name, color in COLORS.items()]
    figure.legend(handles=handles, frameon=False, loc="outside upper center", ncols=4)
    return figure
