"""What the lumen says of a landmark, in a detection's JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.forks import ForkResult, Measure

LINE = np.array([[1.0, 2, 3, 2.5], [1.1, 2, 4, 2.4]])


def full() -> ForkResult:
    return ForkResult(
        "verified",
        distance_mm=np.float32(1.25),
        carina_lps_mm=np.array([1.0, -2, 3]),
        internal_probability=0.98,
        calcified=np.bool_(True),
        lumen_hu=380,
        tissue_hu=45.0,
        vessels={name: LINE for name in ("common", "internal", "external")},
        measures={"bulb_mm": Measure(np.float64(7.5), 0.2, "mm"), "angle_deg": Measure(None, None, "deg", "Why not.")},
        notes=["A note."],
    )


def test_a_fork_comes_back_from_json() -> None:
    fork = full()
    back = ForkResult.from_dict(json.loads(json.dumps(fork.to_dict(), allow_nan=False)))
    assert back.to_dict() == fork.to_dict()
    assert back.carina_lps_mm.tolist() == [1, -2, 3] and back.carina_lps_mm.dtype == np.float64
    assert np.array_equal(back.vessels["external"], LINE)
    assert back.measures == fork.measures
    assert (back.check, back.distance_mm, back.calcified, back.lumen_hu, back.notes) == (
        "verified", 1.25, True, 380, ["A note."],
    )  # fmt: skip


def test_what_is_not_known_is_null() -> None:
    values = json.loads(json.dumps(ForkResult("unclear", ["Why."]).to_dict()))
    empty = [name for name, value in values.items() if value is None]
    assert empty == ["distance_mm", "carina_lps_mm", "internal_probability", "lumen_hu", "tissue_hu", "vessels"]
    assert ForkResult.from_dict(values).to_dict() == values


def test_keys_of_later_versions_are_ignored() -> None:
    values = full().to_dict()
    values["later"] = 1
    values["measures"]["bulb_mm"]["later"] = 1
    assert ForkResult.from_dict(values).to_dict() == full().to_dict()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("check", "found"),
        ("check", None),
        ("reasons", "text"),
        ("notes", [1]),
        ("distance_mm", float("nan")),
        ("distance_mm", "1"),
        ("distance_mm", True),
        ("distance_mm", 10**400),
        ("internal_probability", 1.5),
        ("calcified", None),
        ("carina_lps_mm", [1, 2]),
        ("carina_lps_mm", [1, 2, float("inf")]),
        ("carina_lps_mm", ["1", "2", "3"]),
        ("carina_lps_mm", [1, 2, [3]]),
        ("vessels", {"common": [[1, 2, 3, 4]]}),
        ("vessels", {name: [] for name in ("common", "internal", "external")}),
        ("vessels", {name: [[1, 2, 3]] for name in ("common", "internal", "external")}),
        ("vessels", {name: [[1, 2, 3, None]] for name in ("common", "internal", "external")}),
        ("measures", []),
        ("measures", {"bulb_mm": 7.5}),
        ("measures", {"bulb_mm": {"value": 7.5}}),
    ],
)
def test_wrong_content_is_told_in_a_sentence(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="a fork|vessel|measure"):
        ForkResult.from_dict({**full().to_dict(), key: value})


@pytest.mark.parametrize("values", [None, [], "text", {}])
def test_what_is_no_fork(values: object) -> None:
    with pytest.raises(ValueError, match="a fork"):
        ForkResult.from_dict(values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": None},
        {"value": None, "reason": ""},
        {"value": 1.0, "reason": "Why."},
        {"value": None, "sd": 1.0, "reason": "Why."},
        {"value": 1.0, "sd": -1.0},
        {"value": float("inf")},
        {"value": 1.0, "unit": None},
        {"value": "1"},
    ],
)
def test_a_measure_has_a_value_or_a_reason(wrong: dict) -> None:
    with pytest.raises(ValueError, match="a measure"):
        Measure.from_dict({"sd": None, "unit": "mm", "reason": None, **wrong})


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (Measure(6.13, 0.21, "mm"), "6.1 ± 0.2 mm"),
        (Measure(4.3, 0.01, "mm"), "4.3 ± < 0.1 mm"),
        (Measure(48.2, 3.1, "deg"), "48.2 ± 3.1°"),
        (Measure(118.4, None, "mm3"), "118 mm³"),
        (Measure(41.6, 2.0, "%"), "42 ± 2 %"),
        (Measure(0.931, 0.05), "0.93 ± 0.05"),
        (Measure(None, None, "mm", "It is not seen."), ""),
    ],
)
def test_a_measure_for_readers(measure: Measure, text: str) -> None:
    assert measure.text() == text
