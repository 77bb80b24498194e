"""How a model does on cases it does not train on, and the calibration fitted to them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from ...detect.uncertainty import combine
from ...landmarks.detection import chi2_quantile
from ...model.multiscale import MultiScaleLocNet, ScaleOutput
from ...model.pyramid import of_geometry
from .cases import OnDevice, TrainingCase

CONFIDENCE = 0.9
SAMPLES = 8
LEAST_LANDMARKS = 10
GROSS_MM = 10.0


@torch.no_grad()
def validate(model: MultiScaleLocNet, cases: Iterable[TrainingCase], whole_way: bool = True) -> dict[str, float]:
    """Errors in mm of each scale along the way from the coarse answer on, and how well presence is told.

    Without ``whole_way`` the coarse answer is taken to be 17 mm off: for finer scales that are trained apart.
    A landmark counts as present where the least presence of all scales is above 0.5. What no case says is left out.
    """
    model.eval()
    scales_mm = model.config.scales_mm if whole_way else model.config.scales_mm[1:]
    errors: list[list[float]] = [[] for _ in scales_mm]
    seen: list[float] = []
    imagined: list[float] = []
    for case in cases:
        for side, outputs in (model(_seen_by(model, case)) if whole_way else _from_near(model, case)).items():
            if side in case.unreviewed:
                continue
            presence = min(float(output.presence_logit[0]) for output in outputs)
            truth = case.truth[side]
            (imagined if truth is None else seen).append(presence)
            if truth is not None:
                for scale, output in zip(errors, outputs):
                    scale.append(float(np.linalg.norm(output.position[0].cpu().numpy() - truth)))
    model.train()
    values = {f"mean_{s:g}mm": np.mean(e) for s, e in zip(scales_mm, errors) if e}
    if errors[-1]:
        last = np.array(errors[-1])
        values |= {"median": np.median(last), "p95": np.percentile(last, 95), "over_10mm": (~(last <= GROSS_MM)).mean()}
    for name, logits in (("found", seen), ("false_found", imagined)):
        if logits:
            values[name] = np.mean(np.array(logits) > 0)
    return {name: float(value) for name, value in values.items()}


def _seen_by(model: MultiScaleLocNet, case: TrainingCase) -> OnDevice:
    return OnDevice(case, next(model.parameters()).device)


def _from_near(model: MultiScaleLocNet, case: TrainingCase) -> dict[str, list[ScaleOutput]]:
    views = _seen_by(model, case)
    view, geometry = model.view(views), of_geometry(views.device)
    found: dict[str, list[ScaleOutput]] = {}
    for side, truth in case.truth.items():
        if truth is None:
            continue
        center = torch.from_numpy(truth + [10.0, -10.0, 10.0])[None].to(geometry)
        found[side] = []
        for scale, spacing in enumerate(model.config.scales_mm[1:], start=1):
            level = view.around(center[0], model.config.extent_mm[scale], spacing)
            frame = model.frame(side, scale).to(geometry)
            output = model.refine(scale, level.image, level.world_to_index, center, frame)
            center = output.position
            found[side].append(output)
    return found


@torch.no_grad()
def calibrate(model: MultiScaleLocNet, cases: Iterable[TrainingCase], seed: int) -> tuple[tuple[float, ...], int]:
    """Covariance scales such that 90 % ellipsoids hold 90 % of these cases' points, and the number of cases they rest
    on; those that the model has, and 0, where a scale has fewer than ``LEAST_LANDMARKS`` to calibrate on.

    Gross errors (over ``GROSS_MM``, at coarse scales more) are left out: they are the business of presence and review,
    not of the ellipsoid.
    """
    model.eval()
    distances: list[list[float]] = [[] for _ in model.config.scales_mm]
    generator = torch.Generator().manual_seed(seed)
    count = 0
    for case in cases:
        points = {side: point for side, point in case.truth.items() if point is not None}
        count += bool(points)
        outputs = model(_seen_by(model, case), samples=SAMPLES, generator=generator) if points else {}
        for side, truth in points.items():
            for scale, output in enumerate(outputs[side]):
                mean, covariance = combine(output.position.cpu().numpy(), output.covariance.double().cpu().numpy(), 1.0)
                away, covariance = mean - truth, covariance + case.of_voxels
                if np.linalg.norm(away) < GROSS_MM + 5 * model.config.scales_mm[scale]:
                    distances[scale].append(float(away @ np.linalg.solve(covariance, away)))
    model.train()
    if min(len(d) for d in distances) < LEAST_LANDMARKS:
        return model.config.covariance_scale, 0
    expected = chi2_quantile(CONFIDENCE)
    return tuple(float(np.quantile(d, CONFIDENCE)) / expected for d in distances), count
