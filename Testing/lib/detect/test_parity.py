"""OpenVINO and torch find the same in the same volume."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.detect.backends.backend import Ask
from CarotidLandmarkLib.detect.backends.with_torch import TorchBackend
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.model.weights import build_model, read_weights
from CarotidLandmarkLib.volume.ct import CTVolume
from CarotidLandmarkLib.volume.geometry import Grid
from CarotidLandmarkLib.volume.sample import VolumePyramid, sample

from .test_stored_answers import LEFT, RIGHT
from .test_stored_answers import tubes as make_tubes

pytest.importorskip("CarotidLandmarkLib.model.quiet_openvino")
from CarotidLandmarkLib.detect.backends.with_openvino import OpenVinoBackend  # noqa: E402

COS, SIN = np.cos(0.3), np.sin(0.3)
TURN = np.array([[COS, -SIN, 0], [SIN, COS, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, COS, SIN], [0, -SIN, COS]]
AXES = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]  # of x, y, z, in the array's order
QUICK = {"starts_mm": (0.0,), "looks": 1, "peaks": 1}


tubes = lru_cache(maxsize=1)(make_tubes)


def stored(axes: tuple[int, ...], flips: tuple[int, ...] = ()) -> Callable[[], CTVolume]:
    """The tubes with other index axes, some of them the other way round."""

    def made() -> CTVolume:
        volume = tubes()
        direction, origin = np.eye(3), volume.grid.origin.copy()
        array = volume.array
        for axis in flips:
            origin[axis] += (volume.grid.size[axis] - 1) * volume.grid.spacing[axis]
            direction[axis] *= -1
            array = np.flip(array, 2 - axis)
        array = np.ascontiguousarray(array.transpose([2 - axes[2 - of] for of in range(3)]))
        spacing = volume.grid.spacing[list(axes)]
        return CTVolume(array, Grid(array.shape[::-1], spacing, origin, direction[:, list(axes)]))

    return made


def resampled(direction: np.ndarray, spacing: tuple[float, ...]) -> Callable[[], CTVolume]:
    """The tubes on a grid of this direction and spacing."""

    def made() -> CTVolume:
        volume = tubes()
        size = np.ceil(np.array([150, 120, 140]) / spacing).astype(int)
        origin = volume.grid.index_to_world((np.array(volume.grid.size) - 1) / 2) - direction @ (
            np.array(spacing) * (size - 1) / 2
        )
        grid = Grid(tuple(size), np.array(spacing), origin, direction)
        return CTVolume(sample(volume, grid).round().astype(np.int16), grid)

    return made


def cut() -> CTVolume:
    """The tubes, of which the field of view ends just beside the left fork."""
    volume = tubes()
    size = (111, *volume.grid.size[1:])
    array = np.ascontiguousarray(volume.array[:, :, :111])
    return CTVolume(array, Grid(size, volume.grid.spacing, volume.grid.origin, volume.grid.direction))


VOLUMES = {
    **{f"axes {axes}": stored(axes, flips) for axes, flips in zip(AXES, [(), (0,), (1, 2), (2,), (0, 1), (0, 1, 2)])},
    "oblique": resampled(TURN, (1.0, 1.0, 1.0)),
    "anisotropic": resampled(np.eye(3), (0.7, 0.8, 2.5)),
    "oblique and anisotropic": resampled(TURN, (0.7, 0.9, 2.0)),
    "cut": cut,
}


@lru_cache(maxsize=1)
def detectors() -> dict[str, Detector]:
    weights = read_weights()
    weights.config = dataclasses.replace(weights.config, **QUICK)
    of_torch = TorchBackend(build_model(weights))
    of_torch.model.use_dtype(torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # as torch has in tests: both round otherwise with more, logits to 1e-4
        backends = {
            "torch": of_torch,
            "openvino": OpenVinoBackend(weights, "float32"),
            "bfloat16": OpenVinoBackend(weights, "bfloat16"),
        }
    return {name: Detector(backend, weights.header) for name, backend in backends.items()}


@pytest.mark.parametrize("name", VOLUMES)
def test_the_networks_answer_the_same_of_the_same_views(name, default_weights):
    pyramid = VolumePyramid(VOLUMES[name]())
    answers = []
    for backend in (detectors()[of].backend for of in ("openvino", "torch")):
        views, scales = backend.views(pyramid), backend.config.scales_mm
        answers.append(list(backend.coarse(views.whole(scales[0])).values()))
        for scale, side, place in ((1, "left", LEFT), (2, "right", RIGHT), (3, "left", LEFT)):
            box = views.around(place, backend.config.extent_mm[scale] + 4, scales[scale])
            answers[-1] += backend.look(scale, [Ask(side, box, place + [1.3, -0.4, 0.7])], heatmaps=True)
    for found, expected in zip(*answers):
        assert np.linalg.norm(found.position - expected.position) < 0.002
        np.testing.assert_allclose(found.covariance, expected.covariance, atol=2e-3 * np.abs(expected.covariance).max())
        assert found.presence_logit == pytest.approx(expected.presence_logit, abs=2e-3)
        np.testing.assert_allclose(found.heatmap, expected.heatmap, atol=5e-3)
        np.testing.assert_allclose(found.center, expected.center, atol=1e-9)
        np.testing.assert_allclose(found.frame, expected.frame, atol=1e-9)


@pytest.mark.parametrize("name", ["oblique and anisotropic", "cut"])
def test_both_backends_find_the_same(name, default_weights):
    volume = VOLUMES[name]()
    ours, theirs = (detectors()[of].detect(volume, samples=2, fork=False) for of in ("openvino", "torch"))
    assert any(landmark.status != "absent" for landmark in theirs.landmarks)
    for found, expected in zip(ours.landmarks, theirs.landmarks):
        assert (found.status, found.reasons) == (expected.status, expected.reasons)
        assert found.presence == pytest.approx(expected.presence, abs=1e-3)
        if expected.status != "absent":
            assert np.linalg.norm(found.position_lps_mm - expected.position_lps_mm) < 0.02
            size = np.abs(expected.covariance_mm2).max()
            assert np.abs(found.covariance_mm2 - expected.covariance_mm2).max() < 0.02 * size


def test_bfloat16_finds_nearly_the_same(default_weights):
    volume = tubes()
    ours, theirs = (detectors()[of].detect(volume, samples=2, fork=False) for of in ("bfloat16", "torch"))
    for found, expected in zip(ours.landmarks, theirs.landmarks):
        assert found.status == expected.status
        assert np.linalg.norm(found.position_lps_mm - expected.position_lps_mm) < 0.1


def test_crops_side_by_side_are_the_same_bits_as_one_after_the_other(default_weights, monkeypatch):
    backend, pyramid = detectors()["openvino"].backend, VolumePyramid(tubes(), upright=True)
    asks = [
        Ask(side, pyramid.around(place + up, backend.config.extent_mm[2], 1.0), place + up)
        for side, place in (("left", LEFT), ("right", RIGHT))
        for up in (0.0, 7.0)
    ]
    one = list(backend.look(2, asks, heatmaps=True))
    monkeypatch.setattr(backend, "threads", 2)
    for found, expected in zip(backend.look(2, asks, heatmaps=True), one):
        assert np.array_equal(found.heatmap, expected.heatmap)
        assert np.array_equal(found.position, expected.position)
    assert len({tuple(answer.position) for answer in one}) == len(asks)


def test_several_threads_find_the_same_as_one(default_weights, monkeypatch):
    detector, volume = detectors()["openvino"], tubes()
    one = detector.locate(volume, samples=3)
    monkeypatch.setattr(detector.backend, "threads", 2)
    two = detector.locate(volume, samples=3)
    for side, seen in one.items():
        np.testing.assert_allclose(two[side].samples, seen.samples, rtol=0, atol=1e-3)
        assert np.ptp(seen.samples, axis=0).min() > 1e-3  # else their order would not matter
