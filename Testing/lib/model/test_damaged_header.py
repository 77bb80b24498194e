"""Weights of others: whatever their header holds, it is used or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.detect.definition import read_offsets
from CarotidLandmarkLib.detect.trust import Trust
from CarotidLandmarkLib.errors import CarotidLandmarkError
from CarotidLandmarkLib.model.header import DEFAULT, METADATA_KEY, read_header
from CarotidLandmarkLib.model.weights import calibration_warning, read_weights
from Testing.lib.landmarks.test_damaged import ODD, places

HEADER = {
    **(read_header(DEFAULT.read_bytes()) or {}),
    "site": {"offset_lps_mm": [0.0, 0.1, 0.2], "volumes": ["a"]},
    "training": {"steps": 3, "stages": [{"steps": 2}]},
}


def test_any_value_of_the_header_may_be_any_other(tmp_path: Path) -> None:
    path, random = tmp_path / "w.safetensors", np.random.default_rng(3)
    outcomes = []
    for place in range(len(places(HEADER))):
        for odd in random.permutation(len(ODD))[:4]:
            header = json.loads(json.dumps(HEADER))
            container, key = places(header)[place]
            container[key] = ODD[odd]
            path.write_bytes(save({}, {METADATA_KEY: json.dumps(header)}))
            try:
                read = read_weights(path).header
                Trust.from_header(read), read_offsets(read), calibration_warning(read)
                outcomes.append(True)
            except CarotidLandmarkError as error:
                assert "\n" not in str(error)
                outcomes.append(False)
    assert 0 < sum(outcomes) < len(outcomes)


@pytest.mark.parametrize(
    "training", [None, {}, {"stages": None}, {"stages": [3]}, {"steps": "x"}, {"steps": 3, "minutes": []}]
)
def test_training_that_is_told_in_another_way_is_shown_as_it_is(tmp_path: Path, capsys, training) -> None:
    text = json.dumps({**HEADER, "training": training})
    (tmp_path / "w.safetensors").write_bytes(save(load(DEFAULT.read_bytes()), {METADATA_KEY: text}))
    assert main(["model", "show", "--weights", str(tmp_path / "w.safetensors")]) == 0
    assert f"training:    {json.dumps(training or {})}\n" in capsys.readouterr().out
