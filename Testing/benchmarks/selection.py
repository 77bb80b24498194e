"""Which cases to correct first: those of which the engine is least sure, or any? selection.py DATA --out DIR

    python Testing/benchmarks/site_phantoms.py DATA --count 24
    python Testing/benchmarks/site_phantoms.py DATA --count 56 --first-seed 91000
    python Testing/benchmarks/selection.py DATA --out DIR [--divisions 1] [--steps 0] [--rule X Y Z] [--parallel 2]

Of DATA count the cases with both landmarks in the volume; --rule moves their points (left side, LPS mm) where DATA has
no definition of its own. They are divided at random, --divisions times: --test (20) of them judge. Of the others the
first 0, 5, 10, 20 and 50 are "corrected" in three orders: least sure first, surest first, and --random (20) orders by
chance, whose landmarks are averaged. From these cases offset and ellipsoids are learned as `site` learns them (also
from 5, which `site` refuses); with --steps the finest net is trained on them, too, for so many steps, in the first
division, least sure first and in the first order by chance. Goes on with what is there in DIR; writes selection.md,
.json and .png to it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from CarotidLandmarkLib.atomic import write_json, write_text
from CarotidLandmarkLib.commands.claim import claim
from CarotidLandmarkLib.detect.case import Settings
from CarotidLandmarkLib.landmarks.detection import Detection, chi2_quantile
from CarotidLandmarkLib.landmarks.points import SIDES, mirrored
from CarotidLandmarkLib.model.header import DEFAULT
from CarotidLandmarkLib.model.weights import read_weights
from CarotidLandmarkLib.study import stats
from CarotidLandmarkLib.study.cases import digest, read_cases
from CarotidLandmarkLib.study.report.figures import save
from CarotidLandmarkLib.study.report.plots import COLORS, FAINT, INK
from CarotidLandmarkLib.study.report.tables import Table, interval, number
from CarotidLandmarkLib.study.report.write import markdown_of
from CarotidLandmarkLib.study.scores import Score
from CarotidLandmarkLib.study.site.cases import LEAST_FOR_TUNING, SiteCases
from CarotidLandmarkLib.study.site.choose import site_scores
from CarotidLandmarkLib.study.site.fit import Adaptation, adaptation, residuals, spread_change
from CarotidLandmarkLib.study.site.stages import Engine, Progress, detect_all, prepare_all, tune_all
from CarotidLandmarkLib.study.site.tune import Tuning

COUNTS, CONFIDENCE, FAR_MM, PHANTOMS = (0, 5, 10, 20, 50), 0.9, 2.5, 12
UNSURE, SURE, CHANCE = ORDERS = ("least sure first", "surest first", "by chance")
URGENCY = ("found", "absent", "review")  # the worklist's, the other way round
OFFSET, TUNED = "offset", "tuned"
Values = dict[tuple[str, int], np.ndarray]  # (order, number of cases) -> (orders of this kind, landmarks, FIGURES)
# Each a mean over landmarks: what it is called, by what it is multiplied, and its digits.
FIGURES = {
    "error_mm": ("Mean error, mm", 1, 2),
    "far": (f"Over {FAR_MM:g} mm or missed, %", 100, 1),
    "inside": (f"Coverage of the {CONFIDENCE:.0%} ellipsoid, %", 100, 1),
    "radius_mm": ("Radius of a ball of its volume, mm", 1, 2),
    "found": ("found, %", 100, 1),
}


def read(data: Path, rule: Sequence[float]) -> SiteCases:
    """The cases with both landmarks, moved by ``rule`` (3,); each is a patient."""
    cases = [of for of in read_cases(data) if all(point is not None for point in of.points.values())]
    truths = {of.name: {side: of.points[side] + mirrored(side, rule) for side in SIDES} for of in cases}
    cases = [replace(of, points=truths[of.name]) for of in cases]
    return SiteCases(cases, {of.name: number for number, of in enumerate(cases)}, truths, [], "")


def doubt(detection: Detection) -> tuple[int, float]:
    """How unsure the engine is of a case: its most urgent status, then its largest ellipsoid, mm^3."""
    volumes = [of.confidence_volume_mm3 for of in detection.landmarks if of.confidence_volume_mm3 is not None]
    return max(URGENCY.index(of.status) for of in detection.landmarks), max(volumes, default=0.0)


def orders(detections: Mapping[str, Detection], random: int) -> dict[str, list[list[str]]]:
    """Of each of ORDERS the case names in that order, ``random`` times in CHANCE."""
    names = sorted(detections, key=lambda name: doubt(detections[name]), reverse=True)
    drawn = [np.random.default_rng(seed).permutation(sorted(names)).tolist() for seed in range(random)]
    return {UNSURE: [names], SURE: [names[::-1]], CHANCE: drawn}


def learned(site: SiteCases, detections: Mapping[str, Detection], names: Sequence[str]) -> Adaptation:
    """What these corrected cases teach; nothing where there are none."""
    found = residuals(site, {name: detections[name] for name in names})
    return adaptation(found, CONFIDENCE) if names else Adaptation(np.zeros(3), 1.0, 0)


def columns(scores: Sequence[Score]) -> np.ndarray:
    """FIGURES of each landmark (n, 5), all of them in the volume; NaN is what is not known of one that was missed."""
    limit = chi2_quantile(CONFIDENCE)
    values = [
        (
            s.error_mm,
            not s.error_mm <= FAR_MM,
            math.nan if math.isnan(s.mahalanobis2) else s.mahalanobis2 <= limit,
            (s.volume_mm3 * 3 / 4 / math.pi) ** (1 / 3),
            s.status == "found",
        )
        for s in scores
    ]
    return np.array(values, float)


def means(values: np.ndarray, cases: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mean and 95% interval, by bootstrap over cases, of each of FIGURES; ``values`` (n, 5)."""
    told = {}
    for key, column in zip(FIGURES, values.T):
        known = ~np.isnan(column)
        draws = stats.bootstrap(
            partial(stats.mean, column[known]), [case for case, is_known in zip(cases, known) if is_known]
        )
        told[key] = {"mean": float(column[known].mean()), "interval_95": stats.interval(draws)}
    return told


