"""`carotid-landmark train`: arguments to options."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import fields
from pathlib import Path

from ..errors import BadInputError, CannotRunError
from ..model.config import PRESETS
from .options import some_path


def _phantoms(text: str) -> str:
    if text != "online" and not text.isdigit():
        raise argparse.ArgumentTypeError("a number, or the word online")
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `carotid-landmark train`."""
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of the run: weights, checkpoint, logs")
    add("--phantoms", type=_phantoms, default="0", metavar="N|online", help="train on N phantoms, or on ever new ones")
    add(
        "--data",
        type=some_path,
        help="folder of volumes with points or of corrections, or a CSV volume,side,x,y,z,space",
    )
    add("--scaffold", type=Path, metavar="DIR", help="label maps to build part of the phantoms on")
    add("--scaffold-share", type=float, default=0.5, help="share of the phantoms built on them (default 0.5)")
    add("--cases", type=Path, metavar="DIR", help="train on the cases ready-made in DIR/train, validate on DIR/val")
    add("--method", "--preset", choices=sorted(PRESETS), help="what to train (default: that of --start, or default)")
    add("--half-resolution", action="store_true", help="the same with voxels twice as large and half as many")
    add("--start", type=Path, nargs="+", default=(), metavar="WEIGHTS", help="go on from these weights")
    add("--scales", type=float, nargs="+", default=(), metavar="MM", help="train the nets of these scales only")
    add("--steps", type=int, default=4000, help="volumes to train on, one a step (default 4000)")
    add("--epoch", type=int, default=200, metavar="STEPS", help="steps between validations (default 200)")
    add("--max-minutes", type=float, metavar="M", help="end the schedule after M minutes at the latest")
    add("--clock", choices=("wall", "cpu"), default="wall", help="what measures these minutes (default wall)")
    add("--learning-rate", type=float, help="(default: the method's)")
    add("--validation", type=int, default=24, metavar="N", help="phantoms to validate on (default 24)")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    add("--devices", type=int, default=1, help="GPUs to train on at once (or start it with torchrun)")
    add("--workers", type=int, default=1, help="processes that make cases; 0 makes them in the training process")
    add("--cache", type=Path, metavar="DIR", help="where cases are kept (default: OUT/cases)")
    add("--seed", type=int, default=0)
    add("--first-seed", type=int, default=0, help="seed of the first training phantom")
    add("--resume", action="store_true", help="go on with the run in OUT")


def run(args: argparse.Namespace) -> int:
    """Do as the arguments say and return the exit code."""
    missing = [name for name in ("lightning_fabric", "tensorboard", "tqdm") if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotRunError(f"Training needs {', '.join(missing)}: install carotid-landmark[train].")
    from ..study.train.loop import Options, train

    if not 0 <= args.scaffold_share <= 1:
        raise BadInputError(f"--scaffold-share {args.scaffold_share} is not between 0 and 1.")
    args.start, args.scales = tuple(args.start), tuple(args.scales)
    options = Options(**{f.name: getattr(args, f.name) for f in fields(Options) if hasattr(args, f.name)})
    print(f"Weights: {train(options)}")
    return 0
