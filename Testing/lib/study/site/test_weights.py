"""Weights of a site: the detector with them says what the report has judged."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from CarotidLandmarkLib.detect.definition import read_offsets
from CarotidLandmarkLib.detect.trust import Trust
from CarotidLandmarkLib.model.weights import read_weights
from CarotidLandmarkLib.study.calibration import moved_trust
from CarotidLandmarkLib.study.site.fit import Adaptation
from CarotidLandmarkLib.study.site.weights import write_site_weights

WEIGHTS, TYPICAL = {"spread": 1.4, "heatmap": 0.4, "rival": 0.6}, {"spread": -0.9, "heatmap": -0.3, "rival": 0.0}
TRUST = Trust(WEIGHTS, TYPICAL, -4, 0.1, 0.3)


def test_the_networks_stay_and_the_header_says_what_moves_their_answers(draw_site, weights, tmp_path):
    site, _ = draw_site(6)
    path = tmp_path / "site.safetensors"
    base = read_weights(weights)
    sha256 = write_site_weights(
        path, weights, base.header, Adaptation(np.array([0.3, -0.5, 1.2]), 0.4, 12), site, {"way": "offset"}
    )
    ours = read_weights(path)
    assert ours.header["sha256"] == sha256 and ours.header["site"]["way"] == "offset"
    assert ours.config.covariance_scale == pytest.approx((1.0, 1.0, 1.0, 0.4))
    assert replace(ours.config, covariance_scale=base.config.covariance_scale) == base.config
    assert ours.tensors.keys() == base.tensors.keys()
    assert all(np.array_equal(of, base.tensors[name]) for name, of in ours.tensors.items())
    assert read_offsets(ours.header)["right"] == pytest.approx([-0.3, -0.5, 1.2])
    assert "trust" not in ours.header and "minutes" not in ours.header["training"]


@pytest.mark.parametrize("network", ["of the base", "trained"])
def test_a_second_generation_knows_what_the_first_has_learned_from(draw_site, weights, tmp_path, network):
    site, _ = draw_site(7)
    first = tmp_path / "first.safetensors"
    base = {**read_weights(weights).header, "site": {"volumes": ["f" * 64]}}
    of = Adaptation(np.zeros(3), 1.0, 12)
    write_site_weights(first, weights, base, of, site, {})
    told = read_weights(first).header
    second = tmp_path / "second.safetensors"
    write_site_weights(second, first if network == "of the base" else weights, told, of, site.without(["p00"]), {})
    assert told["site"]["volumes"] == sorted(["f" * 64, *(case.sha256 for case in site.cases)])
    assert read_weights(second).header["site"]["volumes"] == told["site"]["volumes"]
    assert told["volumes"] == told["site"]["volumes"], "of these cases no voxels are known"


@pytest.mark.parametrize("factor", [0.3, 2.5])
def test_larger_ellipsoids_make_no_answer_less_trusted(factor):
    by = 0.5 * math.log(factor)
    moved = Trust.from_header({"trust": moved_trust(TRUST.to_dict(), by, 0.0)})
    signs = {"spread": -0.2, "heatmap": 0.1, "rival": 0.4}
    assert moved.chance({**signs, "spread": signs["spread"] + by}) == pytest.approx(TRUST.chance(signs), rel=1e-3)
    assert moved.limit == TRUST.limit and moved.typical["rival"] == 0.0


def test_a_net_whose_answers_are_wider_is_trusted_as_before():
    moved = Trust.from_header({"trust": moved_trust(TRUST.to_dict(), 0.7, 0.2)})
    wider = {"spread": -0.2 + 0.7, "heatmap": 0.1 + 0.2, "rival": 0.4}
    assert moved.chance(wider) == pytest.approx(TRUST.chance({"spread": -0.2, "heatmap": 0.1, "rival": 0.4}), rel=1e-3)
    alone = replace(TRUST, typical={"rival": 0.0}, weights={"rival": 1.0}).to_dict()
    assert moved_trust(alone, 1.0, 1.0) == alone
