"""Training from top to bottom: options, data, model, the loop, the weights. Read it in this order.

Every random number of a step comes from (seed, step), so a run that was interrupted and resumed is the same run.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import CSVLogger, TensorBoardLogger
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from tqdm import tqdm

from ... import __version__
from ...atomic import hold
from ...detect.definition import read_offsets
from ...detect.device import choose_device
from ...detect.results import prepare_folder
from ...errors import BadInputError, CannotRunError
from ...model.config import ModelConfig
from ...model.multiscale import MultiScaleLocNet
from ...model.numerics import has_bfloat16
from ...model.weights import load_weights, read_weights, save_weights
from ..calibration import moved_trust
from ..methods import get, names
from ..methods.method import Recipe
from ..patients import learned_from
from .augment import Augmentation
from .batches import BatchStep
from .data import TrainingData
from .files import (
    calibrated,
    common_trust,
    identity,
    load_checkpoint,
    load_start,
    save_checkpoint,
    training_summary,
)
from .step import TrainingStep
from .validate import validate

CHECKPOINT = "last.ckpt"
WEIGHTS = "weights.safetensors"
PRESENCE_PACE = 50.0
DIVERGED = CannotRunError(
    "The training has diverged, its answers are no numbers: begin in another --out with a lower --learning-rate."
)
CLOCKS = {"wall": time.monotonic, "cpu": time.process_time}
LOGGERS = ((CSVLogger, "csv"), (TensorBoardLogger, "tensorboard"))


@dataclass(frozen=True)
class Options:
    """What `carotid-landmark train` is told. ``phantoms`` is a number or "online"; ``data`` a folder or CSV of cases;
    ``cases`` a folder with training cases ready-made in `train` and `val`.

    ``method`` names an architecture and how it is trained (study.methods), of which ``learning_rate`` changes a number;
    None: that of ``start``, or the default. Only ``scales`` (mm) are trained, all if empty.
    ``epoch`` is in steps; one step is one volume per process, or ``batch`` of them, which the net of a single scale
    can be shown at once; no steps only put ``start`` together and calibrate.
    ``max_minutes`` bends the schedule so that it ends in time, which makes the run depend on the ``clock``: that on the
    wall, or the processor time of this process, which is the same on a busy machine. A run that is interrupted loses
    ``checkpoint_minutes`` at most. ``start``: weights to go on from, each for the scales that it was trained on; with
    ``keep_presence``, which wants a ``batch``, what they say of presence stays as it is.
    """

    out: Path
    method: str | None = None
    half_resolution: bool = False
    scales: tuple[float, ...] = ()
    phantoms: str = "0"
    data: Path | None = None
    cases: Path | None = None
    scaffold: Path | None = None
    scaffold_share: float = 0.5
    batch: int = 1
    steps: int = 4000
    epoch: int = 200
    max_minutes: float | None = None
    clock: str = "wall"
    checkpoint_minutes: float = 5.0
    learning_rate: float | None = None
    device: str = "auto"
    devices: int = 1
    workers: int = 1
    validation: int = 24
    seed: int = 0
    resume: bool = False
    start: tuple[Path, ...] = ()
    first_seed: int = 0
    cache: Path | None = None
    keep_presence: bool = False


def train(options: Options, config: ModelConfig | None = None, recipe: Recipe | None = None) -> Path:
    """Train as told and return the path of the weights; all progress is kept in ``options.out``.

    ``config`` and ``recipe`` are those that the options ask for unless given. Raises BadInputError for options and data
    that cannot be, CannotRunError where there is no such device or nothing can be written.
    """
    prepare_folder(options.out, "--out")
    if options.cache:
        prepare_folder(options.cache, "--cache")
    fabric = launch(options)
    if config is None or recipe is None:
        asked = design(options)
        config, recipe = config or asked[0], recipe or asked[1]
    if options.half_resolution and options.start and options.method is None:
        raise BadInputError("--half-resolution is for networks from scratch: leave it out, or name the --method, too.")
    for path in options.start:
        if np.any(read_offsets(read_weights(path).header)["left"]):
            raise BadInputError(
                f"{path} moves its answers to where the readers of a site put the point, which training would not take "
                "along: start from the weights that the site began with, or use the command site."
            )
    if options.scaffold and options.phantoms == "0":
        raise BadInputError("--scaffold is what phantoms are built on: give --phantoms, too.")
    unknown = set(options.scales) - set(config.scales_mm)
    if unknown:
        raise BadInputError(f"--scales {min(unknown):g} is no scale of the method {config.name}.")
    if options.learning_rate is not None:
        recipe = replace(recipe, learning_rate=options.learning_rate)
    if options.scales and recipe.anywhere:
        raise BadInputError(f"--scales cannot be with {config.name}, whose scales learn from each other's answers.")
    if options.batch > 1 and len(options.scales) != 1:
        raise BadInputError("--batch is for the net of one scale: name it by --scales.")
    if options.keep_presence and options.batch == 1:
        raise BadInputError("keep_presence is for training in batches: give a batch of 2 or more.")
    with closing(TrainingData(options, config, recipe, str(fabric.device))) as data:
        return run(options, config, recipe, data, fabric)


def launch(options: Options) -> Fabric:
    """The processes to train in, which from here on all do the same."""
    if (options.out / CHECKPOINT).exists() and not options.resume:
        raise BadInputError(f"{options.out} already holds a run: give --resume to go on with it, or another --out.")
    device = choose_device(options.device)
    available = {"cuda": torch.cuda.device_count(), "cpu": os.cpu_count() or 1}.get(device.type, 1)
    if options.devices > available:
        raise CannotRunError(f"--devices {options.devices} is more than there are here ({available} x {device.type}).")
    several = options.devices > 1 or TorchElasticEnvironment.detect()
    strategy = "ddp_find_unused_parameters_true" if several else "auto"  # a step may leave nets out
    fabric = Fabric(accelerator=device.type, devices=options.devices, strategy=strategy)
    fabric.launch()
    if fabric.is_global_zero:
        hold(options.out)
    return fabric


def run(options: Options, config: ModelConfig, recipe: Recipe, data: TrainingData, fabric: Fabric) -> Path:
    """The loop itself: go on from the checkpoint in ``options.out``, if there is one, to the weights."""
    checkpoint_path = options.out / CHECKPOINT
    torch.manual_seed(options.seed)
    model = MultiScaleLocNet(config)
    starts = [load_start(path, model, first=not number) for number, path in enumerate(options.start)]
    dtype = torch.bfloat16 if has_bfloat16(fabric.device) else torch.float32
    model.use_dtype(dtype)
    step_module: TrainingStep | BatchStep
    if options.batch > 1:
        step_module = BatchStep(model, recipe, Augmentation(), options.scales[0], options.keep_presence)
    else:
        step_module = TrainingStep(model, recipe, Augmentation(), options.scales)
    average = MultiScaleLocNet(model.config).to(fabric.device)
    average.load_state_dict(model.state_dict())
    average.requires_grad_(False)
    average.use_dtype(dtype)
    optimizer = OPTIMIZERS[recipe.optimizer](parameter_groups(model), recipe)
    state: dict[str, Any] = {"step": 0, "minutes": 0.0, "history": [], "on_answer": [0.0, 0]}
    training_step, optimizer = fabric.setup(step_module, optimizer)
    own = identity(model.config, options, starts, data.identity)
    if checkpoint_path.exists():
        state = load_checkpoint(checkpoint_path, model, average, optimizer, own)

    def keep() -> None:
        state["minutes"] = (clock() - started) / 60
        if fabric.is_global_zero:
            save_checkpoint(checkpoint_path, model, average, optimizer, state, own)

    def report() -> None:
        values = validate(average, data.validation_cases(), whole_way=step_module.coarse)
        state["history"].append({"step": state["step"], **values})
        log({f"validation/{name}": value for name, value in values.items()}, state["step"])
        tqdm.write(f"step {state['step']}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items()))

    clock = CLOCKS[options.clock]
    started = clock() - 60 * state["minutes"]
    steps = tqdm(total=options.steps, initial=state["step"], disable=not fabric.is_global_zero, unit="step")
    with steps, logging(options.out, state["step"], fabric.is_global_zero) as log:
        while state["step"] < options.steps:
            minutes = (clock() - started) / 60
            progress = state["step"] / options.steps
            if options.max_minutes is not None:
                progress = max(progress, minutes / options.max_minutes)
                progress = fabric.broadcast(progress)  # clocks differ, and no process may end before the others
            if progress >= 1:
                break
            rate = learning_rate(recipe, progress, state["step"])
            for group in optimizer.param_groups:
                group["lr"] = rate * group["pace"]
            first = (state["step"] * fabric.world_size + fabric.global_rank) * options.batch
            cases = [data.case(position) for position in range(first, first + options.batch)]
            shown = cases if options.batch > 1 else cases[0]
            loss, values = training_step(shown, progress, (options.seed + 7919 * fabric.global_rank, state["step"]))
            fabric.backward(loss)
            norm = clip_gradients(model, recipe.clip)
            optimizer.step()
            optimizer.zero_grad()
            state["step"] += 1
            if "on_answer" in values:
                state["on_answer"] = [state["on_answer"][0] + values["on_answer"], state["on_answer"][1] + 1]
            update_average(average, model, min(recipe.average, (1 + state["step"]) / (10 + state["step"])))
            log({"loss": float(loss.detach()), "rate": rate, "norm": norm, **values}, state["step"])
            steps.update()
            minutes = (clock() - started) / 60
            epoch_ends = state["step"] % options.epoch == 0 or state["step"] == options.steps
            if epoch_ends and fabric.is_global_zero:
                report()
            if epoch_ends and fabric.broadcast(has_diverged(average, state)):
                raise DIVERGED
            if epoch_ends or minutes - state["minutes"] >= options.checkpoint_minutes:
                keep()
        if fabric.is_global_zero and (not state["history"] or state["history"][-1]["step"] != state["step"]):
            report()
    path = options.out / WEIGHTS
    if fabric.is_global_zero:
        if has_diverged(average, state):
            raise DIVERGED
        before = average.config.covariance_scale[-1]
        calibration = calibrated(average, data, options, starts, state["step"] > 0)
        keep()
        trust = common_trust(starts)
        if trust and not state["step"]:
            trust = moved_trust(trust, 0.5 * math.log(average.config.covariance_scale[-1] / before), 0.0)
        story = training_summary(options, state, data.description, str(fabric.device), starts)
        header = {"version": __version__, "training": story, "calibration": calibration, "trust": trust}
        volumes = sorted(data.volumes.union(*map(learned_from, starts)))
        save_weights(path, average, {**header, "volumes": volumes})
    return path


def has_diverged(average: MultiScaleLocNet, state: Mapping[str, Any]) -> bool:
    """Whether the weights, or what they gave in the last validation, are not finite."""
    told = state["history"][-1].values() if state["history"] else ()
    return not (all(map(math.isfinite, told)) and all(bool(p.isfinite().all()) for p in average.parameters()))


@contextmanager
def logging(out: Path, step: int, active: bool) -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """What writes values down: in `csv/` and `tensorboard/` of ``out``, those of this process and of no other, apart by
    the step that it goes on from."""
    loggers = [logger(out, name, f"from-{step}") for logger, name in LOGGERS] if active else []

    def log(values: Mapping[str, float], step: int) -> None:
        for logger in loggers:
            logger.log_metrics(dict(values), step)

    try:
        yield log
    finally:
        for logger in loggers:
            logger.finalize("ended")


def design(options: Options) -> tuple[ModelConfig, Recipe]:
    """The architecture that the options ask for, and how it is trained."""
    if options.method is None and options.start:
        config = load_weights(options.start[0])[0].config
        if config.name not in names():
            raise BadInputError(f"{options.start[0]} is of a method not known here ({config.name}): give --method.")
        return config, get(config.name).recipe
    method = get(options.method or "default")
    config = method.config.at_half_resolution() if options.half_resolution else method.config
    return config, method.recipe


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], Recipe], torch.optim.Optimizer]] = {
    "adam": lambda groups, recipe: torch.optim.Adam(groups, lr=recipe.learning_rate),
    "adamw": lambda groups, recipe: torch.optim.AdamW(
        groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    ),
}


def parameter_groups(model: MultiScaleLocNet) -> list[dict[str, Any]]:
    """All parameters, with the pace of each: the two numbers that read a presence from what is detached, and on which
    nothing else depends, have far to go and may go fast."""
    reading = [
        parameter
        for net in model.nets
        if net.presence_scale is not None
        for parameter in (net.presence_scale, net.presence_bias)
        if parameter.requires_grad
    ]
    known = {id(parameter) for parameter in reading}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known and parameter.requires_grad]
    return [{"params": rest, "pace": 1.0}, *([{"params": reading, "pace": PRESENCE_PACE}] if reading else [])]


def learning_rate(recipe: Recipe, progress: float, step: int) -> float:
    """Warm-up over 100 steps, then a cosine to 1 %; constant for Adam."""
    if recipe.optimizer == "adam":
        return recipe.learning_rate
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    return recipe.learning_rate * min(1.0, (step + 1) / 100) * cosine


def clip_gradients(model: MultiScaleLocNet, limit: float) -> float:
    """Clip each scale's net by itself, so that a hard scale does not slow the others; drop what is not finite.

    Returns the largest norm before clipping.
    """
    norms = []
    for net in model.nets:
        norm = float(torch.nn.utils.clip_grad_norm_(net.parameters(), limit))
        if not math.isfinite(norm):
            net.zero_grad()
        norms.append(norm)
    return max(norms)


@torch.no_grad()
def update_average(average: torch.nn.Module, model: torch.nn.Module, keep: float) -> None:
    """Exponential moving average of the parameters: keep * old + (1 - keep) * new."""
    for old, new in zip(average.parameters(), model.parameters()):
        old.lerp_(new.detach(), 1 - keep)
