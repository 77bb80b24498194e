from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.case import Settings
from CarotidLandmarkLib.detect.trust import Trust
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.model.weights import load_weights
from CarotidLandmarkLib.study import calibration
from CarotidLandmarkLib.study.calibration import Seen, calibrated_on, covariance_factor, fit_trust, look, read_seen
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.volume.ct import write_volume


def answers(count=400, wrong=0.1, seed=0):
    """Answers of which the rival tells the wrong ones, the border nothing, and a sign "against" the right ones."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        off = rng.random() < wrong
        signs = {
            "rival": float(rng.normal(3.0 if off else 0.0)),
            "border": float(rng.normal()),
            "against": float(rng.normal(0.0 if off else 1.0)),
            "spread": float(rng.normal(-1)),
        }
        error = float(rng.uniform(6, 20) if off else rng.uniform(0, 2))
        yield Seen(f"case{number // 2}", ("left", "right")[number % 2], True, 0.99, True, error, 3.0, signs)


def test_covariances_are_multiplied_by_what_they_lack():
    rng = np.random.default_rng(1)
    for times in (0.25, 1.0, 4.0):
        seen = [Seen("a", "left", True, 0.9, True, 1.0, float(d)) for d in times * rng.chisquare(3, 4000)]
        seen += [Seen("b", "left", True, 0.9, True, 30.0, 1e6)] * 300  # gross errors are no business of the ellipsoid
        assert covariance_factor(seen) == pytest.approx(times, rel=0.1)
    with pytest.raises(BadInputError, match="nothing to calibrate"):
        covariance_factor([Seen("a", "left", False, 0.1)])


def test_a_calibration_rests_on_the_cases_that_it_uses_alone():
    good, gross = Seen("a", "left", True, 0.9, True, 1.0, 3.0), Seen("b", "left", True, 0.9, True, 12.0, 3.0)
    assert calibrated_on([good, gross, Seen("c", "left", True, 0.1)]) == [good]


def test_what_tells_wrong_answers_weighs_and_nothing_speaks_for_an_answer():
    trust, shares = fit_trust(list(answers()), 1.0)
    assert trust.weights["rival"] > 1
    assert trust.weights.get("border", 0) < 0.2 * trust.weights["rival"] and "against" not in trust.weights
    assert shares["found among the good"] == pytest.approx(0.95, abs=0.01)
    assert shares["silent failures"] < 0.02 < 0.1  # of a tenth that are wrong
    assert trust.landmarks == 400


def test_scans_of_one_patient_do_not_judge_each_other():
    """What tells the wrong answers of half of the patients tells nothing of the others': only they can vouch for it."""
    rng = np.random.default_rng(0)
    seen, patients = [], {}
    for number in range(200):
        patient, wrong = number // 10, number // 10 % 4 == 0
        signs = {f"sign {of}": float(of == patient and wrong) + 0.01 * rng.random() for of in range(0, 20, 4)}
        seen.append(Seen(f"{number}", "left", True, 0.99, True, 9.0 if wrong else 1.0, 3.0, signs))
        patients[f"{number}"] = patient
    apart, together = (fit_trust(seen, 1.0, of)[1]["silent failures"] for of in (None, patients))
    assert (apart, together) == (0, 0.2)


def test_the_spread_is_that_of_the_calibrated_covariance():
    plain, _ = fit_trust(list(answers()), 1.0)
    wider, _ = fit_trust(list(answers()), np.exp(2.0))
    if "spread" in plain.typical:
        assert wider.typical["spread"] == pytest.approx(plain.typical["spread"] + 1.0, abs=1e-3)
    assert wider.weights == pytest.approx(plain.weights, abs=1e-3)


def test_what_is_absent_misses_and_mistakes_the_fewest():
    right = [Seen(f"r{i}", "left", True, 0.62, False, 1.0, 3.0, {"rival": 0.1 * i}) for i in range(20)]
    right += [Seen(f"w{i}", "left", True, 0.95, False, 9.0, 3.0, {"rival": 5.0 + i}) for i in range(12)]
    hidden = [Seen(f"h{i}", "left", False, 0.55, False, None, None, {"rival": 2.0}) for i in range(20)]
    trust, shares = fit_trust(right + hidden, 1.0)
    assert trust.absent == 0.6 and shares["missed"] == 0 and shares["located though not visible"] == 0


def test_too_few_wrong_answers_teach_nothing():
    with pytest.raises(BadInputError, match="at least 10 right and as many wrong"):
        fit_trust(list(answers(60, 0.0)), 1.0)


def test_only_what_brings_an_answer_over_the_limit_is_said_the_heaviest_first():
    trust = Trust({"a": 1.0, "b": 2.0, "c": 1.0}, {"a": 0.0, "b": 0.0, "c": 0.0}, -4.0, 0.5, 0.3)
    assert trust.against({"a": 1.0, "b": 1.0, "c": 0.5}) == [] and trust.chance({"a": 0.0}) < 0.02
    assert trust.against({"a": 1.0, "b": 3.0, "c": 0.5}) == ["b"]
    assert trust.against({"a": 2.0, "b": 2.0, "c": 0.5}) == ["b"]  # without it the others are within the limit
    assert trust.against({"a": 5.0, "b": 3.0, "c": 0.5}) == ["b", "a"]
    assert trust.against({"a": 100.0}) == ["a"] and trust.chance({"a": 1e6}) < 1.0 + 1e-12


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"weights": {"a": 1.0}},
        {"weights": {"a": -1.0}, "typical": {"a": 0.0}, "logit": 0.0, "limit": 0.5, "absent": 0.3},
        {"weights": {"a": 1.0}, "typical": {}, "logit": 0.0, "limit": 0.5, "absent": 0.3},
        {"weights": {"a": 1.0}, "typical": {"a": 0.0}, "logit": float("nan"), "limit": 0.5, "absent": 0.3},
        {"weights": {"a": 1.0}, "typical": {"a": 0.0}, "logit": 0.0, "limit": 1.0, "absent": 0.3},
        {"weights": {"a": "b"}, "typical": {"a": 0.0}, "logit": 0.0, "limit": 0.5, "absent": 0.3},
    ],
)
def test_a_header_that_says_nonsense_of_trust_is_refused(told):
    with pytest.raises(BadInputError, match="trust cannot be understood"):
        Trust.from_header({"trust": told})


