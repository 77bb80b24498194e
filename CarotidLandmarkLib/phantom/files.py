"""Phantoms as whole volumes at clinical geometry, in memory and on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..atomic import write_text
from ..errors import BadInputError
from ..landmarks.files import write_markups
from ..landmarks.points import SIDES, LandmarkSet
from ..volume.ct import CTVolume, write_volume
from ..volume.geometry import Grid
from .canvas import Canvas
from .phantom import Phantom
from .scaffold import Scaffold, list_scaffolds, load_scaffold
from .scan import Scan
from .streams import Streams

VISIBLE_MM = 2.0  # a landmark nearer to the border of the field of view counts as missing
SLAB_VOXELS = 4_000_000
CALCIUM_MM, CALCIUM_STEP_MM = 20.0, 0.3  # calcium counts so near to the carina; voxels in which it is summed
BRIGHT_HU = 100.0  # so much brighter than the lumen calcium can be told from it
# How the axes lie in files, by the direction in which each index grows; real archives hold all of these.
ORIENTATIONS = {"LPS": 0.5, "LPI": 0.08, "RAS": 0.12, "LAS": 0.05, "PLS": 0.13, "PIR": 0.06, "ASL": 0.06}


def phantom_volume(
    seed: int,
    split: str = "test",
    scaffold: Scaffold | None = None,
    kind: str | None = None,
    spacing: tuple[float, float] | None = None,
    orientation: str = "LPS",
    progress: Callable[[float], None] | None = None,
) -> tuple[CTVolume, dict[str, np.ndarray | None]]:
    """One phantom as a scanner gives it, int16 HU, and its truth: side -> carina (3,) LPS mm, None if it can't be seen.

    ``kind`` (see scan.KINDS) and ``spacing`` (in-plane, slice; mm) are drawn from the seed unless given.
    ``progress`` is told the finished fraction before each slab.
    """
    phantom = Phantom.draw(seed, split, scaffold)
    scan = Scan.draw(phantom, kind, spacing)
    return _acquire(phantom, scan, orientation, progress), _visible(phantom, scan)


def _refuse_others(volume: Path) -> None:
    """BadInputError where a volume, or its truth, of this name is there that was not written here."""
    case = volume.with_suffix("")
    if not os.path.exists(f"{case}.phantom.json"):
        for file in (str(volume), f"{case}.mrk.json"):
            if os.path.exists(file):
                raise BadInputError(f"{file} exists and is no phantom of ours; choose another folder.")


def write_phantoms(
    out_dir: str | Path,
    count: int,
    seed: int,
    split: str = "train",
    scaffold_dir: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the phantoms of ``count`` seeds from ``seed`` on: ``<case>.nrrd``, ``.mrk.json`` and ``.phantom.json``.

    With ``scaffold_dir`` every phantom is built on one of its label maps in turn. Returns the volumes' paths.
    """
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    maps = list_scaffolds(scaffold_dir) if scaffold_dir else []
    written = []
    for number in range(count):
        this = seed + number
        scaffold = load_scaffold(maps[number % len(maps)]) if maps else None
        phantom = Phantom.draw(this, split, scaffold)
        scan = Scan.draw(phantom)
        names = list(ORIENTATIONS)
        orientation = str(Streams(this, split)("file").choice(names, p=list(ORIENTATIONS.values())))
        case = f"{split}-{this:05d}" + (f"-{phantom.scaffold}" if phantom.scaffold else "")
        path = out / f"{case}.nrrd"
        _refuse_others(path)
        write_volume(_acquire(phantom, scan, orientation), path)
        write_markups(out / f"{case}.mrk.json", LandmarkSet(_visible(phantom, scan)))
        about = {
            "seed": this,
            "split": split,
            "scaffold": phantom.scaffold,
            "make": phantom.make,
            "phase": phantom.phase,
            "scan": scan.kind,
            "orientation": orientation,
            "noise_hu": scan.noise_sd,
            "spacing_mm": scan.grid.spacing.tolist(),
            "facts": phantom.facts,
            "carina_lps_mm": {side: phantom.carina[side].tolist() for side in SIDES},
            "centrelines_lps_mm": {
                side: {name: line.round(2).tolist() for name, line in lines.items()}
                for side, lines in phantom.centrelines.items()
            },
            "calcium_mm3": {side: round(calcium_mm3(phantom, side), 1) for side in SIDES},
            "bright_calcium_mm3": {side: round(calcium_mm3(phantom, side, BRIGHT_HU), 1) for side in SIDES},
            "decoys_lps_mm": {name: points.round(2).tolist() for name, points in phantom.decoys.items()},
        }
        write_text(out / f"{case}.phantom.json", json.dumps(about, indent=1))
        written.append(path)
        if progress:
            progress(number + 1, count)
    return written


