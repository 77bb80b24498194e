"""One volume on its way through the scales of the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
from scipy.special import expit

from ..errors import CancelledError
from ..landmarks.points import SIDES
from ..volume.ct import CTVolume
from ..volume.sample import VolumePyramid
from .backends.backend import Answer, Backend
from .peaks import apart, likely_cells, peaks
from .presence import Evidence
from .uncertainty import combine, draw_shifts

Progress = Callable[[str, float], None]
Cancelled = Callable[[], bool]

COARSE_SHARE = 0.2  # of the time, for the progress bar
SEARCH_ENDS = 0.9  # of the progress bar; what comes then is seldom or short
SIDE_SHARE = (SEARCH_ENDS - COARSE_SHARE) / len(SIDES)
SWEPT_PRESENCE = 0.9  # at the finest two scales, which have to be sure of what a sweep finds
SWEPT_PLACES = 4  # that are followed to the finer scales
SWEEP_LOOKS = 64


class Search:
    """Coarse to fine through one volume. Only the last scale runs more than once; `seconds` says where time went.

    samples: passes of the last scale, each with its crop shifted by up to the model's noise_mm on every axis; 1 is a
    single unshifted pass, which is all that a model without noise or with a single scale makes.
    seed: of the shifts, which are the same with every backend.
    A side whose presence falls below `believe` goes no further, but is looked for once more all over the body; so is
    one that a finer scale is in doubt about.
    Before each step `cancelled` is asked, then `progress` is called with a text and the finished fraction.
    """

    def __init__(
        self,
        backend: Backend,
        volume: CTVolume,
        samples: int = 50,
        seed: int = 0,
        believe: float = 0.5,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        self.backend = backend
        self.config = backend.config
        self.views = backend.views(VolumePyramid(volume))
        samples = samples if self.config.noise_mm else 1
        noise_mm = self.config.noise_mm if samples > 1 else 0.0
        self.shifts = dict(zip(SIDES, draw_shifts(len(SIDES), samples, noise_mm, seed)))
        self.believe = believe
        self.progress = progress or (lambda text, fraction: None)
        self.cancelled = cancelled or (lambda: False)
        self.seconds = {"pyramid": 0.0, "network": 0.0, "fork": 0.0}

    def run(self) -> dict[str, Evidence]:
        """What every scale says of each side. Raises CancelledError."""
        spacing = self.config.scales_mm[0]
        self.step("coarse search", 0.0)
        with self.clock("pyramid"):
            level = self.views.whole(spacing)
        self.step("coarse search", COARSE_SHARE / 2)
        with self.clock("network"):
            answers = self.backend.coarse(level)
        evidence = {side: Evidence() for side in SIDES}
        for number, side in enumerate(SIDES):
            self._note(evidence[side], spacing, [answers[side]])
            if len(self.config.scales_mm) > 1 and evidence[side].presence >= self.believe:
                self._follow(side, answers[side], evidence[side], COARSE_SHARE + number * SIDE_SHARE)
        for side, other in zip(SIDES, SIDES[::-1]):
            seen = evidence[side]
            if len(self.config.scales_mm) < 3 or not self.config.sweep_mm or not self._doubted(seen):
                continue
            known = [evidence[other].position] if evidence[other].presence >= self.believe else []
            swept = self._sweep(side, answers[side], known)
            if swept is not None and (seen.presence < self.believe or apart([swept.position], [seen.position])):
                evidence[side] = swept
        return evidence

    def again(self, side: str, seen: Evidence, place: np.ndarray) -> Evidence | None:
        """What the last two scales say around ``place`` (3,), instead of `seen`; None where the finest does not believe
        in a landmark there. Raises CancelledError."""
        second_last = len(self.config.scales_mm) - 2
        if second_last < 1:
            return None
        before = self._approach(side, second_last, place, self.config.looks)[-1]
        kept = slice(second_last)
        other = Evidence(seen.scales_mm[kept], seen.presences[kept], seen.positions[kept], swept=seen.swept)
        self._note(other, self.config.scales_mm[second_last], [before])
        self._sample(side, other, before, SEARCH_ENDS, 0.0)
        other.rivals.append((seen.position - other.position, seen.presences[-1]))
        return other if other.presences[-1] >= self.believe else None

    def _doubted(self, seen: Evidence) -> bool:
        """Not believed, or a finer scale sees less of it than of what a sweep may find; not where all is believed."""
        return seen.presence < self.believe or (self.believe > 0 and min(seen.presences[1:]) < SWEPT_PRESENCE)

    def _follow(self, side: str, coarse: Answer, seen: Evidence, begun: float) -> None:
        """Note what the finer scales say on the way down from the coarsest one's answer and from above and below it."""
        scales = self.config.scales_mm
        heights = self.config.starts_mm if len(scales) > 2 else ()
        share = SIDE_SHARE / (len(heights) + len(self.shifts[side]))
        ways = []
        for number, height in enumerate(heights):
            between = " and ".join(f"{spacing:g}" for spacing in scales[1:-1])
            self.step(f"{side}, {between} mm, start {number + 1} of {len(heights)}", begun + number * share)
            ways.append(self._descend(side, seen.position + [0.0, 0.0, height], len(scales) - 1))
        best = self._choose(seen, ways)
        if seen.presence >= self.believe:
            self._sample(side, seen, best[-1] if best else coarse, begun + len(heights) * share, share)

    def _sweep(self, side: str, coarse: Answer, known: list[np.ndarray]) -> Evidence | None:
        """What the finer scales say where the finest is surest, of the places all over the body that the second scale
        finds likely; None if it and the one before are not sure there, or come to the other side's landmark, which is
        ``known``."""
        seen = Evidence(swept=True)
        self._note(seen, self.config.scales_mm[0], [coarse])
        scales = len(self.config.scales_mm)
        ways = [self._descend(side, place, scales) for place in self._places(side, coarse, known)]
        sure = [way for way in ways if min(_presence([answer]) for answer in way[-2:]) >= SWEPT_PRESENCE]
        best = self._choose(seen, sure)
        if not best:
            return None
        self._sample(side, seen, best[-2], SEARCH_ENDS, 0.0)
        return seen if seen.presence >= SWEPT_PRESENCE and apart([seen.position], known) else None

    def _places(self, side: str, coarse: Answer, known: list[np.ndarray]) -> list[np.ndarray]:
        """Places (3,), apart from each other and ``known`` ones, where the second scale sees the landmark most.

        It looks at the middles of cells that hold tissue, of many only those that the coarsest scale likes best.
        """
        first, second = self.config.scales_mm[:2]
        with self.clock("pyramid"):
            whole, box = self.backend.as_array(self.views.whole(first)), self.views.whole(second)
        cells = likely_cells(whole.image, coarse, max(1, round(self.config.sweep_mm / first)), SWEEP_LOOKS)
        inverse = np.linalg.inv(whole.world_to_index)
        centers = cells @ inverse[:3, :3].T + inverse[:3, 3]
        looks: list[Answer] = []
        with closing(self.backend.look(side, 1, box, centers)) as answers:
            for number in range(len(centers)):
                self.step(f"{side}, {second:g} mm, place {number + 1} of {len(centers)}", SEARCH_ENDS)
                with self.clock("network"):
                    looks.append(next(answers))
        looks.sort(key=lambda look: -look.presence_logit)
        points = [look.position for look in looks]
        return [points[i] for i in apart(points, known, SWEPT_PLACES)]

    def _choose(self, seen: Evidence, ways: list[list[Answer]]) -> list[Answer]:
        """The way that ends most present; what the scales between the first and the last say on it is noted."""
        if not ways:
            return []
        best = max(ways, key=lambda way: way[-1].presence_logit)
        for spacing, output in zip(self.config.scales_mm[1:-1], best):
            self._note(seen, spacing, [output])
        seen.rivals = [self._rival(way[-1], best[-1]) for way in ways if way is not best]
        return best

    def _settle(self, side: str, seen: Evidence, before: Answer) -> np.ndarray:
        """Where (3,) the landmark is most likely, of the peaks of the heatmap before the finest scale's: the peak's
        share of it times the odds that the finest scale gives, which alone is as sure of many a false fork."""
        last = len(self.config.scales_mm) - 1
        tops = peaks(before, self.config.peaks)
        if len(tops) == 1:
            nearing = self._approach(side, last, seen.position, self.config.looks - 1)
            return nearing[-1].position if nearing else seen.position
        ends = [self._approach(side, last, place, self.config.looks)[-1] for place, _ in tops]
        likely = [np.log(share) + end.presence_logit for (_, share), end in zip(tops, ends)]
        best = ends[int(np.argmax(likely))]
        seen.rivals += [self._rival(end, best) for end in ends if end is not best]
        return best.position

    def _sample(self, side: str, seen: Evidence, before: Answer, begun: float, share: float) -> None:
        """Note what the finest scale says in all of its passes around the place that it likes best."""
        samples, last = len(self.shifts[side]), len(self.config.scales_mm) - 1
        center = self._settle(side, seen, before)
        box = self._box(center, last, margin=2 * self.config.noise_mm)
        passes: list[Answer] = []
        with closing(self.backend.look(side, last, box, center + self.shifts[side])) as answers:
            for number in range(samples):
                text = f"{side}, {self.config.scales_mm[last]:g} mm, sample {number + 1} of {samples}"
                self.step(text, begun + number * share)
                with self.clock("network"):
                    passes.append(next(answers))
        self._note(seen, self.config.scales_mm[last], passes)
        seen.complete = True

    def _descend(self, side: str, center: np.ndarray, end: int) -> list[Answer]:
        """The answers of the scales after the first and before number `end` on the way down from `center` (3,)."""
        answers = []
        for scale in range(1, end):
            answers.append(self._approach(side, scale, center, self.config.looks)[-1])
            center = answers[-1].position
        return answers

    def _approach(self, side: str, scale: int, center: np.ndarray, looks: int) -> list[Answer]:
        """The answers of one scale to so many looks: at `center` (3,), then each at the answer before it."""
        answers: list[Answer] = []
        for _ in range(looks):
            box = self._box(center, scale)
            with self.clock("network"):
                answers += self.backend.look(side, scale, box, center[None], heatmaps=True)
            center = answers[-1].position
        return answers

    def _rival(self, other: Answer, best: Answer) -> tuple[np.ndarray, float]:
        """Where from the best answer (3,), in mm, another start has ended, and how present the landmark is there."""
        return other.position - best.position, _presence([other])

    def _box(self, center: np.ndarray, scale: int, margin: float = 0.0) -> Any:
        with self.clock("pyramid"):
            return self.views.around(center, self.config.extent_mm[scale] + margin, self.config.scales_mm[scale])

    def _note(self, seen: Evidence, spacing: float, passes: list[Answer]) -> None:
        positions = np.stack([answer.position for answer in passes])
        heatmaps = np.stack([answer.covariance for answer in passes])
        index = len(seen.scales_mm)
        mean, seen.covariance = combine(positions, heatmaps, self.config.covariance_scale[index])
        seen.scales_mm.append(spacing)
        seen.presences.append(_presence(passes))
        seen.positions.append(mean)
        seen.samples, seen.heatmap = positions, heatmaps.mean(axis=0)

    def step(self, text: str, fraction: float) -> None:
        """What comes now. Raises CancelledError."""
        if self.cancelled():
            raise CancelledError("Stopped on request; nothing was written for this case.")
        self.progress(text, fraction)

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the time of the block to that of this stage."""
        started = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - started


def _presence(passes: list[Answer]) -> float:
    return float(np.mean(expit([answer.presence_logit for answer in passes])))
