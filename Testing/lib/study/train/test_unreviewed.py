"""A side that nobody has reviewed teaches nothing: neither where it is nor that it is missing."""

from __future__ import annotations

import pytest
import torch

from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.cases import cut_case, load_case, views_of
from CarotidLandmarkLib.study.train.step import TrainingStep
from CarotidLandmarkLib.study.train.validate import validate
from CarotidLandmarkLib.volume.sample import VolumePyramid


@pytest.fixture
def half(volume, tiny, truth, tmp_path):
    """The left side reviewed, the right one not, as it comes back from its file."""
    points = {"left": truth["left"], "right": None}
    cut_case("half", VolumePyramid(volume), volume.grid, points, views_of(tiny), 0, ("right",)).save(
        tmp_path / "half.case"
    )
    return load_case(tmp_path / "half.case")


@pytest.fixture
def taught(tiny, monkeypatch):
    """Every (side present or not) that the losses of some steps are told."""

    def taught(case):
        torch.manual_seed(0)
        told = []
        step = TrainingStep(MultiScaleLocNet(tiny), get("default").recipe, Augmentation(cut=0.0))
        loss = step.loss
        monkeypatch.setattr(step, "loss", lambda output, truth: told.append(truth is not None) or loss(output, truth))
        for number in range(8):
            total, _ = step(case, 0.5, (0, number))
            assert torch.isfinite(total)
            total.backward()
        return told

    return taught


def test_no_loss_is_told_that_an_unreviewed_side_is_missing(half, taught):
    assert half.unreviewed == ("right",)
    told = taught(half)
    assert len(told) >= 8 and all(told)


def test_a_missing_side_is_taught_as_missing(half, taught):
    half.unreviewed = ()
    assert not all(taught(half))


def test_validation_counts_no_unreviewed_side(half, tiny):
    torch.manual_seed(0)
    model = MultiScaleLocNet(tiny)
    assert "false_found" not in validate(model, [half])
    half.unreviewed = ()
    assert "false_found" in validate(model, [half])
