"""What a training run starts from and what it leaves: checkpoints, weights to go on from, calibration, its story."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...atomic import replacing
from ...errors import BadInputError
from ...model.config import ModelConfig
from ...model.multiscale import MultiScaleLocNet
from ...model.weights import load_weights
from .validate import calibrate

if TYPE_CHECKING:
    from .data import TrainingData
    from .loop import Options

LEAST_CASES = 20  # to calibrate on, where else the calibration of what was started from can be kept


def save_checkpoint(
    path: Path,
    model: torch.nn.Module,
    average: MultiScaleLocNet,
    optimizer: Any,
    state: dict[str, Any],
    run: dict[str, Any],
) -> None:
    """All that resuming needs, whole or not at all; ``run``: see identity."""
    values = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": state,
        "run": run,
    }
    with replacing(path) as part:
        torch.save(values, part)


def load_checkpoint(
    path: Path, model: torch.nn.Module, average: MultiScaleLocNet, optimizer: Any, run: dict[str, Any]
) -> dict[str, Any]:
    """Put what `save_checkpoint` wrote into these; returns the state. Raises BadInputError if it is of another run than
    ``run`` or damaged. What a checkpoint of an older version does not say of its run is not compared."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        other = next((key for key, value in run.items() if saved["run"].get(key, value) != value), None)
        given = "" if other in (None, "architecture") else f" ({saved['run'][other]}, not {run[other]})"
        if other is None:
            model.load_state_dict(saved["model"])
            average.load_state_dict(saved["average"])
            optimizer.load_state_dict(saved["optimizer"])
            return {key: saved["state"][key] for key in ("step", "minutes", "history", "on_answer")}
    except Exception as error:  # torch.load raises almost anything for a file that is not its own
        raise BadInputError(f"{path} is damaged or of another version, so --resume cannot go on from it.") from error
    raise BadInputError(f"{path} is of a run with another {other}{given}: resume with its own, or another --out.")


def identity(config: ModelConfig, options: Options, starts: Sequence[dict[str, Any]], data: str) -> dict[str, Any]:
    """What must be the same where a run goes on; ``starts``: headers of what it began with, ``data``: stands for what
    it is shown."""
    architecture = replace(config, covariance_scale=(1.0,) * len(config.scales_mm)).to_dict()
    return {
        "method": config.name,
        "architecture": repr(sorted(architecture.items())),
        "scales": list(options.scales),
        "seed": options.seed,
        "start": [header["sha256"][:12] for header in starts],
        "learning rate": options.learning_rate,
        "batch": options.batch,
        "devices": options.devices,
        "keep_presence": options.keep_presence,
        "data": data[:12],
    }


def load_start(path: Path, model: MultiScaleLocNet, first: bool = False) -> dict[str, Any]:
    """Put trained weights of the same architecture into ``model``, with their calibration: of the ``first`` that it
    starts from all, as the other scales are what these were trained beside, of others the scales that they were trained
    on. Returns their header.
    """
    other, header = load_weights(path)
    trained = header.setdefault("training", {}).get("options", {}).get("scales") or other.config.scales_mm
    if not set(trained) & set(model.config.scales_mm):
        raise BadInputError(f"{path} was trained at other scales than {model.config.scales_mm} mm.")
    scales = list(model.config.covariance_scale)
    for index, (spacing, ours, theirs) in enumerate(zip(model.config.scales_mm, model.nets, other.nets)):
        state = theirs.state_dict()
        alike = {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
        if spacing in trained or (first and alike):
            if not alike:
                raise BadInputError(
                    f"{path} has another architecture than what is to be trained: leave --method out, and let all "
                    "--start be of one."
                )
            ours.load_state_dict(state)
            scales[index] = other.config.covariance_scale[index]
    model.config = replace(model.config, covariance_scale=tuple(scales))
    return header


def calibrated(
    model: MultiScaleLocNet, data: TrainingData, options: Options, starts: Sequence[dict[str, Any]], trained: bool
) -> dict[str, Any]:
    """Calibrate ``model``, unless it is trained in part or has a start, and here are fewer than ``LEAST_CASES`` with a
    landmark, or, where nothing was ``trained``, fewer than its calibration rests on. Returns what the header says of
    it: on how many cases it rests (None: not known), and if that is the start's.
    """
    known = [header.get("calibration", {}).get("cases") for header in starts]
    rests_on = None if None in known else min(known, default=0)
    least = 0 if not starts else LEAST_CASES if trained else max(LEAST_CASES, rests_on or 0)
    scales, cases = model.config.covariance_scale, 0
    if not options.scales and len(data.validation) >= least:
        scales, cases = calibrate(model, data.validation_cases(), options.seed)
    if starts and (cases < least or not cases):
        return {"cases": rests_on, "kept_from_start": True}
    model.config = replace(model.config, covariance_scale=scales)
    return {"cases": cases, "kept_from_start": False}


def common_trust(starts: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What the headers of all that was started from say of trust (see detect.trust), where that is the same."""
    told = [header.get("trust") for header in starts]
    return told[0] if told and all(of == told[0] for of in told) else None


def training_summary(
    options: Options, state: dict[str, Any], data: str, device: str, starts: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the weights file says of its making; ``starts`` are the headers of what it started from."""
    total, steps = state["on_answer"]
    plain = {k: v for k, v in asdict(options).items() if k not in ("out", "cache", "resume")}
    plain.update(start=[path.name for path in options.start])
    plain.update({k: plain[k].name for k in ("data", "cases", "scaffold") if plain[k]})
    return {
        "date": time.strftime("%Y-%m-%d"),
        "steps": state["step"],
        "minutes": round(state["minutes"], 1),
        "crops_on_answers": round(total / steps, 4) if steps else None,
        "machine": f"{platform.machine()} {device}",
        "torch": torch.__version__,
        "data": data if state["step"] else "none; put together and calibrated",
        "options": plain,
        "stages": lineage([header["training"] for header in starts]),
        "validation": state["history"][-1] if state["history"] else None,
    }


def lineage(trainings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """These trainings and all that led to them, the first first, each once and without a list of its own."""
    told: list[dict[str, Any]] = []
    for training in trainings:
        own = {key: value for key, value in training.items() if key != "stages"}
        told += [stage for stage in (*lineage(training.get("stages", ())), own) if stage not in told]
    return told
