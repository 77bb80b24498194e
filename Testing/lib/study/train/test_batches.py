"""What a net is shown in batches, and what it learns from that, is what single steps would show it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.points import SIDES
from CarotidLandmarkLib.model.crop import FILL_HU
from CarotidLandmarkLib.model.locnet import LocNetOutput
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train import batches
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.batches import BatchStep, batch_loss, fine_looks, show, whole_look
from CarotidLandmarkLib.study.train.loop import Options, train
from CarotidLandmarkLib.study.train.losses import default_loss

CPU = torch.device("cpu")
PLAIN = Augmentation(gain=0.0, shift=0.0, noise=0.0)


@pytest.fixture
def model(tiny):
    torch.manual_seed(0)
    return MultiScaleLocNet(replace(tiny, crop_size=40))


@pytest.mark.parametrize("scale", [1, 2, 3])
@torch.no_grad()
def test_the_loss_of_crops_is_the_mean_of_the_single_ones(model, case, scale):
    apart = replace(case, decoy=case.decoy + 400.0)
    looks = fine_looks(apart, scale, model.config, PLAIN, 1.0, np.random.default_rng(4))
    image, truth, known = show(looks, [model.config.crop_size] * 3, CPU)
    loss, away = batch_loss(model.nets[scale](image), truth, known)
    singles = []
    for look in looks:
        place = (torch.from_numpy(values)[None] for values in (look.center, look.frame))
        output = model.refine(scale, look.image.float(), torch.from_numpy(look.world_to_index), *place)
        singles.append(default_loss(output, None if np.isnan(look.truths).any() else torch.from_numpy(look.truths)))
    assert away.isnan().flatten().tolist() == [False, False, True]
    assert float(loss) == pytest.approx(float(torch.stack(singles).mean()), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
@torch.no_grad()
def test_a_whole_volume_is_shown_and_judged_as_in_single_steps(model, case, seed):
    spacing = model.config.scales_mm[0]
    look, size = whole_look(case, spacing, PLAIN, np.random.default_rng(seed))
    image, truth, known = show([look], size.tolist(), CPU)
    level, mirrored = PLAIN.whole(case.whole(spacing), np.random.default_rng(seed))
    assert torch.allclose(image, level.image, atol=0.01)
    singles = []
    for side, seen in model.coarse(level).items():
        point = torch.from_numpy(case.truth[SIDES[1 - SIDES.index(side)] if mirrored else side])
        index = level.world_to_index[:3, :3] @ point + level.world_to_index[:3, 3]
        inside = bool((index >= 0).all() and (index <= torch.tensor(level.image.shape[:1:-1]) - 1).all())
        singles.append(default_loss(seen, point[None] if inside else None))
    loss, _ = batch_loss(model.nets[0](image), truth, known)
    assert float(loss) == pytest.approx(float(torch.stack(singles).mean()), rel=1e-4)


def test_what_nobody_has_said_teaches_nothing(model, case):
    spacing = model.config.scales_mm[0]
    half = replace(case, truth={**case.truth, "left": None}, unreviewed=("left",))
    look, size = whole_look(half, spacing, replace(PLAIN, mirror=0.0), np.random.default_rng(1))
    image, truth, known = show([look], size.tolist(), CPU)
    seen = model.nets[0](image)
    leaves = [values.detach().requires_grad_() for values in (seen.logits, seen.position, seen.presence_logit)]
    loss, _ = batch_loss(LocNetOutput(leaves[0], leaves[1], seen.covariance, leaves[2]), truth, known)
    loss.backward()
    left, right = SIDES.index("left"), SIDES.index("right")
    assert all(float(leaf.grad[:, left].abs().sum()) == 0 for leaf in leaves)
    assert all(float(leaf.grad[:, right].abs().sum()) > 0 for leaf in leaves)
    nobody = replace(half, truth=dict.fromkeys(SIDES), unreviewed=SIDES)
    step = BatchStep(model, get("default").recipe, PLAIN, 1.0)
    loss, log = step([nobody], 0.0, (0, 0))
    assert loss.requires_grad and float(loss.detach()) == 0 and not log


def test_volumes_of_one_name_are_told_apart(model, case):
    step = BatchStep(model, get("default").recipe, Augmentation(), 1.0)
    other = replace(case, decoy=case.decoy + 1.0)
    assert step._resident(case, CPU) is not step._resident(other, CPU)
    assert step._resident(case, CPU) is step._resident(case, CPU)
    assert {spacing for spacing, _, _ in step._resident(case, CPU).pieces} == {1.0}


@torch.no_grad()
def test_what_is_cut_from_a_volume_is_not_seen_in_the_company_of_larger_ones(model, case):
    spacing = model.config.scales_mm[0]
    whole, size = whole_look(case, spacing, replace(PLAIN, mirror=0.0, cut=0.0, angle=0.0), np.random.default_rng(0))
    cut = size - [12, 0, 3]  # an even and an odd number of voxels
    look = replace(whole, size=cut)
    alone, truth_alone, _ = show([look], cut.tolist(), CPU)
    views, truth, _ = show([whole, look], size.tolist(), CPU)
    there = views[1, 0] > FILL_HU
    assert there.any((0, 1)).nonzero()[[0, -1]].flatten().tolist() == [6, int(size[0]) - 7]
    along_z = there.any((1, 2)).nonzero()
    assert len(along_z) == int(size[2]) - 4  # of 3 voxels two at each end, as views have one middle
    assert int(there.sum()) <= alone.numel()
    assert truth[1].isfinite().tolist() == truth_alone[0].isfinite().tolist()
    assert truth[0].isfinite().sum() >= truth[1].isfinite().sum()


def test_what_stays_on_the_device_has_a_limit(model, case, monkeypatch):
    monkeypatch.setattr(batches, "RESIDENT", 3)
    step = BatchStep(model, get("default").recipe, Augmentation(), 1.0)
    cases = [replace(case, decoy=case.decoy + number) for number in range(6)]
    for one in cases:
        step._resident(one, CPU)
    assert len(step.resident) == 3 and step._resident(cases[-1], CPU).decoy is cases[-1].decoy


@pytest.mark.parametrize("name", ["without-mirroring", "integer-crops", "skipped-voxels"])
def test_networks_that_see_otherwise_are_not_trained_in_batches(name):
    method = get(name)
    with pytest.raises(BadInputError, match=f"--batch cannot be with {name}"):
        BatchStep(MultiScaleLocNet(method.config), method.recipe, Augmentation(), 1.0)


@pytest.mark.parametrize("spacing", [4.0, 1.0])
def test_a_net_learns_in_batches(model, case, spacing):
    step = BatchStep(model, get("default").recipe, replace(Augmentation(), angle=2.0, cut=0.0), spacing)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for number in range(16):
        loss, _ = step([case] * 2, 0.0, (0, number))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4])


def test_a_batch_is_of_one_scale_and_of_a_method_that_is_trained_so(dataset, tmp_path, model):
    options = Options(out=tmp_path / "out", data=dataset, batch=2, steps=1, workers=0, device="cpu")
    with pytest.raises(BadInputError, match="--batch is for the net of one scale"):
        train(options)
    with pytest.raises(BadInputError, match="--batch cannot be with end-to-end-noise"):
        BatchStep(MultiScaleLocNet(get("end-to-end-noise").config), get("end-to-end-noise").recipe, Augmentation(), 1.0)


@pytest.mark.parametrize("kept", [False, True])
def test_a_net_that_keeps_its_presence_learns_places_alone(model, case, kept):
    """Of cases that are said to show nothing another net learns that nothing is there."""
    empty = replace(case, truth=dict.fromkeys(SIDES))
    look = fine_looks(empty, 3, model.config, PLAIN, 1.0, np.random.default_rng(0))
    image, truth, known = show(look, [model.config.crop_size] * 3, CPU)
    before = float(model.nets[3](image).presence_logit.detach())
    step = BatchStep(model, get("default").recipe, PLAIN, 0.5, keep_presence=kept)
    optimizer = torch.optim.Adam(model.nets[3].parameters(), 0.05)
    for number in range(6):
        step([empty, empty], 0.0, (0, number))[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = float(model.nets[3](image).presence_logit.detach()) - before
    assert abs(moved) < 0.05 if kept else moved < -0.25


def test_a_teacher_is_no_part_of_what_is_trained(model, case):
    step = BatchStep(model, get("default").recipe, PLAIN, 0.5, keep_presence=True)
    first = [p.clone() for p in step.teacher.parameters()]
    loss, log = step([case, case], 0.0, (0, 1))
    loss.backward()
    with torch.no_grad():
        for parameter in model.nets[3].parameters():
            parameter -= parameter.grad
    assert log["error/0.5mm"] > 0
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(first, step.teacher.parameters()))


def test_presence_is_kept_in_batches_alone(tmp_path, dataset, tiny_default):
    options = Options(tmp_path / "run", data=dataset, steps=1, workers=0, device="cpu", keep_presence=True)
    with pytest.raises(BadInputError, match="keep_presence"):
        train(options)
