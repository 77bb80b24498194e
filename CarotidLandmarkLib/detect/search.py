"""One volume on its way through the scales of the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from functools import partial

import numpy as np
import torch

from ..errors import CancelledError
from ..landmarks.points import SIDES
from ..model.multiscale import MultiScaleLocNet, ScaleOutput
from ..model.pyramid import LevelLike
from ..volume.ct import CTVolume
from ..volume.sample import VolumePyramid
from .presence import Evidence
from .uncertainty import combine

Progress = Callable[[str, float], None]
Cancelled = Callable[[], bool]

COARSE_SHARE = 0.2  # of the time, for the progress bar
SIDE_SHARE = (1 - COARSE_SHARE) / len(SIDES)
BATCH = {"cpu": 1, "cuda": 25}  # passes at once: a CPU gains nothing from more


class Search:
    """Coarse to fine through one volume. Only the last scale runs more than once; `seconds` says where time went.

    samples: passes of the last scale, each with its crop shifted by up to the model's noise_mm on every axis; 1 is a
    single unshifted pass, which is all that a model without noise or with a single scale makes.
    seed: of the shifts, drawn on the CPU, so the same on every device.
    A side whose presence falls below `believe` goes no further.
    Before each step `cancelled` is asked, then `progress` is called with a text and the finished fraction.
    """

    def __init__(
        self,
        model: MultiScaleLocNet,
        volume: CTVolume,
        samples: int = 50,
        seed: int = 0,
        believe: float = 0.5,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        self.model = model
        self.config = model.config
        self.device = next(model.parameters()).device
        self.pyramid = model.view(VolumePyramid(volume, self.device))
        generator = torch.Generator().manual_seed(seed)
        samples = samples if self.config.noise_mm else 1
        self.shifts = {side: model.noise(samples, generator) * (samples > 1) for side in SIDES}
        self.believe = believe
        self.progress = progress or (lambda text, fraction: None)
        self.cancelled = cancelled or (lambda: False)
        self.seconds = {"pyramid": 0.0, "network": 0.0}

    @torch.inference_mode()
    def run(self) -> dict[str, Evidence]:
        """What every scale says of each side. Raises CancelledError."""
        spacing = self.config.scales_mm[0]
        self._step("coarse search", 0.0)
        with self._clock("pyramid"):
            level = self.pyramid.whole(spacing)
        self._step("coarse search", COARSE_SHARE / 2)
        with self._clock("network"):
            outputs = self.model.coarse(level)
        evidence = {side: Evidence() for side in SIDES}
        for number, side in enumerate(SIDES):
            self._note(evidence[side], spacing, [outputs[side]])
            evidence[side] = self._refine(side, evidence[side], COARSE_SHARE + number * SIDE_SHARE)
        return evidence

    def _refine(self, side: str, coarse: Evidence, begun: float) -> Evidence:
        """What the finer scales say, from further away if they would not believe it otherwise."""
        if coarse.presence < self.believe or len(self.config.scales_mm) == 1:
            return coarse
        if len(self.config.scales_mm) == 2:
            return self._follow(side, deepcopy(coarse), (), begun, SIDE_SHARE)
        near = self._follow(side, deepcopy(coarse), self.config.starts_mm, begun, SIDE_SHARE)
        if near.presence >= self.believe or not self.config.far_starts_mm:
            return near
        far = self._follow(side, deepcopy(coarse), self.config.far_starts_mm, begun + SIDE_SHARE, 0.0)
        far.far = True
        return far if far.presence > near.presence else near

    def _follow(self, side: str, seen: Evidence, starts: Sequence[float], begun: float, share: float) -> Evidence:
        """Go from the coarsest answer, moved up by each of ``starts`` mm, to the finest; the best way is noted."""
        scales, samples = self.config.scales_mm, len(self.shifts[side])
        last = len(scales) - 1
        share /= len(starts) + samples
        ways = []
        for number, offset in enumerate(starts):
            between = " and ".join(f"{spacing:g}" for spacing in scales[1:last])
            self._step(f"{side}, {between} mm, start {number + 1} of {len(starts)}", begun + number * share)
            ways.append(self._descend(side, seen.position + [0.0, 0.0, offset]))
        if ways:
            best = max(ways, key=lambda way: float(way[-1].presence_logit[0]))
            for scale, output in enumerate(best, start=1):
                self._note(seen, scales[scale], [output])
            seen.rivals = [self._rival(way[-1], best[-1]) for way in ways if way is not best]
        if seen.presence < self.believe:
            return seen
        nearing = self._approach(side, last, seen.position, self.config.looks - 1)
        center = _point(nearing[-1]) if nearing else seen.position
        box = self._box(center, last, margin=2 * self.config.noise_mm)
        centers = torch.from_numpy(center) + self.shifts[side]
        batches = centers.split(BATCH.get(self.device.type, 1))
        passes: list[ScaleOutput] = []
        with _independent(self.device) as apply:
            outputs = iter(apply(partial(self._look, side, last, box), batches))
            for number in range(0, samples, len(batches[0])):
                done = min(number + len(batches[0]), samples)
                self._step(
                    f"{side}, {scales[last]:g} mm, sample {done} of {samples}", begun + (len(starts) + number) * share
                )
                with self._clock("network"):
                    passes.append(next(outputs))
        self._note(seen, scales[last], passes)
        return seen

    def _descend(self, side: str, center: np.ndarray) -> list[ScaleOutput]:
        """The answers of the scales between the first and the last on the way down from `center` (3,)."""
        answers = []
        for scale in range(1, len(self.config.scales_mm) - 1):
            answers.append(self._approach(side, scale, center, self.config.looks)[-1])
            center = _point(answers[-1])
        return answers

    def _approach(self, side: str, scale: int, center: np.ndarray, looks: int) -> list[ScaleOutput]:
        """The answers of one scale to so many looks: at `center` (3,), then each at the answer before it."""
        answers: list[ScaleOutput] = []
        for _ in range(looks):
            box = self._box(center, scale)
            with self._clock("network"):
                answers.append(self._look(side, scale, box, torch.from_numpy(center)[None]))
            center = _point(answers[-1])
        return answers

    def _rival(self, other: ScaleOutput, best: ScaleOutput) -> tuple[float, float]:
        """How far from the best answer, in mm, another start has ended, and how present the landmark is there."""
        distance = float((other.position - best.position).norm())
        return distance, float(self._believed(other.presence_logit))

    def _believed(self, logit: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.config.presence_scale * logit.double() + self.config.presence_offset).mean()

    def _box(self, center: np.ndarray, scale: int, margin: float = 0.0) -> LevelLike:
        with self._clock("pyramid"):
            return self.pyramid.around(center, self.config.extent_mm[scale] + margin, self.config.scales_mm[scale])

    @torch.inference_mode()
    def _look(self, side: str, scale: int, box: LevelLike, centers: torch.Tensor) -> ScaleOutput:
        """The net of one scale on the crops of `box` at `centers` (B, 3)."""
        frame = self.model.frame(side, scale).to(box.world_to_index)
        return self.model.refine(scale, box.image, box.world_to_index, centers.to(frame), frame)

    def _note(self, seen: Evidence, spacing: float, passes: list[ScaleOutput]) -> None:
        with self._clock("network"):
            positions = torch.cat([output.position for output in passes]).double().cpu().numpy()
            heatmaps = torch.cat([output.covariance for output in passes]).double().cpu().numpy()
            logits = torch.cat([output.presence_logit for output in passes]).double().cpu()
        index = len(seen.scales_mm)
        mean, seen.covariance = combine(positions, heatmaps, self.config.covariance_scale[index])
        seen.scales_mm.append(spacing)
        seen.presences.append(float(self._believed(logits)))
        seen.positions.append(mean)
        seen.samples, seen.heatmap = positions, heatmaps.mean(axis=0)

    def _step(self, text: str, fraction: float) -> None:
        if self.cancelled():
            raise CancelledError("Stopped on request; nothing was written for this case.")
        self.progress(text, fraction)

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds[stage] += time.perf_counter() - started


def _point(output: ScaleOutput) -> np.ndarray:
    return np.asarray(output.position[0].double().cpu().numpy())


@contextmanager
def _independent(device: torch.device) -> Iterator[Callable]:
    """A `map` for passes that do not need each other.

    A CPU runs as many at once as torch has threads, each on a single one: that beats threads within a pass, above all
    on a busy machine. What has not begun when the block is left is dropped.
    """
    workers = torch.get_num_threads() if device.type == "cpu" else 1
    if workers == 1:
        yield map
        return
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
