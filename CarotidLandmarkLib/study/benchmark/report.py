"""A benchmark's table as JSON, CSV and Markdown."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ... import __version__
from ...atomic import write_json, write_text
from ..report.tables import Table, as_csv, interval, number, percent, probability
from .cases import RULE

PACKAGES = ("torch", "numpy", "SimpleITK", "monai", "landmarker")
TITLES = {"table1": "Table 1 of Ma et al. (ISBI 2020), on phantoms", "ablations": "Ablations of the default"}


def circumstances(settings: Mapping[str, Any], seeds: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Where, when and with what the table was made."""
    import torch

    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "command": "carotid-landmark " + " ".join(sys.argv[1:]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": ", ".join([_processor(), *cuda]),
        "system": platform.platform(),
        "versions": {"carotid-landmark": __version__, "python": platform.python_version(), **_versions()},
        "commit": _commit(),
        **settings,
        "phantoms": {"rule": RULE, "seeds": dict(seeds)},
    }


def write_report(out: Path, table: str, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write `<table>.json`, `.csv` and `.md` to ``out``."""
    write_json(out / f"{table}.json", {**facts, "rows": list(rows)}, indent=1)
    flat = [dict(_flat(row)) for row in rows]
    write_text(out / f"{table}.csv", as_csv(list(dict.fromkeys(key for row in flat for key in row)), flat))
    write_text(out / f"{table}.md", as_markdown(TITLES[table], rows, facts))


def as_markdown(title: str, rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """The table with what one must know to read it."""
    success = list(rows[0]["success"]) if rows else []
    header = ["Method", "paper (patients): mean ± SD, mm", "phantoms: mean ± SD, mm", "95 % interval", "each seed, mm"]
    header += ["median", "95th percentile", *(f"within {t} mm" for t in success), "over 10 mm", "given up"]
    header += ["difference to default, mm", "Pearson of volume and error", "of the passes' spread alone"]
    header += ["steps", "minutes", "parameters", "s per case"]
    seeds = facts["phantoms"]["seeds"]
    sizes = ", ".join(f"{len(numbers)} {split}" for split, numbers in seeds.items())
    measure = "of processor time on one core" if facts["clock"] == "cpu" else "by the clock"
    minutes = facts["minutes_per_run"]
    length = f"{facts['epochs_per_run']} epochs" if minutes is None else f"{minutes:g} minutes {measure}"
    words = [
        f"# {title}\n",
        Table(title, header, [_cells(row) for row in rows]).markdown(),
        "\nPhantom millimetres are not patient millimetres: the two columns of errors cannot be compared.\n",
        f"Every row has the same budget: {length} a run"
        + (f", {facts['steps_per_run']} steps at most" if facts["steps_per_run"] else "")
        + f" (budget `{facts['budget']}`), and the same cases in the same order; `steps` are the cases it has seen in "
        "that time, one a step. A landmark counts once for each seed. Intervals and p values: "
        "bootstrap over cases; differences are paired, below 0 the row is better than the default. A landmark that was "
        "given up as absent counts with the position that the network would have answered. The paper's Pearson (0.608) "
        "is of the passes' spread alone: 65.47 times the product of its SDs along the axes.\n",
        f"Data: {sizes}; {facts['phantoms']['rule']}.\n",
        *(f"- **{row['row']}**: {row['about']}{_pace(row['pace'])}" for row in rows),
        *(f"- {name} is left out: {reason}" for name, reason in facts["left_out"].items()),
        "",
        f"- Command: `{facts['command']}`",
        f"- {facts['date']}, {facts['machine']}, {facts['system']}; commit {facts['commit']}; "
        + ", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
        *(f"- Seeds, {split}: {_ranges(numbers)}" for split, numbers in seeds.items()),
    ]
    return "\n".join(words) + "\n"


def _cells(row: Mapping[str, Any]) -> list[str]:
    cells = [row["row"], row["paper_patients_mm"] or "", f"{number(row['mean_mm'])} ± {number(row['sd_mm'])}"]
    cells += [interval(row["interval_95"]["mean_mm"]), ", ".join(map(number, row["seed_means_mm"]))]
    cells += [number(row["median_mm"]), number(row["p95_mm"]), *map(percent, row["success"].values())]
    cells += [f"{row['failures_over_10_mm']} ({percent(row['share_over_10_mm'])})", str(row["given_up"])]
    cells += [_difference(row["difference_to_default"])]
    cells += [number(row["pearson_volume_error"]), number(row["pearson_passes_spread"])]
    cells += [_span(row["steps"], ",.0f"), _span(row["minutes"], ".1f"), f"{row['parameters']:,}"]
    return [*cells, _span(row["seconds_per_case"], ".1f")]


def _difference(paired: Mapping[str, Any] | None) -> str:
    if paired is None or paired["difference_mm"] is None:
        return ""
    return f"{number(paired['difference_mm'])} {interval(paired['interval_95'])}, p {probability(paired['p'])}"


def _pace(paces: Sequence[float]) -> str:
    if set(paces) == {1.0}:
        return ""
    return f" Run where a core does {_span(paces, '.2f')} of what the others' does in a minute, for as much longer."


def _span(values: Sequence[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _ranges(numbers: Sequence[int]) -> str:
    """3, 4, 5, 9 as "3-5, 9"."""
    groups: list[list[int]] = []
    for seed in numbers:
        if groups and groups[-1][-1] == seed - 1:
            groups[-1].append(seed)
        else:
            groups.append([seed])
    return ", ".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested values as columns a.b; of lists the items, apart by spaces."""
    out: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            out += _flat(value, f"{prefix}{key}.")
        else:
            out.append((prefix + key, " ".join(f"{v:g}" for v in value) if isinstance(value, list) else value))
    return out


def _processor() -> str:
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
