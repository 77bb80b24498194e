"""Every organ has random numbers of its own: one more draw in one leaves all others as they were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.phantom import Phantom
from CarotidLandmarkLib.phantom.scan import Scan
from CarotidLandmarkLib.phantom.streams import Streams

SEED = 6
# Scan: stream -> what it draws.
DRAWN = {
    "scan noise": {"noise_sd", "grain_mm", "streaks"},
    "scan kernel": {"psf_mm", "sharpening"},
    "scan tissue": {"texture", "marbling"},
}


@pytest.fixture
def one_more_draw(monkeypatch):
    """Let the streams of one name, of the phantom as of its scan, lose their first number."""

    def burn(burnt):
        call = Streams.__call__

        def burning(self, name):
            rng = call(self, name)
            if name == burnt:
                rng.random()
            return rng

        monkeypatch.setattr(Streams, "__call__", burning)

    return burn


def same(one, other):
    """Whether two shapes, or lists of them, are equal in all their numbers."""
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other))
    fields = (vars(shape).values() for shape in (one, other))
    return type(one) is type(other) and all(np.array_equal(a, b) for a, b in zip(*fields))


@pytest.mark.parametrize(
    "organ",
    ["larynx", "teeth", "nodes", "small vessels", "left veins", "right branches", "left calcium", "arch"],
)
def test_one_more_draw_in_an_organ_leaves_all_others_as_they_were(organ, one_more_draw):
    before = Phantom.draw(SEED, "test")
    assert before.make == "full" and before.organs[organ], "choose a seed that has all organs"
    one_more_draw(organ)
    after = Phantom.draw(SEED, "test")
    changed = {name for name in before.organs if not same(before.organs[name], after.organs[name])}
    assert changed == {organ}


def test_one_more_draw_in_the_disease_of_a_side_changes_its_fork_alone(one_more_draw):
    """Plaque narrows the lumen, and with it moves the carina and what lies by it."""
    before = Phantom.draw(SEED, "test")
    one_more_draw("left disease")
    after = Phantom.draw(SEED, "test")
    changed = {name for name in before.organs if not same(before.organs[name], after.organs[name])}
    assert "left lumens" in changed and all(name.startswith("left ") for name in changed)
    assert np.array_equal(before.carina["right"], after.carina["right"])


@pytest.mark.parametrize("stream", list(DRAWN))
def test_one_more_draw_in_the_scan_leaves_its_other_properties_and_the_neck(stream, one_more_draw):
    phantom = Phantom.draw(SEED, "test")
    before = vars(Scan.draw(phantom))
    one_more_draw(stream)
    after = vars(Scan.draw(phantom))
    assert np.array_equal(before["grid"].affine, after["grid"].affine)
    changed = {name for name, value in before.items() if name != "grid" and value != after[name]}
    assert changed and changed <= DRAWN[stream]
    assert same(Phantom.draw(SEED, "test").shapes, phantom.shapes)


def test_streams_repeat_themselves_and_none_is_shared():
    def first(seed, split, name):
        return float(Streams(seed, split)(name).random())

    assert first(1, "train", "larynx") == first(1, "train", "larynx")
    keys = [(s, split, name) for s in (0, 1, 2**70) for split in ("train", "val", "test") for name in ("a", "b", "ab")]
    assert len({first(*key) for key in keys}) == len(keys)
    noise = [torch.rand(1, generator=Streams(3, split).torch("noise")) for split in ("train", "test", "train")]
    assert noise[0] == noise[2] != noise[1]


def test_a_phantom_names_its_organs_once():
    phantom = Phantom.draw(SEED, "test")
    assert len(phantom.shapes) == sum(len(shapes) for shapes in phantom.organs.values())
    bare = dataclasses.replace(phantom, organs={"skin": phantom.organs["skin"]})
    assert bare.shapes == phantom.organs["skin"]
