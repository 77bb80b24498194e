from __future__ import annotations

import json

import numpy as np
import pytest

from CarotidLandmarkLib.detect.search import Search
from CarotidLandmarkLib.errors import BadInputError, CancelledError, CannotRunError
from CarotidLandmarkLib.landmarks.detection import Detection
from CarotidLandmarkLib.volume import memory

COS, SIN = np.cos(0.35), np.sin(0.35)
ORIENTATIONS = {
    "LPS": np.eye(3),
    "RAS": np.diag([-1.0, -1, 1]),
    "LAS": np.diag([1.0, -1, 1]),
    "PIR": np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]),
    "ASL": np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]]),
    "oblique": np.array([[COS, -SIN, 0], [SIN, COS, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, COS, SIN], [0, -SIN, COS]],
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_finds_each_side_in_the_patients_frame_however_the_volume_is_stored(name, detector, make_neck, balls):
    detection = detector.detect(make_neck(ORIENTATIONS[name]), samples=5)
    for side, ball in balls.items():
        landmark = detection.landmark(side)
        assert landmark.status == "found", landmark.reasons
        assert np.linalg.norm(landmark.position_lps_mm - ball) < 0.3


def test_want_of_memory_is_told_before_the_network_takes_it(detector, make_neck, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 20)
    with pytest.raises(CannotRunError, match="needs about .* crop the volume to the neck"):
        detector.detect(make_neck(), samples=2)


@pytest.mark.parametrize("missing", ["left", "right"])
def test_a_side_that_is_not_there_is_absent(missing, detector, make_neck, balls):
    volume = make_neck(balls={side: ball for side, ball in balls.items() if side != missing})
    detection = detector.detect(volume, samples=2)
    absent = detection.landmark(missing)
    assert (absent.status, absent.position_lps_mm) == ("absent", None)
    assert absent.reasons and absent.presence < 0.5
    other = detection.landmark("left" if missing == "right" else "right")
    assert other.status == "found"


def test_a_side_that_is_not_believed_is_swept_but_not_sampled(detector, make_neck, balls):
    texts = []
    neck = make_neck(balls={"left": balls["left"]})
    seen = Search(detector.backend, neck, samples=3, progress=lambda text, _: texts.append(text)).run()
    assert (seen["left"].complete, seen["right"].complete) == (True, False)
    assert "left, 0.5 mm, sample 3 of 3" in texts
    assert any("right, 2 mm, place 1 of" in text for text in texts)
    assert not any("right, 0.5 mm, sample" in text or "left, 2 mm, place" in text for text in texts)


def test_the_spread_of_the_passes_stands_by_itself(detector, volume):
    seen = detector.locate(volume, samples=4)
    for landmark in detector.detect(volume, samples=4).landmarks:
        np.testing.assert_allclose(landmark.passes_sd_mm, np.std(seen[landmark.side].samples, axis=0, ddof=1))
    assert all(landmark.passes_sd_mm is None for landmark in detector.detect(volume, samples=1).landmarks)


def test_the_same_seed_gives_the_same_answer_and_another_does_not(detector, volume):
    def positions(seed):
        return np.stack([x.position_lps_mm for x in detector.detect(volume, samples=3, seed=seed).landmarks])

    assert np.array_equal(positions(4), positions(4))
    assert not np.array_equal(positions(4), positions(5))


def test_progress_says_what_is_being_done_and_grows(detector, volume):
    steps = []
    detector.detect(volume, samples=4, progress=lambda text, fraction: steps.append((text, fraction)))
    texts, fractions = zip(*steps)
    assert texts[0] == "coarse search"
    assert "left, 2 mm, start 1 of 1" in texts and "right, 0.5 mm, sample 3 of 4" in texts
    assert list(fractions) == sorted(fractions) and fractions[0] == 0 and fractions[-1] < 1


def test_cancel_stops_between_two_steps(detector, volume):
    steps = []
    with pytest.raises(CancelledError):
        detector.detect(volume, progress=lambda text, _: steps.append(text), cancelled=lambda: len(steps) == 6)
    assert len(steps) == 6


@pytest.mark.parametrize("settings", [{"samples": 0}, {"confidence": 0.0}, {"confidence": 1.0}])
def test_settings_out_of_range_are_refused(settings, detector, volume):
    with pytest.raises(BadInputError):
        detector.detect(volume, **settings)


def test_a_detection_is_the_contracts_json(detector, volume):
    detection = detector.detect(volume, samples=2, confidence=0.8, seed=3, case="a")
    values = json.loads(json.dumps(detection.to_dict(), allow_nan=False))
    assert values["case"] == "a"
    assert values["volume"]["size"] == [150, 130, 90] and values["volume"]["spacing_mm"] == [0.9, 1.0, 1.25]
    assert values["model"] == {"name": "bright", "version": "1", "sha256": "0" * 64}
    precision = values["settings"].pop("precision")  # of two that a CPU may compute in
    assert precision in ("float32", "bfloat16") and precision == detector.backend.precision
    told = {"samples": 2, "confidence": 0.8, "device": "cpu", "seed": 3, "fork": False, "backend": "openvino"}
    assert values["settings"] == told
    assert set(values["timing_s"]) == {"read", "pyramid", "network", "fork", "total"}
    assert values["timing_s"]["pyramid"] + values["timing_s"]["network"] <= values["timing_s"]["total"]
    assert Detection.from_dict(json.loads(json.dumps(detection.to_dict()))).to_dict() == detection.to_dict()


def test_the_trust_of_the_weights_header_judges(detector, volume):
    for logit, status in ((-5.0, "found"), (5.0, "review")):
        trust = {"weights": {}, "typical": {}, "logit": logit, "limit": 0.5, "absent": 0.3}
        weighed = type(detector)(detector.backend, {**detector.header, "trust": trust})
        assert {landmark.status for landmark in weighed.detect(volume, samples=2).landmarks} == {status}
