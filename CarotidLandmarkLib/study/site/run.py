"""A site's cases from top to bottom: acceptance, three ways to answer, the choice, what it costs, the weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BadInputError
from ...landmarks.detection import Detection
from ...model.header import DEFAULT
from ..cases import Case
from .cases import LEAST_FOR_OFFSET, LEAST_FOR_TUNING, SiteCases
from .choose import OFFSET, TUNED, UNCHANGED, Choice, Judged, choose, judge
from .fit import (
    Adaptation,
    Away,
    adaptation,
    distances,
    honest_factor,
    offset_interval,
    residuals,
    spread_change,
)
from .stages import (
    CUT_S,
    DETECT_S,
    PHANTOM_S,
    STEP_S,
    Engine,
    Progress,
    detect_all,
    prepare_all,
    test_phantoms,
    tune_all,
)
from .tune import Tuning

FOLDS = 3
PHANTOMS = ".phantoms"  # of the test; hidden, since a folder of cases may hold that of the work
DOUBTED_SHARE = 1 / 3  # of what was located; beyond it the cases hardly come by chance


@dataclass(frozen=True)
class Plan:
    """work: where all is kept. weights: to start from, None: those of the package; offset (3,): that they have of their
    own, see detect.definition. steps of a training, 0: none. phantoms: mixed in, None: as many as there are cases.
    tests: of the original test phantoms."""

    work: Path
    weights: Path | None
    offset: np.ndarray
    engine: Engine
    steps: int
    phantoms: int | None = None
    tests: int = 12


@dataclass
class Findings:
    """What came out. judged: by way, on cases that none has learned from; detections: the answers that it was judged
    by; final: way -> what is to be written, networks: way -> the file with its networks. grown: see write_site_weights.
    cost: way -> figures of the test phantoms. offset, limits: (3,), (2, 3), see fit.offset_interval."""

    site: SiteCases
    judged: dict[str, Judged]
    detections: dict[str, dict[str, Detection]]
    final: dict[str, Adaptation]
    networks: dict[str, Path | None]
    choice: Choice
    offset: np.ndarray
    limits: np.ndarray
    grown: dict[str, float]
    cost: dict[str, dict[str, Any]]
    failed: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def work_on(site: SiteCases, plan: Plan) -> Findings:
    """Do it all, or what is not done yet. Raises BadInputError where too few cases can be read, CannotRunError where
    something cannot be written or trained."""
    remarks = list(site.warnings)
    progress = Progress(_expected(site, plan), plan.engine.parallel)
    failed: dict[str, str] = {}
    engine, confidence = plan.engine, plan.engine.settings.confidence
    before = detect_all(site.cases, plan.weights, plan.work / "unchanged", engine, "detection", progress, failed)
    site = site.without(failed)
    found = residuals(site, before)
    located = len({of.patient for of in found})
    if located < LEAST_FOR_OFFSET:
        raise BadInputError(
            f"These weights found landmarks of {located} of {site.useful} patients; {LEAST_FOR_OFFSET} are needed to "
            "learn where your readers put the point: look at what they detect in some of the cases."
        )
    may_tune = bool(plan.steps) and located >= LEAST_FOR_TUNING
    if plan.steps and not may_tune:
        others = f" Of {site.useful - located} more nothing was found." if located < site.useful else ""
        remarks.append(f"Nothing was trained: {located} patients are there, and {LEAST_FOR_TUNING} are needed.{others}")
    remarks += _doubt_warning(before.values())
    folds = site.folds(FOLDS)
    learned = {fold: adaptation(_outside(found, folds, fold), confidence) for fold in set(folds.values())}
    answers = {UNCHANGED: before, OFFSET: {name: learned[folds[name]].apply(of) for name, of in before.items()}}
    final = {UNCHANGED: Adaptation(np.zeros(3), 1.0, 0), OFFSET: adaptation(found, confidence)}
    networks: dict[str, Path | None] = {UNCHANGED: plan.weights, OFFSET: plan.weights}
    grown = {UNCHANGED: 0.0, OFFSET: 0.0}
    if may_tune:
        learned = {fold: replace(of, offset=of.offset + plan.offset) for fold, of in learned.items()}
        whole = replace(final[OFFSET], offset=final[OFFSET].offset + plan.offset)
        trained = _train(site, plan, folds, {fold: of.offset for fold, of in learned.items()}, whole, progress)
        networks[TUNED] = trained["all"].weights
        raw: dict[str, Detection] = {}
        for fold in sorted(set(folds.values())):
            cases = [case for case in site.cases if folds[case.name] == fold]
            folder, file = plan.work / "folds" / str(fold), trained[fold].weights
            raw |= detect_all(cases, file, folder / "detections", engine, "detection after training", progress)
        answers[TUNED], final[TUNED] = _adapt_tuned(site, raw, folds, learned, whole, confidence)
        grown[TUNED] = spread_change(before, raw)
    judged = {way: judge(way, site, of, confidence) for way, of in answers.items()}
    cost = _cost(plan, final, networks, progress)
    return Findings(
        site,
        judged,
        answers,
        final,
        networks,
        choose(list(judged.values())),
        *offset_interval(found),
        grown=grown,
        cost=cost,
        failed=failed,
        remarks=remarks,
    )


def _doubt_warning(detections: Iterable[Detection]) -> list[str]:
    """A sentence where so many answers are for review that the cases may have been chosen for that."""
    located = [of for detection in detections for of in detection.landmarks if of.status != "absent"]
    doubted = sum(of.status == "review" for of in located)
    if doubted <= DOUBTED_SHARE * len(located):
        return []
    return [
        f"{doubted} of {len(located)} located landmarks are for review. Unless it is so in all your scans, these cases "
        "were chosen for their doubt: the new ellipsoids are then too large for the others. Take cases by chance."
    ]


def _expected(site: SiteCases, plan: Plan) -> float:
    """Seconds on one core of all that is to be done."""
    tuning = bool(plan.steps) and site.useful >= LEAST_FOR_TUNING
    detections = len(site.cases) * (1 + tuning) + plan.tests * (1 + tuning)
    phantoms = len(site.cases) if plan.phantoms is None else plan.phantoms
    training = tuning * ((FOLDS + 1) * plan.steps * STEP_S + (len(site.cases) + phantoms) * CUT_S)
    return detections * DETECT_S + plan.tests * PHANTOM_S + training


def _outside(found: Sequence[Away], folds: Mapping[str, int], fold: int) -> list[Away]:
    return [of for of in found if folds[of.case] != fold]


def _train(
    site: SiteCases,
    plan: Plan,
    folds: Mapping[str, int],
    offsets: Mapping[int, np.ndarray],
    whole: Adaptation,
    progress: Progress,
) -> dict[int | str, Tuning]:
    """A network for each fold, from the cases of the others, and one from all."""
    phantoms = len(site.cases) if plan.phantoms is None else plan.phantoms
    base, kept = plan.weights or DEFAULT, plan.work / "training"
    device = plan.engine.device if plan.engine.device != "auto" else "cpu"

    def tuning(name: str, cases: list[Case], offset: np.ndarray) -> Tuning:
        return Tuning(plan.work / "folds" / name, base, cases, offset, kept, phantoms, plan.steps, device)

    trainings: dict[int | str, Tuning] = {
        fold: tuning(str(fold), [case for case in site.cases if folds[case.name] != fold], offsets[fold])
        for fold in sorted(offsets)
    }
    trainings["all"] = tuning("all", site.cases, whole.offset)
    for of in trainings.values():
        of.settle()
    if any(not of.weights.is_file() for of in trainings.values()):
        prepare_all([*site.cases, *range(phantoms)], base, kept, plan.engine, progress)
    tune_all(list(trainings.values()), plan.engine, progress)
    return trainings


def _adapt_tuned(
    site: SiteCases,
    raw: Mapping[str, Detection],
    folds: Mapping[str, int],
    learned: Mapping[int, Adaptation],
    whole: Adaptation,
    confidence: float,
) -> tuple[dict[str, Detection], Adaptation]:
    """The answers of nets that have not seen these cases, moved by the offset of the others, each with ellipsoids that
    were fitted to the others' answers of this kind; and what goes with the net that has seen all."""
    found = residuals(site, raw)
    apart = {
        fold: distances(found, learned[fold].offset, {site.patients[name] for name, of in folds.items() if of == fold})
        for fold in learned
    }

    def factor(left_out: Collection[int]) -> float:
        return honest_factor([d for fold, of in apart.items() if fold not in left_out for d in of], confidence)

    of_folds = {fold: replace(of, factor=factor({fold})) for fold, of in learned.items()}
    return {name: of_folds[folds[name]].apply(of) for name, of in raw.items()}, replace(whole, factor=factor(()))


def _cost(
    plan: Plan, final: Mapping[str, Adaptation], networks: Mapping[str, Path | None], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Each way on the original test phantoms, whose points are the carina: with and without the site's offset."""
    if not plan.tests:
        return {}
    folder = plan.work / PHANTOMS
    cases = test_phantoms(folder, plan.tests, plan.engine, progress)
    points = {case.name: dict(case.points) for case in cases}
    tests = SiteCases(cases, {case.name: number for number, case in enumerate(cases)}, points, [], "")
    raw: dict[Path | None, dict[str, Detection]] = {}
    figures: dict[str, dict[str, Any]] = {}
    for way, adapted in final.items():
        network = networks[way]
        if network not in raw:
            kept = network.parent / PHANTOMS if way == TUNED and network else folder / UNCHANGED
            raw[network] = detect_all(cases, network, kept, plan.engine, "test phantoms", progress)
        figures[way] = {}
        still = np.zeros(3) if way == TUNED else -plan.offset  # nets that were trained answer without the base's own
        for name, move in (("moved", adapted), ("not_moved", replace(adapted, offset=still))):
            answers = {case: move.apply(of) for case, of in raw[network].items()}
            figures[way][name] = judge(way, tests, answers, plan.engine.settings.confidence).table
    return figures
