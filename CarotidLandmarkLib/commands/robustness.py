"""`carotid-landmark benchmark robustness`: detect in every case as it gets worse, and write the page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import BadInputError, CannotRunError
from .options import add_engine_arguments, chosen_weights, some_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What robustness alone needs, in a group of its own."""
    group = parser.add_argument_group("robustness")
    group.add_argument("--data", type=some_path, help="volumes with their points, as evaluate reads them")
    add_engine_arguments(group)


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What must be the same where a run goes on. Raises BadInputError without --data."""
    from ..model.weights import read_weights

    if args.data is None:
        raise BadInputError("robustness needs --data: a folder of volumes with their points, or a table of such.")
    header = read_weights(chosen_weights(args)).header
    return {
        "model": f"{header['name']} {header['version']}",
        "sha256": header["sha256"],
        "data": str(args.data),
        **{key: getattr(args, key) for key in ("samples", "confidence", "seed", "fork")},
    }


def run(args: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Detect in what is not done yet and write the page of what is, even where it is stopped. Returns 0, or 2 where
    cases cannot be read."""
    from ..detect.case import Settings
    from ..model.weights import read_weights
    from ..study.cases import digest, kept_name, read_cases
    from ..study.patients import say_known
    from ..study.processes import run_all
    from ..study.report.robustness import write_robustness
    from ..study.robustness import measure, read_scores, summarise

    unusable: dict[str, str] = {}
    cases = read_cases(args.data, unusable)
    say_known(cases, read_weights(chosen_weights(args)).header)
    folder: Path = args.out / "cases"
    folder.mkdir(exist_ok=True)
    files = {case.name: folder / f"{kept_name(case.name, digest([case]))}.json" for case in cases}
    how = Settings(args.samples, args.confidence, args.seed, fork=args.fork)
    engine = (chosen_weights(args), args.device, args.backend)
    tasks = [(c, engine, how, files[c.name]) for c in cases if not files[c.name].is_file()]
    failed = []
    try:
        for number, (task, went_well) in enumerate(run_all(tasks, measure, args.parallel), start=1):
            name = task[0].name
            print(
                f"{number} of {len(tasks)} cases: {name}{'' if went_well else ' failed'}", file=sys.stderr, flush=True
            )
            failed += [] if went_well else [name]
    finally:
        done = [file for file in files.values() if file.is_file()]
        if done:
            steps = summarise(read_scores(done), args.confidence)
            write_robustness(args.out, steps, {**settings, "cases": len(done)})
    if done:
        print((args.out / "robustness.md").read_text(encoding="utf-8"))
    if failed:
        raise CannotRunError(f"{len(failed)} case(s) failed, see above: {', '.join(failed)}.")
    return 2 if unusable else 0
