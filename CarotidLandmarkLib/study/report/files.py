"""The report's files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...atomic import write_text
from .figures import Drawn
from .markdown import report_markdown
from .page import page
from .rows import Row

COLUMNS = (
    *("case", "side", "present", "status", "presence", "error_mm", "dx_mm", "dy_mm", "dz_mm"),
    *("volume_mm3", "mahalanobis2", "seconds", "reasons", "slice_spacing_mm", "stenosis", "border_mm"),
)


def write_report(out: Path, report: Mapping[str, Any], rows: Sequence[Row], drawn: Sequence[Drawn]) -> None:
    """Write report.json, .csv, .md and .html to the folder ``out``; raise CannotRunError if that cannot be."""
    texts = {
        "report.csv": table_of(rows),
        "report.json": json.dumps(report, indent=2) + "\n",
        "report.md": report_markdown(report),
        "report.html": page(report, rows, drawn),
    }
    for name, text in texts.items():
        write_text(out / name, text.encode("utf-8", "backslashreplace").decode())


def table_of(rows: Sequence[Row]) -> str:
    """CSV with one row a landmark; empty is not known, or none."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for row in rows:
        of = row.score
        line: dict[str, Any] = {"case": of.case, "side": of.side, "present": int(of.present), "status": of.status}
        line.update(presence=f"{row.answer.presence:.4f}", reasons=" ".join(row.answer.reasons))
        line["seconds"] = f"{row.seconds or 0.0:.3f}"
        facts = {"slice_spacing_mm": row.slice_spacing, "stenosis": row.stenosis, "border_mm": row.border}
        line.update({name: f"{value:.3f}" for name, value in facts.items() if value is not None})
        if row.answer.position_lps_mm is not None and row.truth is not None:
            offset = row.answer.position_lps_mm - row.truth
            values = [of.error_mm, *offset, of.volume_mm3, of.mahalanobis2]
            line.update(zip(COLUMNS[5:11], (f"{value:.4f}" for value in values)))
        table.writerow(line)
    return text.getvalue()
