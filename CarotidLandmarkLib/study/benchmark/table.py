"""From the scores of all runs to the figures of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..methods.method import Method
from ..scores import FAILURE_MM, Score, compare, intervals, summary, uncertainty
from .rows import BASELINE
from .runs import Run

Runs = Mapping[str, Sequence[Run]]
FIGURES = ("mean_mm", "median_mm", "p95_mm", "success", "share_over_10_mm")


def tabulate(rows: Sequence[Method], runs: Runs) -> list[dict[str, Any]]:
    """The figures of each row that has a finished run, in order; ``runs`` are those of each row's name.

    A landmark counts once for each seed; intervals are a bootstrap over cases, with all that belongs to a case. The
    paired difference to the default is that of each landmark's error, mean of the seeds that both have.
    """
    finished = {name: [(run, result) for run in group if (result := run.result())] for name, group in runs.items()}
    scores = {name: {run.seed: run.scores() for run, _ in group} for name, group in finished.items()}
    table = []
    for row in rows:
        if not finished.get(row.name):
            continue
        seeds = scores[row.name]
        shared = seeds.keys() & scores.get(BASELINE, {}).keys()
        every = [score for seed in seeds.values() for score in seed]
        means = [summary(seed)["mean_mm"] for seed in seeds.values()]
        figures, limits = summary(every), intervals(every)
        results = [result for _, result in finished[row.name]]
        table.append(
            {
                "row": row.name,
                "about": row.recipe.about,
                "paper_patients_mm": row.paper or None,
                "seeds": list(seeds),
                "cases": len({score.case for score in every}),
                "landmarks": len(every),
                **{key: figures[key] for key in (*FIGURES, "sd_mm", "max_mm")},
                "failures_over_10_mm": sum(score.error_mm > FAILURE_MM for score in every),
                "seed_means_mm": means,
                "seed_sd_mm": float(np.std(means, ddof=1)) if len(means) > 1 else None,
                "given_up": sum(score.status == "absent" for score in every),
                "interval_95": {key: limits[key] for key in FIGURES},
                "pearson_volume_error": uncertainty(every)["pearson_volume_error"],
                "pearson_passes_spread": uncertainty(every, volume="paper_volume_mm3")["pearson_volume_error"],
                "difference_to_default": compare(
                    over_seeds([seeds[seed] for seed in shared]),
                    over_seeds([scores[BASELINE][seed] for seed in shared]),
                )
                if row.name != BASELINE and shared
                else None,
                **{key: [r[key] for r in results] for key in ("steps", "minutes", "seconds_per_case")},
                "pace": [r.get("pace", 1.0) for r in results],
                "parameters": results[0]["parameters"],
            }
        )
    return table


def over_seeds(seeds: Sequence[Sequence[Score]]) -> list[Score]:
    """Each landmark once, with the mean of its errors with all seeds."""
    by_landmark: dict[tuple[str, str], list[Score]] = {}
    for score in (score for seed in seeds for score in seed):
        by_landmark.setdefault((score.case, score.side), []).append(score)
    return [replace(same[0], error_mm=float(np.mean([s.error_mm for s in same]))) for same in by_landmark.values()]
