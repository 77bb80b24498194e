from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.detect.results import describe
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import (
    Detection,
    LandmarkDetection,
    chi2_quantile,
    ellipsoid,
    is_undecided,
    read_detection,
    write_detection,
)

LINE = [[30.1, -20.0, 5.5, 3.1], [30.2, -20.0, 6.5, 3.0]]
FORK = {
    "check": "unclear",
    "reasons": ["The vessel below is followed for 9 mm only."],
    "distance_mm": 1.5,
    "carina_lps_mm": [30.0, -20.5, 4.1],
    "internal_probability": 0.9,
    "calcified": True,
    "lumen_hu": 350.0,
    "tissue_hu": 45.0,
    "vessels": {"common": LINE, "internal": LINE[:1], "external": LINE},
    "measures": {
        "bulb_mm": {"value": 7.5, "sd": 0.2, "unit": "mm", "reason": None},
        "nascet_percent": {"value": None, "sd": None, "unit": "%", "reason": "No distal part is seen."},
    },
    "notes": ["Calcium hides the lumen."],
}
CONTRACT = {
    "schema": "carotid-landmark/detection/1",
    "software": {"name": "carotid-landmark", "version": "0.7.0"},
    "case": "p01",
    "volume": {"path": "p1.nrrd", "sha256": "ab", "size": [9, 9, 3], "spacing_mm": [0.5, 0.5, 1.0], "series_uid": None},
    "model": {"name": "default", "version": "1", "sha256": "cd"},
    "settings": {"samples": 50, "confidence": 0.9, "device": "cpu", "seed": 0},
    "landmarks": [
        {
            "side": "left",
            "status": "review",
            "reasons": ["the scales disagree by 6 mm"],
            "presence": 0.98,
            "position_lps_mm": [30.1, -20.0, 5.5],
            "covariance_mm2": [[1.0, 0.1, 0.0], [0.1, 2.0, 0.0], [0.0, 0.0, 3.0]],
            "confidence_radii_mm": [3.0, 2.0, 1.0],
            "confidence_axes_lps": [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]],
            "confidence_volume_mm3": 25.1,
            "passes_sd_mm": [0.1, 0.2, 0.3],
            "fork": FORK,
        },
        {
            "side": "right",
            "status": "absent",
            "reasons": ["outside the volume"],
            "presence": 0.01,
            "position_lps_mm": None,
            "covariance_mm2": None,
            "confidence_radii_mm": None,
            "confidence_axes_lps": None,
            "confidence_volume_mm3": None,
            "passes_sd_mm": None,
            "fork": None,
        },
    ],
    "timing_s": {"read": 0.1, "pyramid": 0.2, "network": 0.3, "total": 0.6},
    "warnings": ["one"],
}  # fmt: skip


def test_a_file_from_before_what_was_added_is_read() -> None:
    old = json.loads(json.dumps(CONTRACT))
    for landmark in old["landmarks"]:
        del landmark["passes_sd_mm"], landmark["fork"]
    del old["software"]
    detection = Detection.from_dict(old)
    left = detection.landmark("left")
    assert left.passes_sd_mm is None and left.fork is None and detection.software is None
    assert Detection.from_dict(detection.to_dict()).to_dict() == detection.to_dict()


def test_contract_json_survives_reading_and_writing(tmp_path: Path) -> None:
    detection = Detection.from_dict(CONTRACT)
    assert detection.to_dict() == CONTRACT
    write_detection(tmp_path / "p01.detection.json", detection)
    assert json.loads((tmp_path / "p01.detection.json").read_text()) == CONTRACT
    again = read_detection(tmp_path / "p01.detection.json")
    assert again.to_dict() == CONTRACT
    assert again.landmark("right").status == "absent"
    np.testing.assert_array_equal(again.points().points["left"], [30.1, -20.0, 5.5])
    assert again.points().points["right"] is None


def test_numpy_values_become_json() -> None:
    landmark = LandmarkDetection("left", "found", presence=np.float32(0.5), position_lps_mm=np.ones(3, np.float32))
    assert json.loads(json.dumps(landmark.to_dict()))["position_lps_mm"] == [1.0, 1.0, 1.0]


def test_unknown_keys_are_ignored_and_sides_may_come_in_any_order() -> None:
    landmarks = [{**landmark, "new": 1} for landmark in reversed(CONTRACT["landmarks"])]
    assert Detection.from_dict({**CONTRACT, "more": 2, "landmarks": landmarks}).to_dict() == CONTRACT


