"""`carotid-landmark train`: arguments to options."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import fields

from ..detect import DEVICES
from ..errors import CannotRunError
from ..study.methods import ALIASES, names
from .options import positive_number, seed, share, some_path, some_weights, whole_number


def _phantoms(text: str) -> str:
    if text == "online":
        return text
    try:
        return str(whole_number(0)(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or the word online") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `carotid-landmark train`."""
    add = parser.add_argument
    count, above_0 = whole_number(1), positive_number
    add("--out", type=some_path, required=True, help="folder of the run: weights, checkpoint, logs")
    add("--phantoms", type=_phantoms, default="0", metavar="N|online", help="train on N phantoms, or on ever new ones")
    add(
        "--data",
        type=some_path,
        help="folder of volumes with points, corrections or nnLandmark's, or CSV volume,side,x,y,z,space",
    )
    add("--scaffold", type=some_path, metavar="DIR", help="label maps to build part of the phantoms on")
    add("--scaffold-share", type=share, default=0.5, help="share of the phantoms built on them (default 0.5)")
    add("--cases", type=some_path, metavar="DIR", help="train on ready-made cases in DIR/train, validate on DIR/val")
    add(
        "--method",
        "--preset",
        choices=sorted([*names(), *ALIASES]),
        metavar="NAME",
        help=f"{', '.join(sorted([*names(), *ALIASES]))} (default: that of --start, or default)",
    )
    add(
        "--half-resolution",
        action="store_true",
        help="the same with voxels twice as long, half as many along an axis",
    )
    add("--start", type=some_weights, nargs="+", default=(), metavar="WEIGHTS", help="go on from these weights")
    add("--scales", type=above_0, nargs="+", default=(), metavar="MM", help="train the nets of these scales only")
    add(
        "--batch", type=count, default=1, metavar="N", help="volumes a step, with one of --scales: for GPUs (default 1)"
    )
    add("--steps", type=whole_number(0), default=4000, help="steps, of one volume or --batch (default 4000)")
    add("--epoch", type=count, default=200, metavar="STEPS", help="steps between validations (default 200)")
    add("--max-minutes", type=above_0, metavar="M", help="end the schedule after M minutes at the latest")
    add("--clock", choices=("wall", "cpu"), default="wall", help="what measures these minutes (default wall)")
    add("--learning-rate", type=above_0, help="(default: the method's)")
    add("--validation", type=whole_number(0), default=24, metavar="N", help="phantoms to validate on (default 24)")
    add("--device", choices=DEVICES, default="auto")
    add("--devices", type=count, default=1, help="GPUs to train on at once (or start it with torchrun)")
    add("--workers", type=whole_number(0), default=1, help="processes that make cases; 0: the training process does")
    add("--cache", type=some_path, metavar="DIR", help="where cases are kept (default: OUT/cases)")
    add("--seed", type=seed, default=0, help="(default 0)")
    add("--first-seed", type=seed, default=0, help="seed of the first training phantom")
    add("--resume", action="store_true", help="go on with the run in OUT")


def run(args: argparse.Namespace) -> int:
    """Do as the arguments say and return the exit code."""
    require_training()
    from ..study.train.loop import Options, train

    args.start, args.scales = tuple(args.start), tuple(args.scales)
    options = Options(**{f.name: getattr(args, f.name) for f in fields(Options) if hasattr(args, f.name)})
    print(f"Weights: {train(options)}")
    return 0


def require_training() -> None:
    """Raise CannotRunError where what training needs is not installed."""
    missing = [name for name in ("lightning_fabric", "tensorboard", "tqdm") if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotRunError(f"Training needs {', '.join(missing)}: install carotid-landmark[train].")
