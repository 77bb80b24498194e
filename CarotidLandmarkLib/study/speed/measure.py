"""Every variant in turns, again and again, in one process; memory in a process of its own."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...atomic import write_json
from ...detect.device import allowed_threads
from .operations import MatrixProduct
from .scene import PeakMemory, Stages, make_volume
from .variants import Runner, Variant, load, plan

Size = tuple[int, int, int]


def measure(
    size: Size,
    engines: Sequence[str],
    samples: Sequence[int],
    peers: Sequence[str],
    weights: Path | None,
    repeats: int,
    folder: Path,
) -> None:
    """Run all variants once a repeat, in an order that changes, and write each repeat that is not there yet to
    ``folder``/N.json; and what cannot be measured here, and why, to missing.json."""
    variants, missing = plan(engines, samples, peers)
    write_json(folder / "missing.json", missing)
    waiting = [file for file in (folder / f"{n}.json" for n in range(1, repeats + 1)) if not file.is_file()]
    if not waiting:
        return
    volume = make_volume(size)
    runners = load(variants, volume, weights)
    products = {engine: MatrixProduct(engine, allowed_threads()) for engine in {v.engine for v in variants}}
    for variant, runner in runners.items():  # first calls compile, allocate and choose kernels
        if variant.what != "sliding-window":
            runner.run(Stages())
    for number, file in enumerate(waiting):
        first = number % len(variants)
        reached = {engine: product.speed() for engine, product in products.items()}
        rows = [_once(variant, runners[variant], reached) for variant in variants[first:] + variants[:first]]
        write_json(file, rows)


def _once(variant: Variant, runner: Runner, reached: dict[str, float]) -> dict[str, Any]:
    stages, counted = Stages(), runner.operations.total
    begun, busy = time.perf_counter(), time.process_time()
    runner.run(stages)
    row = {"variant": variant._asdict(), "seconds": time.perf_counter() - begun, "stages": stages.seconds}
    row["cpu_seconds"] = time.process_time() - busy
    row["operations"] = runner.operations.total - counted
    row["matrix_product_per_s"] = reached[variant.engine]
    return row


def measure_memory(size: Size, variant: Variant, weights: Path | None, file: Path) -> None:
    """Write to ``file`` how many bytes the variant's first answer takes beside the volume and its model."""
    volume = make_volume(size)
    runner = load([variant], volume, weights)[variant]
    with PeakMemory() as memory:
        runner.run(Stages())
    write_json(file, {"variant": variant._asdict(), "bytes": memory.bytes})


class Row(NamedTuple):
    """A variant at a size: medians of all repeats, the spread (least, most) of the seconds, and their ratio to those
    of the first variant in the same repeat, median and spread. peak_bytes: None where it was not measured.

    reached: operations a second as a share of what a matrix product reached then."""

    size: Size
    variant: Variant
    repeats: int
    seconds: float
    spread: tuple[float, float]
    cpu_seconds: float
    ratio: float
    ratio_spread: tuple[float, float]
    operations: int
    reached: float
    peak_bytes: int | None
    stages: dict[str, float]


def summarise(size: Size, repeats: Iterable[Path], memory: Iterable[Path], against: Variant) -> list[Row]:
    """The rows of one size; ratios are to the variant ``against``."""
    runs: dict[Variant, list[dict[str, Any]]] = {}
    for file in repeats:
        for run in json.loads(file.read_text(encoding="utf-8")):
            runs.setdefault(Variant(**run["variant"]), []).append(run)
    peaks = {Variant(**(told := json.loads(file.read_text()))["variant"]): told["bytes"] for file in memory}
    rows = []
    for variant, own in runs.items():
        of = _each(own)
        ratios = [seconds / base for seconds, base in zip(of("seconds"), _each(runs[against])("seconds"))]
        reached = [
            n / seconds / speed
            for n, seconds, speed in zip(of("operations"), of("seconds"), of("matrix_product_per_s"))
        ]
        stages = {stage: statistics.median(run["stages"].get(stage, 0.0) for run in own) for stage in own[0]["stages"]}
        seconds = statistics.median(of("seconds"))
        spread, ratio_spread = ((min(values), max(values)) for values in (of("seconds"), ratios))
        rows.append(
            Row(
                size,
                variant,
                len(own),
                seconds,
                spread,
                statistics.median(of("cpu_seconds")),
                statistics.median(ratios),
                ratio_spread,
                own[0]["operations"],
                statistics.median(reached),
                peaks.get(variant),
                stages,
            )
        )
    return rows


def _each(runs: Sequence[dict[str, Any]]) -> Callable[[str], list[Any]]:
    return lambda key: [run[key] for run in runs]
