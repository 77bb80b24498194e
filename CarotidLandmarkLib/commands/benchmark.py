"""`carotid-landmark benchmark`: train and measure every row of a table, and write it; or robustness, or speed."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from ..errors import BadInputError, CannotRunError
from ..streams import counter
from . import robustness, speed
from .claim import claim
from .options import positive_number, some_path, whole_number
from .train import require_training

OTHERS = {"robustness": robustness, "speed": speed}  # that train nothing
TABLES = ("table1", "ablations")
TABLES_OF = {  # those that an option is for, where not for all
    **dict.fromkeys(("budget", "rows", "seeds", "cases", "pace"), TABLES),
    **dict.fromkeys(("minutes_per_run", "epochs_per_run", "steps_per_run"), TABLES),
    "parallel": (*TABLES, "robustness"),
    "weights": tuple(OTHERS),
    **dict.fromkeys(("data", "device", "backend", "samples", "confidence", "seed", "fork"), ("robustness",)),
    **dict.fromkeys(("sizes", "passes", "engines", "peers", "repeats", "threads", "avx2"), ("speed",)),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `carotid-landmark benchmark`."""
    add, count = parser.add_argument, whole_number(1)
    add(
        "table",
        choices=(*TABLES, *OTHERS),
        help="the paper's Table 1, the ablations of the default, how weights fare as the scans of --data get worse, or "
        "how long a detection takes",
    )
    add(
        "--out",
        type=some_path,
        required=True,
        metavar="DIR",
        help="cases, runs and the table; goes on with what is there",
    )
    add(
        "--budget",
        choices=("small", "full"),
        default="small",
        help="small: half the resolution, on CPUs",
    )
    add("--rows", nargs="+", metavar="ROW", help="only these; the default is what all are compared with")
    add("--seeds", type=count, default=3, metavar="N", help="runs of each row (default 3)")
    add(
        "--parallel",
        type=count,
        default=1,
        metavar="N",
        help="runs, or cases of robustness, at a time, on a CPU of one thread (default 1)",
    )
    add("--minutes-per-run", type=positive_number, metavar="M", help="training of one run (default: 8 small, 120 full)")
    add(
        "--pace",
        type=positive_number,
        default=1.0,
        metavar="F",
        help="how much a core does here while one of the machine of the runs that are there does 1: the minutes are "
        "divided by it (default 1)",
    )
    add("--epochs-per-run", type=count, metavar="N", help="train for N rounds through the cases instead (paper: 500)")
    add("--steps-per-run", type=count, metavar="N", help="end a run's training after so many steps at the latest")
    sizes = {"nargs": 3, "type": count, "default": (167, 42, 54), "metavar": ("TRAIN", "VAL", "TEST")}
    add("--cases", help="how many phantoms (default: the paper's 167 42 54)", **sizes)  # type: ignore[arg-type]
    robustness.add_arguments(parser)
    speed.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Do as the arguments say and return the exit code."""
    _require_only(args)
    if args.table in OTHERS:
        other = OTHERS[args.table]
        settings = other.settings_of(args)
        claim(args.out, settings, "benchmark.json")
        return other.run(args, settings)
    require_training()
    from ..study.benchmark.cases import needed_views, prepare_cases, training_folder
    from ..study.benchmark.report import circumstances, write_report
    from ..study.benchmark.rows import BUDGETS
    from ..study.benchmark.runs import Run, perform
    from ..study.benchmark.table import tabulate
    from ..study.processes import run_all
    from ..study.train.sources import source_digest

    if args.epochs_per_run and (args.minutes_per_run or args.steps_per_run or args.pace != 1):
        raise BadInputError("--epochs-per-run is all of a run: leave --minutes-per-run, --steps-per-run, --pace out.")
    budget = BUDGETS[args.budget]
    budget = replace(budget, minutes=None if args.epochs_per_run else args.minutes_per_run or budget.minutes)
    steps = args.epochs_per_run * args.cases[0] if args.epochs_per_run else args.steps_per_run
    rows, left_out = _chosen(args.table, args.rows)
    settings = {
        "budget": args.budget,
        "minutes_per_run": budget.minutes,
        "clock": budget.clock,
        "steps_per_run": args.steps_per_run,
        "epochs_per_run": args.epochs_per_run,
        "cases": dict(zip(("train", "val", "test"), args.cases)),
        "phantom_code": source_digest(),
    }
    claim(args.out, settings, "benchmark.json")
    views = needed_views(budget.half_resolution)
    seeds = prepare_cases(args.out / "cases", settings["cases"], views, args.parallel, counter("phantoms"))
    cases = training_folder(args.out / "cases", views)
    facts = {**circumstances(settings, seeds), "left_out": left_out}
    every = range(args.seeds)
    runs = {row.name: [Run(args.out, cases, row, n, budget, steps, settings, args.pace) for n in every] for row in rows}
    tasks = [(runs[row.name][n],) for n in every for row in rows if not runs[row.name][n].result()]
    failed = []
    for number, ((one,), went_well) in enumerate(run_all(tasks, perform, args.parallel), start=1):
        name = f"{one.row.name}, seed {one.seed}"
        print(f"{number} of {len(tasks)} runs: {name}" + ("" if went_well else " failed"), file=sys.stderr, flush=True)
        if went_well:
            write_report(args.out, args.table, tabulate(rows, runs), facts)
        else:
            failed.append(f"{name} ({one.folder / 'log.txt'})")
    write_report(args.out, args.table, tabulate(rows, runs), facts)
    print((args.out / f"{args.table}.md").read_text(encoding="utf-8"))
    if failed:
        raise CannotRunError(f"{len(failed)} run(s) failed, see their logs: {', '.join(failed)}.")
    return 0


def _require_only(args: argparse.Namespace) -> None:
    """BadInputError for an option of another table, which would do nothing."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for option in parser._actions:
        told = getattr(args, option.dest, option.default) != option.default
        if told and args.table not in TABLES_OF.get(option.dest, (args.table,)):
            name, tables = option.option_strings[0], ", ".join(TABLES_OF[option.dest])
            raise BadInputError(f"{name} is for {tables}: leave it out with {args.table}.")


def _chosen(table: str, names: list[str] | None) -> tuple[list[Any], dict[str, str]]:
    """The table's rows to run, and why others are left out."""
    from ..study.benchmark.rows import rows_of

    every = rows_of(table)
    unknown = set(names or ()) - {row.name for row in every}
    if unknown:
        known = ", ".join(row.name for row in every)
        raise BadInputError(f"--rows {min(unknown)} is no row of {table}; there are {known}.")
    wanted = [row for row in every if names is None or row.name in names]
    left_out = {row.name: f"{row.package} is not installed." for row in wanted if not row.installed()}
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason} Install carotid-landmark[peers].", file=sys.stderr)
    return [row for row in wanted if row.installed()], left_out
