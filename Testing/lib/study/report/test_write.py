from __future__ import annotations

import base64
import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from CarotidLandmarkLib.study import scores as metrics
from CarotidLandmarkLib.study.report.figures import Drawn
from CarotidLandmarkLib.study.report.rows import coverages, failures, subgroups
from CarotidLandmarkLib.study.report.tables import uncertainty
from CarotidLandmarkLib.study.report.write import markdown, page, table_of, write_report

EVIL = "<script>alert(1)</script> & |co"


class Read(HTMLParser):
    """Tags that are open, all attributes, and the cells of every table row."""

    VOID = {"meta", "img", "br", "link", "input"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.rows: list[list[str]] = []
        self.text = ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


@pytest.fixture
def report(rows, made):
    """As the command makes it, with another method, of a model and folder with awkward names."""
    other = [row.score for row in made.rows(2.0)]
    own = [row.score for row in rows]
    table = metrics.evaluate(own, resamples=50)
    table["uncertainty"].update(calibration=0.5, coverage_before_calibration=1.0)
    figures = {"mean_mm": 0.1, "p95_mm": 0.2, "max_mm": 0.3, "shifts": 8}
    return {
        "data": EVIL,
        "name": "made 1.0",
        "model": made.model,
        "settings": {"confidence": 0.9, "device": "cpu"},
        "median_seconds": 2.0,
        "peak_memory_mb": {"process": 812.4, "gpu": None},
        "failed_cases": {"z": "It cannot be read."},
        "unreviewed_landmarks": 1,
        **table,
        "coverages": coverages(rows),
        "groups": subgroups(rows),
        "failures": failures(rows),
        "equivariance": {"cases": 3, "models": {"made 1.0": {"0.5": {"whole_voxels": figures, "sub_voxel": figures}}}},
        "against": [
            {
                "name": "other <2>",
                "folder": EVIL,
                "model": {},
                "table": metrics.evaluate(other, resamples=50),
                "paired": metrics.compare(own, other),
            }
        ],
    }


@pytest.fixture
def drawn(tmp_path):
    (tmp_path / "errors.svg").write_text("<svg/>")
    (tmp_path / "worst.png").write_bytes(b"png of the worst")
    return [
        Drawn("errors", "Errors", "See <here>.", tmp_path),
        Drawn("worst", f"Worst of {EVIL}", "Look.", tmp_path, vector=False),
    ]


@pytest.fixture
def read(report, rows, drawn):
    read = Read()
    read.feed(page(report, rows, drawn))
    read.close()
    assert read.open == []
    return read


def test_every_landmark_is_there(read, rows):
    for row in rows:
        line = next(cells for cells in read.rows if cells[:2] == [row.score.case, row.score.side] and len(cells) == 11)
        shown = f"{row.score.error_mm:.2f}" if np.isfinite(row.score.error_mm) else "–"
        assert line[3] == shown and line[-1] == " ".join(row.answer.reasons)
    results = {tuple(cells[:2]): cells[2] for cells in read.rows if len(cells) == 11}
    assert (results["c", "left"], results["d", "right"], results["e", "left"], results["b", "left"]) == (
        "missed",
        "false positive",
        "correctly absent",
        "review",
    )


def test_failures_are_marked(read):
    lines = [attributes for tag, attributes in read.tags if tag == "tr"]
    marked = {tuple(cells[:2]) for cells, at in zip(read.rows, lines) if at.get("class") == "failure"}
    assert marked == {("c", "left"), ("c", "right"), ("d", "right"), ("e", "right")}


def test_nothing_is_fetched(read):
    tags = {tag for tag, _ in read.tags}
    assert tags.isdisjoint({"link", "script", "iframe", "object", "embed", "base"})
    for tag, attributes in read.tags:
        for name in ("src", "href", "srcset", "action", "data", "background"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    targets = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in read.tags if tag == "a"}
    assert links and links <= targets


def test_style_asks_nothing_of_the_network(report, rows):
    html = page(report, rows, [])
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style and "http" not in style


def test_figures_are_embedded_with_their_captions(read):
    images = [attributes for tag, attributes in read.tags if tag == "img"]
    kinds, data = zip(*(image["src"].split(",") for image in images))
    assert kinds == ("data:image/svg+xml;base64", "data:image/png;base64")
    assert [base64.b64decode(of) for of in data] == [b"<svg/>", b"png of the worst"]
    assert images[1]["alt"] == f"Worst of {EVIL}" and "See <here>." in read.text


def test_text_of_files_stays_text(read, report):
    assert f"made 1.0 on {EVIL}" in read.text and "other <2>" in read.text
    assert any("It is <odd> & unsure." in cells for cells in read.rows)


def test_summary_and_tables_say_what_was_measured(read):
    assert "made 1.0 located 7 of the 8 landmarks in 5 cases and missed 1; of 2 that are not in the volume" in read.text
    assert "Over 10 mm: 1 found, 0 for review." in read.text
    cells = {line[0]: line[1:] for line in read.rows}
    assert cells["Error, mean ± SD, mm"][0].startswith("3.30 ± ")
    assert cells["For review, of the located"][0].startswith("28.6% [")
    assert cells["Of “found” alone: landmarks"] == ["5", "2", "3"]
    assert cells["— before calibration (covariance × 2)"] == ["100.0%"]
    assert cells["made 1.0 − other <2>"][0] == "7" and cells["made 1.0 − other <2>"][3].startswith("−3.30 [−")
    assert cells["Stenosis of the internal carotid"][0] == "occluded"
    assert ["made 1.0", "0.5 mm", "0.100", "0.200", "0.100", "0.200", "8 + 8"] in read.rows
    for sentence in ("812 MB: an upper bound", "left out: 1", "failed: z: It cannot be read."):
        assert sentence in read.text


def test_markdown_holds_the_same_tables(report):
    text = markdown(report)
    assert "| made 1.0 − other &lt;2> | 7 | " in text
    assert "\n| Slice spacing, mm | < 1 | " in text
    assert "| c | left | missed | absent | – | 0.10 | Nothing is seen. |" in text
    assert "<script>" not in text and "- failed: z: It cannot be read." in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 8
    for lines in tables:
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1, lines[0]


def test_files_hold_neither_nan_nor_what_is_no_text(report, rows, tmp_path):
    """A detection's JSON may say NaN, and the name of a file may hold bytes that are no UTF-8."""
    odd = replace(rows[0], score=replace(rows[0].score, case="a\udce9", mahalanobis2=np.nan), seconds=np.nan)
    report.update(data="/scans/\udce9", median_seconds=np.nan, failed_cases={"b\udce9": "no \udce9"})
    report["settings"]["samples"] = np.nan
    write_report(tmp_path, report, [odd, *rows[1:]], [])

    def refuse(constant):
        raise AssertionError(constant)

    read = json.loads((tmp_path / "report.json").read_bytes(), parse_constant=refuse)
    assert read["data"] == "/scans/\\udce9" and read["median_seconds"] is None and read["settings"]["samples"] is None
    for name in ("report.json", "report.csv", "report.md", "report.html"):
        text = (tmp_path / name).read_bytes().decode("utf-8")
        assert "\\udce9" in text and not re.search(r"\bnan\b", text, re.IGNORECASE), name


def test_the_passes_spread_stands_beside_the_ellipsoid(report):
    report["passes_spread"] = {**report["uncertainty"], "landmarks": 5, "pearson_volume_error": -0.25}
    table = uncertainty(report)
    assert list(table.header) == [
        "Uncertainty (7 landmarks)",
        "The ellipsoid",
        "The passes' spread alone (5 landmarks)",
    ]
    assert table.rows[0][2].startswith("−0.25 [") and {len(row) for row in table.rows} == {3} and "65.47" in table.note


def test_every_table_row_tells_the_truth_that_it_was_measured_against(rows, made):
    lines = {(of["case"], of["side"]): of for of in csv.DictReader(io.StringIO(table_of(rows)))}
    told = {key: tuple(of[f"true_{axis}_lps_mm"] for axis in "xyz") for key, of in lines.items()}
    assert told["a", "left"] == told["c", "left"] == ("30.0", "0.0", "50.0"), "also of one that was missed"
    assert told["a", "right"] == ("-30.0", "0.0", "50.0") and told["d", "right"] == ("", "", "")


def test_a_report_of_nothing_is_a_page(report, rows):
    absent = [row for row in rows if row.outcome == "correctly absent"]
    report.update(metrics.evaluate([row.score for row in absent]), against=[], equivariance=None, failures=[])
    report.update(groups=subgroups(absent), peak_memory_mb=None)
    read = Read()
    read.feed(page(report, absent, []))
    assert "located 0 of the 0 landmarks" in read.text and "There is none." in read.text
    assert "There is none." in markdown(report)
