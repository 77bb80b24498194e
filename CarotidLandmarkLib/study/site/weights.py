"""The weights that a site gets: those that it began with, or their finest net trained, with what was learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...detect.definition import read_offsets
from ...model.weights import Weights, read_weights, write_weights
from ..calibration import moved_trust
from ..patients import CLOCKS, learned_from, marks_of
from .cases import SiteCases
from .fit import Adaptation

DIGITS = 4


def write_site_weights(
    path: Path,
    network: Path | None,
    base: Mapping[str, Any],
    adapted: Adaptation,
    site: SiteCases,
    story: Mapping[str, Any],
    grown: float = 0.0,
) -> str:
    """Write the weights in ``network`` (None: those of the package) with this adaptation; return the file's sha256.

    base: header of the weights that the site began with. story: what else the header is to say of the site. grown: by
    how much the logarithm of an answer's SD grew before the ellipsoids were fitted (see fit.spread_change).
    What an answer is trusted for stays: where all ellipsoids grow, the size of a good answer's grows with them.
    """
    weights = read_weights(network)
    offset = read_offsets(weights.header)["left"] + adapted.offset
    volumes = {*(base.get("site") or {}).get("volumes", ()), *(case.sha256 for case in site.cases if case.sha256)}
    marks = marks_of(site.cases) | learned_from(base)
    config = weights.config
    scales = (*config.covariance_scale[:-1], config.covariance_scale[-1] * adapted.factor)
    header = {
        **weights.header,
        "name": f"{base.get('name')}-site",
        "version": base.get("version"),
        "training": {key: of for key, of in weights.header.get("training", {}).items() if key not in CLOCKS},
        "calibration": {"cases": adapted.cases, "kept_from_start": False, "whole_scans": True},
        "volumes": sorted(marks),
        "site": {
            "offset_lps_mm": [round(float(mm), DIGITS) for mm in offset],
            "cases": adapted.cases,
            "patients": adapted.patients,
            "landmarks": adapted.landmarks,
            "covariance_factor": round(adapted.factor, DIGITS),
            "base": {key: base.get(key) for key in ("name", "version", "sha256")},
            "data": site.digest,
            "volumes": sorted(volumes),
            **story,
        },
    }
    if base.get("trust"):
        header["trust"] = moved_trust(base["trust"], grown + 0.5 * math.log(adapted.factor), grown)
    return write_weights(path, Weights(replace(config, covariance_scale=scales), weights.tensors, header))
