"""The networks in torch, on any of its devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch

from ...model.config import ModelConfig
from ...model.multiscale import MultiScaleLocNet, ScaleOutput
from ...model.numerics import choose_dtype
from ...model.pyramid import LevelLike, PyramidLike, TensorPyramid
from ...volume.sample import Level, VolumePyramid
from .backend import Answer, Answers, Ask

BATCH = {"cpu": 1, "cuda": 25}  # passes at once: a CPU gains nothing from more


class TorchBackend:
    """Any MultiScaleLocNet, see Backend: every method, also those that bring views, frames and places of their own."""

    name = "torch"

    def __init__(self, model: MultiScaleLocNet, device: str | torch.device = "cpu") -> None:
        self.on = torch.device(device)
        self.model = model.to(self.on).eval()
        self.model.use_dtype(choose_dtype(self.model, self.on))

    @property
    def config(self) -> ModelConfig:
        return self.model.config

    @property
    def device(self) -> str:
        return str(self.on)

    @property
    def precision(self) -> str:
        return str(self.model.nets[0].compute_dtype).rpartition(".")[-1]

    def views(self, pyramid: VolumePyramid) -> PyramidLike:
        """See Backend."""
        return self.model.view(TensorPyramid(pyramid, self.on))

    def as_array(self, view: LevelLike) -> Level:
        """See Backend."""
        return Level(view.image[0, 0].cpu().numpy(), view.world_to_index.cpu().numpy())

    @torch.inference_mode()
    def coarse(self, view: LevelLike) -> dict[str, Answer]:
        """See Backend."""
        return {side: _answers(output, True)[0] for side, output in self.model.coarse(view).items()}

    def look(self, scale: int, asks: Sequence[Ask], heatmaps: bool = False) -> Answers:
        """See Backend."""
        size = BATCH.get(self.on.type, 1)
        batches = [asks[first : first + size] for first in range(0, len(asks), size)]
        with _independent(self.on, len(batches)) as apply:
            for answers in apply(partial(self._look, scale, heatmaps), batches):
                yield from answers

    @torch.inference_mode()
    def _look(self, scale: int, heatmaps: bool, asks: Sequence[Ask]) -> list[Answer]:
        sides, views, centers = zip(*asks)
        if all(view is views[0] for view in views):
            image, world_to_index = views[0].image, views[0].world_to_index
        else:
            image = torch.cat([view.image for view in views])
            world_to_index = torch.stack([view.world_to_index for view in views])
        frames = torch.stack([self.model.frame(side, scale) for side in sides]).to(world_to_index)
        at = torch.from_numpy(np.stack(centers)).to(frames)
        return _answers(self.model.refine(scale, image, world_to_index, at, frames), heatmaps)


def _answers(output: ScaleOutput, heatmaps: bool) -> list[Answer]:
    """One a pass of the batch."""
    fields = (output.position, output.covariance, output.presence_logit, output.center, output.frame)
    position, covariance, presence, center, frame = (field.cpu().double().numpy() for field in fields)
    logits = output.logits[:, 0].float().cpu().numpy() if heatmaps else [None] * len(position)
    return [
        Answer(position[i], covariance[i], float(presence[i]), center[i], frame[i], logits[i])
        for i in range(len(position))
    ]


@contextmanager
def _independent(device: torch.device, passes: int) -> Iterator[Callable]:
    """A `map` for passes that do not need each other.

    A CPU runs as many at once as torch has threads, each on a single one: that beats threads within a pass, above all
    on a busy machine. What has not begun when the block is left is dropped.
    """
    workers = torch.get_num_threads() if device.type == "cpu" else 1
    if workers == 1 or passes <= 1:
        yield map
        return
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(workers)  # the workers' number is also that of every thread that begins after them
