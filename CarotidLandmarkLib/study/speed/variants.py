"""What is measured beside each other: the detector with each engine, the paper's method, and a sliding window."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...detect.backends.backend import Answer, Answers, Ask, Backend
from ...detect.presence import Thresholds, judge
from ...detect.search import Search
from ...model.weights import build_model, read_weights
from ...volume.ct import CTVolume
from ...volume.sample import VolumePyramid
from ..report.tables import plural
from . import PEERS
from .operations import OfGraphs, OfModules, Operations
from .scene import Stages

if TYPE_CHECKING:
    import torch

ABSENT = "absent"
WINDOW, OVERLAP, WINDOW_MM = 96, 0.25, 1.0
UNBELIEVABLE = 2.0  # a presence that nothing has: a search that gives up both sides, everywhere


class Variant(NamedTuple):
    """One way to answer. what: "detect", ABSENT or a name of PEERS; engine: of ENGINES, as backend/precision."""

    what: str
    engine: str
    samples: int = 1

    @property
    def name(self) -> str:
        if self.what in PEERS:
            return f"{PEERS[self.what].format(samples=self.samples)} ({self.engine})"
        return f"{self.engine}, " + ("both absent" if self.what == ABSENT else plural(self.samples, "sample"))


def plan(engines: Sequence[str], samples: Sequence[int], peers: Sequence[str]) -> tuple[list[Variant], dict[str, str]]:
    """What can be measured here, and why the rest of what is wished for cannot; peers run as torch does best."""
    variants, missing = [], {}
    for engine in engines:
        reason = _missing(*engine.split("/"))
        if reason:
            missing[engine] = reason
        else:
            variants += [Variant("detect", engine, count) for count in samples] + [Variant(ABSENT, engine)]
    best = "torch/float32" if _missing("torch", "bfloat16") else "torch/bfloat16"
    for peer in peers:
        needed = [name for name in ("torch", "monai") if name == "torch" or peer == "sliding-window"]
        absent = [name for name in needed if importlib.util.find_spec(name) is None]
        if absent:
            missing[PEERS[peer].format(samples=max(samples))] = f"{absent[0]} is not installed."
        else:
            variants.append(Variant(peer, best, 1 if peer == "sliding-window" else max(samples)))
    return variants, missing


def _missing(backend: str, precision: str) -> str | None:
    if importlib.util.find_spec(backend) is None:
        return f"{backend} is not installed."
    if precision == "float32":
        return None
    if os.environ.get("ONEDNN_MAX_CPU_ISA") == "AVX2":
        return "AVX2 has none."
    if backend == "openvino":
        from ...detect.backends.with_openvino import quicker_in_bfloat16
        from ...model.quiet_openvino import openvino

        quicker = quicker_in_bfloat16(openvino.Core())
    else:
        import torch

        from ...model import numerics

        quicker = numerics.quicker_in_bfloat16(torch.device("cpu"))
    return None if quicker else "this CPU is not quicker in it, so that no detection would take it."


class Runner(NamedTuple):
    """run: one answer, whose stages go to its argument. operations: of its networks, counted as it runs."""

    run: Callable[[Stages], None]
    operations: Operations


def load(variants: Sequence[Variant], volume: CTVolume, weights: Path | None) -> dict[Variant, Runner]:
    """Each ready to run in `volume`; variants of one engine share its networks."""
    counted: dict[tuple[bool, str], Counted] = {}
    runners: dict[Variant, Runner] = {}
    for variant in variants:
        if variant.what == "sliding-window":
            runners[variant] = _sliding_window(volume, variant.engine)
            continue
        key = (variant.what in PEERS, variant.engine)
        if key not in counted:
            counted[key] = Counted(*(_paper(variant.engine) if key[0] else _engine(variant.engine, weights)))
        runners[variant] = _search(counted[key], volume, variant)
    return runners


def _search(backend: Counted, volume: CTVolume, variant: Variant) -> Runner:
    def run(stages: Stages) -> None:
        whole = variant.samples if variant.what == "paper" else 1
        believe = UNBELIEVABLE if variant.what == ABSENT else 0.0
        search = Search(backend, volume, variant.samples // whole, believe=believe, progress=stages)
        for _ in range(whole):  # the volume is averaged once
            evidence = search.run()
        judge(evidence, volume.grid, Thresholds())
        stages.end()

    return Runner(run, backend.operations)


class Counted:
    """A backend whose networks' operations are counted."""

    def __init__(self, backend: Backend, operations: Operations) -> None:
        self.backend, self.operations = backend, operations

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def coarse(self, view: Any) -> dict[str, Answer]:
        """See Backend."""
        self.operations.add(0, self.backend.as_array(view).image.shape)
        return self.backend.coarse(view)

    def look(self, scale: int, asks: Sequence[Ask], heatmaps: bool = False) -> Answers:
        """See Backend."""
        self.operations.add(scale, (self.backend.config.crop_size,) * 3, len(asks))
        return self.backend.look(scale, asks, heatmaps)


def _engine(engine: str, weights: Path | None) -> tuple[Backend, Operations]:
    backend, precision = engine.split("/")
    read = read_weights(weights)
    if backend == "openvino":
        from ...detect.backends.with_openvino import OpenVinoBackend

        return OpenVinoBackend(read, precision), OfGraphs(read)
    return _in_torch(build_model(read), precision)


def _paper(engine: str) -> tuple[Backend, Operations]:
    import torch

    from ...model.multiscale import MultiScaleLocNet
    from ..methods import get

    torch.manual_seed(0)
    return _in_torch(MultiScaleLocNet(get("end-to-end-noise").config), engine.split("/")[1])


def _in_torch(model: Any, precision: str) -> tuple[Backend, Operations]:
    import torch

    from ...detect.backends.with_torch import TorchBackend

    backend = TorchBackend(model)
    backend.model.use_dtype(getattr(torch, precision))
    return backend, OfModules(backend.model.nets)


def _sliding_window(volume: CTVolume, engine: str) -> Runner:
    import torch
    from monai.inferers import sliding_window_inference

    from ...model.multiscale import MultiScaleLocNet
    from ..methods import get

    torch.manual_seed(0)
    net: Any = MultiScaleLocNet(get("monai-unet").config).nets[0].eval()
    dtype = getattr(torch, engine.split("/")[1])
    operations = OfModules([net.unet], channels=len(net.window_low.flatten()))

    def look(windows: torch.Tensor) -> torch.Tensor:
        operations.add(0, windows.shape[2:], len(windows))
        return net.unet(windows.to(dtype))

    @torch.inference_mode()
    def run(stages: Stages) -> None:
        stages("coarse search", 0.0)
        image = torch.from_numpy(VolumePyramid(volume).whole(WINDOW_MM).image)[None, None]
        windowed = ((image - net.window_low) / net.window_width).clamp(0, 1)
        stages(f"left, {WINDOW_MM:g} mm, window 1 of 1", 0.0)
        heatmaps: Any = sliding_window_inference(windowed, (WINDOW,) * 3, 1, look, OVERLAP)
        np.unravel_index(int(heatmaps[0, 0].argmax()), heatmaps.shape[2:])
        stages.end()

    return Runner(run, operations)