def offset_values(
    site: SiteCases, test: Sequence[str], before: Mapping[str, Detection], chosen: Mapping[str, list[list[str]]]
) -> tuple[Values, dict[tuple[str, int], list[float]]]:
    """Of answers moved as so many cases teach; and how far the offset, by each order, is from what all cases to choose
    from teach, mm."""
    values, off = {}, {}
    whole = learned(site, before, chosen[UNSURE][0]).offset
    for order, several in chosen.items():
        for count in COUNTS:
            adapted = [learned(site, before, names[:count]) for names in several]
            off[order, count] = [float(np.linalg.norm(of.offset - whole)) for of in adapted]
            values[order, count] = np.stack(
                [columns(site_scores(site, {name: of.apply(before[name]) for name in test})) for of in adapted]
            )
    return values, off


def rows_of(way: str, values: Values, cases: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each (order, number of cases): figures of the landmarks, which are of these ``cases``, averaged over
    orders of this kind; and less those by chance."""
    rows = []
    for (order, count), of in values.items():
        rows.append(
            {
                **{"way": way, "order": order, "corrected": count, "orders": len(of)},
                "figures": means(of.mean(axis=0), cases),
                "less_chance": means(of.mean(axis=0) - values[CHANCE, count].mean(axis=0), cases),
            }
        )
    return rows


def tuned_values(
    site: SiteCases,
    test: Sequence[str],
    before: Mapping[str, Detection],
    chosen: Mapping[str, list[list[str]]],
    work: Path,
    steps: int,
    engine: Engine,
) -> Values:
    """Of nets that were trained on so many cases, for ``steps`` whatever their number; ellipsoids by the factor
    that moved answers have, less what they have grown by the training."""
    cases, progress = {case.name: case for case in site.cases}, Progress(parallel=engine.parallel)
    values = {}
    for count in [count for count in COUNTS if count >= LEAST_FOR_TUNING]:
        for order in (UNSURE, CHANCE):
            names = chosen[order][0][:count]
            adapted, folder = learned(site, before, names), work / f"{order} {count} {steps}".replace(" ", "-")
            kept, mine = work / "kept", [cases[name] for name in names]
            tuning = Tuning(folder, DEFAULT, mine, adapted.offset, kept, PHANTOMS, steps)
            if not tuning.weights.is_file():
                prepare_all([*mine, *range(PHANTOMS)], DEFAULT, kept, engine, progress)
                tune_all([tuning], engine, progress)
            judges = [cases[name] for name in test]
            raw = detect_all(judges, tuning.weights, folder / "detections", engine, f"{order}, {count}", progress)
            grown = spread_change({name: before[name] for name in test}, raw)
            adapted = replace(adapted, factor=adapted.factor * math.exp(-2 * grown))
            moved = {name: adapted.apply(of) for name, of in raw.items()}
            values[order, count] = columns(site_scores(site, moved))[None]
    return values


def table(rows: Sequence[Mapping[str, Any]], title: str, key: str) -> Table:
    """A line for each row, each of FIGURES with its interval."""
    lines = []
    for row in rows:
        shown = [(row[key][name], factor, digits) for name, (_, factor, digits) in FIGURES.items()]
        cells = [f"{number(of['mean'], *as_)} {interval(of['interval_95'], *as_)}" for of, *as_ in shown]
        lines.append((row["way"], str(row["corrected"]), row["order"], number(row.get("offset_off_mm")), *cells))
    header = ("", "Corrected", "Order", "Offset off, mm", *(label for label, *_ in FIGURES.values()))
    return Table(title, header, lines)


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Each figure that changes against the number of corrected cases, a line for each order and way."""
    from matplotlib.figure import Figure

    shown = {key: of for key, of in FIGURES.items() if len({row["figures"][key]["mean"] for row in rows}) > 1}
    lines = list(dict.fromkeys((row["way"], row["order"]) for row in rows))
    figure = Figure((8.6, 3.6 * math.ceil(len(shown) / 2)), layout="constrained")
    panels = figure.subplots(math.ceil(len(shown) / 2), 2, squeeze=False).flat
    for axes, (key, (label, factor, _)) in zip(panels, shown.items()):
        for place, (way, order) in enumerate(lines):
            mine = [row for row in rows if (row["way"], row["order"]) == (way, order)]
            x = np.array([COUNTS.index(row["corrected"]) for row in mine]) + 0.07 * (place - (len(lines) - 1) / 2)
            y = factor * np.array([row["figures"][key]["mean"] for row in mine])
            limits = factor * np.array([row["figures"][key]["interval_95"] for row in mine]).T
            style = {"color": COLORS[ORDERS.index(order)], "linestyle": "-" if way == OFFSET else "--", "marker": "o"}
            name = order if way == OFFSET else f"{order}, {way}"
            axes.errorbar(x, y, np.abs(limits - y), markersize=4, linewidth=1.4, elinewidth=0.8, label=name, **style)
        if key == "inside":
            axes.axhline(100 * CONFIDENCE, color=INK, linewidth=0.8, linestyle=":")
        axes.set_xticks(range(len(COUNTS)), COUNTS)
        axes.set_xlabel("Corrected cases")
        axes.set_title(label, fontsize=10)
        axes.set_ylim(bottom=0, top=100 if factor == 100 and key != "far" else None)
        axes.grid(axis="y", color=FAINT, linewidth=0.4)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside upper center", ncols=len(labels))
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--divisions", type=int, default=1)
    parser.add_argument("--random", type=int, default=20)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--rule", type=float, nargs=3, default=(0.0, 0.0, 0.0), metavar=("X", "Y", "Z"))
    parser.add_argument("--parallel", type=int, default=2)
    args = parser.parse_args()
    base = read_weights(DEFAULT).header
    site = read(args.data, args.rule)
    asked = {"test": args.test, "rule": list(args.rule), "steps": args.steps}
    claim(args.out, {"weights": base["sha256"], "data": digest(site.cases), **asked}, "selection-of.json")
    engine = Engine(Settings(confidence=CONFIDENCE), parallel=args.parallel)
    before = detect_all(site.cases, None, args.out / "unchanged", engine, "detection", Progress(parallel=args.parallel))
    parts: list[Values] = []
    off: dict[tuple[str, int], list[float]] = {}
    cases: list[str] = []
    size = len(before) - args.test
    for seed in range(args.divisions):
        names = np.random.default_rng(seed).permutation(sorted(before)).tolist()
        test, chosen = names[size:], orders({name: before[name] for name in names[:size]}, args.random)
        values, distances = offset_values(site, test, before, chosen)
        parts.append(values)
        off = {key: [*off.get(key, []), *of] for key, of in distances.items()}
        cases += [name for name in site.truths if name in test for _ in SIDES]
        if args.steps and not seed:
            tuned = tuned_values(site, test, before, chosen, args.out / "tuned", args.steps, engine)
    rows = rows_of(OFFSET, {key: np.concatenate([of[key] for of in parts], axis=1) for key in parts[0]}, cases)
    rows = [{**row, "offset_off_mm": float(np.mean(off[row["order"], row["corrected"]]))} for row in rows]
    if args.steps:
        rows += rows_of(TUNED, tuned, cases[: 2 * args.test])
    of = {key: base.get(key) for key in ("name", "version", "sha256")}
    facts = {"weights": of, "pool": size, "test": args.test, "divisions": args.divisions, "steps": args.steps}
    write_json(args.out / "selection.json", {**facts, "rows": rows})
    draw(rows, args.out / "selection.png")
    remarks = [
        f"Weights {of['name']} {of['version']}; {size} cases to choose from, {args.test} to judge, divided at random "
        f"{args.divisions} times, for “{TUNED}” once. 95% intervals by bootstrap over cases that judge. “{CHANCE}”: "
        f"landmarks averaged over {args.random} orders, of “{TUNED}” one.",
        "Offset off: from what all cases to choose from teach.",
        f"“{OFFSET}” changes no status. “{TUNED}”: {args.steps} steps whatever the number of cases, {PHANTOMS} "
        "phantoms mixed in.",
    ]
    tables = [
        table(rows, "By number of corrected cases", "figures"),
        table([row for row in rows if row["order"] != CHANCE], "Less those by chance, paired", "less_chance"),
    ]
    write_text(args.out / "selection.md", markdown_of("Which cases to correct first", [], tables, remarks))


if __name__ == "__main__":
    main()
