"""`carotid-landmark corrections`: a folder of exported corrections listed, checked, counted, and compared by reader."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..atomic import as_json, write_text
from ..errors import BadInputError
from ..landmarks.corrections import Correction, latest_revisions, read_revision
from ..landmarks.points import AXES, SIDES
from ..study.corrections.agreement import COLUMNS, LIMIT_MM, agreements, find_rereads
from ..study.corrections.readings import read_all
from ..study.corrections.summary import accepted_unseen, displacements, summarise, unseen_warning
from .options import positive_number, some_path

HEADER = ("case", "revision", "reader", "side", "status -> decision", "moved, mm")
ABOUT = {
    "list": "a line for each landmark of each case's newest revision (also: corrections DIR)",
    "check": "read every revision and volume, and say what is wrong: exit code 2 if anything is",
    "summary": "count cases, revisions, readers, decisions and displacements",
    "agreement": "compare readers who corrected the same cases: limits of agreement, distances, correlation",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One action each, with the folder."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, about in ABOUT.items():
        action = actions.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        action.add_argument("folder", type=some_path, metavar="DIR", help="where corrections were exported to")
        if name != "list":
            action.add_argument("--json", action="store_true", help="print the result as one JSON object a line")
        if name == "agreement":
            action.add_argument(
                "--limit",
                type=positive_number,
                default=LIMIT_MM,
                metavar="MM",
                help=f"list the landmarks that two readers put further apart (default: {LIMIT_MM:g})",
            )
            action.add_argument(
                "--csv", type=some_path, metavar="FILE", help="write a row for each landmark read twice"
            )


def run(args: argparse.Namespace) -> int:
    """Do what the action says.

    Returns 0, or 2 where revisions could not be read or `check` found a problem. Raises BadInputError for a folder
    without corrections, and in `agreement` for one without a case that two readers corrected.
    """
    return {"list": _list, "check": _check, "summary": _summary, "agreement": _agreement}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    failed: dict[str, str] = {}
    revisions = latest_revisions(args.folder, failed)
    if not revisions:
        none = f"{args.folder} holds no corrections; give the folder that they were exported to."
        raise BadInputError(next(iter(failed.values()), none))
    corrections = []
    for case, revision in revisions.items():
        try:
            corrections.append(read_revision(revision))
        except BadInputError as error:
            failed[case] = str(error)
    for sentence in failed.values():
        print(sentence, file=sys.stderr)
    _print_table([HEADER, *(row for correction in corrections for row in _rows(correction))])
    counts = summarise(corrections)["decisions"]["all"]
    parts = [f"{count} {decision}" for decision, count in counts.items() if count]
    moved = displacements(corrections)
    far = f"; moved by {moved['median']:.2f} mm (median), {moved['largest']:.2f} mm at most" if moved["n"] else ""
    print(f"{len(corrections)} case(s): {', '.join(parts) or 'none could be read'}{far}")
    return 2 if failed else 0


def _check(args: argparse.Namespace) -> int:
    from ..study.corrections.check import check

    problems = check(args.folder)
    for problem in problems:
        if args.json:
            print(as_json({"event": "problem", **problem._asdict()}))
        else:
            print(f"{problem.where}: {problem.sentence}")
    if not args.json:
        print(f"{len(problems)} problem(s)." if problems else "Nothing is wrong.")
    return 2 if problems else 0


def _summary(args: argparse.Namespace) -> int:
    corrections, failed = _read(args)
    figures = summarise(corrections)
    warnings = [unseen_warning(reader, *of) for reader, of in accepted_unseen(corrections).items()]
    if args.json:
        print(as_json({"event": "summary", **figures, "failed": failed, "warnings": warnings}))
        return 2 if failed else 0
    counted, readers = figures["decisions"], figures["readers"]
    print(f"{figures['cases']} case(s), {figures['revisions']} revision(s), {len(readers)} reader(s)")
    groups = {"all": counted["all"], **counted["sides"], **counted["models"]}
    groups.update({f"reader {reader}": of["decisions"] for reader, of in readers.items()})
    _print_table([("", *counted["all"]), *((name, *map(str, of.values())) for name, of in groups.items())])
    moved = figures["moved"]
    if moved["n"]:
        _print_table(
            [
                (f"moved, mm (n = {moved['n']})", "median", "P90", "mean shift"),
                ("distance", f"{moved['median']:.2f}", f"{moved['p90']:.2f}", ""),
                *(
                    (axis, f"{of['median']:.2f}", f"{of['p90']:.2f}", f"{of['mean']:+.2f}")
                    for axis, of in moved["axes"].items()
                ),
            ]
        )
    for warning in warnings:
        print(warning, file=sys.stderr)
    return 2 if failed else 0


def _agreement(args: argparse.Namespace) -> int:
    corrections, failed = _read(args)
    rereads = find_rereads(corrections)
    if not rereads:
        raise BadInputError(
            f"No landmark in {args.folder} was decided on by two readers; let a second reader correct some of the "
            "cases under initials of their own and export to the same folder."
        )
    if args.csv:
        from ..study.report.tables import as_csv

        write_text(args.csv, as_csv(COLUMNS, (of.row() for of in rereads)))
    for figures in agreements(rereads, args.limit):
        if args.json:
            print(as_json({"event": "agreement", **figures}))
        else:
            _print_agreement(figures)
        same = figures["both_accepted"]
        if same and same >= figures["landmarks"] / 2:
            print(
                f"{' and '.join(figures['readers'])} both left {same} of {figures['landmarks']} landmarks where one "
                "prediction was: they agree with the model, which makes them agree with each other.",
                file=sys.stderr,
            )
    return 2 if failed else 0


def _read(args: argparse.Namespace) -> tuple[list[Correction], dict[str, str]]:
    failed: dict[str, str] = {}
    corrections = read_all(args.folder, failed)
    for where, sentence in failed.items():
        print(f"{where}: {sentence}", file=sys.stderr)
    return corrections, failed


def _print_agreement(figures: Mapping[str, Any]) -> None:
    a, b = figures["readers"]
    only = ", ".join(f"only {reader} {count}" for reader, count in figures["only"].items())
    print(
        f"{a} and {b}: {figures['landmarks']} landmark(s) of {figures['cases']} case(s) placed by both; "
        f"missing for both {figures['both_missing']}, {only}"
    )
    distance = figures["distance"]
    if distance:
        limits = distance["interval_95"]
        of = [f"{name} {_with(distance[key], limits[key])}" for name, key in zip(("mean", "median", "P95"), limits)]
        print(f"distance, mm: {', '.join(of)}")
        rows = [(f"{b} less {a}, mm", "bias", "lower limit", "upper limit", "ICC(2,1)")]
        for axis in AXES:
            one = figures["axes"][axis]
            lower, upper = one["limits"] or (None, None)
            rows.append(
                (
                    axis,
                    _with(one["bias"], one["bias_95"]),
                    _with(lower, one["lower_95"]),
                    _with(upper, one["upper_95"]),
                    _with(one["icc"]["icc"], one["icc"]["interval_95"], 3),
                )
            )
        _print_table(rows)
    for row in figures["over_limit"]:
        apart = row["distance_mm"]
        words = f"{row['reader_a']} {row['decision_a']}, {row['reader_b']} {row['decision_b']}"
        how = "one says that it is missing" if apart is None else f"{apart:.2f} mm apart"
        print(f"{row['case']} {row['side']}: {how} ({words})")
    print(f"{len(figures['over_limit'])} landmark(s) over {figures['limit_mm']:g} mm, or missing for one.")


def _with(value: float | None, interval: Sequence[float] | None, digits: int = 2) -> str:
    if value is None:
        return "-"
    limits = "" if interval is None else " ({} to {})".format(*(f"{limit:.{digits}f}" for limit in interval))
    return f"{value:.{digits}f}{limits}"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def _rows(correction: Correction) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for side in SIDES:
        distance = correction.displacement_mm(side)
        change = f"{correction.statuses[side]} -> {correction.decisions[side]}"
        revision = correction.folder.name if correction.folder else ""
        moved = "-" if distance is None else f"{distance:.2f}"
        rows.append((correction.case, revision, correction.reader, side, change, moved))
    return rows
