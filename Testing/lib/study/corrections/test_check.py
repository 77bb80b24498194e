"""Each way in which a folder of corrections may be wrong is one sentence, and a good one has none."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.files import write_markups
from CarotidLandmarkLib.landmarks.points import LandmarkSet
from CarotidLandmarkLib.study.corrections.check import check


def edit(path: Path, change) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def sentences(folder: Path) -> list[str]:
    return [f"{where}: {sentence}" for where, sentence in check(folder)]


def test_nothing_is_wrong_with_what_was_exported(tmp_path, export):
    export("case-a", "AB", "accepted", [0, 3, 4])
    export("case-a", "CD", "missing", "unreviewed")
    export("case-b", "AB", [1, 0, 0], "accepted")
    prediction = LandmarkSet({"left": [28.0, 4.0, -6.0]})
    absent = {"prediction": prediction, "corrected": prediction, "statuses": {"left": "found", "right": "absent"}}
    export("case-c", "AB", "accepted", "accepted", **absent)
    assert check(tmp_path / "c") == []


def of_markups(name, change):
    return lambda revision: edit(revision / name, lambda of: change(of["markups"][0]["controlPoints"]))


def swap(points):
    points[0]["position"], points[1]["position"] = points[1]["position"], points[0]["position"]


def of_file(change):
    return lambda revision: edit(revision / "correction.json", change)


def truncate(name):
    return lambda revision: (revision / name).write_bytes((revision / name).read_bytes()[:150])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda revision: (revision / "volume.nrrd").unlink(), "its volume cannot be read.*does not exist"),
        (truncate("volume.nrrd"), "its volume cannot be read"),
        (of_file(lambda of: of["volume"].update(sha256="0" * 64)), "another sha256"),
        (of_markups("correction.mrk.json", swap), "sides swapped, or RAS"),
        (of_markups("correction.mrk.json", lambda p: p[0]["position"].__setitem__(2, 9000)), "outside the volume"),
        (of_markups("correction.mrk.json", lambda p: p.append({**p[0], "label": "X"})), "'X', which names no side"),
        (of_markups("correction.mrk.json", lambda p: p.append(p[0])), "more than one left"),
        (of_markups("correction.mrk.json", lambda p: p[1]["position"].__setitem__(2, 9.0)), "edited by hand"),
        (of_markups("correction.mrk.json", lambda p: p[0].update(description="moved")), "'moved' in correction.mrk"),
        (of_markups("prediction.mrk.json", lambda p: p[0].update(positionStatus="missing")), "which prediction.mrk"),
        (of_file(lambda of: of["landmarks"][1].update(displacement_mm=2.0)), "2.00 mm in correction.json and 5.00 mm"),
        (of_file(lambda of: of["landmarks"][1].update(displacement_mm="far")), "'far' in correction.json"),
        (of_file(lambda of: of["landmarks"][1].update(displacement_mm=10**400)), "in correction.json"),
        (of_file(lambda of: of["landmarks"][1].update(decision="accepted")), "not where it was predicted"),
        (of_file(lambda of: of.update(case="case-z")), "is of case-z"),
        (of_file(lambda of: of.update(schema="carotid-landmark/correction/2")), "a newer version wrote it"),
        (of_file(lambda of: of.update(schema="diary")), "this version reads 'carotid-landmark/correction/1'\\)"),
        (truncate("correction.json"), "is no correction"),
        (truncate("correction.mrk.json"), "no Slicer markups"),
        (lambda revision: (revision / "prediction.mrk.json").unlink(), "No such file"),
        (lambda revision: (revision.parent / "r002").mkdir(), "r002: it is no revision"),
        (lambda revision: (revision.parent / ".1f.part").mkdir(), "cut off: delete it"),
        (lambda revision: (revision / "correction.json").unlink(), "r001: it is no revision"),
        (of_file(lambda of: [side.update(decision="unreviewed") for side in of["landmarks"]]), "neither side was"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(tmp_path, export, spoil, says):
    export("case-good", "AB", "accepted", "accepted")
    spoil(export("case-bad", "AB", "accepted", [0, 3, 4]))
    found = check(tmp_path / "c")
    assert {where.partition("/")[0] for where, _ in found} == {"case-bad"}
    text = "\n".join(f"{where}: {sentence}" for where, sentence in found).lower()
    assert re.search(says.lower(), text), text


def test_every_revision_is_read_and_not_the_newest_alone(tmp_path, export):
    first = export("case-a", "AB", "accepted", "accepted")
    export("case-a", "AB", "accepted", "accepted")
    (first / "correction.json").write_text("{")
    assert [where for where, _ in check(tmp_path / "c")] == ["case-a/r001"]


def test_one_volume_in_two_cases_is_named(tmp_path, export):
    first = export("case-a", "AB", "accepted", "accepted")
    second = export("case-b", "AB", "accepted", "accepted")
    shutil.copy(first / "volume.nrrd", second / "volume.nrrd")
    edit(
        second / "correction.json",
        lambda of: of.update(volume=json.loads((first / "correction.json").read_text())["volume"]),
    )
    assert sentences(tmp_path / "c") == ["case-b/r001: It has the same volume as case-a: keep one of the two cases."]


def test_a_folder_without_corrections_is_a_sentence(tmp_path):
    write_markups(tmp_path / "a.mrk.json", LandmarkSet())
    with pytest.raises(BadInputError, match="holds no corrections"):
        check(tmp_path)
