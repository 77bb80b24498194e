"""A landmark that the coarsest scale does not see is looked for all over the body."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from CarotidLandmarkLib.detect.presence import Evidence
from CarotidLandmarkLib.detect.search import SWEPT_PLACES, Search
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid


def unbelieved(torch_detector, monkeypatch, finest=9.0, before=None):
    """The coarsest scale sees nothing, the next two what is bright and on their side, the finest ``finest``, and the
    one before it ``before``.

    Returns the centres of the second scale's crops.
    """
    coarse, refine, looks = torch_detector.backend.model.coarse, torch_detector.backend.model.refine, []

    def blind(level):
        return {s: o._replace(presence_logit=o.presence_logit * 0 - 9) for s, o in coarse(level).items()}

    def seeing(scale, image, world_to_index, center, frame):
        output = refine(scale, image, world_to_index, center, frame)
        looks.extend([center[0].numpy()] if scale == 1 else [])
        own = output.position[0, 0] * frame[..., 0, 0].flatten()[0] < 0
        bright = float(output.logits.max()) - (10 if own else 30)
        logit = finest if scale == 3 else before if scale == 2 and before is not None else bright
        return output._replace(presence_logit=output.presence_logit * 0 + logit)

    monkeypatch.setattr(torch_detector.backend.model, "coarse", blind)
    monkeypatch.setattr(torch_detector.backend.model, "refine", seeing)
    return looks


def test_what_the_coarsest_scale_does_not_see_is_looked_for_all_over_the_body(
    torch_detector, volume, balls, monkeypatch
):
    looks = unbelieved(torch_detector, monkeypatch)
    for landmark in torch_detector.detect(volume, samples=1).landmarks:
        assert landmark.status == "review" and landmark.presence > 0.99
        assert any("search all over the volume" in reason for reason in landmark.reasons)
        assert landmark.position_lps_mm == pytest.approx(balls[landmark.side], abs=0.5)
    for ball in balls.values():
        assert min(np.abs(look - ball).max() for look in looks) <= 26.0, "half of sweep_mm and a coarse voxel"
    assert len({tuple(look) for look in looks}) > 9


def test_a_believed_answer_that_gives_way_to_a_sweep_is_its_rival(detector, make_neck, balls, monkeypatch):
    """It is in doubt at 1 mm alone, and 50 mm below what the sweep finds."""
    decoy = balls["left"] + [6.0, 0, -50]
    coarse, look = detector.backend.coarse, detector.backend.look

    def at_decoy(view):
        answers = coarse(view)
        return {**answers, "left": dataclasses.replace(answers["left"], position=decoy, presence_logit=5.0)}

    def doubting(scale, asks, heatmaps=False):
        for ask, answer in zip(asks, look(scale, asks, heatmaps)):
            if scale == 1 and np.linalg.norm(ask.center - decoy) < 8:
                answer = dataclasses.replace(answer, position=ask.center)
            near = np.linalg.norm(answer.position - decoy) < 8
            yield dataclasses.replace(answer, presence_logit=(2.0 if scale == 2 else 5.0) if near else 9.0)

    monkeypatch.setattr(detector.backend, "coarse", at_decoy)
    monkeypatch.setattr(detector.backend, "look", doubting)
    search = Search(detector.backend, make_neck(balls={**balls, "decoy": decoy}), samples=2)
    search.config = dataclasses.replace(search.config, starts_mm=(0.0,))
    seen = search.run()["left"]
    assert seen.swept and seen.position == pytest.approx(balls["left"], abs=1.0)
    place, presence = seen.rivals[-1]
    assert place == pytest.approx(decoy, abs=1.0) and presence == pytest.approx(0.993, abs=0.001)


def test_a_sweep_needs_two_sure_scales_and_is_in_the_configuration(torch_detector, volume, monkeypatch):
    for doubts in ({"finest": 1.5}, {"before": 1.5}):
        unbelieved(torch_detector, monkeypatch, **doubts)
        assert {mark.status for mark in torch_detector.detect(volume, samples=1).landmarks} == {"absent"}
    looks = unbelieved(torch_detector, monkeypatch)
    monkeypatch.setattr(
        torch_detector.backend.model, "config", dataclasses.replace(torch_detector.backend.model.config, sweep_mm=0.0)
    )
    assert {mark.status for mark in torch_detector.detect(volume, samples=1).landmarks} == {"absent"}
    assert not looks


@pytest.mark.parametrize(
    ("presence", "away", "believe", "taken"),
    [(0.85, 45.0, 0.3, True), (0.85, 5.0, 0.3, False), (0.85, 45.0, 0.0, False), (0.95, 45.0, 0.3, False)],
    ids=["doubted", "the same place", "all is believed", "sure"],
)
def test_what_a_finer_scale_doubts_is_looked_for_all_over_the_body(
    presence, away, believe, taken, torch_detector, volume, balls, monkeypatch
):
    astray, coarse = (
        {side: ball + [0.0, 0.0, away] for side, ball in balls.items()},
        torch_detector.backend.model.coarse,
    )

    def follow(search, evidence, coarse):
        for side, seen in evidence.items():
            seen.scales_mm[1:], seen.presences[1:] = [2.0, 1.0, 0.5], [0.99, presence, 0.99]
            seen.positions[1:] = [astray[side]] * 3

    def seeing(level):
        return {s: o._replace(presence_logit=o.presence_logit * 0 + 9) for s, o in coarse(level).items()}

    found = {side: Evidence([4.0, 0.5], [0.9, 0.99], [ball, ball], swept=True) for side, ball in balls.items()}
    monkeypatch.setattr(torch_detector.backend.model, "coarse", seeing)
    monkeypatch.setattr(Search, "_follow", follow)
    monkeypatch.setattr(Search, "_sweep", lambda search, side, output, known: found[side])
    evidence = Search(torch_detector.backend, volume, samples=1, believe=believe).run()
    for side in balls:
        assert (evidence[side] is found[side]) == taken


def test_a_sweep_looks_where_tissue_is_and_not_without_end(torch_detector, make_neck, monkeypatch):
    looks = unbelieved(torch_detector, monkeypatch)
    monkeypatch.setattr("CarotidLandmarkLib.detect.search.SWEEP_LOOKS", 5)
    volume = make_neck()
    volume.array[:45] = -1000
    torch_detector.detect(volume, samples=1)
    middle = volume.grid.index_to_world(np.array([0.0, 0, 45]))[2]
    swept = {tuple(look) for look in looks if look[2] > middle - 24}
    assert swept and len(looks) <= 2 * (5 + SWEPT_PLACES)
    assert all(look[2] > middle - 24 for look in looks)


def test_a_volume_thinner_than_a_cell_of_the_sweep_is_swept(torch_detector, volume, balls, monkeypatch):
    looks = unbelieved(torch_detector, monkeypatch)
    height = round(float(volume.grid.world_to_index(balls["left"])[2]))
    origin = volume.grid.index_to_world(np.array([0.0, 0, height - 14]))
    grid = Grid((*volume.grid.size[:2], 28), volume.grid.spacing, origin, volume.grid.direction)
    thin = CTVolume(volume.array[height - 14 : height + 14], grid)
    assert torch_detector.detect(thin, samples=1).landmark("left").position_lps_mm == pytest.approx(
        balls["left"], abs=0.5
    )
    assert {tuple(look) for look in looks if abs(look[2] - balls["left"][2]) < 4}, "cells are as thick as the volume"


def test_an_empty_volume_is_swept_without_finding_anything(torch_detector, make_neck):
    volume = make_neck(balls={})
    volume.array[:] = -1000
    assert {mark.status for mark in torch_detector.detect(volume, samples=1).landmarks} == {"absent"}
