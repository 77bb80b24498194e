"""How many cases, revisions and readers, what they decided, and how far they moved the points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...landmarks.corrections import DECISIONS, Correction
from ...landmarks.points import AXES, SAME_MM, SIDES, mirrored
from ..stats import percentiles
from .readings import PLACED, last_words

UNSEEN_SHARE, UNSEEN_LEAST = 0.9, 20
SHARES = (50, 90)


def summarise(corrections: Sequence[Correction]) -> dict[str, Any]:
    """Return the figures of ``corrections`` (every revision, oldest first, see ``read_all``), as plain dictionaries.

    "cases" and "revisions" are numbers. All else counts each reader's newest revision of each case: "decisions" maps
    "all", each side, model and reader to how often each decision was made; "readers" maps initials to "cases",
    "decided" (not unreviewed), "unchanged" (left where they were predicted) and "unseen" (see ``accepted_unseen``);
    "moved" has what ``displacements`` says of the points that were moved.
    """
    last = last_words(corrections)
    unchanged, unseen = _unchanged(last), accepted_unseen(last)
    return {
        "cases": len({of.case for of in corrections}),
        "revisions": len(corrections),
        "decisions": {
            "all": _count(last),
            "sides": {side: _count(last, (side,)) for side in SIDES},
            "models": {name: _count(of for of in last if model_name(of) == name) for name in _models(last)},
        },
        "readers": {
            reader: {
                "cases": len({of.case for of in last if of.reader == reader}),
                "decided": decided,
                "unchanged": same,
                "unseen": reader in unseen,
                "decisions": _count(of for of in last if of.reader == reader),
            }
            for reader, (same, decided) in unchanged.items()
        },
        "moved": displacements(last),
    }


def displacements(corrections: Iterable[Correction]) -> dict[str, Any]:
    """Return how far moved points were moved from their prediction, in mm.

    "n", "median", "p90" and "largest" of the distance, None without any. "axes" maps each of AXES, the sides mirrored
    onto each other, to the "mean" of what was added along it and the "median" and "p90" of its size. Points that were
    placed where none was predicted have no displacement.
    """
    vectors = [
        mirrored(side, after - before)
        for of in corrections
        for side in SIDES
        if of.decisions[side] == "moved"
        and (before := of.prediction.points[side]) is not None
        and (after := of.corrected.points[side]) is not None
    ]
    if not vectors:
        return {"n": 0, "median": None, "p90": None, "largest": None, "axes": None}
    moved = np.array(vectors)
    distances = np.linalg.norm(moved, axis=1)
    median, p90 = (float(value) for value in percentiles(distances, SHARES))
    axes = {}
    for axis, values in zip(AXES, moved.T):
        middle, most = (float(value) for value in percentiles(np.abs(values), SHARES))
        axes[axis] = {"mean": float(values.mean()), "median": middle, "p90": most}
    return {"n": len(moved), "median": median, "p90": p90, "largest": float(distances.max()), "axes": axes}


def accepted_unseen(corrections: Iterable[Correction]) -> dict[str, tuple[int, int]]:
    """Reader to (unchanged, decided) landmarks, of those who may have accepted without looking.

    They left more than UNSEEN_SHARE of at least UNSEEN_LEAST landmarks that they decided on exactly where they had been
    predicted (or absent, as predicted). What they say agrees with the model, which makes it no measure of accuracy.
    """
    return {
        reader: (same, decided)
        for reader, (same, decided) in _unchanged(last_words(corrections)).items()
        if decided >= UNSEEN_LEAST and same > UNSEEN_SHARE * decided
    }


def unseen_warning(reader: str, same: int, decided: int) -> str:
    """The sentence about a reader of ``accepted_unseen``."""
    return (
        f"{reader} left {same} of {decided} landmarks exactly where they were predicted: were they looked at? "
        "Agreement with the model is not accuracy; have a second reader place some of them without the prediction."
    )


def model_name(correction: Correction) -> str:
    """Name, version and the first digits of the weights' hash."""
    model = correction.model
    known = [str(model[key]) for key in ("name", "version") if model.get(key)]
    return " ".join([*known, *([f"({str(model['sha256'])[:8]})"] if model.get("sha256") else [])]) or "unknown"


def _models(corrections: Iterable[Correction]) -> list[str]:
    return sorted({model_name(of) for of in corrections})


def _count(corrections: Iterable[Correction], sides: Sequence[str] = SIDES) -> dict[str, int]:
    counts = Counter(of.decisions[side] for of in corrections for side in sides)
    return {decision: counts[decision] for decision in DECISIONS}


def _unchanged(corrections: Iterable[Correction]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for of in corrections:
        same, decided = found.get(of.reader, (0, 0))
        for side in SIDES:
            predicted, decision = of.prediction.points[side], of.decisions[side]
            decided += decision != "unreviewed"
            if decision in PLACED and predicted is not None and of.corrected.points[side] is not None:
                same += (of.displacement_mm(side) or 0) < SAME_MM
            else:
                same += predicted is None and decision in ("accepted", "missing") and of.model.get("name") is not None
        found[of.reader] = (same, decided)
    return dict(sorted(found.items()))
