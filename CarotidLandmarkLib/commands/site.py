"""`carotid-landmark site`: a site's own cases, how the weights do on them, and weights that have learned from them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from ..errors import BadInputError
from ..study.site.choose import WAYS
from .claim import claim
from .options import add_engine_arguments, chosen_weights, some_path, whole_number

EPILOG = """
SITE/report.html says on one page how the weights do on your cases, and which of three ways is for you: the weights as
they are (unchanged), their answers moved to where your readers put the point, with new ellipsoids (offset; 6 patients
or more), and the finest net trained on your cases as well (tuned; 8 or more, takes minutes). Each case is judged by
what was learned from other patients. SITE/site.safetensors are the weights, unless nothing is to be changed;
SITE/site.json holds all figures. The same command goes on with a run that was interrupted, at any point, and ends with
the same result.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the cases are, where the weights go, and how much work may be done for them."""
    parser.epilog = EPILOG
    add, count = parser.add_argument, whole_number(0)
    add("data", type=some_path, metavar="DIR|CSV", help="exported corrections, volumes with points, or a table of them")
    add("--out", type=some_path, required=True, metavar="SITE", help="folder for report, weights, and the work itself")
    add("--choose", choices=WAYS, help="write the weights of this way, whatever the figures say")
    add("--steps", type=count, default=300, metavar="N", help="of each of four trainings; 0: no training (default 300)")
    add("--phantoms", type=count, metavar="N", help="mixed into the training (default: as many as there are cases)")
    add("--tests", type=count, default=12, metavar="N", help="of the original test phantoms, for the cost (default 12)")
    add("--parallel", type=whole_number(1), default=2, metavar="N", help="processes at a time (default 2)")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Look for what speaks against the data, work, and write the report. Returns 0, or 2 where cases cannot be read."""
    from ..detect.case import Settings
    from ..detect.definition import read_offsets
    from ..model.weights import read_weights
    from ..study.report.figures import missing_packages
    from ..study.site.cases import read_site
    from ..study.site.report import PAGE, TEXT, WEIGHTS, write_site
    from ..study.site.run import Plan, work_on
    from ..study.site.stages import Engine
    from .train import require_training

    settings = Settings(args.samples, args.confidence, args.seed, fork=args.fork)
    require_training()
    if args.choose == "tuned" and not args.steps:
        raise BadInputError("--choose tuned cannot be with --steps 0, which trains nothing: leave one of them out.")
    weights = chosen_weights(args)
    base = read_weights(weights)
    site = read_site(args.data, base.header)
    for warning in site.warnings:
        print(warning, file=sys.stderr)
    told = {key: getattr(args, key) for key in ("samples", "confidence", "seed", "fork", "steps", "phantoms", "tests")}
    mine = {"weights": base.header["sha256"], "data": site.digest, **told}
    claim(args.out / "work", mine, "site.json")
    plan = Plan(
        args.out / "work",
        weights,
        read_offsets(base.header)["left"],
        Engine(settings, args.device, args.backend, args.parallel),
        args.steps,
        args.phantoms,
        args.tests,
    )
    found = work_on(site, plan)
    way = args.choose or found.choice.way
    if way not in found.judged:
        raise BadInputError(f"--choose {way} cannot be: {' '.join(found.remarks)}")
    facts = {"data": args.data.name, "command": _command(args, told), "settings": told}
    report = write_site(args.out, found, facts, base.header, way)
    missing = missing_packages()
    if missing:
        print(
            f"There is no page, since {' and '.join(missing)} cannot be imported: "
            "pip install 'carotid-landmark[report]', then give the same command again.",
            file=sys.stderr,
        )
    print((args.out / TEXT).read_text(encoding="utf-8"))
    print(f"Report: {args.out / (TEXT if missing else PAGE)}")
    print(f"Weights: {args.out / WEIGHTS}" if "sha256" in report else "No weights were written: keep what you have.")
    return 2 if found.failed else 0


def _command(args: argparse.Namespace, told: Mapping[str, Any]) -> str:
    """What was asked for, without any path."""
    words = ["carotid-landmark site", args.data.name]
    words += [f"--{name} {value}" for name, value in told.items() if value is not None and name != "fork"]
    words += ["--no-fork"] * (not args.fork) + [f"--choose {args.choose}"] * bool(args.choose)
    return " ".join(words)
