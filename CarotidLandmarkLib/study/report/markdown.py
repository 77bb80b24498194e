"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import tables
from .tables import Table


def as_markdown(table: Mapping[str, Any]) -> str:
    """Return a table of ``metrics.evaluate`` as Markdown: figures down, all / left / right across, then uncertainty."""
    return "\n".join([_markdown(tables.protocol(table)), "", _markdown(tables.uncertainty(table)), ""])


def report_markdown(report: Mapping[str, Any]) -> str:
    """Return the whole report: tables, then what is to be known of how they came about."""
    parts = [f"# {_escape(report['name'])} on {_escape(str(report['data']))}", as_markdown(report).rstrip()]
    for table in tables.all_tables(report)[2:]:
        parts += [f"## {table.title}", *([_markdown(table)] if table.rows else []), table.note.replace("<", "&lt;")]
    parts += ["## How it was measured", "\n".join(f"- {_escape(remark)}" for remark in remarks(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def remarks(report: Mapping[str, Any]) -> list[str]:
    """Sentences on time, memory, what was left out, and how to read the figures."""
    said = [f"Median time {report['median_seconds']:.1f} s a case ({report['settings'].get('device')})."]
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
        "95% intervals: percentile bootstrap over cases, since the two sides of one patient are not independent.",
    ]
    if report["unreviewed_landmarks"]:
        said.append(f"Unreviewed landmarks that were left out: {report['unreviewed_landmarks']}.")
    return [*said, *(f"failed: {name}: {reason}" for name, reason in report["failed_cases"].items())]


def _markdown(table: Table) -> str:
    lines = [table.header, ["---"] * len(table.header), *table.rows]
    text = [f"| {' | '.join(map(_escape, line))} |" for line in lines]
    text[1] = f"|{'|'.join(lines[1])}|"
    return "\n".join(text)


def _escape(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
