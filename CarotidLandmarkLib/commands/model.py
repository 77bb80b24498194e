"""`carotid-landmark model`: what a weights file says of itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..atomic import as_json
from .options import some_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--weights and --json."""
    parser.add_argument(
        "--weights", type=some_path, metavar="FILE", help="a weights file (default: those of the package)"
    )
    parser.add_argument("--json", action="store_true", help="print the header as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Read and check the weights, print their header and, where it lies beside them, their card (CARD.md)."""
    from ..model.weights import calibration_warning, read_weights

    weights = read_weights(args.weights)
    weights.check()
    header = weights.header
    if args.json:
        print(as_json(header))
        return 0
    file = Path(header["path"])
    facts = {
        "model": f"{header.get('name')} {header.get('version')}",
        "file": f"{file} ({file.stat().st_size / 1e6:.1f} MB)",
        "sha256": header["sha256"],
        "parameters": f"{sum(tensor.size for tensor in weights.tensors.values()):,}",
        "scales": ", ".join(f"{spacing:g} mm" for spacing in weights.config.scales_mm),
        "calibration": as_json(header.get("calibration")),
        "trust": as_json(header.get("trust")),
        "training": f"\n{'':<13}".join(_stages(header.get("training", {}))),
    }
    if isinstance(header.get("site"), dict):
        facts["site"] = as_json({key: value for key, value in header["site"].items() if key != "volumes"})
    print("\n".join(f"{name + ':':<12} {fact}" for name, fact in facts.items()))
    warning = calibration_warning(header)
    if warning:
        print(f"warning:     {warning}")
    card = file.with_name("CARD.md")
    if card.is_file():
        print("\n" + card.read_text(encoding="utf-8").rstrip())
    return 0


def _stages(training: dict[str, Any]) -> list[str]:
    """A line for each stage of a header's "training" that took steps; where it tells no steps, all that it holds."""
    told = [stage for stage in [*training.get("stages", []), training] if stage.get("steps")]
    if not told:
        return [as_json(training)]
    return [
        f"{stage.get('date', 'some day')}: {stage['steps']:,} steps in {stage.get('minutes', 0):g} minutes on "
        f"{stage.get('machine', 'some machine')}, {stage.get('data', 'no data told')}"
        for stage in told
    ]
