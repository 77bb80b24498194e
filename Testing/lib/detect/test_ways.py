from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from CarotidLandmarkLib.detect.search import Search

BELOW = np.array([6.0, 0, -50])


@pytest.mark.parametrize(
    ("fork", "decoy", "kept"),
    [
        (8.0, 1.0, "fork"),
        (1.0, 8.0, "decoy"),
        (20.0, 7.0, "decoy"),  # both are sure: the way that ended surer one scale before is followed
        (4.0, 5.5, "decoy"),
    ],
)
def test_the_finest_scale_chooses_among_the_ends_of_all_ways(
    fork, decoy, kept, detector, make_neck, balls, monkeypatch
):
    """One way ends at the fork, the other, which is surer of itself at 1 mm, at the decoy; told: their logits at the
    finest scale."""
    places = {"fork": balls["left"], "decoy": balls["left"] + BELOW}
    look = detector.backend.look

    def biased(scale, asks, heatmaps=False):
        for ask, answer in zip(asks, look(scale, asks, heatmaps)):
            away = {name: float(np.linalg.norm(answer.position - place)) for name, place in places.items()}
            if scale == 1:  # does not move
                yield dataclasses.replace(answer, position=ask.center)
            else:
                logit = {2: (3.0, 5.0), 3: (fork, decoy)}[scale][away["fork"] > away["decoy"]]
                yield dataclasses.replace(answer, presence_logit=logit)

    monkeypatch.setattr(detector.backend, "look", biased)
    neck = make_neck(balls={**balls, "decoy": places["decoy"]})
    search = Search(detector.backend, neck, samples=2)
    search.config = dataclasses.replace(search.config, starts_mm=(0.0, BELOW[2]))
    monkeypatch.setattr(search.backend, "coarse", starting_at(detector.backend.coarse, places["fork"]))
    seen = search.run()["left"]
    assert seen.position == pytest.approx(places[kept], abs=1.0)
    assert seen.positions[2] == pytest.approx(places[kept], abs=1.5)  # the way that led there is told
    assert seen.presences[2] == pytest.approx(expit(3.0 if kept == "fork" else 5.0))
    other = places["decoy" if kept == "fork" else "fork"]
    assert [place for place, _ in seen.rivals] == [pytest.approx(other, abs=1.5)] * 2  # at 1 mm and at the finest scale


def starting_at(coarse, place):
    def started(view):
        answers = coarse(view)
        return {**answers, "left": dataclasses.replace(answers["left"], position=place, presence_logit=5.0)}

    return started
