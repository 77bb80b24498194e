"""Training from top to bottom: options, data, model, the loop, the weights. Read it in this order.

Every random number of a step comes from (seed, step), so a run that was interrupted and resumed is the same run.
"""

from __future__ import annotations

import csv
import json
import math
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from CarotidLandmarkLib import __version__
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.model.config import PRESETS
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.numerics import has_bfloat16
from CarotidLandmarkLib.model.weights import load_weights, save_weights
from CarotidLandmarkLib.train.augment import Augmentation
from CarotidLandmarkLib.train.data import TrainingData
from CarotidLandmarkLib.train.step import TrainingStep
from CarotidLandmarkLib.train.validate import calibrate, validate

CHECKPOINT = "last.ckpt"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Options:
    """What `carotid-landmark train` is told. ``phantoms`` is a number or "online"; ``data`` a folder or CSV of cases.

    ``epoch`` is in steps; one step is one volume per process; no steps only put ``start`` together and calibrate.
    ``max_minutes`` bends the learning-rate schedule so that it ends in time, which makes the run depend on the clock.
    ``paper`` as preset also sets the paper's optimiser. Only ``scales`` (mm) are trained, all if empty.
    ``start``: weights to go on from, each for the scales that it was trained on.
    """

    out: Path
    preset: str = "default"
    scales: tuple[float, ...] = ()
    phantoms: str = "0"
    data: Path | None = None
    scaffold: Path | None = None
    scaffold_share: float = 0.5
    steps: int = 4000
    epoch: int = 200
    max_minutes: float | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    ema: float = 0.998
    clip: float = 5.0
    device: str = "auto"
    devices: int = 1
    workers: int = 1
    validation: int = 24
    seed: int = 0
    resume: bool = False
    start: tuple[Path, ...] = ()
    first_seed: int = 0
    cache: Path | None = None