def with_fork(**change: object) -> dict:
    left, right = CONTRACT["landmarks"]
    return {"landmarks": [{**left, "fork": {**FORK, **change}}, right]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "other/1"}, "other/1"),
        ({"software": "0.7.0"}, "software is '0.7.0'"),
        ({"landmarks": CONTRACT["landmarks"][:1]}, "left and right"),
        ({"landmarks": [{**CONTRACT["landmarks"][0], "status": "lost"}]}, "lost"),
        ({"landmarks": [{**CONTRACT["landmarks"][0], "position_lps_mm": None}]}, "contradicts"),
        ({"landmarks": [{**CONTRACT["landmarks"][0], "covariance_mm2": [1, 2]}]}, "covariance_mm2"),
        ({"landmarks": [{"side": "left"}]}, "status"),
        ({"landmarks": 3}, "no detection"),
        ({"settings": {"confidence": "0.9"}}, "confidence"),
        ({"settings": {"confidence": 1.5}}, "confidence"),
        ({"volume": {"spacing_mm": [1, 2]}}, "1.0, 2.0"),
        ({"volume": {"spacing_mm": [1, 2, 10**400]}}, "too large"),
        ({"volume": {"spacing_mm": [1, 2, -1]}}, "voxel spacing"),
        ({"timing_s": {"total": "3 s"}}, "the time 'total'"),
        ({"timing_s": {"total": 10**400}}, "too large"),
        (with_fork(check="sure"), "sure"),
        (with_fork(reasons=[3]), "no sentences"),
        (with_fork(vessels={"common": LINE}), "internal"),
        (with_fork(vessels={**FORK["vessels"], "external": [[1, 2, 3]]}), "external"),
        (with_fork(carina_lps_mm=[1, 2]), "carina_lps_mm"),
        (with_fork(distance_mm="far"), "distance_mm"),
        (with_fork(measures=[1]), "no measures"),
        (with_fork(measures={"bulb_mm": {**FORK["measures"]["bulb_mm"], "value": None}}), "reason"),
    ],
)
def test_what_is_no_detection_is_bad_input(tmp_path: Path, change: dict, says: str) -> None:
    path = tmp_path / "a.detection.json"
    path.write_text(json.dumps({**CONTRACT, **change}))
    with pytest.raises(BadInputError, match=says) as caught:
        read_detection(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "no json", "[]"])
def test_other_files_are_bad_input(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(BadInputError, match=r"a\.json"):
        read_detection(tmp_path / "a.json")
    with pytest.raises(BadInputError, match="Cannot read"):
        read_detection(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("probability", "quantile"), [(0.0, 0.0), (0.5, 2.36597), (0.9, 6.25139), (0.95, 7.81473), (0.999, 16.26624)]
)
def test_chi2_quantile_is_that_of_the_tables(probability: float, quantile: float) -> None:
    assert chi2_quantile(probability) == pytest.approx(quantile, abs=2e-5)


@pytest.mark.parametrize("probability", [1.0, 90, -0.1, float("nan")])
def test_chi2_quantile_refuses_what_is_no_confidence(probability: float) -> None:
    with pytest.raises(BadInputError, match="confidence"):
        chi2_quantile(probability)


def test_ellipsoid_of_a_rotated_covariance() -> None:
    turn = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    radii, axes, volume = ellipsoid(turn @ np.diag([1.0, 9.0, 4.0]) @ turn.T, 0.9)
    np.testing.assert_allclose(radii, np.sqrt(6.251389) * np.array([3, 2, 1]), rtol=1e-6)
    np.testing.assert_allclose(np.abs(axes), np.abs([turn[:, 1], turn[:, 2], turn[:, 0]]), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert volume == pytest.approx(65.47 * 6, rel=1e-4)


def test_ellipsoid_of_no_spread_is_a_point() -> None:
    radii, axes, volume = ellipsoid(np.zeros((3, 3)), 0.9)
    assert radii.tolist() == [0, 0, 0] and volume == 0
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [{"presence": float("nan")}, {"presence": "0.9"}, {"confidence_volume_mm3": float("inf")}, {"presence": 10**400}],
    ids=str,
)
def test_numbers_that_are_none_are_refused(changes: dict) -> None:
    landmarks = [{**CONTRACT["landmarks"][0], **changes}, CONTRACT["landmarks"][1]]
    with pytest.raises(BadInputError, match="no detection"):
        Detection.from_dict({**CONTRACT, "landmarks": landmarks})


def test_what_is_written_is_strict_json_whatever_the_volume_is_called(tmp_path: Path) -> None:
    detection = Detection.from_dict(CONTRACT)
    detection.volume["path"] = os.fsdecode(b"pat\xe9.nrrd")
    detection.timing_s = {"total": float("nan")}
    write_detection(tmp_path / "a.detection.json", detection)
    written = json.loads((tmp_path / "a.detection.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written["volume"]["path"] == "pat\\udce9.nrrd" and written["timing_s"] == {"total": None}


def test_descriptions_of_detect_are_known_for_what_they_are() -> None:
    for landmark in Detection.from_dict(CONTRACT).landmarks:
        assert is_undecided(describe(landmark)) and is_undecided(landmark.status)
        assert not is_undecided(f"accepted, {describe(landmark)}")
    assert not any(map(is_undecided, ("", "found by AB", "missing", "carina", "reviewed", "undetected by AB")))
    assert is_undecided("unreviewed") and is_undecided("undetected, absent, presence 0.00. Nothing was detected here.")
