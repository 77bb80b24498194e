"""The report's files: report.json, .csv, .md and .html.

The page holds everything and asks nothing of the network. It is ``report.html`` of this folder, filled in by Jinja2
with autoescape: no text of a file can become markup.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ... import __version__
from ...atomic import as_json, write_text
from . import forks
from .earlier import OFFSET, TRUTH
from .figures import Drawn
from .rows import LOCATED, Row
from .tables import Table, all_tables, as_csv, escape, interval, number, percent, plural, probability

CSV_COLUMNS = (
    *("case", "side", "present", "status", "presence", "error_mm", *OFFSET),
    *("volume_mm3", "mahalanobis2", "seconds", "reasons", "slice_spacing_mm", "stenosis", "border_mm"),
    *("paper_volume_mm3", *TRUTH),
)
COLUMNS = (
    *("Case", "Side", "Result", "Error, mm", "Presence", "Ellipsoid, mm³", "Slice spacing, mm", "Stenosis"),
    *("To the border, mm", "Seconds", "Reasons"),
)


def write_report(
    out: Path, report: Mapping[str, Any], rows: Sequence[Row], figures: Sequence[Drawn], html: bool = True
) -> None:
    """Write report.json, .csv, .md and, unless told not to, .html to the folder ``out``.

    Raises CannotRunError where they cannot be written.
    """
    text = as_json(report, indent=2)
    report = json.loads(text)  # as the JSON has it: nothing that is not finite or no text
    write_text(out / "report.csv", table_of(rows))
    write_text(out / "report.json", text + "\n")
    write_text(out / "report.md", markdown(report))
    if html:
        write_text(out / "report.html", page(report, rows, figures))


def table_of(rows: Sequence[Row]) -> str:
    """CSV with one row a landmark; empty is not known, or none."""
    lines = []
    for row in rows:
        of, answer = row.score, row.answer
        line: dict[str, Any] = {"case": of.case, "side": of.side, "present": int(of.present), "status": of.status}
        line["reasons"] = " ".join(answer.reasons)
        numbers = {"presence": answer.presence, "seconds": row.seconds, "slice_spacing_mm": row.slice_spacing}
        numbers.update(stenosis=row.stenosis, border_mm=row.border)
        numbers.update(zip(TRUTH, () if row.truth is None else row.truth))
        if answer.position_lps_mm is not None and row.truth is not None:
            numbers.update(zip(OFFSET, answer.position_lps_mm - row.truth))
            for name in ("error_mm", "volume_mm3", "mahalanobis2", "paper_volume_mm3"):
                numbers[name] = getattr(of, name)
        line.update({name: round(float(value), 4) for name, value in numbers.items() if value is not None})
        lines.append({**line, **forks.table_cells(row)})
    return as_csv((*CSV_COLUMNS, *forks.table_columns(rows)), lines)


def markdown(report: Mapping[str, Any]) -> str:
    """Return the whole report: tables, then what is to be known of how they came about."""
    tables = [*all_tables(report), *forks.tables(report)]
    return markdown_of(f"{report['name']} on {report['data']}", [], tables, remarks(report))


def markdown_of(title: str, summary: Sequence[str], tables: Sequence[Table], remarks: Sequence[str]) -> str:
    """Return these parts as Markdown."""
    parts = [f"# {escape(title)}", "\n".join(f"- {escape(sentence)}" for sentence in summary)]
    for table in tables:
        parts += [f"## {escape(table.title)}", table.markdown(), escape(table.note)]
    parts += ["## How it was measured", "\n".join(f"- {escape(remark)}" for remark in remarks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def page(report: Mapping[str, Any], rows: Sequence[Row], figures: Sequence[Drawn]) -> str:
    """Return the page: a summary, the tables, the figures, and every landmark."""
    model, settings = report["model"], report["settings"]
    about = [f"weights {str(model['sha256'])[:12]}"] if model.get("sha256") else []
    about += [
        f"{key} {settings[key]}" for key in ("samples", "confidence", "seed", "device") if settings.get(key) is not None
    ]
    failed = {(of["case"], of["side"]) for of in report["failures"]}
    return render(
        f"{report['name']} on {report['data']}",
        about,
        summary_of(report),
        [*all_tables(report), *forks.tables(report)],
        figures,
        remarks(report),
        landmarks(rows),
        [(row.score.case, row.score.side) in failed for row in rows],
    )


def render(
    title: str,
    about: Sequence[str],
    summary: Sequence[str],
    tables: Sequence[Table],
    figures: Sequence[Drawn],
    remarks: Sequence[str],
    landmarks: Table | None = None,
    failed: Sequence[bool] = (),
) -> str:
    """Return the page of these parts; ``failed`` marks rows of ``landmarks``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = templates.get_template("report.html").render(
        title=title,
        about=about,
        version=__version__,
        summary=summary,
        tables=tables,
        figures=[(drawn, _data(drawn)) for drawn in figures],
        remarks=remarks,
        landmarks=landmarks,
        failed=failed,
    )
    return text + "\n"


