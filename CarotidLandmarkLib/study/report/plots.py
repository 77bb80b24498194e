"""The report's charts of errors. Each function returns a matplotlib Figure; errors are mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...landmarks.points import SIDES
from ..scores import Score, success_curve
from ..stats import pearson
from .rows import FACTORS, Row, group_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = (  # of Okabe and Ito, then of Tol
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F"),
    *("#882255", "#332288", "#999933"),
)
GROUP_COLORS = {"all": "#5A5A5A", "left": "#0072B2", "right": "#D55E00"}
STATUS_MARKS = {"found": ("o", "#0072B2"), "review": ("^", "#D55E00")}
VOLUME_LABELS = {
    "volume_mm3": "Volume of the confidence ellipsoid",
    "paper_volume_mm3": "Volume of the passes' spread alone",
}
MISSED_COLOR = "#B00020"
INK, FAINT = "#222222", "#C8C8C8"
LEAST_MM = 0.01  # smaller errors are drawn here, for the logarithm
TICKS_MM = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
CURVE_MM = np.linspace(0, np.sqrt(10), 401) ** 2
BANDS = 3  # more methods than these have no bands but the first
CURVE_TICKS_MM = (0, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def violins(methods: Mapping[str, Sequence[Score]]) -> Figure:
    """Distribution of the errors of each method, on a logarithmic axis, every located landmark a point.

    After figure 4 of Ma et al., ISBI 2020. The bar is the interquartile range, the white dot the median.
    """
    figure = _figure(max(6.0, 1.5 + 1.8 * len(methods)), 4.6)
    axes = figure.subplots()
    labels = []
    for place, (name, scores) in enumerate(methods.items()):
        located = [s for s in scores if np.isfinite(s.error_mm)]
        errors = np.array([s.error_mm for s in located])
        color = GROUP_COLORS.get(name, COLORS[place % len(COLORS)])
        width = _violin(axes, place, errors, color)
        offsets = np.random.default_rng(place).uniform(-1, 1, len(errors)) * width
        for status, (mark, _) in STATUS_MARKS.items():
            chosen = np.array([s.status == status for s in located], dtype=bool)
            points = place + offsets[chosen], _drawn(errors[chosen])
            axes.scatter(*points, 16, color, marker=mark, alpha=0.75, linewidths=0, zorder=3)
        if len(errors):
            low, middle, high = np.percentile(_drawn(errors), [25, 50, 75])
            axes.vlines(place, low, high, "black", linewidth=4, zorder=4)
            axes.scatter([place], [middle], 34, "white", edgecolors="black", zorder=5)
        missed = sum(s.present for s in scores) - len(errors)
        labels.append(f"{name}\nn = {len(errors)}" + (f", {missed} missed" if missed else ""))
    error_axis(axes, "Error, mm")
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    figure.legend(handles=_status_handles(INK), frameon=False, fontsize=8, loc="outside upper center", ncols=2)
    return figure


def confidence(scores: Sequence[Score]) -> Figure:
    """Confidence volume against error with the regression line and Pearson's r, linear and of the logarithms.

    After figure 5 of Ma et al., ISBI 2020, which shows the linear one, of the volume of the passes' spread alone; where
    the scores know that, too, it is the lower pair.
    """
    pairs = []
    for name, label in VOLUME_LABELS.items():
        known = [s for s in scores if np.isfinite(s.error_mm) and getattr(s, name) > 0]
        if known:
            pairs.append((label, np.array([getattr(s, name) for s in known]), known))
    figure = _figure(9.6, 4.4 * len(pairs))
    panels = figure.subplots(len(pairs), 2, squeeze=False)
    for (label, volumes, known), (linear, logarithmic) in zip(pairs, panels):
        _volume_against_error(linear, logarithmic, label, volumes, known)
    return figure


def _volume_against_error(
    linear: Axes, logarithmic: Axes, label: str, volumes: np.ndarray, measured: Sequence[Score]
) -> None:
    from matplotlib.ticker import LogLocator

    errors = np.array([s.error_mm for s in measured])
    logs = np.log10(volumes), np.log10(_drawn(errors))
    for axes, of, x, y in ((linear, "", volumes, errors), (logarithmic, "logarithms, ", *logs)):
        for status, (mark, color) in STATUS_MARKS.items():
            chosen = np.array([s.status == status for s in measured], dtype=bool)
            drawn = volumes[chosen], (errors if axes is linear else _drawn(errors))[chosen]
            count = f"{status} (n = {chosen.sum()})"
            axes.scatter(*drawn, 22, color, marker=mark, alpha=0.75, linewidths=0, label=count, zorder=3)
        correlation = pearson(x, y)
        if np.isfinite(correlation):
            slope, offset = np.polyfit(x, y, 1)
            ends = np.array([x.min(), x.max()])
            line = offset + slope * ends
            if axes is logarithmic:
                ends, line = 10**ends, 10**line
            axes.plot(ends, line, color=INK, linewidth=1.4, label=f"regression ({of}Pearson r = {correlation:.2f})")
        axes.set_title("logarithmic axes" if of else "linear axes", fontsize=10)
        axes.set_xlabel(f"{label}, mm³")
        axes.legend(frameon=False, fontsize=8)
        axes.grid(color=FAINT, linewidth=0.4)
    linear.set_ylabel("Error, mm")
    linear.set_ylim(bottom=0)
    logarithmic.set_xscale("log")
    logarithmic.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if np.ptp(logs[0]) < 2.5 else (1,)))
    logarithmic.xaxis.set_major_formatter("{x:g}")
    error_axis(logarithmic, "Error, mm")


def success(methods: Mapping[str, Sequence[Score]]) -> Figure:
    """Share of the landmarks in the volume within t mm: of the first method by side, and of all methods.

    A missed landmark never succeeds. The bands are 95% intervals by bootstrap over patients.
    """
    name, scores = next(iter(methods.items()))
    panels = [(name, {"all": scores, **{side: [s for s in scores if s.side == side] for side in SIDES}})]
    if len(methods) > 1:
        panels.append(("Methods, both sides", dict(methods)))
    figure = _figure(5.2 * len(panels) + 0.6, 4.4)
    for axes, (title, curves) in zip(np.atleast_1d(figure.subplots(1, len(panels), sharey=True)), panels):
        for place, (label, group) in enumerate(curves.items()):
            share, low, high = success_curve(group, CURVE_MM)
            color = GROUP_COLORS.get(label, COLORS[place % len(COLORS)])
            count = sum(s.present for s in group)
            axes.plot(CURVE_MM, 100 * share, color=color, linewidth=1.6, label=f"{label} (n = {count})", zorder=3)
            if place == 0 or (title != name and len(curves) <= BANDS):
                axes.fill_between(CURVE_MM, 100 * low, 100 * high, color=color, alpha=0.15, linewidth=0)
        axes.set_xscale("function", functions=(lambda t: np.sqrt(np.maximum(t, 0)), np.square))
        axes.set_xticks(CURVE_TICKS_MM, [f"{t:g}" for t in CURVE_TICKS_MM], fontsize=8)
        axes.set_xlim(0, CURVE_MM[-1])
        axes.set_ylim(0, 101)
        axes.set_xlabel("t, mm (square-root axis)")
        axes.set_title(title, fontsize=10)
        axes.grid(color=FAINT, linewidth=0.4)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    figure.axes[0].set_ylabel("Landmarks within t mm, %")
    return figure


def groups(rows: Sequence[Row]) -> Figure | None:
    """Errors by slice spacing, stenosis and distance to the border, as far as they are known; None if none is.

    Boxes are quartiles with whiskers to 1.5 interquartile ranges; a missed landmark is a cross above the dashed line.
    """
    known = [(factor, found) for factor in FACTORS if (found := group_rows(rows, factor))]
    if not known:
        return None
    errors = [row.score.error_mm for row in rows if np.isfinite(row.score.error_mm)]
    ceiling = 1.6 * max([1.0, *errors])
    figure = _figure(1.2 + 4.2 * len(known), 4.6)
    panels = np.atleast_1d(figure.subplots(1, len(known), sharey=True, width_ratios=[len(f) + 1 for _, f in known]))
    for axes, (factor, found) in zip(panels, known):
        labels = []
        for place, (name, group) in enumerate(found.items()):
            rng = np.random.default_rng(place)
            located = [row for row in group if np.isfinite(row.score.error_mm)]
            missed = len(group) - len(located)
            values = _drawn(np.array([row.score.error_mm for row in located]))
            if len(values) >= 5:
                axes.boxplot([values], positions=[place], widths=0.6, showfliers=False, medianprops={"color": INK})
            for status, (mark, color) in STATUS_MARKS.items():
                chosen = np.array([row.score.status == status for row in located], dtype=bool)
                spread = place + rng.uniform(-0.2, 0.2, chosen.sum())
                axes.scatter(spread, values[chosen], 16, color, marker=mark, alpha=0.75, linewidths=0, zorder=3)
            spread = place + (np.arange(missed) - (missed - 1) / 2) * min(0.18, 0.7 / max(missed, 1))
            axes.scatter(spread, np.full(missed, 1.35 * ceiling), 40, MISSED_COLOR, marker="x", zorder=3)
            labels.append(f"{name}\nn = {len(group)}" + (f"\n{missed} missed" if missed else ""))
        axes.axhline(ceiling, color=MISSED_COLOR, linewidth=0.8, linestyle="--")
        axes.set_xticks(range(len(labels)), labels, fontsize=8)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.set_xlabel(factor.title, fontsize=9)
        error_axis(axes)
    panels[0].set_ylabel("Error, mm")
    panels[0].set_ylim(top=1.8 * ceiling)
    figure.legend(handles=_status_handles(missed=True), frameon=False, fontsize=8, loc="outside upper center", ncols=3)
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def _drawn(errors: np.ndarray) -> np.ndarray:
    return np.maximum(errors, LEAST_MM)


def _violin(axes: Axes, place: int, errors: np.ndarray, color: str) -> np.ndarray:
    """Draw the density of the errors' logarithms; return the half width (n,) that it has at each error."""
    from matplotlib.mlab import GaussianKDE

    logs = np.log10(_drawn(errors))
    if len(logs) < 3 or np.ptp(logs) == 0:
        return np.full(len(logs), 0.12)
    density = GaussianKDE(logs)
    heights = np.linspace(logs.min(), logs.max(), 200)
    shape = density.evaluate(heights)
    scale = 0.4 / shape.max()
    axes.fill_betweenx(10**heights, place - scale * shape, place + scale * shape, color=color, alpha=0.2, linewidth=0)
    return np.asarray(0.9 * scale * density.evaluate(logs))


def error_axis(axes: Axes, label: str = "") -> None:
    """Make the vertical axis a logarithmic one of mm."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [tick for tick in TICKS_MM if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(low, high)
    axes.grid(axis="y", color=FAINT, linewidth=0.4)
    if label:
        axes.set_ylabel(label)


def _status_handles(color: str | None = None, missed: bool = False) -> list[Any]:
    from matplotlib.lines import Line2D

    marks = {**STATUS_MARKS, **({"missed": ("x", MISSED_COLOR)} if missed else {})}
    return [
        Line2D([], [], linestyle="", marker=mark, color=color or own, label=name) for name, (mark, own) in marks.items()
    ]
