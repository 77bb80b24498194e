"""Makes the phantoms that default weights are calibrated and measured on: test_sets.py FOLDER [--anatomy DIR] [SET ...]

calibration: 420 of the split val, every second on the anatomy of a patient of the training.
test: 400 of the split test. absent: 200 more in which neither bifurcation can be seen.
left-out: 60 on the anatomy of patients that no training knows.
robustness: the first 60 of test with both bifurcations in view. What is there already is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path

from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.phantom.files import VISIBLE_MM, write_phantoms
from CarotidLandmarkLib.phantom.phantom import Phantom
from CarotidLandmarkLib.phantom.scaffold import list_scaffolds
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.study.processes import pool
from CarotidLandmarkLib.volume.read import case_name

LEFT_OUT = ("0522c0331", "0522c0727a", "0522c0727b", "TCGA-CV-5977", "TCGA-CV-7236")
# Split, first seed, number of cases.
SETS = {
    "calibration": ("val", 1000, 420),
    "test": ("test", 20000, 400),
    "absent": ("test", 40000, 200),
    "left-out": ("test", 60000, 60),
    "robustness": ("test", 20000, 60),
}


def cases(name: str, maps: list[Path]) -> Iterator[tuple[int, Path | None]]:
    """The seed of each case of a set, and the label map that it is built on."""
    split, seed, count = SETS[name]
    train, left_out = ([m for m in maps if (case_name(m) in LEFT_OUT) == out] for out in (False, True))
    while count:
        if name == "calibration":
            scaffold = train[seed // 2 % len(train)] if train and seed % 2 else None
        else:
            scaffold = left_out[seed % len(left_out)] if name == "left-out" else None
        seen = 0
        if name in ("absent", "robustness"):
            phantom = Phantom.draw(seed, split)
            seen = sum(bool(Scan.draw(phantom).covers(phantom.truth[side], VISIBLE_MM)) for side in SIDES)
        if seen == {"absent": 0, "robustness": 2}.get(name, 0):
            yield seed, scaffold
            count -= 1
        seed += 1


def make(folder: Path, split: str, seed: int, scaffold: Path | None) -> None:
    done = folder / f".{seed}.done"
    if not done.exists():
        alone = None
        if scaffold:
            alone = folder.parent / "scaffolds" / case_name(scaffold)
            alone.mkdir(parents=True, exist_ok=True)
            for file in (scaffold, scaffold.parent / "labels.json"):
                if not (alone / file.name).exists():
                    (alone / file.name).symlink_to(file.resolve())
        write_phantoms(folder, 1, seed, split, alone)
        done.touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sets", nargs="*", default=list(SETS), help=", ".join(SETS))
    parser.add_argument("--anatomy", type=Path, default=Path("../shared/data/anatomy"))
    parser.add_argument("--parallel", type=int, default=2)
    args = parser.parse_intermixed_args()
    maps = list_scaffolds(args.anatomy) if args.anatomy.is_dir() else []
    if not maps and (missing := sorted({"calibration", "left-out"} & set(args.sets))):
        parser.error(f"{' and '.join(missing)} need --anatomy, a folder of label maps: {args.anatomy} has none.")
    for name in args.sets:
        folder = args.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        with pool(args.parallel) as executor:
            coming = [executor.submit(make, folder, SETS[name][0], *case) for case in cases(name, maps)]
            for number, future in enumerate(as_completed(coming), start=1):
                future.result()
                print(f"\r{name}: {number} of {len(coming)}", end="", flush=True)
        print()


if __name__ == "__main__":
    main()
