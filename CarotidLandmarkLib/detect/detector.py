"""From a CT to both carotid bifurcations: the one engine behind the command line, the panel and the Python API."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..fork import Check
from ..landmarks.detection import SOFTWARE, Detection, LandmarkDetection, ellipsoid
from ..landmarks.forks import ForkResult
from ..landmarks.points import SIDES
from ..model.weights import Weights, read_weights
from ..volume.ct import CTVolume
from ..volume.padding import without_padding
from . import SAMPLES
from .backends.backend import Backend
from .backends.choice import load
from .definition import read_offsets
from .flaws import scan_flaws
from .lumen import ask_both, checks_of
from .presence import Evidence, Thresholds, Verdict, judge
from .search import Cancelled, Progress, Search
from .trust import Trust


class Detector:
    """Finds both bifurcations in a CT, coarse to fine (Ma, Gupta and Sabuncu, ISBI 2020), with uncertainty.

    backend: what runs its networks. header: what their weights file says (name, version, sha256).
    """

    def __init__(self, backend: Backend, header: dict[str, Any]) -> None:
        self.backend = backend
        self.header = header
        self.limits = Thresholds()
        self.trust = Trust.from_header(header)
        self.offsets = read_offsets(header)

    @classmethod
    def from_weights(
        cls, path: str | os.PathLike[str] | None = None, device: str = "auto", backend: str = "auto"
    ) -> Detector:
        """A detector with the weights at `path`, or those of the package, on `device` (auto, cpu, cuda or mps).

        backend: "openvino" for the CPU, "torch" for every device, or "auto": torch where it has a CUDA GPU, else
        OpenVINO, else torch. Raises BadInputError for a file that holds no such weights and CannotRunError where there
        are no weights, no such device or nothing that runs them.
        """
        return cls.of(read_weights(path), device, backend)

    @classmethod
    def of(cls, weights: Weights, device: str = "auto", backend: str = "auto") -> Detector:
        """As from_weights, with weights that were read."""
        return cls(load(weights, device, backend), weights.header)

    def detect(
        self,
        volume: CTVolume,
        samples: int = SAMPLES,
        confidence: float = 0.90,
        seed: int = 0,
        case: str = "",
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
        fork: bool = True,
    ) -> Detection:
        """Both landmarks of `volume` with status, position, covariance, confidence ellipsoid and the fork around them.

        samples: passes of the finest scale, each with its crop shifted at random; 1 is a single unshifted pass.
        confidence: of the ellipsoid, between 0 and 1. seed: of the shifts, which are the same with every backend.
        progress: called with a text and the finished fraction before each step.
        cancelled: asked before each step; where it says True, CancelledError is raised.
        fork: whether to trace the lumen around each point, check the point by it, and measure it.
        Raises BadInputError for settings out of range.
        """
        if samples < 1 or not 0 < confidence < 1:
            raise BadInputError(
                f"{samples} samples at a confidence of {confidence:g} cannot be; give 1 or more, and between 0 and 1."
            )
        started = time.perf_counter()
        shown, padding = without_padding(volume)
        search = Search(self.backend, shown, samples, seed, self.limits.absent_presence, progress, cancelled)
        evidence = search.run()
        witnesses = ask_both(search, shown, evidence) if fork else {}
        flaws = {
            side: scan_flaws(shown, seen.position, witnesses.get(side))
            for side, seen in evidence.items()
            if seen.complete
        }
        places = {side: self.place(side, seen) for side, seen in evidence.items()}
        verdicts = judge(evidence, shown.grid, self.limits, self.trust, checks_of(witnesses), flaws, places)
        with search.clock("fork"):
            forks = {
                side: witness.result(shown, places[side], evidence[side].covariance, verdicts[side].status)
                for side, witness in witnesses.items()
            }
        landmarks = [
            _landmark(side, evidence[side], places[side], verdicts[side], confidence, forks.get(side)) for side in SIDES
        ]
        model = {key: self.header.get(key) for key in ("name", "version", "sha256")}
        if any(self.offsets["left"]):
            model["site_offset_lps_mm"] = self.offsets["left"].tolist()
        return Detection(
            case=case,
            volume={
                "path": volume.path,
                "sha256": volume.sha256,
                "size": list(volume.grid.size),
                "spacing_mm": volume.grid.spacing.tolist(),
                "series_uid": volume.series_uid,
            },
            model=model,
            settings=self.settings(samples, confidence, seed, fork),
            landmarks=landmarks,
            timing_s={"read": 0.0, **search.seconds, "total": time.perf_counter() - started},
            warnings=[*volume.warnings, *padding],
            files=list(volume.files),
            software=dict(SOFTWARE),
        )

    def place(self, side: str, seen: Evidence) -> np.ndarray:
        """Where (3,) LPS mm the landmark of `side` is by the definition of these weights' site, see definition.py."""
        return seen.position + self.offsets[side]

    def settings(self, samples: int, confidence: float, seed: int, fork: bool) -> dict[str, Any]:
        """What a detection says that it was made with."""
        return {
            "samples": samples,
            "confidence": confidence,
            "device": self.backend.device,
            "seed": seed,
            "fork": fork,
            "backend": self.backend.name,
            "precision": self.backend.precision,
        }

    def examine(
        self, volume: CTVolume, samples: int = SAMPLES, seed: int = 0, fork: bool = True
    ) -> tuple[dict[str, Evidence], dict[str, Check]]:
        """What `detect` judges: each scale's answers of each side, up to where it is given up, and what the lumen says
        of the sides that are not."""
        shown, _ = without_padding(volume)
        search = Search(self.backend, shown, samples, seed, self.limits.absent_presence)
        evidence = search.run()
        return evidence, checks_of(ask_both(search, shown, evidence) if fork else {})

    def locate(self, volume: CTVolume, samples: int = SAMPLES, seed: int = 0) -> dict[str, Evidence]:
        """What every scale says of each side, however little believed: to tune limits and explain answers."""
        return Search(self.backend, without_padding(volume)[0], samples, seed, believe=0.0).run()


def _landmark(
    side: str, seen: Evidence, position: np.ndarray, verdict: Verdict, confidence: float, fork: ForkResult | None
) -> LandmarkDetection:
    if verdict.status == "absent":
        return LandmarkDetection(side, verdict.status, verdict.reasons, seen.presence, fork=fork)
    radii, axes, volume = ellipsoid(seen.covariance, confidence)
    return LandmarkDetection(
        side,
        verdict.status,
        verdict.reasons,
        seen.presence,
        position,
        seen.covariance,
        radii,
        axes,
        volume,
        seen.samples.std(axis=0, ddof=1) if len(seen.samples) > 1 else None,
        fork,
    )
