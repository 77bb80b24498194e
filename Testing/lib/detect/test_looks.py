"""Which crops the search asks for, spied on in torch."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.detect.backends import with_torch
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.detect.search import SEARCH_ENDS, Search
from CarotidLandmarkLib.detect.uncertainty import of_voxels
from CarotidLandmarkLib.errors import CancelledError, CannotRunError


def world_of(volume):
    k, j, i = np.indices(volume.grid.shape)
    return volume.grid.index_to_world(np.stack([i, j, k], -1))


def single_scale(model):
    config = dataclasses.replace(
        model.config, scales_mm=(4.0,), channels=model.config.channels[:1], convs=(1,), covariance_scale=(0.05,)
    )
    model.config, model.nets = config, model.nets[:1]


def test_only_the_last_scale_runs_once_a_sample(torch_detector, volume, monkeypatch):
    crops = []
    refine = torch_detector.backend.model.refine

    def counted(scale, image, world_to_index, center, frame):
        crops.extend([scale] * len(center))
        return refine(scale, image, world_to_index, center, frame)

    monkeypatch.setattr(torch_detector.backend.model, "refine", counted)
    torch_detector.detect(volume, samples=7)
    assert {scale: crops.count(scale) for scale in crops} == {1: 2, 2: 2, 3: 14}


def test_crops_of_the_last_scale_are_shifted_to_both_sides_and_no_further_than_the_noise(
    torch_detector, volume, monkeypatch
):
    centers = {1: [], 2: [], 3: []}
    refine = torch_detector.backend.model.refine

    def spied(scale, image, world_to_index, center, frame):
        centers[scale].append((float(frame[..., 0, 0]), center.clone()))
        output = refine(scale, image, world_to_index, center, frame)
        centers.setdefault(f"answer {scale}", []).append(output.position)
        return output

    monkeypatch.setattr(torch_detector.backend.model, "refine", spied)
    torch_detector.detect(volume, samples=40)
    shifts = torch.cat([center for _, center in centers[3][:40]]) - centers["answer 2"][0]
    assert shifts.abs().max() <= 5.0
    assert (shifts.amin(0) < -3.5).all() and (shifts.amax(0) > 3.5).all()
    assert [step for step, _ in centers[2]] == [-1.0, 1.0], "the left crop is mirrored"
    centers[3].clear()
    torch_detector.detect(volume, samples=1)
    assert torch.equal(centers[3][0][1], centers["answer 2"][-2]), "a single pass is not shifted"


def test_a_second_look_is_centred_on_the_answer_of_the_first(torch_detector, volume, monkeypatch):
    seen = []
    refine = torch_detector.backend.model.refine

    def spied(scale, image, world_to_index, center, frame):
        output = refine(scale, image, world_to_index, center, frame)
        seen.append((scale, center, output.position))
        return output

    monkeypatch.setattr(torch_detector.backend.model, "refine", spied)
    monkeypatch.setattr(
        torch_detector.backend.model, "config", dataclasses.replace(torch_detector.backend.model.config, looks=2)
    )
    torch_detector.locate(volume, samples=1)
    assert [scale for scale, _, _ in seen] == [scale for scale in (1, 2, 3) for _ in range(4)], "both sides, twice"
    for (_, _, answer), (_, center, _) in zip(seen, seen[2:]):
        assert torch.equal(answer, center)


def test_of_several_starts_those_that_do_not_lead_to_the_answer_are_rivals(torch_detector, volume, monkeypatch):
    config = dataclasses.replace(torch_detector.backend.model.config, starts_mm=(0.0, -60.0, 5.0), peaks=1)
    monkeypatch.setattr(torch_detector.backend.model, "config", config)
    refine, starts, looks = torch_detector.backend.model.refine, [], {1: 0, 2: 0, 3: 0}

    def biased(scale, image, world_to_index, center, frame):
        output = refine(scale, image, world_to_index, center, frame)
        looks[scale] += 1
        starts.extend([center] if scale == 1 else [])
        step = (looks[scale] - 1) % 3
        return output._replace(
            position=output.position + (torch.tensor([[0.0, 0, 7]]) if scale == 2 and step == 1 else 0),
            presence_logit=output.presence_logit * 0 + (9.0 if step == 1 else 3.0),
        )

    monkeypatch.setattr(torch_detector.backend.model, "refine", biased)
    seen = torch_detector.locate(volume, samples=1)
    for number, side in enumerate(("left", "right")):
        heights = [float(center[0, 2]) for center in starts[3 * number : 3 * number + 3]]
        assert heights == pytest.approx([heights[0], heights[0] - 60, heights[0] + 5])
        assert seen[side].scales_mm == [4.0, 2.0, 1.0, 0.5]
        rivals = [1 / (1 + np.exp(-logit)) for logit in (9, 3)]  # the finest scale prefers the end of another way
        assert [presence for _, presence in seen[side].rivals[:2]] == pytest.approx(rivals)


@pytest.mark.parametrize("peaks, presence, kept", [(1, 8.0, "decoy"), (3, 8.0, "fork"), (3, 1.1, "decoy")])
def test_of_the_peaks_before_the_finest_scale_it_keeps_the_likeliest(
    peaks, presence, kept, torch_detector, make_neck, balls, monkeypatch
):
    """The decoy is the higher peak, and its logit at the finest scale is 1."""
    volume = make_neck(balls={**balls, "decoy": balls["left"] + [6.0, 0, -26]})
    decoy = np.linalg.norm(world_of(volume) - balls["left"] - [6.0, 0, -26], axis=-1) < 5
    volume.array[decoy] += 25
    monkeypatch.setattr(
        torch_detector.backend.model, "config", dataclasses.replace(torch_detector.backend.model.config, peaks=peaks)
    )
    refine = torch_detector.backend.model.refine

    def fork_alone(scale, image, world_to_index, center, frame):
        output = refine(scale, image, world_to_index, center, frame)
        away = (output.position - torch.from_numpy(balls["left"])).norm(dim=-1)
        return output._replace(presence_logit=torch.where(away < 4, presence, 1.0).float())

    monkeypatch.setattr(torch_detector.backend.model, "refine", fork_alone)
    seen = torch_detector.locate(volume, samples=3)["left"]
    assert (np.linalg.norm(seen.position - balls["left"]) < 1) == (kept == "fork")
    away = [np.linalg.norm(place - seen.position) for place, _ in seen.rivals]
    rivals = [told for distance, (_, told) in zip(away, seen.rivals) if distance == pytest.approx(26.7, abs=1)]
    other = 1.0 if kept == "fork" else presence
    assert rivals == (pytest.approx([1 / (1 + np.exp(-other))]) if peaks == 3 else [])


def test_covariance_is_that_of_samples_heatmaps_and_voxels_times_calibration(torch_detector, volume):
    seen = torch_detector.locate(volume, samples=6)["left"]
    assert seen.samples.shape == (6, 3)
    expected = np.cov(seen.samples.T) + seen.heatmap + of_voxels(volume.grid)
    calibration = torch_detector.backend.model.config.covariance_scale[-1]
    np.testing.assert_allclose(seen.covariance, calibration * expected, rtol=1e-9, atol=1e-12)
    object.__setattr__(torch_detector.backend.model.config, "covariance_scale", (1.0, 1.0, 1.0, 2.5))
    landmark = torch_detector.detect(volume, samples=6).landmark("left")
    np.testing.assert_allclose(landmark.covariance_mm2, 2.5 * expected, rtol=1e-9, atol=1e-12)


def test_progress_does_not_fall_when_a_side_is_given_up_and_the_other_is_looked_at_again(
    torch_detector, volume, balls, monkeypatch
):
    refine, fractions = torch_detector.backend.model.refine, []

    def never_right(scale, image, world_to_index, center, frame):
        output = refine(scale, image, world_to_index, center, frame)
        return output._replace(presence_logit=output.presence_logit - 99 * (frame[..., 0, 0].flatten() > 0))

    monkeypatch.setattr(torch_detector.backend.model, "refine", never_right)
    config = dataclasses.replace(torch_detector.backend.model.config, sweep_mm=0.0)
    monkeypatch.setattr(torch_detector.backend.model, "config", config)
    search = Search(torch_detector.backend, volume, samples=20, progress=lambda _, fraction: fractions.append(fraction))
    seen = search.run()
    assert (seen["left"].complete, seen["right"].complete) == (True, False)
    search.step("left, lumen", SEARCH_ENDS)
    assert search.again("left", seen["left"], balls["left"]) is not None
    assert fractions == sorted(fractions)


def test_crops_of_both_sides_in_one_batch_give_what_each_gives_alone(torch_detector, volume, monkeypatch):
    model, sizes = torch_detector.backend.model, []
    config = dataclasses.replace(model.config, starts_mm=(0.0, -20.0, 9.0), looks=2)
    monkeypatch.setattr(model, "config", config)
    alone = torch_detector.locate(volume, samples=5)
    monkeypatch.setattr(with_torch, "BATCH", {"cpu": 4})
    refine = model.refine
    monkeypatch.setattr(model, "refine", lambda *asked: (sizes.append(len(asked[3])), refine(*asked))[1])
    for side, seen in torch_detector.locate(volume, samples=5).items():
        np.testing.assert_allclose(seen.samples, alone[side].samples, rtol=0, atol=1e-4)
        np.testing.assert_allclose(seen.positions, alone[side].positions, rtol=0, atol=1e-4)
    assert sizes[:2] == [4, 2] and max(sizes) == 4


def test_several_threads_give_the_same_answer_and_stop_as_soon(torch_detector, volume, monkeypatch):
    one = torch_detector.detect(volume, samples=6).to_dict()
    torch.set_num_threads(2)
    try:
        assert torch_detector.detect(volume, samples=6).to_dict()["landmarks"] == one["landmarks"]
        begun, looks = [], torch_detector.backend.model.refine
        monkeypatch.setattr(torch_detector.backend.model, "refine", lambda *a: (begun.append(a[0]), looks(*a))[1])
        with pytest.raises(CancelledError):
            torch_detector.detect(volume, samples=1000, cancelled=lambda: begun.count(3) > 3)
        assert begun.count(3) < 20
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_a_detection_leaves_as_many_threads_to_those_that_begin_after_it(torch_detector, volume):
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(torch_detector.detect, volume, samples=3).result()
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(1)


def test_a_device_that_is_not_there_cannot_run(weights):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(CannotRunError, match="cuda"):
        Detector.from_weights(weights, "cuda")


def test_a_model_of_one_scale_answers_from_the_whole_volume(torch_detector, volume, balls):
    single_scale(torch_detector.backend.model)
    detection = torch_detector.detect(volume, samples=5)
    for side, ball in balls.items():
        landmark = detection.landmark(side)
        assert landmark.status != "absent"
        assert landmark.position_lps_mm == pytest.approx(ball, abs=4.0)
    evidence = torch_detector.locate(volume)
    assert evidence["left"].scales_mm == [4.0] and len(evidence["left"].samples) == 1


def test_a_model_without_noise_looks_once_and_one_without_a_sweep_does_not_go_on(torch_detector, volume, monkeypatch):
    config = dataclasses.replace(torch_detector.backend.model.config, noise_mm=0.0, sweep_mm=0.0)
    monkeypatch.setattr(torch_detector.backend.model, "config", config)
    assert len(torch_detector.locate(volume, samples=9)["left"].samples) == 1
    refine, scales = torch_detector.backend.model.refine, []

    def never(scale, image, world_to_index, center, frame):
        scales.append(scale)
        output = refine(scale, image, world_to_index, center, frame)
        return output._replace(presence_logit=output.presence_logit * 0 - 9.0)

    monkeypatch.setattr(torch_detector.backend.model, "refine", never)
    assert {mark.status for mark in torch_detector.detect(volume, samples=9).landmarks} == {"absent"}
    assert scales == [1, 1, 2, 2]
