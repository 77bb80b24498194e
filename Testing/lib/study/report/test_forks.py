"""What a report says of forks, and what it does not say where they have no truth."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.landmarks.detection import Detection, LandmarkDetection
from CarotidLandmarkLib.study.forks import QUANTITIES, ForkScore
from CarotidLandmarkLib.study.report import forks
from CarotidLandmarkLib.study.report.rows import fork_figures, make_rows
from CarotidLandmarkLib.study.report.write import table_of
from Testing.lib.study import made_forks as made


@pytest.fixture
def rows_of(tmp_path):
    """The rows of a case whose left fork is verified, and whose right landmark is 20 mm off and contradicted."""

    def rows_of(values):
        left = made.answer(made.fork())[1]
        wrong = made.fork("contradicted", vessels=None, internal_probability=None, measures={})
        right = LandmarkDetection("right", "review", ["No."], 0.9, made.carina() + [0, 20, 0], fork=wrong)
        volume = {"spacing_mm": [0.5, 0.5, 0.6]}
        detection = Detection("a", volume, {"name": "made"}, {}, [left, right])
        return make_rows({"a": made.case(tmp_path, values)}, {"a": detection})

    return rows_of


def test_tables_tell_check_trace_and_measures(rows_of) -> None:
    rows = rows_of(made.about())
    report = {"forks": json.loads(json.dumps(fork_figures(rows)))}
    check, trace, measures = forks.tables(report)
    assert [table.name for table in (check, trace, measures)] == ["Forks", "Traces of forks", "Measures of forks"]
    assert [row[1:3] for row in check.rows] == [("1", "100.0%"), ("1", "0.0%")], "of one case there is no interval"
    assert check.rows[1][0] == "More than 8 mm off" and check.rows[1][3].startswith("100.0%")
    cells = {row[0]: row[1:] for row in trace.rows}
    assert cells["The lumen's carina to the truth, median, mm"] == ("1", "0.50")
    assert cells["Seeds inside the lumen of their own vessel"][0] == "3" and cells["— of the ECA"][0] == "1"
    cells = {row[0]: row[1:] for row in measures.rows}
    assert list(cells)[0] == "CCA, 10 mm below, mm" and cells["CCA, 10 mm below, mm"][:2] == ("0 / 1", "–")
    assert cells["CCA, 20 mm below, mm"][:5] == ("1 / 1", "0.30", "0.30", "0.30", "0.0%")
    assert cells["CCA, 20 mm below, mm"][5:] == ("0.30 (1)", "– (0)", "– (0)")
    assert cells["ICA, 20 mm above, mm"][3:5] == ("−0.10", "100.0%")
    assert cells["— where there are 20 mm³ or more, of it, %"][:2] == ("1 / 1", "25.0")
    assert "Areas (ICA + ECA) / CCA" in cells and len(cells) == len(QUANTITIES)
    for table in (check, trace, measures):
        assert {len(row) for row in table.rows} == {len(table.header)}
    of_two = [replace(row, fork=replace(row.fork, whose=case)) for case in "ab" for row in rows]
    check, trace, measures = forks.tables({"forks": fork_figures(of_two)})
    assert [row[1:3] for row in check.rows] == [("2", "100.0% [100.0, 100.0]"), ("2", "0.0% [0.0, 0.0]")]
    assert trace.rows[0][1:] == ("2", "0.50 [0.50, 0.50]") and measures.rows[1][2] == "0.30 [0.30, 0.30]"


def test_the_summary_tells_the_check(rows_of) -> None:
    figures = fork_figures(rows_of(made.about()))
    (said,) = forks.sentences({"forks": figures})
    assert said.startswith("Of 1 landmark within 3 mm") and "the lumen verified 100.0% and contradicted 0.0%" in said
    assert said.endswith("; of 1 more than 8 mm off it verified 0.0%.")
    figures["checks"]["off"]["landmarks"] = 0
    assert forks.sentences({"forks": figures})[0].endswith("contradicted 0.0%.")


def test_every_landmark_has_its_fork_in_the_csv(rows_of) -> None:
    left, right = csv.DictReader(io.StringIO(table_of(rows_of(made.about()))))
    assert (left["fork"], left["fork_group"], left["internal_right"], left["carina_error_mm"]) == (
        *("verified", "good", "1", "0.5"),
    )
    assert left["seeds_right"] == "common internal external"
    told = [left[name] for name in ("common_20_mm", "common_20_mm_sd", "true_common_20_mm", "true_angle_deg")]
    assert told == ["6.5", "0.1", "6.2", f"{2 * np.degrees(np.arctan(made.SLOPE)):.4f}"]
    assert (left["calcium_mm3_sd"], left["common_10_mm"], left["true_calcium_mm3"]) == ("", "", "40.0")
    assert (right["fork"], right["fork_group"], right["carina_error_mm"]) == ("contradicted", "off", "")


def test_forks_without_a_truth_are_counted_and_nothing_else(rows_of) -> None:
    rows = rows_of(None)
    assert [row.fork for row in rows] == [None, None]
    figures = fork_figures(rows)
    assert figures == {"landmarks": 0, "without_truth": 2}
    assert forks.tables({"forks": figures}) == [] == forks.sentences({"forks": figures})
    assert "fork" not in table_of(rows).splitlines()[0]


def test_detections_without_forks_have_no_section(rows) -> None:
    assert fork_figures(rows) is None and forks.tables({"forks": None}) == [] == forks.sentences({"forks": None})
    assert "fork" not in table_of(rows).splitlines()[0]


def test_no_good_landmark_no_sentence(rows_of) -> None:
    _, right = rows_of(made.about())
    assert forks.sentences({"forks": fork_figures([right])}) == []


def test_every_quantity_has_words() -> None:
    assert list(forks.WORDS) == list(QUANTITIES)


def test_an_answer_that_was_given_up_is_shown_apart(rows_of) -> None:
    left = replace(rows_of(made.about())[0], fork=ForkScore("a", "left", "given up", "contradicted"))
    check = forks.tables({"forks": fork_figures([left])})[0]
    assert [(row[0], row[3]) for row in check.rows] == [("In the volume, but the answer was given up", "100.0%")]