def train(options: Options) -> Path:
    """Train as told and return the path of the weights; all progress is kept in ``options.out``."""
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint_path = options.out / CHECKPOINT
    if checkpoint_path.exists() and not options.resume:
        raise BadInputError(f"{options.out} already holds a run: give --resume to go on with it, or another --out.")
    accelerator = {"auto": "auto", "cuda": "gpu"}.get(options.device, options.device)
    fabric = Fabric(accelerator=accelerator, devices=options.devices)
    fabric.launch()

    config = PRESETS[options.preset]
    data = TrainingData(options, config, device=str(fabric.device))
    torch.manual_seed(options.seed)
    model = MultiScaleLocNet(config)
    stages = [load_start(path, model) for path in options.start]
    model.use_dtype(torch.bfloat16 if has_bfloat16(fabric.device) and options.preset != "paper" else torch.float32)
    average = MultiScaleLocNet(config).to(fabric.device)
    average.load_state_dict(model.state_dict())
    average.nets.requires_grad_(False)
    average.use_dtype(model.nets[0].unet.compute_dtype)  # type: ignore[union-attr,arg-type]
    step_module = TrainingStep(model, options.preset, Augmentation(), options.scales)
    optimizer = make_optimizer(step_module, options)
    state: dict[str, Any] = {"step": 0, "minutes": 0.0, "history": []}
    if checkpoint_path.exists():
        saved = torch.load(checkpoint_path, map_location=fabric.device, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]
    training_step, optimizer = fabric.setup(step_module, optimizer)

    started = time.monotonic() - 60 * state["minutes"]
    log = Log(options, fabric.is_global_zero)
    progress_bar = tqdm(total=options.steps, initial=state["step"], disable=not fabric.is_global_zero, unit="step")
    while state["step"] < options.steps:
        minutes = (time.monotonic() - started) / 60
        progress = state["step"] / options.steps
        if options.max_minutes is not None:
            progress = max(progress, minutes / options.max_minutes)
        if progress >= 1:
            break
        rate = learning_rate(options, progress, state["step"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        case = data.case(state["step"] * fabric.world_size + fabric.global_rank)
        loss, values = training_step(case, progress, (options.seed + 7919 * fabric.global_rank, state["step"]))
        fabric.backward(loss)
        norm = clip_gradients(model, options.clip)
        optimizer.step()
        optimizer.zero_grad()
        state["step"] += 1
        update_average(average, model, min(options.ema, (1 + state["step"]) / (10 + state["step"])))
        log.step(state["step"], {"loss": float(loss.detach()), "rate": rate, "norm": norm, **values})
        progress_bar.update()
        if state["step"] % options.epoch == 0 or state["step"] == options.steps:
            state["minutes"] = (time.monotonic() - started) / 60
            if fabric.is_global_zero:
                result = validate(average, data.validation_cases(), whole_way=step_module.coarse)
                state["history"].append({"step": state["step"], **result})
                log.epoch(state["step"], result)
                save_checkpoint(checkpoint_path, model, average, optimizer, state)
            fabric.barrier()
    progress_bar.close()
    state["minutes"] = (time.monotonic() - started) / 60
    path = options.out / WEIGHTS
    if fabric.is_global_zero:
        if not options.scales:
            average.config = calibrate(average, data.validation_cases(), options.seed)
        save_checkpoint(checkpoint_path, model, average, optimizer, state)
        story = training_summary(options, state, data.description, str(fabric.device), stages)
        save_weights(path, average, {"version": __version__, "training": story})
    data.close()
    log.close()
    return path


def make_optimizer(module: torch.nn.Module, options: Options) -> torch.optim.Optimizer:
    """AdamW, or the paper's Adam at 5e-4."""
    if options.preset == "paper":
        return torch.optim.Adam(module.parameters(), lr=5e-4)
    return torch.optim.AdamW(module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)


def learning_rate(options: Options, progress: float, step: int) -> float:
    """Warm-up over 100 steps, then a cosine to 1 %; constant 5e-4 for the paper."""
    if options.preset == "paper":
        return 5e-4
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
    return options.learning_rate * min(1.0, (step + 1) / 100) * cosine


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


def save_checkpoint(
    path: Path, model: torch.nn.Module, average: torch.nn.Module, optimizer: Any, state: dict[str, Any]
) -> None:
    """All that resuming needs, in place at once."""
    partial = path.with_suffix(".part")
    torch.save(
        {
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "state": state,
        },
        partial,
    )
    os.replace(partial, path)


def load_start(path: Path, model: MultiScaleLocNet) -> dict[str, Any]:
    """Put trained weights of the same architecture into ``model``, for the scales that they were trained on.

    Returns what their header says of their training.
    """
    other, header = load_weights(path)
    trained = header["training"].get("options", {}).get("scales") or other.config.scales_mm
    for spacing, ours, theirs in zip(model.config.scales_mm, model.nets, other.nets):
        if spacing in trained:
            state = theirs.state_dict()
            if {k: v.shape for k, v in ours.state_dict().items()} != {k: v.shape for k, v in state.items()}:
                raise BadInputError(
                    f"{path} has another architecture than this preset: choose its preset with --preset."
                )
            ours.load_state_dict(state)
    return dict(header["training"])


def training_summary(
    options: Options, state: dict[str, Any], data: str, device: str, stages: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the weights file says of its making; ``stages`` say it of the weights that it started from."""
    plain = {k: v for k, v in asdict(options).items() if k not in ("out", "cache", "resume")}
    plain.update(start=[path.name for path in options.start])
    plain.update({k: plain[k].name for k in ("data", "scaffold") if plain[k]})
    return {
        "date": time.strftime("%Y-%m-%d"),
        "steps": state["step"],
        "minutes": round(state["minutes"], 1),
        "machine": f"{platform.machine()} {device}",
        "torch": torch.__version__,
        "data": data,
        "options": plain,
        "stages": stages,
        "validation": state["history"][-1] if state["history"] else None,
    }


class Log:
    """TensorBoard, `steps.csv` and `epochs.jsonl` in the run's folder."""

    COLUMNS = ("step", "loss", "rate", "norm")

    def __init__(self, options: Options, active: bool) -> None:
        self.active = active
        if not active:
            return
        (options.out / "options.json").write_text(json.dumps({k: str(v) for k, v in asdict(options).items()}, indent=1))
        self.board = SummaryWriter(str(options.out / "tensorboard"))
        self.epochs = options.out / "epochs.jsonl"
        path = options.out / "steps.csv"
        fresh = not path.exists()
        self.file = path.open("a", newline="")
        self.writer = csv.writer(self.file)
        if fresh:
            self.writer.writerow([*self.COLUMNS, "values"])

    def step(self, step: int, values: dict[str, float]) -> None:
        if self.active:
            rest = {k: round(v, 3) for k, v in values.items() if k not in self.COLUMNS}
            self.writer.writerow([step, *(f"{values[k]:.6g}" for k in self.COLUMNS[1:]), json.dumps(rest)])
            for name, value in values.items():
                self.board.add_scalar(f"train/{name}", value, step)

    def epoch(self, step: int, values: dict[str, float]) -> None:
        self.file.flush()
        with self.epochs.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            if np.isfinite(value):
                self.board.add_scalar(f"validation/{name}", value, step)
        tqdm.write(f"step {step}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items()))

    def close(self) -> None:
        if self.active:
            self.file.close()
            self.board.close()
