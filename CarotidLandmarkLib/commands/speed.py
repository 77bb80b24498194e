"""`carotid-landmark benchmark speed`: how long a detection takes, where, and beside what."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from ..detect import SAMPLES
from ..errors import CannotRunError
from ..study.speed import ENGINES, PEERS
from .options import chosen_weights, whole_number

SIZES = ("256x256x256", "512x512x300", "512x512x600", "512x512x1200")
# What keeps the libraries of torch and OpenVINO from newer instructions; they read it when they are loaded.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What speed alone needs, in a group of its own."""
    group = parser.add_argument_group("speed")
    add, count = group.add_argument, whole_number(1)
    add(
        "--sizes",
        nargs="+",
        type=_size,
        default=[_size("512x512x600")],
        metavar="XxYxZ",
        help=f"of the volumes (default: 512x512x600; usual are {', '.join(SIZES)})",
    )
    passes = [1, SAMPLES, 50]
    words = " ".join(map(str, passes))
    add("--passes", nargs="+", type=count, default=passes, metavar="N", help=f"samples (default: {words})")
    add("--engines", nargs="+", choices=ENGINES, default=list(ENGINES), metavar="E", help=f"of {', '.join(ENGINES)}")
    add("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="P", help=f"of {', '.join(PEERS)}; or none")
    add("--repeats", type=count, default=5, metavar="N", help="each goes through all variants (default: 5)")
    add("--threads", type=count, metavar="N", help="to compute with (default: as many as detect takes)")
    add("--avx2", action="store_true", help="keep the libraries from newer instructions than AVX2")


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What must be the same where a run goes on. Raises BadInputError for weights that cannot be read."""
    from ..detect.device import allowed_threads
    from ..model.weights import read_weights

    header = read_weights(chosen_weights(args)).header
    if args.threads:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    return {
        "model": f"{header['name']} {header['version']}",
        "sha256": header["sha256"],
        "machine": _processor(),
        "threads": allowed_threads(),
        "avx2": args.avx2,
        "passes": args.passes,
        "engines": args.engines,
        "peers": args.peers,
    }


def run(args: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Measure what is not there yet, in processes that see the settings of the libraries, and write the page."""
    import json

    from ..study.processes import run_all
    from ..study.report.speed import write_speed
    from ..study.speed.measure import measure, measure_memory, summarise
    from ..study.speed.variants import Variant
    from ..volume.memory import require_memory

    os.environ.update(AVX2 if args.avx2 else {})
    weights = chosen_weights(args)
    rows, left_out = [], {}
    for size in args.sizes:
        text = "x".join(map(str, size))
        require_memory(2 * size[0] * size[1] * size[2] + 2**30, text)
        folder: Path = args.out / text
        (folder / "memory").mkdir(parents=True, exist_ok=True)
        print(f"{text}: {args.repeats} repeats", file=sys.stderr, flush=True)
        task = (size, args.engines, args.passes, args.peers, weights, args.repeats, folder)
        _perform(run_all([task], measure, 1), text)
        repeats = sorted(folder.glob("[0-9]*.json"), key=lambda file: int(file.stem))
        left_out.update(json.loads((folder / "missing.json").read_text(encoding="utf-8")))
        variants = [Variant(**run["variant"]) for run in json.loads(repeats[0].read_text(encoding="utf-8"))]
        files = {v: folder / "memory" / f"{re.sub('[^a-z0-9]+', '-', v.name)}.json" for v in variants}
        wanted = [v for v in variants if v.what in PEERS or v.samples == max(args.passes)]
        waiting = [(size, v, weights, files[v]) for v in wanted if not files[v].is_file()]
        _perform(run_all(waiting, measure_memory, 1), f"{text}, memory")
        rows += summarise(size, repeats, [files[v] for v in wanted], variants[0])
        write_speed(args.out, rows, {**settings, "left_out": left_out})
    print((args.out / "speed.md").read_text(encoding="utf-8"))
    return 0


def _perform(done: Any, what: str) -> None:
    if not all([went_well for _, went_well in done]):
        raise CannotRunError(f"{what} failed, see above.")


def _size(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if match is None or not all(64 <= int(n) <= 4096 for n in match.groups()):
        raise argparse.ArgumentTypeError(f"give three sizes from 64 to 4096, as 512x512x600, not {text!r}")
    x, y, z = (int(n) for n in match.groups())
    return x, y, z


def _processor() -> str:
    """Its name where the system tells it."""
    try:
        told = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except OSError:
        told = None
    return told[1] if told else platform.processor() or platform.machine()
