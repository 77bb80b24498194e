"""What speed is measured on and with: a volume, clocks and memory."""

from __future__ import annotations

import threading
import time

import numpy as np
import psutil

from ...volume.ct import CTVolume
from ...volume.geometry import Grid

SPACING_MM = (0.45, 0.45, 0.625)
SAMPLED_S = 0.005


def make_volume(size: tuple[int, int, int]) -> CTVolume:
    """Soft tissue with noise, air around it and two bright tubes, int16 of `size` (nx, ny, nz)."""
    nx, ny, nz = size
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:ny, :nx]
    body = ((x - nx / 2) / (0.42 * nx)) ** 2 + ((y - ny / 2) / (0.38 * ny)) ** 2 < 1
    tubes = np.hypot(np.abs(x - nx / 2) - 56, y - ny / 2 + 6) < 8
    slab = np.where(tubes, 350, np.where(body, 45, -1000)).astype(np.int16)
    array = np.empty((nz, ny, nx), np.int16)
    for k in range(nz):
        array[k] = slab + rng.integers(-40, 40, slab.shape, dtype=np.int16)
    return CTVolume(array, Grid(size, np.array(SPACING_MM), np.zeros(3), np.eye(3)))


class PeakMemory:
    """Memory of this process in the block above that at its begin, in `bytes`; it is looked at every 5 ms."""

    def __enter__(self) -> PeakMemory:
        self.begun = self.highest = _resident()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.done.wait(SAMPLED_S):
            self.highest = max(self.highest, _resident())

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()
        self.bytes = max(self.highest, _resident()) - self.begun


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


class Stages:
    """A search's progress that adds up `seconds` by scale and kind of look."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.stage, self.begun = "", 0.0

    def __call__(self, text: str, fraction: float) -> None:
        """See search.Progress."""
        self.end()
        if text == "coarse search":
            self.stage = "coarsest scale" if fraction else "volume averaged"
        else:  # "left, 2 mm, start 1 of 3"
            self.stage = ", ".join(text.split(" of ")[0].rpartition(" ")[0].split(", ")[1:])
        self.begun = time.perf_counter()

    def end(self) -> None:
        """The last stage has ended."""
        if self.stage:
            spent = time.perf_counter() - self.begun
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + spent
            self.stage = ""
