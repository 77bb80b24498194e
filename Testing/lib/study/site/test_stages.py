"""The stages: what is there is not done again, what fails is said, and how long the rest will take."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from CarotidLandmarkLib.detect.case import Settings
from CarotidLandmarkLib.errors import BadInputError, CannotRunError
from CarotidLandmarkLib.landmarks.detection import write_detection
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.study.site import stages
from CarotidLandmarkLib.study.site.choose import OFFSET, TUNED, UNCHANGED
from CarotidLandmarkLib.study.site.run import FOLDS, Plan, work_on
from CarotidLandmarkLib.study.site.stages import DETECT_S, Engine, Progress, detect_all, tune_all
from CarotidLandmarkLib.study.site.tune import Tuning

ENGINE = Engine(Settings(), parallel=1)
RULE = np.array([0.3, -0.5, 1.2])


class Here:
    """Does at once, in this process, what it is given."""

    def submit(self, function, *args):
        future = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def detected(monkeypatch):
    """Case names in the order in which they are detected; a case whose answer is an error raises it."""
    names, answers = [], {}

    def detect(case, weights, engine, file):
        names.append((case.name, weights))
        if isinstance(answers[case.name], Exception):
            raise answers[case.name]
        write_detection(file, answers[case.name])

    @contextmanager
    def here(workers):
        yield Here()

    monkeypatch.setattr(stages, "pool", here)
    monkeypatch.setattr(stages, "_detect", detect)
    names_and = lambda of: (answers.update(of), names)[1]  # noqa: E731
    return names_and


def test_only_what_is_missing_is_detected(detected, draw_site, tmp_path, capsys):
    site, answers = draw_site(6)
    names = detected({**answers, "p02": BadInputError("It is no CT.")})
    failed = {}
    first = detect_all(site.cases, None, tmp_path, ENGINE, "detection", Progress(6 * DETECT_S), failed)
    assert list(first) == ["p00", "p01", "p03", "p04", "p05"] and failed == {"p02": "It is no CT."}
    assert "detection: 3 of 6, p02 It is no CT." in capsys.readouterr().err
    detected({"p02": answers["p02"]})
    again = detect_all(site.cases, None, tmp_path, ENGINE, "detection", Progress(6 * DETECT_S), {})
    assert len(again) == 6 and [name for name, _ in names] == [*(f"p{n:02d}" for n in range(6)), "p02"]


@pytest.mark.parametrize("error", [CannotRunError("The disk is full."), BadInputError("It is no CT.")])
def test_what_no_other_case_can_make_good_ends_the_work(detected, draw_site, tmp_path, error):
    site, answers = draw_site(6)
    detected({**answers, "p01": error})
    failed = {} if isinstance(error, CannotRunError) else None
    with pytest.raises(type(error)):
        detect_all(site.cases, None, tmp_path, ENGINE, "detection", Progress(), failed)


def test_a_case_that_fails_is_left_out_and_too_few_are_refused(detected, draw_site, tmp_path):
    site, answers = draw_site(7)
    detected({**answers, "p03": BadInputError("It is no CT.")})
    found = work_on(site, Plan(tmp_path, None, np.zeros(3), ENGINE, steps=0, tests=0))
    assert len(found.site.cases) == 6 and found.failed == {"p03": "It is no CT."}
    assert all(of.case != "p03" for of in found.judged[OFFSET].scores)
    detected({"p04": BadInputError("It is no CT.")})
    (tmp_path / "unchanged" / "p04.detection.json").unlink()
    with pytest.raises(BadInputError, match=r"of 5 patient\(s\)"):
        work_on(site, Plan(tmp_path, None, np.zeros(3), ENGINE, steps=0, tests=0))


def test_every_case_is_judged_by_a_network_that_has_not_seen_its_patient(detected, draw_site, tmp_path, monkeypatch):
    site, answers = draw_site(9)
    site.patients["p08"] = site.patients["p00"]
    names, seen = detected(answers), {}

    def tuned(tunings, engine, progress):
        seen.update({of.weights: {case.name for case in of.cases} for of in tunings})
        assert all(of.offset == pytest.approx(RULE + [1, 0, 0], abs=0.2) for of in tunings)

    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.prepare_all", lambda *_: None)
    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.tune_all", tuned)
    found = work_on(site, Plan(tmp_path, None, np.array([1.0, 0.0, 0.0]), ENGINE, steps=5, tests=0))
    assert len(seen) == FOLDS + 1 and seen[tmp_path / "folds" / "all" / "weights.safetensors"] == set(site.patients)
    judged = [(name, weights) for name, weights in names if weights is not None]
    assert {name for name, _ in judged} == set(site.patients)
    for name, weights in judged:
        assert not {other for other in seen[weights] if site.patients[other] == site.patients[name]}
    assert list(found.judged) == [UNCHANGED, OFFSET, TUNED]
    # Nets that were trained answer without the base's own offset.
    assert found.final[TUNED].offset == pytest.approx(found.final[OFFSET].offset + [1, 0, 0])


def test_a_case_that_can_be_read_again_is_learned_from_and_judged_by_new_networks(
    detected, draw_site, tmp_path, monkeypatch
):
    site, answers = draw_site(10)
    trained = []

    def tuned(tunings, engine, progress):
        for of in tunings:
            if not of.weights.is_file():
                trained.append((of.folder.name, {case.name for case in of.cases}))
                of.weights.write_bytes(b"")

    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.prepare_all", lambda *_: None)
    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.tune_all", tuned)
    plan = Plan(tmp_path, None, np.zeros(3), ENGINE, steps=5, tests=0)
    for gone in ("p03", None, None):
        trained.clear()
        names = detected({**answers, **({gone: BadInputError("It is away.")} if gone else {})})
        names.clear()
        work_on(site, plan)
        seen = dict(trained)
        if seen:
            assert seen["all"] == set(site.patients) - {gone}
            judged = [(name, weights.parent.name) for name, weights in names if weights is not None]
            assert {name for name, _ in judged} == seen["all"]
            assert not any(name in seen[fold] for name, fold in judged)
    assert not trained and not names, "what is there is not done again"


def test_what_it_costs_is_what_the_net_says_that_was_trained_last(
    detected, draw_site, make_answer, tmp_path, monkeypatch
):
    site, answers = draw_site(10)
    phantom = Case("t", Path("t.nrrd"), site.truths["p00"])
    answers["t"] = make_answer("t", phantom.points)

    def tuned(tunings, engine, progress):
        for of in tunings:
            of.weights.write_bytes(b"")

    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.prepare_all", lambda *_: None)
    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.tune_all", tuned)
    monkeypatch.setattr("CarotidLandmarkLib.study.site.run.test_phantoms", lambda *_: [phantom])
    plan = Plan(tmp_path, None, np.zeros(3), ENGINE, steps=5, tests=1)
    asked = []
    for gone in ("p03", None, None):
        names = detected({**answers, "p03": BadInputError("It is away.") if gone else answers["p03"]})
        names.clear()
        assert TUNED in work_on(site, plan).cost
        asked.append([weights for name, weights in names if name == "t"])
    new = plan.work / "folds" / "all" / "weights.safetensors"
    assert asked == [[None, new], [new], []]


def test_a_training_that_fails_is_a_sentence_that_names_its_log(monkeypatch, tmp_path):
    tuning = Tuning(tmp_path / "0", Path("base"), [Case("a", Path("a"), {})], RULE, tmp_path, 1, 1)
    monkeypatch.setattr(stages, "run_all", lambda tasks, work, parallel: iter([(tasks[0], False)]))
    with pytest.raises(CannotRunError, match=r"training in .*0 has failed, see its log.txt; the same command goes on"):
        tune_all([tuning], ENGINE, Progress())


def test_the_time_that_is_left_follows_the_pace_so_far(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    progress = Progress(1200.0, 2, started=0.0)
    progress.skip(200.0)
    now[0] = 300.0
    progress.say("detection: 1", 100.0)
    progress.say("detection: 2", 900.0)
    assert capsys.readouterr().err == "detection: 1; about 45 min left\ndetection: 2\n"
