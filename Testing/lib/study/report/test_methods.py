from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.detection import write_detection
from CarotidLandmarkLib.study.cases import Case
from CarotidLandmarkLib.study.report.methods import (
    Method,
    clear_detections,
    note_detections,
    one_confidence,
    one_model,
    read_detections,
    read_method,
    shared_settings,
    with_names,
)
from CarotidLandmarkLib.study.report.write import table_of
from CarotidLandmarkLib.study.scores import compare

POINT = np.array([30.0, 0, 50])  # where the left landmark of the cases is


@pytest.fixture
def truths(made, tmp_path):
    return {case: Case(case, tmp_path / f"{case}.nrrd", made.truth(case).points) for case in made.answers}


@pytest.fixture
def earlier(made, tmp_path):
    """A report without detections beside it, of a model whose errors are twice as large."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    (folder / "report.csv").write_text(table_of(made.rows(2.0)), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps({"model": {"name": "other", "version": "2"}}))
    return folder


def test_detections_are_found_in_the_folder_of_a_report_or_alone(made, truths, tmp_path):
    for place in (tmp_path / "report" / "detections", tmp_path / "alone"):
        place.mkdir(parents=True)
        for case in ("a", "b"):
            write_detection(place / f"{case}.detection.json", made.detection(case, 2.0))
    one, two = read_method(tmp_path / "report", truths), read_method(tmp_path / "alone", truths)
    assert one.scores == two.scores and one.name == "made 1.0"
    assert [(s.case, s.side) for s in one.scores] == [(case, side) for case in "ab" for side in ("left", "right")]
    assert [s.error_mm for s in one.scores] == pytest.approx([0.4, 1.0, 6.0, 2.0])


@pytest.mark.parametrize("as_report", [False, True])
def test_scans_of_one_patient_are_one_witness(as_report, made, truths, earlier, tmp_path):
    truths = {name: replace(truth, patient="1") for name, truth in truths.items()}
    write_detection(tmp_path / "a.detection.json", made.detection("a"))
    other = read_method(earlier if as_report else tmp_path, truths)
    assert len({score.whose for score in other.scores}) == 1
    assert compare([replace(row.score, patient="1") for row in made.rows()], other.scores)["p"] is None


def test_an_earlier_report_is_compared_by_its_table(made, truths, earlier):
    other = read_method(earlier, truths)
    assert other.name == "other 2" and len(other.scores) == 10
    result = compare([row.score for row in made.rows()], other.scores)
    assert result["landmarks"] == 7
    assert result["difference_mm"] == pytest.approx(-(0.2 + 0.5 + 3 + 1 + 12 + 0.4 + 6) / 7, abs=1e-3)


def test_a_report_of_another_truth_is_refused(made, truths, earlier):
    truths["d"] = Case("d", truths["d"].volume, made.truth("a").points)
    with pytest.raises(BadInputError, match="another truth .d, right."):
        read_method(earlier, truths)


def moved(truths, by):
    return {name: replace(of, points={**of.points, "left": POINT + [0, by, 0]}) for name, of in truths.items()}


def test_a_report_of_a_truth_that_has_moved_since_is_refused(made, truths, earlier):
    truths = {name: truths[name] for name in "abcd"}  # in which the left one is there
    with pytest.raises(BadInputError, match=r"another truth \(a, left by 1.20 mm\); evaluate it anew"):
        read_method(earlier, moved(truths, 1.2))
    with pytest.raises(BadInputError, match="another truth"):
        read_method(earlier, moved(truths, 0.011))
    assert read_method(earlier, moved(truths, 0.009)).scores == read_method(earlier, truths).scores
    unreviewed = {name: replace(of, unreviewed=("left",)) for name, of in moved(truths, 1.2).items()}
    assert {of.side for of in read_method(earlier, unreviewed).scores} == {"right"}


def rewrite(report, change):
    with open(report / "report.csv", newline="") as file:
        lines = [change(line) for line in csv.DictReader(file)]
    with open(report / "report.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)


@pytest.mark.parametrize("old", [False, True])
def test_a_report_whose_detections_lie_beside_it_is_measured_anew(made, truths, earlier, old):
    """Also one of an older version, which does not tell its truth."""
    if old:
        rewrite(earlier, lambda line: {key: of for key, of in line.items() if not key.startswith("true_")})
        with pytest.raises(BadInputError, match="does not tell the truth .*; evaluate it anew"):
            read_method(earlier, truths)
    (earlier / "detections").mkdir()
    for case in made.answers:
        write_detection(earlier / "detections" / f"{case}.detection.json", made.detection(case, 2.0))
    truths = moved({"a": truths["a"]}, 1.2)
    left, right = read_method(earlier, truths).scores
    assert (left.error_mm, right.error_mm) == (pytest.approx(np.hypot(0.4, 1.2)), 1.0)


@pytest.mark.parametrize("place", ["detections", "."])
@pytest.mark.parametrize("stale", ["others", "fewer"])
def test_detections_beside_a_report_that_it_has_not_measured_do_not_count(made, truths, earlier, place, stale, capsys):
    (earlier / place).mkdir(exist_ok=True)
    for case in made.answers if stale == "others" else "ab":
        factor = 3.0 if stale == "others" else 2.0
        write_detection(earlier / place / f"{case}.detection.json", made.detection(case, factor))
    method = read_method(earlier, truths)
    assert method.name == "other 2" and len(method.scores) == 10 and method.scores[0].error_mm == 0.4
    assert "has measured other detections than those in" in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["presence", "position_lps_mm", "confidence_volume_mm3", "status"])
def test_a_detection_that_differs_in_one_thing_is_another(made, truths, earlier, changed, capsys):
    for case in made.answers:
        detection = made.detection(case, 2.0)
        if case == "a":
            left = detection.landmarks[0]
            value = {"status": "review", "position_lps_mm": left.position_lps_mm + 0.1}.get(changed)
            setattr(left, changed, getattr(left, changed) * 0.9 if value is None else value)
        write_detection(earlier / f"{case}.detection.json", detection)
    assert read_method(earlier, truths).name == "other 2"
    assert "has measured other detections" in capsys.readouterr().err


def test_detections_of_cases_that_a_report_has_not_measured_are_not_its_own(made, truths, earlier):
    rewrite(earlier, lambda line: {**line, "case": line["case"].replace("a", "z")})
    for case in made.answers:
        write_detection(earlier / f"{case}.detection.json", made.detection(case, 2.0))
    assert {of.case for of in read_method(earlier, truths).scores} == set("bcde")
    assert {of.case for of in read_method(earlier, {"a": truths["a"]}).scores} == {"a"}, "it reports nothing of a"


def test_only_detections_that_an_evaluation_has_made_are_cleared(made, tmp_path):
    folder = tmp_path / "detections"
    clear_detections(tmp_path)
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_detection(folder / f"{name}.detection.json", made.detection(name))
    (folder / "b.mrk.json").touch()  # of detect
    clear_detections(tmp_path)
    assert len(list(folder.iterdir())) == 4, "nothing says whose they are"
    note_detections(tmp_path, ["a", "b"])
    clear_detections(tmp_path)
    assert {of.name for of in folder.iterdir()} == {"b.detection.json", "b.mrk.json", "c.detection.json"}
    for file in folder.iterdir():
        file.unlink()
    note_detections(tmp_path, ["gone", "../../a"])
    clear_detections(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_settings_are_told_as_far_as_all_detections_share_them(made, capsys):
    settings = {"confidence": 0.9, "samples": 2, "seed": 0, "series": "1.2"}
    others = {"confidence": 0.9, "samples": 50, "seed": 0, "series": "1.3", "spacing": [1, 1, 2]}
    a, b, c = (replace(made.detection(of), settings=told) for of, told in zip("abc", (settings, settings, others)))
    assert shared_settings({"a": a, "b": b}, "here") == (settings, None) and not capsys.readouterr().err
    shared, sentence = shared_settings({"a": a, "b": b, "c": c}, "here")
    assert shared == {"confidence": 0.9, "seed": 0}
    assert "samples 2 (a) and 50 (c); spacing not told (a) and [1, 1, 2] (c)." in sentence and "series" not in sentence
    assert capsys.readouterr().err == f"{sentence}\n"
    own_series = replace(b, settings={**settings, "series": "1.4"})
    assert shared_settings({"a": a, "b": own_series}, "here")[1] is None, "each case has its own series"
    newer = replace(b, software={"name": "carotid-landmark", "version": "0.7.0"})
    shared, sentence = shared_settings({"a": a, "b": newer}, "here")
    assert shared == settings and "version of the program not told (a) and 0.7.0 (b)" in sentence


def test_a_folder_with_neither_is_refused(truths, tmp_path):
    with pytest.raises(BadInputError, match="neither detections nor the report"):
        read_method(tmp_path, truths)
    with pytest.raises(BadInputError, match="none of the 1 cases"):
        (tmp_path / "z.detection.json").write_text("{}")
        read_method(tmp_path, {"a": truths["a"]})


def test_a_case_without_a_detection_is_named(made, truths, tmp_path, capsys):
    write_detection(tmp_path / "a.detection.json", made.detection("a"))
    detections, failed = read_detections(tmp_path, {name: truths[name] for name in "ab"})
    assert list(detections) == ["a"] and list(failed) == ["b"] and "b.detection.json" in capsys.readouterr().err


def test_a_detection_of_another_case_is_taken_only_where_it_is_of_the_same_voxels(made, truths, tmp_path, capsys):
    truths["a"] = replace(truths["a"], sha256="1" * 64)
    detection = made.detection("b")
    write_detection(tmp_path / "a.detection.json", detection)
    detections, failed = read_detections(tmp_path, {"a": truths["a"]})
    assert not detections and "says that it is of 'b'" in failed["a"]
    detection.volume["sha256"] = "1" * 64  # the case alone has another name
    write_detection(tmp_path / "a.detection.json", detection)
    detections, failed = read_detections(tmp_path, {"a": truths["a"]})
    assert detections["a"].case == "a" and not failed
    capsys.readouterr()
    detection = replace(made.detection("a"), volume={"sha256": "2" * 64})
    write_detection(tmp_path / "a.detection.json", detection)
    assert list(read_detections(tmp_path, {"a": truths["a"]})[0]) == ["a"]
    assert "1 of 1 detections" in (said := capsys.readouterr().err) and "other files" in said and said.endswith("a.\n")


def test_ellipsoids_of_two_confidences_are_not_mixed(made):
    mixed = {name: replace(made.detection(name), settings={"confidence": of}) for name, of in (("a", 0.9), ("b", 0.5))}
    with pytest.raises(BadInputError, match=r"0.9 \(a\) and 0.5 \(b\)"):
        one_confidence(mixed, "here")
    assert one_confidence({"a": mixed["a"]}, "here") == 0.9


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "middle"),
        ("status", "so"),
        ("error_mm", "-3"),
        ("error_mm", "nan"),
        ("volume_mm3", "inf"),
        ("error_mm", "x"),
        ("true_x_lps_mm", "nan"),
    ],
)
def test_an_earlier_report_with_what_cannot_be_is_refused(truths, earlier, field, value):
    rewrite(earlier, lambda line: {**line, field: value})
    with pytest.raises(BadInputError, match="neither detections nor the report"):
        read_method(earlier, truths)


@pytest.mark.parametrize("spoilt", [b"\0" * 200_000, b"case,side\n", None])
def test_a_damaged_report_is_refused(truths, earlier, spoilt):
    table = (earlier / "report.csv").read_bytes()
    last = table.splitlines(keepends=True)[-1]
    (earlier / "report.csv").write_bytes(table + last if spoilt is None else spoilt)  # None: a landmark twice
    with pytest.raises(BadInputError, match="neither detections nor the report|none of the"):
        read_method(earlier, truths)
    (earlier / "report.csv").write_bytes(table)
    (earlier / "report.json").write_text("[" * 100_000)
    with pytest.raises(BadInputError, match="neither detections nor the report"):
        read_method(earlier, truths)


def test_detections_of_two_models_are_not_mixed(made):
    mixed = {"a": made.detection("a"), "b": made.detection("b", model={"name": "made", "version": "1.1"})}
    with pytest.raises(BadInputError, match=r"made 1.0 \(a\) and made 1.1 \(b\)"):
        one_model(mixed, "here")
    assert one_model({"a": made.detection("a")}, "here") == made.model


def test_names_tell_methods_apart():
    def method(sha, folder=None):
        return Method("default 1", {"sha256": sha * 64}, [], folder)

    assert [m.name for m in with_names([method("a"), method("b")])] == ["default 1 (aaaaaaaa)", "default 1 (bbbbbbbb)"]
    same = with_names([method("a"), method("a", "x"), Method("other 1", {}, [], "y")])
    assert [m.name for m in same] == ["default 1 (this report)", "default 1 (x)", "other 1"]