def calcium_mm3(phantom: Phantom, side: str, above_lumen_hu: float | None = None) -> float:
    """Volume of the calcium of ``side`` within CALCIUM_MM of its carina, without what stents and clips cover.

    With ``above_lumen_hu`` only of what is brighter than the contrast in the lumen by so much.
    """
    name = f"{side} calcium"
    if not phantom.organs[name]:
        return 0.0
    least = -np.inf if above_lumen_hu is None else phantom.facts[side]["lumen_hu"] + above_lumen_hu
    size = 2 * round(CALCIUM_MM / CALCIUM_STEP_MM) + 1
    grid = Grid.axis_aligned(phantom.carina[side], [size] * 3, CALCIUM_STEP_MM)
    canvas = Canvas(grid, phantom.space, psf_mm=0.0)
    canvas.hu.zero_()
    organs = list(phantom.organs)
    for organ in organs[organs.index(name) :]:
        for shape in phantom.organs[organ]:
            canvas.paint(replace(shape, hu=float(organ == name and shape.hu > least)))
    from_middle = [torch.linspace(-1, 1, n) * CALCIUM_STEP_MM * (n - 1) / 2 for n in grid.shape]
    z, y, x = torch.meshgrid(*from_middle, indexing="ij")
    near = x**2 + y**2 + z**2 <= CALCIUM_MM**2
    return float(canvas.hu[near].sum()) * CALCIUM_STEP_MM**3


def _visible(phantom: Phantom, scan: Scan) -> dict[str, np.ndarray | None]:
    return {side: phantom.truth[side] if scan.covers(phantom.truth[side], VISIBLE_MM) else None for side in SIDES}


def _acquire(
    phantom: Phantom, scan: Scan, orientation: str, progress: Callable[[float], None] | None = None
) -> CTVolume:
    """The whole volume, rendered slab by slab, its axes then laid as ``orientation`` says."""
    grid = scan.grid
    nx, ny, nz = grid.size
    thick = max(1, SLAB_VOXELS // (nx * ny))
    generator = Streams(phantom.seed, phantom.split).torch("written noise")
    array = np.empty(grid.shape, np.int16)
    for first in range(0, nz, thick):
        if progress:
            progress(first / nz)
        count = min(thick, nz - first)
        slab = Grid((nx, ny, count), grid.spacing, grid.index_to_world([0, 0, first]), grid.direction)
        array[first : first + count] = scan.acquire(phantom, slab, generator).round().to(torch.int16).numpy()
    return CTVolume(*reorient(array, grid, orientation))


def reorient(array: np.ndarray, grid: Grid, orientation: str) -> tuple[np.ndarray, Grid]:
    """The same voxels (z, y, x) of an LPS-aligned grid with index axes that grow towards e.g. "RAS"; no resampling."""
    axes = [next(a for a, pair in enumerate(("LR", "PA", "SI")) if letter in pair) for letter in orientation]
    signs = [1 if letter in "LPS" else -1 for letter in orientation]
    size = [grid.size[a] for a in axes]
    spacing = grid.spacing[axes]
    direction = np.stack([sign * grid.direction[:, a] for a, sign in zip(axes, signs)], 1)
    corner = np.zeros(3)
    for a, sign in zip(axes, signs):
        corner[a] = 0 if sign > 0 else grid.size[a] - 1
    turned = array.transpose([2 - a for a in axes[::-1]])[tuple(slice(None, None, s) for s in signs[::-1])]
    return np.ascontiguousarray(turned), Grid(
        (size[0], size[1], size[2]), spacing, grid.index_to_world(corner), direction
    )
