"""The report as one HTML page that holds everything and asks nothing of the network.

The tree is built element by element, so that no text of a file can become markup.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from ... import __version__
from .figures import Drawn
from .markdown import remarks
from .rows import LOCATED, Row
from .tables import Table, all_tables, interval, number, percent, probability

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b636d; --line: #d5d9de; --back: #ffffff; --band: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #a0a7b0; --line: #3b4149; --back: #16181c; --band: #1f2328; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 72rem;
  margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
.soft, figcaption, .note { color: var(--soft); }
.summary { background: var(--band); padding: .8rem 1.2rem .8rem 2.2rem; }
nav a { margin-right: 1rem; color: inherit; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--band); } td { min-width: 3rem; } .short { white-space: nowrap; }
td:not(.short) { min-width: 16rem; } .failure td { background: #c6282822; }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; background: #fff; }
figcaption { font-size: .9rem; max-width: 60rem; }
@media print {
  :root { --ink: #000; --soft: #333; --line: #bbb; --back: #fff; --band: #f4f4f4; }
  body { font-size: 10pt; max-width: none; padding: 0; } nav { display: none; } .scroll { overflow: visible; }
  table { font-size: 7.5pt; } th, td { padding: .1rem .3rem; min-width: 0 !important; }
  .short { white-space: normal; } tr, figure { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""
SHORT = 30  # characters that a cell does not break
COLUMNS = (
    *("Case", "Side", "Result", "Error, mm", "Presence", "Ellipsoid, mm³", "Slice spacing, mm", "Stenosis"),
    *("To the border, mm", "Seconds", "Reasons"),
)


def page(report: Mapping[str, Any], rows: Sequence[Row], figures: Sequence[Drawn]) -> str:
    """Return the page: a summary, the tables, the figures, and every landmark."""
    html = Element("html", lang="en")
    head, body = SubElement(html, "head"), SubElement(html, "body")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    title = f"{report['name']} on {report['data']}"
    SubElement(head, "title").text = title
    SubElement(head, "style").text = STYLE
    _text(body, "h1", title)
    model, settings = report["model"], report["settings"]
    about = [f"weights {str(model.get('sha256'))[:12]}"] if model.get("sha256") else []
    about += [f"{key} {settings[key]}" for key in ("samples", "confidence", "seed", "device") if key in settings]
    _text(body, "p", f"{', '.join(about)}. Carotid bifurcations in neck CT, CarotidLandmark {__version__}.", "soft")
    navigation = SubElement(body, "nav")
    summary = SubElement(body, "ul", {"class": "summary"})
    for sentence in summary_of(report):
        _text(summary, "li", sentence)
    for table in all_tables(report):
        _heading(body, navigation, table.title.partition(":")[0], table.title)
        _table(body, table)
    if figures:
        _heading(body, navigation, "Figures")
    for drawn in figures:
        _figure(body, drawn)
    _heading(body, navigation, "How it was measured")
    notes = SubElement(body, "ul")
    for remark in remarks(report):
        _text(notes, "li", remark)
    _heading(body, navigation, "All landmarks")
    failed = {(of["case"], of["side"]) for of in report["failures"]}
    _table(body, landmarks(rows), [(row.score.case, row.score.side) in failed for row in rows])
    return "<!DOCTYPE html>\n" + tostring(html, encoding="unicode", method="html") + "\n"


def summary_of(report: Mapping[str, Any]) -> list[str]:
    """The result in a few sentences."""
    of, found = report["all"], report["all"]["found"]
    limits = of["interval_95"]
    wrong = of["false_positives"]
    said = [
        f"{report['name']} located {of['located']} of the {of['present']} landmarks in {report['cases']} cases and "
        f"missed {of['missed']}; of {of['not_present']} that are not in the volume it located {sum(wrong.values())} "
        f"({wrong['found']} found, {wrong['review']} for review)."
    ]
    if of["located"]:
        failed = of["failures_over_10_mm"]
        success = percent(of["success"]["2.5"])
        said += [
            f"Error: mean {number(of['mean_mm'])} mm (95% interval {interval(limits['mean_mm'])}), median "
            f"{number(of['median_mm'])}, 95th percentile {number(of['p95_mm'])}, largest {number(of['max_mm'])}; "
            f"{success} of the landmarks in the volume within 2.5 mm {interval(limits['success']['2.5'], 100, 1)}. "
            f"Over 10 mm: {failed['found']} found, {failed['review']} for review.",
            f"{percent(of['review_share'])} of the located ones are for review; the other {found['landmarks']} "
            f"(“found”) have a mean error of {number(found['mean_mm'])} mm and a largest of "
            f"{number(found['max_mm'])} mm.",
        ]
    unsure = report["uncertainty"]
    if unsure["coverage"] is not None:
        said.append(
            f"The {unsure['confidence']:.0%} ellipsoid holds the truth in {percent(unsure['coverage'])} "
            f"{interval(unsure['interval_95']['coverage'], 100, 1)}."
        )
    for rival in report["against"]:
        of = rival["paired"]
        if of["difference_mm"] is not None:
            said.append(
                f"Against {rival['name']}, on the {of['landmarks']} landmarks that both located: mean "
                f"difference of the error {number(of['difference_mm'])} mm {interval(of['interval_95'])} (negative: "
                f"{report['name']} is better), p {'= ' * (of['p'] >= 0.001)}{probability(of['p'])}."
            )
    return [*said, "Phantom millimetres are not patient millimetres. Not for clinical use."]


def landmarks(rows: Sequence[Row]) -> Table:
    """One row a landmark."""
    lines = []
    for row in rows:
        stenosis = "–" if row.stenosis is None else "occluded" if row.stenosis >= 1 else f"{row.stenosis:.0%}"
        result = row.answer.status if row.outcome == LOCATED else row.outcome
        lines.append(
            (
                *(row.score.case, row.score.side, result, number(row.error_mm)),
                *(number(row.answer.presence), number(row.answer.confidence_volume_mm3), number(row.slice_spacing)),
                *(stenosis, number(row.border, digits=0), number(row.seconds, digits=1), " ".join(row.answer.reasons)),
            )
        )
    return Table("All landmarks", COLUMNS, lines)


def _heading(body: Element, navigation: Element, name: str, title: str | None = None) -> None:
    anchor = name.lower().replace(" ", "-")
    SubElement(body, "h2", id=anchor).text = title or name
    SubElement(navigation, "a", href=f"#{anchor}").text = name


def _table(body: Element, table: Table, failed: Sequence[bool] = ()) -> None:
    if table.rows:
        element = SubElement(SubElement(body, "div", {"class": "scroll"}), "table")
        line = SubElement(SubElement(element, "thead"), "tr")
        for name in table.header:
            _text(line, "th", name)
        rows = SubElement(element, "tbody")
        for cells, marked in zip_longest(table.rows, failed):
            line = SubElement(rows, "tr", {"class": "failure"} if marked else {})
            for cell in cells:
                _text(line, "td", cell, "" if len(cell) > SHORT else "short")
    if table.note:
        _text(body, "p", table.note, "note")


def _figure(body: Element, drawn: Drawn) -> None:
    kind, suffix = ("svg+xml", ".svg") if drawn.vector else ("png", ".png")
    data = base64.b64encode((drawn.folder / drawn.name).with_suffix(suffix).read_bytes()).decode()
    figure = SubElement(body, "figure", id=drawn.name)
    SubElement(figure, "img", src=f"data:image/{kind};base64,{data}", alt=drawn.title)
    caption = SubElement(figure, "figcaption")
    title = SubElement(caption, "strong")
    title.text, title.tail = f"{drawn.title}. ", drawn.caption


def _text(parent: Element, tag: str, text: str, kind: str = "") -> None:
    SubElement(parent, tag, {"class": kind} if kind else {}).text = text