def test_a_header_brings_its_trust_along():
    trust = Trust({"a": 1.0}, {"a": 0.0}, -4.0, 0.5, 0.3, 7)
    assert Trust.from_header({"trust": json.loads(json.dumps(trust.to_dict()))}) == trust
    assert Trust.from_header({}) is None


def test_what_is_seen_of_a_scan_is_kept(detector, volume, balls, tmp_path, monkeypatch):
    write_volume(volume, tmp_path / "neck.nrrd")
    points = {"left": balls["left"] + [0, 0, 2.0], "right": None}
    monkeypatch.setattr(calibration, "_detector", lambda *engine: detector)
    case = Case("neck", tmp_path / "neck.nrrd", points)
    look(case, (None, "cpu", "auto"), Settings(4), tmp_path / "seen.json")
    left, right = read_seen([tmp_path / "seen.json"])
    assert left.visible and left.error_mm == pytest.approx(2.0, abs=0.3) and left.mahalanobis2 > 0
    assert not right.visible and right.error_mm is None and right.signs and right.wrong and not left.wrong
    assert left.signs.keys() == right.signs.keys() and "rival" in left.signs
    monkeypatch.setitem(detector.offsets, "left", np.array([0.0, 0.0, 1000.0]))  # as of a site, out of the volume
    look(case, (None, "cpu", "auto"), Settings(4), tmp_path / "seen.json")
    left, right = read_seen([tmp_path / "seen.json"])
    assert not left.signs and right.signs


TRUST = Trust({"spread": 1.4, "rival": 0.6}, {"spread": -0.9, "rival": 0.0}, -4.0, 0.1, 0.3)


@pytest.fixture
def weights(tmp_path):
    """A small model as it comes from torch's initialisation, whose answers are near enough to calibrate on."""
    import torch
    from torch import nn

    from CarotidLandmarkLib.model.config import ModelConfig
    from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
    from CarotidLandmarkLib.model.weights import save_weights

    torch.manual_seed(0)
    model = MultiScaleLocNet(ModelConfig(channels=((4, 8),) * 4, convs=(1,) * 4))
    for net in model.nets:
        nn.init.constant_(net.presence_bias, -20.0)
    save_weights(tmp_path / "random.safetensors", model, {"name": "random", "trust": TRUST.to_dict()})
    return tmp_path / "random.safetensors"


@pytest.mark.torch
def test_calibrate_writes_the_same_network_with_ellipsoids_that_fit_and_goes_on(
    weights, volume, balls, tmp_path, capsys
):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for name in ("one", "two"):
        write_volume(volume, data / f"{name}.nrrd")
        write_markups(data / f"{name}.mrk.json", LandmarkSet(balls))
    command = ["calibrate", "--data", str(data), "--out", str(out), "--weights", str(weights), "--samples", "2"]
    out.mkdir()
    (out / "trust.json").write_text("{}")  # of a run with other cases
    assert main([*command, "--device", "cpu"]) == 0
    said = capsys.readouterr()
    assert not (out / "trust.json").exists()
    assert "rests on 2 cases" in said.err
    assert "2 of 2 cases" in said.err and "What to trust stays as it is" in said.err
    seen = read_seen(sorted((out / "cases").iterdir()))
    before, after = load_weights(weights), load_weights(out / "weights.safetensors")
    factor = covariance_factor(seen)
    scales = [model.config.covariance_scale for model, _ in (before, after)]
    assert scales[1] == pytest.approx((*scales[0][:3], scales[0][3] * factor))
    assert after[1]["calibration"] == {"cases": 2, "kept_from_start": False, "whole_scans": True}
    assert len(after[1]["volumes"]) == 2, "one file and one fingerprint, both times"
    trust = Trust.from_header(after[1])
    assert trust.typical == pytest.approx({"spread": -0.9 + 0.5 * np.log(factor), "rival": 0.0}, abs=1e-4)
    assert replace(trust, typical=TRUST.typical) == TRUST
    assert all((a == b).all() for a, b in zip(before[0].state_dict().values(), after[0].state_dict().values()))
    next((out / "cases").glob("two-*.json")).unlink()
    assert main([*command, "--device", "cpu"]) == 0
    assert "1 of 1 cases" in capsys.readouterr().err
    moved = LandmarkSet({side: point + [0.0, 0.0, 1.5] for side, point in balls.items()})
    write_markups(data / "one.mrk.json", moved)  # only what was corrected is looked at anew
    assert main([*command, "--device", "cpu"]) == 0
    assert "1 of 1 cases: one" in capsys.readouterr().err
    next((out / "cases").glob("two-*.json")).write_bytes(b"\0" * 64)
    assert main([*command, "--device", "cpu"]) == 2
    assert "is damaged: remove it" in capsys.readouterr().err
    assert main([*command, "--device", "cpu", "--seed", "3"]) == 2
    assert "another seed" in capsys.readouterr().err
    again = ["--out", str(tmp_path / "again"), "--weights", str(out / "weights.safetensors"), "--samples", "1"]
    assert main([*command[:3], *again, "--device", "cpu"]) == 0
    assert "2 case(s) were used to make these weights" in capsys.readouterr().err
