from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet, ScaleOutput
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.losses import (
    DISTANCE_WEIGHT,
    cross_entropy,
    default_loss,
    paper_loss,
    paper_weights,
)
from CarotidLandmarkLib.study.train.step import TrainingStep

ALL_SCALES = replace(get("default").recipe, coarse_only=0.0)


def output(position, logits=None, presence=0.0):
    logits = torch.zeros(1, 1, 9, 9, 9) if logits is None else logits
    return ScaleOutput(
        torch.tensor([position], dtype=torch.float64),
        torch.eye(3)[None],
        torch.tensor([presence]),
        logits,
        torch.zeros(1, 3, dtype=torch.float64),
        2 * torch.eye(3, dtype=torch.float64)[None],
    )


def test_paper_weights_are_the_papers():
    assert paper_weights(0.0, 4) == [1, 0, 0, 0]
    assert paper_weights(0.5, 4) == [0.5, 1, 1, 0.5]
    assert paper_weights(1.0, 4) == [0, 0, 0, 1]
    assert paper_weights(0.25, 4) == pytest.approx([0.75, 0.5, 0.5, 0.25])


def test_paper_loss_is_the_squared_distance():
    truth = torch.tensor([[1.0, 2.0, 2.0]])
    assert float(paper_loss(output([0.0, 0, 0], presence=50.0), truth)) == pytest.approx(9, abs=1e-4)


def test_default_loss_counts_voxels_of_its_scale():
    truth = torch.zeros(1, 3)
    near, far = (default_loss(output([d, 0.0, 0.0]), truth) for d in (0.0, 4.0))
    assert float(far - near) == pytest.approx(2.0 * DISTANCE_WEIGHT, abs=1e-5)


def test_cross_entropy_is_least_for_a_peak_at_the_truth():
    truth = torch.tensor([[4.0, -2.0, 0.0]])  # voxel (6, 3, 4)
    values = {}
    for z, y, x in ((4, 3, 6), (4, 3, 5), (4, 6, 3)):
        logits = torch.zeros(1, 1, 9, 9, 9)
        logits[0, 0, z, y, x] = 5.0
        values[z, y, x] = float(cross_entropy(output([0.0, 0, 0], logits), truth))
    assert min(values, key=values.get) == (4, 3, 6)


def test_without_truth_only_presence_is_trained():
    for loss in (paper_loss, default_loss):
        assert float(loss(output([5.0, 5, 5], presence=-20.0), None)) == pytest.approx(0, abs=1e-6)
        assert float(loss(output([5.0, 5, 5], presence=20.0), None)) > 10


@pytest.mark.parametrize("recipe", [ALL_SCALES, get("paper").recipe], ids=["default", "paper"])
def test_a_step_trains_every_net_and_is_repeatable(case, tiny, recipe):
    torch.manual_seed(0)
    model = MultiScaleLocNet(tiny)
    step = TrainingStep(model, recipe, Augmentation(cut=0.0))
    loss, values = step(case, 0.5, (3, 4))
    again, _ = step(case, 0.5, (3, 4))
    other, _ = step(case, 0.5, (3, 5))
    assert float(loss.detach()) == float(again.detach()) != float(other.detach())
    loss.backward()
    for net in model.nets:
        assert sum(float(p.grad.abs().sum()) for p in net.parameters() if p.grad is not None) > 0
    assert {"error/4mm/left", "error/0.5mm/right", "loss/1mm"} <= set(values)


def test_only_the_chosen_scales_are_trained(case, tiny):
    for scales, trained in (((4.0,), {0}), ((1.0, 0.5), {2, 3})):
        torch.manual_seed(0)
        model = MultiScaleLocNet(tiny)
        TrainingStep(model, get("default").recipe, Augmentation(cut=0.0), scales)(case, 0.0, (0, 0))[0].backward()
        touched = {i for i, net in enumerate(model.nets) if any(p.grad is not None for p in net.parameters())}
        assert touched == trained


def test_a_volume_without_landmarks_still_teaches_the_fine_scales_what_is_none(case, tiny):
    case.truth = dict.fromkeys(case.truth)
    for seed in range(4):
        loss, values = TrainingStep(MultiScaleLocNet(tiny), get("default").recipe, Augmentation(), (2.0, 1.0, 0.5))(
            case, 0.0, (0, seed)
        )
        assert float(loss.detach()) > 0 and len(values) == 1


def test_a_fine_scale_teaches_the_coarse_ones_through_its_crop(case, tiny):
    """End to end: with the loss of the last scale alone, the first net still gets a gradient."""
    torch.manual_seed(0)
    model = MultiScaleLocNet(tiny)
    last = replace(get("paper").recipe, weights=lambda progress, scales: [0.0] * (scales - 1) + [1.0])
    step = TrainingStep(model, last, Augmentation(cut=0.0, mirror=0.0))
    step(case, 1.0, (0, 0))[0].backward()
    assert sum(float(p.grad.abs().sum()) for p in model.nets[0].parameters() if p.grad is not None) > 0


def test_training_on_one_case_finds_its_landmarks(case, tiny, truth, monkeypatch):
    monkeypatch.setattr("CarotidLandmarkLib.study.train.step.JITTER_MM", (0.0, 9.0, 5.0, 3.0))  # crops are small here
    torch.manual_seed(0)
    model = MultiScaleLocNet(tiny)
    step = TrainingStep(model, ALL_SCALES, Augmentation(cut=0.0, mirror=0.0, angle=2.0, scale=0.02, noise=2.0))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    for number in range(80):
        loss, _ = step(case, 0.0, (0, number))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        found = model(case)
    for side, point in truth.items():
        assert np.linalg.norm(found[side][-1].position[0].numpy() - point) < 4
