"""How many passes the covariance needs: 1 to 50 of the same 51 (the first is not shifted) in whole scans with truths.

    python Testing/benchmarks/samples.py DATA [--every N] [--out rows.jsonl]

Goes on with the rows of --out that are there. Prints a table: errors, what of the truth the 90 % ellipsoid holds with
the factor that the weights have, that factor were it calibrated for so many passes (on these very landmarks), the
volume with either, and how well the volume tells errors over 5 mm; then how far position and longest radius are from
those of 50 passes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from CarotidLandmarkLib.detect.backends.backend import Answer
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.detect.presence import Evidence
from CarotidLandmarkLib.detect.search import Search
from CarotidLandmarkLib.detect.uncertainty import combine
from CarotidLandmarkLib.landmarks.detection import chi2_quantile, ellipsoid
from CarotidLandmarkLib.study.cases import read_cases
from CarotidLandmarkLib.study.scores import FAILURE_MM, LARGE_ERROR_MM, mahalanobis2
from CarotidLandmarkLib.study.stats import auroc, coverage
from CarotidLandmarkLib.volume.read import read_volume

PASSES, CONFIDENCE = (1, 5, 10, 16, 25, 50), 0.9


class Keeping(Search):
    """A search that keeps the passes of each side's last scale."""

    def run(self) -> dict[str, Evidence]:
        self.passes: dict[int, list[Answer]] = {}
        self.shifts = {side: np.concatenate([np.zeros((1, 3)), shifts]) for side, shifts in self.shifts.items()}
        return super().run()

    def _note(self, seen: Evidence, spacing: float, passes: list[Answer]) -> None:
        super()._note(seen, spacing, passes)
        self.passes[id(seen)] = passes


def look(detector: Detector, case) -> list[dict[str, object]]:
    volume = read_volume(case.volume, case.series)
    search = Keeping(detector.backend, volume, max(PASSES), believe=detector.limits.absent_presence)
    rows = []
    for side, seen in search.run().items():
        if seen.complete and case.points[side] is not None:
            passes = search.passes[id(seen)]
            row = {key: [getattr(one, key).tolist() for one in passes] for key in ("position", "covariance")}
            row["of_voxels"] = search.of_voxels.tolist()
            rows.append({"case": case.name, "side": side, "truth": case.points[side].tolist(), **row})
    return rows


def figures(rows: list[dict[str, object]], count: int, scale: float) -> dict[str, float]:
    errors, distances, volumes, moved, longer = [], [], [], [], []
    for row in rows:
        passes = slice(1) if count == 1 else slice(1, count + 1)
        positions, heatmaps = (np.array(row[key]) for key in ("position", "covariance"))
        of_voxels = scale * np.array(row["of_voxels"])  # as Search adds it
        position, covariance = combine(positions[passes], heatmaps[passes], scale)
        all_of_them, widest = combine(positions[1:], heatmaps[1:], scale)
        covariance, widest = covariance + of_voxels, widest + of_voxels
        away = position - row["truth"]
        errors.append(np.linalg.norm(away))
        distances.append(mahalanobis2(away, covariance))
        radii, _, volume = ellipsoid(covariance, CONFIDENCE)
        volumes.append(volume)
        moved.append(np.linalg.norm(position - all_of_them))
        longer.append(abs(np.log(radii[0] / ellipsoid(widest, CONFIDENCE)[0][0])))
    error, distance, volume = (np.array(values) for values in (errors, distances, volumes))
    near = error <= FAILURE_MM
    factor = float(np.quantile(distance[near], CONFIDENCE)) / chi2_quantile(CONFIDENCE)
    return {
        "passes": count,
        "mean error, mm": float(error[near].mean()),
        "median, mm": float(np.median(error)),
        "coverage": float(coverage(distance[near], CONFIDENCE)),
        "median volume, mm³": float(np.median(volume)),
        "own factor": factor,
        "volume with it, mm³": float(np.median(volume)) * factor**1.5,
        "AUROC": float(auroc(volume, error > LARGE_ERROR_MM)),
        "position off, mm": float(np.median(moved)),
        "95 %, mm": float(np.quantile(moved, 0.95)),
        "radius off": float(np.expm1(np.median(longer))),
        "95 %": float(np.expm1(np.quantile(longer, 0.95))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1, help="only every n-th case")
    parser.add_argument("--out", type=Path, default=Path("samples.jsonl"))
    args = parser.parse_args()
    detector = Detector.from_weights(device="cpu")
    done = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.is_file() else []
    known = {entry["case"] for entry in done}
    for case in read_cases(args.data)[:: args.every]:
        if case.name not in known:
            done.append({"case": case.name, "rows": look(detector, case)})
            with args.out.open("a") as file:
                print(json.dumps(done[-1]), file=file)
    rows = [row for entry in done for row in entry["rows"]]
    scale = detector.backend.config.covariance_scale[-1]
    table = [figures(rows, count, scale) for count in PASSES]
    large = sum(np.linalg.norm(np.array(row["position"])[1:].mean(0) - row["truth"]) > LARGE_ERROR_MM for row in rows)
    print(f"{len(done)} cases, {len(rows)} landmarks, {large} off by more than {LARGE_ERROR_MM:g} mm")
    for cells in (list(table[0]), ["---"] * len(table[0]), *(line.values() for line in table)):
        print("|", " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells), "|")


if __name__ == "__main__":
    main()
