"""One volume on its way through the scales of the network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from ..errors import CancelledError
from ..landmarks.points import SIDES
from ..volume.ct import CTVolume
from ..volume.memory import require_memory
from ..volume.sample import VolumePyramid
from . import SAMPLES
from .backends.backend import Answer, Ask, Backend
from .peaks import apart, likely_cells, peaks
from .presence import Evidence
from .uncertainty import combine, draw_shifts, of_voxels

Progress = Callable[[str, float], None]
Cancelled = Callable[[], bool]
Place = tuple[str, np.ndarray]  # a side, and where (3,), LPS mm, it is looked for
Way = list[Answer]  # of the scales one after the other, on the way down

COARSE_SHARE = 0.2  # of the time, for the progress bar
SEARCH_ENDS = 0.9  # of the progress bar; what comes then is seldom or short
SWEPT_PRESENCE = 0.9  # at the finest two scales, which have to be sure of what a sweep finds
SWEPT_PLACES = 4  # that are followed to the finer scales
SWEEP_LOOKS = 64
SAME_MM = 5.0  # ways that end so near to each other have found one place
CELL_BYTES = 320  # of memory that a network takes, by scans of 1 to 17 million cells at the coarsest scale
SURE_LOGIT = 6.0  # of presence: beyond it a higher one does not tell the right place from another


class Top(NamedTuple):
    """A peak (3,), LPS mm, of the heatmap that a way down ends with, and the share of it that lies around there."""

    place: np.ndarray
    share: float
    way: Way


class Search:
    """Coarse to fine through one volume. Only the last scale runs more than once; `seconds` says where time went.

    Looks that do not need each other are asked for together, also those of both sides: a backend may run them at once.

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
        samples: int = SAMPLES,
        seed: int = 0,
        believe: float = 0.5,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        self.backend = backend
        self.config = backend.config
        self.views = backend.views(VolumePyramid(volume, upright=True))
        self.name = volume.path or "the volume"
        self.of_voxels = of_voxels(volume.grid)
        samples = samples if self.config.noise_mm else 1
        noise_mm = self.config.noise_mm if samples > 1 else 0.0
        self.shifts = dict(zip(SIDES, draw_shifts(len(SIDES), samples, noise_mm, seed)))
        self.believe = believe
        self.progress = progress or (lambda text, fraction: None)
        self.cancelled = cancelled or (lambda: False)
        self.looked, self.expected = 0, 1  # looks of the finer scales, for the progress bar
        self.seconds = {"pyramid": 0.0, "network": 0.0, "fork": 0.0}

    def run(self) -> dict[str, Evidence]:
        """What every scale says of each side. Raises CancelledError, and CannotRunError where memory is short."""
        spacing = self.config.scales_mm[0]
        self.step("coarse search", 0.0)
        with self.clock("pyramid"):
            level = self.views.whole(spacing)
        if self.backend.device == "cpu":
            require_memory(math.prod(level.image.shape) * CELL_BYTES, self.name)
        self.step("coarse search", COARSE_SHARE / 2)
        with self.clock("network"):
            answers = self.backend.coarse(level)
        evidence = {side: Evidence() for side in SIDES}
        for side, seen in evidence.items():
            self._note(seen, spacing, [answers[side]])
        if len(self.config.scales_mm) > 1:
            self._follow({side: seen for side, seen in evidence.items() if seen.presence >= self.believe}, answers)
        for side, other in zip(SIDES, SIDES[::-1]):
            seen = evidence[side]
            if len(self.config.scales_mm) < 3 or not self.config.sweep_mm or not self._doubted(seen):
                continue
            known = [evidence[other].position] if evidence[other].presence >= self.believe else []
            swept = self._sweep(side, answers[side], known)
            if swept is None:
                continue
            if seen.presence < self.believe:
                evidence[side] = swept
            elif apart([swept.position], [seen.position]):
                swept.rivals.append((seen.position, seen.presences[-1]))
                evidence[side] = swept
        return evidence

    def again(self, side: str, seen: Evidence, place: np.ndarray) -> Evidence | None:
        """What the last two scales say around ``place`` (3,), instead of `seen`; None where the finest does not believe
        in a landmark there. Raises CancelledError."""
        second_last = len(self.config.scales_mm) - 2
        if second_last < 1:
            return None
        before = self._approach(second_last, [(side, place)], "fork")[0]
        kept = slice(second_last)
        other = Evidence(seen.scales_mm[kept], seen.presences[kept], seen.positions[kept], swept=seen.swept)
        self._note(other, self.config.scales_mm[second_last], [before])
        self._sample({side: other}, {side: [[before]]})
        other.rivals.append((seen.position, seen.presences[-1]))
        return other if other.presences[-1] >= self.believe else None

    def _doubted(self, seen: Evidence) -> bool:
        """Not believed, or a finer scale sees less of it than of what a sweep may find; not where all is believed."""
        return seen.presence < self.believe or (self.believe > 0 and min(seen.presences[1:]) < SWEPT_PRESENCE)

    def _follow(self, evidence: dict[str, Evidence], coarse: dict[str, Answer]) -> None:
        """Note what the finer scales say on the ways down from the coarsest one's answers and from above and below
        them."""
        scales = self.config.scales_mm
        heights = self.config.starts_mm if len(scales) > 2 else ()
        starts = [(side, seen.position + [0.0, 0.0, up]) for side, seen in evidence.items() for up in heights]
        downwards = len(starts) * (len(scales) - 2) * self.config.looks
        self.expected = max(downwards + sum(len(self.shifts[side]) for side in evidence), 1)
        ways = self._descend(starts, len(scales) - 1, "start")
        before: dict[str, list[Way]] = {}
        for side, seen in evidence.items():
            own = [way for (of, _), way in zip(starts, ways) if of == side]
            best = self._choose(seen, own)
            if seen.presence >= self.believe:
                others = [way for way in own if way is not best and _presence(way[-1:]) >= self.believe]
                others.sort(key=lambda way: -way[-1].presence_logit)
                before[side] = [best or [coarse[side]], *others]
        self._sample(evidence, before)
        self.looked = self.expected

    def _sweep(self, side: str, coarse: Answer, known: list[np.ndarray]) -> Evidence | None:
        """What the finer scales say where the finest is surest, of the places all over the body that the second scale
        finds likely; None if it and the one before are not sure there, or come to the other side's landmark, which is
        ``known``."""
        seen = Evidence(swept=True)
        self._note(seen, self.config.scales_mm[0], [coarse])
        scales = len(self.config.scales_mm)
        ways = self._descend([(side, place) for place in self._places(side, coarse, known)], scales, "place")
        sure = [way for way in ways if min(_presence([answer]) for answer in way[-2:]) >= SWEPT_PRESENCE]
        best = self._choose(seen, sure)
        if not best:
            return None
        self._sample({side: seen}, {side: [best[:-1]]})
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
        looks = self._look(1, [Ask(side, box, center) for center in centers], "place")
        looks.sort(key=lambda look: -look.presence_logit)
        points = [look.position for look in looks]
        return [points[i] for i in apart(points, known, SWEPT_PLACES)]

    def _choose(self, seen: Evidence, ways: list[Way]) -> Way:
        """The way that ends most present; what the scales between the first and the last say on it is noted."""
        if not ways:
            return []
        best = max(ways, key=lambda way: way[-1].presence_logit)
        for spacing, output in zip(self.config.scales_mm[1:-1], best):
            self._note(seen, spacing, [output])
        seen.rivals = [_rival(way[-1]) for way in ways if way is not best]
        return best

    def _settle(self, evidence: dict[str, Evidence], ways: dict[str, list[Way]]) -> dict[str, np.ndarray]:
        """Where (3,) each side's landmark is most likely, of the peaks of the heatmaps before the finest scale's: the
        peak's share of its heatmap times the odds that the finest scale gives, which alone is as sure of many a false
        fork. The way that leads there is noted."""
        last = len(self.config.scales_mm) - 1
        tops = {side: self._tops(own) for side, own in ways.items()}
        alone = {side: own[0][-1].position for side, own in ways.items() if len(tops[side]) == 1}
        places = [(side, alone.get(side, place)) for side, of in tops.items() for place, _, _ in of]
        for _ in range(self.config.looks - 1):
            places = _moved(places, self._see(last, places, "peak"))
        centers = dict(places)
        rivals = [place for place in places if place[0] not in alone]
        ends = self._see(last, rivals, "peak")
        for side in centers.keys() - alone.keys():
            own = [end for (of, _), end in zip(rivals, ends) if of == side]
            odds = [np.log(top.share) + min(end.presence_logit, SURE_LOGIT) for top, end in zip(tops[side], own)]
            likeliest = int(np.argmax(odds))
            best, way, seen = own[likeliest], tops[side][likeliest].way, evidence[side]
            for index, answer in enumerate(way, last - len(way)):
                seen.presences[index] = _presence([answer])
                seen.positions[index] = answer.position
            if way is not (first := ways[side][0]):
                seen.rivals = [_rival(first[-1])] + [rival for rival in seen.rivals if rival[0] is not way[-1].position]
            seen.rivals += [_rival(end) for end in own if end is not best]
            centers[side] = best.position
        return centers

    def _tops(self, ways: list[Way]) -> list[Top]:
        """The peaks of the heatmaps that these ways end with; of several at one place that of the first way."""
        tops = [Top(place, share, way) for way in ways for place, share in peaks(way[-1], self.config.peaks)]
        return [tops[i] for i in apart([top.place for top in tops], mm=SAME_MM)]

    def _sample(self, evidence: dict[str, Evidence], ways: dict[str, list[Way]]) -> None:
        """Note what the finest scale says around the places that it likes best, of those sides to which there are ways
        down to the scale before it, the one that is noted first."""
        self._pass(evidence, self._settle(evidence, ways))

    def _pass(self, evidence: dict[str, Evidence], centers: dict[str, np.ndarray]) -> None:
        """Note what the finest scale says in all of its passes around each side's center (3,)."""
        last = len(self.config.scales_mm) - 1
        asks = []
        for side, center in centers.items():
            box = self._box(center, last, margin=2 * self.config.noise_mm)
            asks += [Ask(side, box, center + shift) for shift in self.shifts[side]]
        passes = self._look(last, asks, "sample")
        for side in centers:
            own = [answer for ask, answer in zip(asks, passes) if ask.side == side]
            self._note(evidence[side], self.config.scales_mm[last], own)
            evidence[side].complete = True

    def _descend(self, starts: list[Place], end: int, what: str) -> list[Way]:
        """The answers of the scales after the first and before number `end` on the way down from each start."""
        ways: list[Way] = [[] for _ in starts]
        for scale in range(1, end):
            answers = self._approach(scale, starts, what)
            starts = _moved(starts, answers)
            for way, answer in zip(ways, answers):
                way.append(answer)
        return ways

    def _approach(self, scale: int, places: list[Place], what: str) -> list[Answer]:
        """The answer of one scale near each place, in its last look: each is at the answer before it."""
        for _ in range(self.config.looks - 1):
            places = _moved(places, self._see(scale, places, what))
        return self._see(scale, places, what)

    def _see(self, scale: int, places: list[Place], what: str) -> list[Answer]:
        """The answer of one scale, with its heatmap, at each place."""
        asks = [Ask(side, self._box(place, scale), place) for side, place in places]
        return self._look(scale, asks, what, heatmaps=True)

    def _look(self, scale: int, asks: list[Ask], what: str, heatmaps: bool = False) -> list[Answer]:
        """One scale's answers; before each of them is a step."""
        sides = [ask.side for ask in asks]
        answers: list[Answer] = []
        with closing(self.backend.look(scale, asks, heatmaps)) as coming:
            for number, side in enumerate(sides):
                counted = f"{what} {sides[:number].count(side) + 1} of {sides.count(side)}"
                left = (SEARCH_ENDS - COARSE_SHARE) * max(1 - self.looked / self.expected, 0.0)
                self.step(f"{side}, {self.config.scales_mm[scale]:g} mm, {counted}", SEARCH_ENDS - left)
                with self.clock("network"):
                    answers.append(next(coming))
                self.looked += 1
        return answers

    def _box(self, center: np.ndarray, scale: int, margin: float = 0.0) -> Any:
        with self.clock("pyramid"):
            return self.views.around(center, self.config.extent_mm[scale] + margin, self.config.scales_mm[scale])

    def _note(self, seen: Evidence, spacing: float, passes: list[Answer]) -> None:
        positions = np.stack([answer.position for answer in passes])
        heatmaps = np.stack([answer.covariance for answer in passes])
        index = len(seen.scales_mm)
        calibration = self.config.covariance_scale[index]
        mean, covariance = combine(positions, heatmaps, calibration)
        seen.of_voxels = calibration * self.of_voxels
        seen.covariance = covariance + seen.of_voxels
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


def _moved(places: list[Place], answers: list[Answer]) -> list[Place]:
    """The places where the answers are that were given at these."""
    return [(side, answer.position) for (side, _), answer in zip(places, answers)]


def _rival(other: Answer) -> tuple[np.ndarray, float]:
    """Where (3,), LPS mm, another start has ended, and how present the landmark is there."""
    return other.position, _presence([other])


def _presence(passes: list[Answer]) -> float:
    return float(np.mean(expit([answer.presence_logit for answer in passes])))
