"""From the scores of all runs to the figures of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..methods.method import Method
from ..scores import FAILURE_MM, THRESHOLDS_MM, Score, bootstrap, compare
from .rows import BASELINE
from .runs import Run

Runs = Mapping[str, Sequence[Run]]


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
        means = [figures(seed)["mean_mm"] for seed in seeds.values()]
        errors = np.array([score.error_mm for score in every])
        results = [result for _, result in finished[row.name]]
        table.append(
            {
                "row": row.name,
                "about": row.recipe.about,
                "paper_patients_mm": row.paper or None,
                "seeds": list(seeds),
                "cases": len({score.case for score in every}),
                **figures(every),
                "sd_mm": float(errors.std(ddof=1)),
                "max_mm": float(errors.max()),
                "seed_means_mm": means,
                "seed_sd_mm": float(np.std(means, ddof=1)) if len(means) > 1 else None,
                "given_up": sum(score.status == "absent" for score in every),
                "interval_95": bootstrap(every, figures),
                "difference_to_default": compare(
                    over_seeds([seeds[seed] for seed in shared]),
                    over_seeds([scores[BASELINE][seed] for seed in shared]),
                )
                if row.name != BASELINE and shared
                else None,
                **{key: [r[key] for r in results] for key in ("steps", "minutes", "seconds_per_case")},
                "parameters": results[0]["parameters"],
            }
        )
    return table


def figures(scores: Sequence[Score]) -> dict[str, Any]:
    """Mean, median and 95th percentile of the error, success rates, number and share of failures."""
    errors = np.array([score.error_mm for score in scores])
    return {
        "landmarks": len(errors),
        "mean_mm": float(errors.mean()),
        "median_mm": float(np.median(errors)),
        "p95_mm": float(np.percentile(errors, 95)),
        "success": {f"{threshold:g}": float((errors <= threshold).mean()) for threshold in THRESHOLDS_MM},
        "failures_over_10_mm": int((errors > FAILURE_MM).sum()),
        "share_over_10_mm": float((errors > FAILURE_MM).mean()),
    }


def over_seeds(seeds: Sequence[Sequence[Score]]) -> list[Score]:
    """Each landmark once, with the mean of its errors with all seeds."""
    by_landmark: dict[tuple[str, str], list[Score]] = {}
    for score in (score for seed in seeds for score in seed):
        by_landmark.setdefault((score.case, score.side), []).append(score)
    return [replace(same[0], error_mm=float(np.mean([s.error_mm for s in same]))) for same in by_landmark.values()]