def summary_of(report: Mapping[str, Any]) -> list[str]:
    """The result in a few sentences."""
    of, found = report["all"], report["all"]["found"]
    limits = of["interval_95"]
    wrong = of["false_positives"]
    said = [
        f"{report['name']} located {of['located']} of the {of['present']} landmarks in "
        f"{plural(report['cases'], 'case')} and missed {of['missed']}; of {of['not_present']} that are not in the "
        f"volume it located {sum(wrong.values())} "
        f"({wrong['found']} found, {wrong['review']} for review)."
    ]
    if of["located"]:
        failed = of["failures_over_10_mm"]
        mean = f" (95% interval {interval(limits['mean_mm'])})" if limits["mean_mm"] else ""
        within = f"{percent(of['success']['2.5'])} of the landmarks in the volume within 2.5 mm"
        said += [
            f"Error: mean {number(of['mean_mm'])} mm{mean}, median {number(of['median_mm'])}, 95th percentile "
            f"{number(of['p95_mm'])}, largest {number(of['max_mm'])}; "
            f"{within}{_limits(limits['success']['2.5'], 100, 1)}. Over 10 mm: {failed['found']} found, "
            f"{failed['review']} for review.",
            f"{percent(of['review_share'])} of the located ones are for review; the other {found['landmarks']} "
            f"(“found”) have a mean error of {number(found['mean_mm'])} mm and a largest of "
            f"{number(found['max_mm'])} mm.",
        ]
    unsure = report["uncertainty"]
    if unsure["coverage"] is not None:
        said.append(
            f"The {100 * unsure['confidence']:.4g}% ellipsoid holds the truth in {percent(unsure['coverage'])}"
            f"{_limits(unsure['interval_95']['coverage'], 100, 1)}."
        )
    said += forks.sentences(report)
    for rival in report["against"]:
        of = rival["paired"]
        if of["difference_mm"] is not None:
            p = "" if of["p"] is None else f", p {'= ' * (of['p'] >= 0.001)}{probability(of['p'])}"
            said.append(
                f"Against {rival['name']}, on the {of['landmarks']} landmarks that both located: mean "
                f"difference of the error {number(of['difference_mm'])} mm{_limits(of['interval_95'])} (negative: "
                f"{report['name']} is better){p}."
            )
    return [*said, "Phantom millimetres are not patient millimetres. Not for clinical use."]


def remarks(report: Mapping[str, Any]) -> list[str]:
    """Sentences on time, memory, what was left out, and how to read the figures."""
    said = []
    if report["median_seconds"] is not None:
        seconds = number(report["median_seconds"], digits=1)
        device = report["settings"].get("device")
        said = [f"Median time {seconds} s a case{f' ({device})' if device else ''}."]
    memory = report["peak_memory_mb"]
    if memory:
        said.append(
            f"Peak memory of the whole process until the last detection {memory['process']:.0f} MB: an upper bound for "
            "a single case."
        )
        if memory["gpu"]:
            said.append(f"Peak memory on the GPU {memory['gpu']:.0f} MB.")
    said += [
        "A landmark in the volume that was not found counts as no success. Phantom millimetres are not patient "
        "millimetres.",
        "95% intervals: percentile bootstrap over patients, whose sides and scans are not independent (scans of one "
        "are known by DICOM's patient ID or by their voxels); there is none of what rests on a single patient.",
    ]
    if report["unreviewed_landmarks"]:
        said.append(f"Unreviewed landmarks that were left out: {report['unreviewed_landmarks']}.")
    if (report.get("forks") or {}).get("without_truth"):
        said.append(f"Forks without a truth, which are not measured: {report['forks']['without_truth']}.")
    if report.get("mixed_settings"):
        said.append(report["mixed_settings"])
    return [*said, *(f"failed: {name}: {reason}" for name, reason in report["failed_cases"].items())]


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


def _limits(limits: Sequence[float] | None, factor: float = 1, digits: int = 2) -> str:
    return "" if limits is None else f" {interval(limits, factor, digits)}"


def _data(drawn: Drawn) -> str:
    kind, suffix = ("svg+xml", ".svg") if drawn.vector else ("png", ".png")
    image = (drawn.folder / drawn.name).with_suffix(suffix).read_bytes()
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
