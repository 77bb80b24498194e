"""The networks in OpenVINO, on the CPU and without torch."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import BadInputError
from ...landmarks.points import SIDES
from ...model.config import BFLOAT16_TOLERANCE, ModelConfig
from ...model.openvino_graph import build, lacking
from ...model.quiet_openvino import openvino as ov
from ...model.shapes import tensor_shapes
from ...model.weights import Weights
from ...volume.crop import crop
from ...volume.sample import Level, VolumePyramid, linear_along
from ..device import allowed_threads
from .backend import Answer, Answers, Ask
from .moments import moments

TESTED = (26, 24, 28)


class OpenVinoBackend:
    """The networks of weights that openvino_graph can build, see Backend. Of passes that do not need each other as many
    run at once as threads are allowed. They are compiled while the caller goes on, to read a volume.

    Raises BadInputError for weights of other networks.
    """

    name, device = "openvino", "cpu"

    def __init__(self, weights: Weights, precision: str | None = None) -> None:
        what = lacking(weights.config)
        shapes = tensor_shapes(weights.config)
        if what or shapes is None:
            raise BadInputError(
                f"OpenVINO does not know {what} of the weights {weights.header.get('path')}; use --backend torch."
            )
        weights.require(shapes)
        self.config: ModelConfig = weights.config
        self.threads = allowed_threads()
        self._core = ov.Core()
        self._tensors = weights.tensors
        self._networks: dict[tuple[int, int, str], _Network] = {}
        self._lock = threading.Lock()
        begun = ThreadPoolExecutor(1)
        self._ready = begun.submit(self._prepare, precision)
        begun.shutdown(wait=False)

    @property
    def precision(self) -> str:
        """See Backend."""
        return self._ready.result()

    def _prepare(self, precision: str | None) -> str:
        """The precision to compute in, for which the networks of crops are compiled."""
        precision = precision or self._choose_precision()
        for scale in range(1, len(self.config.scales_mm)):
            self._network(scale, (self.config.crop_size,) * 3, self.threads, precision)
        return precision

    def views(self, pyramid: VolumePyramid) -> VolumePyramid:
        """See Backend."""
        return pyramid

    def as_array(self, view: Level) -> Level:
        """See Backend."""
        return view

    def coarse(self, view: Level) -> dict[str, Answer]:
        """See Backend."""
        logits = self._logits(0, view.image, 1)
        inverse = np.linalg.inv(view.world_to_index)
        frame = inverse[:3, :3]
        center = frame @ ((np.array(view.image.shape[::-1]) - 1) / 2) + inverse[:3, 3]
        return {side: self._answer(0, number, logits[number], center, frame) for number, side in enumerate(SIDES)}

    def look(self, scale: int, asks: Sequence[Ask], heatmaps: bool = False) -> Answers:
        """See Backend."""
        streams = self.threads if len(asks) > 1 else 1
        one = partial(self._look, scale, heatmaps, streams)
        if streams == 1:
            yield from map(one, asks)
            return
        pool = ThreadPoolExecutor(min(streams, len(asks)))
        try:
            yield from pool.map(one, asks)
        finally:
            pool.shutdown(cancel_futures=True)

    def _look(self, scale: int, heatmap: bool, streams: int, ask: Ask) -> Answer:
        side, view, center = ask
        spacing = self.config.scales_mm[scale]
        frame = np.diag([-spacing if side == "left" else spacing, spacing, spacing])
        logits = self._logits(scale, crop(view, center, frame, self.config.crop_size), streams)[0]
        return self._answer(scale, 0, logits, center, frame, heatmap)

    def _answer(
        self,
        scale: int,
        landmark: int,
        logits: np.ndarray,
        center: np.ndarray,
        frame: np.ndarray,
        heatmap: bool = True,
    ) -> Answer:
        position, covariance, log_mass = moments(logits)
        away = position - (np.array(logits.shape[::-1]) - 1) / 2
        bias = float(self._tensors[f"nets.{scale}.presence_bias"][landmark])
        return Answer(
            center + frame @ away,
            frame @ covariance @ frame.T,
            log_mass - bias,
            center,
            frame,
            logits if heatmap else None,
        )

    def _logits(self, scale: int, image: np.ndarray, streams: int, precision: str | None = None) -> np.ndarray:
        """(landmarks, D, H, W) float32 from HU (D, H, W). The last layer is always float32: a logit of 20 in bfloat16
        is off by up to 6 %."""
        network = self._network(scale, image.shape, streams, precision or self.precision)
        prefix = f"nets.{scale}.unet.head."
        weight, bias = self._tensors[f"{prefix}weight"], self._tensors[f"{prefix}bias"]
        with network.features(image) as features:
            logits = weight @ features.reshape(len(features), -1)
        return (logits + bias[:, None]).reshape(-1, *image.shape)

    def _network(self, scale: int, extent: tuple[int, ...], streams: int, precision: str) -> _Network:
        """The network for images of this extent, so many at once; one for images of another extent is dropped."""
        key = (scale, streams, precision)
        with self._lock:
            if key not in self._networks or self._networks[key].extent != extent:
                how = {
                    "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
                    "INFERENCE_NUM_THREADS": self.threads,
                    "NUM_STREAMS": streams,
                    "ENABLE_CPU_PINNING": False,
                }
                graph = build(self.config, self._tensors, scale, extent)
                self._networks[key] = _Network(self._core.compile_model(graph, "CPU", how), extent)
            return self._networks[key]

    def _choose_precision(self) -> str:
        """As model.numerics.choose_dtype has it: bfloat16 where the CPU is quicker in it and every network agrees in it
        with itself in float32 on a small random image."""
        if not quicker_in_bfloat16(self._core):
            return "float32"
        image = np.random.default_rng(0).normal(0, 400, (8, 8, 8)).astype(np.float32)
        for axis, n in enumerate(TESTED):
            image = linear_along(image, axis, (np.arange(n) + 0.5) * 8 / n - 0.5)
        passed = all(self._agreement(scale, image) < BFLOAT16_TOLERANCE for scale in range(len(self.config.scales_mm)))
        return "bfloat16" if passed else "float32"

    def _agreement(self, scale: int, image: np.ndarray) -> float:
        """Root mean square difference of bfloat16 from float32 logits, relative to their spread; inf if not finite."""
        exact, other = (self._logits(scale, image, 1, precision) for precision in ("float32", "bfloat16"))
        difference = np.sqrt(np.square(other - exact).mean()) / max(float(exact.std(ddof=1)), 1e-6)
        return float(difference) if np.isfinite(difference) else np.inf


class _Network:
    """One that is compiled, with the requests to it that nobody waits for."""

    def __init__(self, compiled: ov.CompiledModel, extent: tuple[int, ...]) -> None:
        self.compiled, self.extent = compiled, extent
        self.idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()

    @contextmanager
    def features(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """(channels, D, H, W) of HU (D, H, W), until the block is left."""
        try:
            request = self.idle.get_nowait()
        except queue.Empty:
            request = self.compiled.create_infer_request()
        image = np.ascontiguousarray(image, np.float32)[None, None]
        request.set_input_tensor(ov.Tensor(image, shared_memory=True))
        request.infer()
        yield request.get_output_tensor().data[0]
        self.idle.put(request)


def quicker_in_bfloat16(core: ov.Core) -> bool:
    """Whether the CPU multiplies bfloat16 in hardware, and is none that announces AMX: see model.numerics."""
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return False
    return not (sys.platform == "linux" and "amx_tile" in Path("/proc/cpuinfo").read_text(encoding="utf-8"))
