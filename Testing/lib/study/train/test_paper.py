"""The paper's rows are trained as published: every crop is on the answer before, however far off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.model.crop import crop, side_frame
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.model.weights import load_weights
from CarotidLandmarkLib.study.benchmark.rows import rows_of
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.cases import all_views, cut_case, views_of
from CarotidLandmarkLib.study.train.loop import Options, train
from CarotidLandmarkLib.study.train.step import TrainingStep
from CarotidLandmarkLib.volume.sample import FILL, VolumePyramid

PAPER = [row.name for row in rows_of("table1") if row.paper]
SMALL = {"channels": ((2, 4),) * 4, "crop_size": 16, "dropout": 0.0}


@pytest.fixture
def config():
    return replace(get("paper").config.at_half_resolution(), **SMALL)


@pytest.fixture
def whole(volume, truth, config):
    """A case that holds the whole volume at every scale, and nothing else."""
    views = views_of(config, anywhere=True)
    assert views.wholes == (1.0, 2.0, 4.0, 8.0) and not views.pieces
    return cut_case("whole", VolumePyramid(volume), volume.grid, dict(truth), views, seed=0)


def test_every_row_of_the_paper_is_without_what_the_paper_has_not():
    assert PAPER == ["heatmap", "single-scale", "patch-based", "multi-step", "end-to-end", "end-to-end-noise"]
    for name in PAPER:
        recipe = get(name).recipe
        assert recipe.anywhere and not (recipe.augmented or recipe.presence or recipe.average or recipe.decoys)
        assert recipe.clip == np.inf and recipe.optimizer == "adam"


def lead_astray(model, place):
    """Let the coarsest net answer ``place`` (3,), whatever it sees, and still have a gradient."""
    coarse = model.coarse
    away = torch.tensor(place, dtype=torch.float64)
    model.coarse = lambda level: {
        side: output._replace(position=output.position - output.position.detach() + away)
        for side, output in coarse(level).items()
    }


@pytest.mark.parametrize("name", ["multi-step", "end-to-end", "end-to-end-noise"])
@pytest.mark.parametrize("place", [(-25.0, 0.0, 3.0), (20.0, 40.0, -50.0), (500.0, -300.0, 900.0)])
def test_every_crop_is_on_the_answer_before_in_and_outside_of_the_volume(whole, config, name, place, monkeypatch):
    torch.manual_seed(0)
    model = MultiScaleLocNet(replace(config, noise_mm=get(name).config.noise_mm))
    lead_astray(model, place)
    step = TrainingStep(model, get(name).recipe, Augmentation())
    asked, answers, look = [], [], step._look

    def noted(case, scale, center, side, rng):
        output = look(case, scale, center, side, rng)
        asked.append((scale, center.detach()))
        answers.append(output.position.detach())
        return output

    monkeypatch.setattr(step, "_look", noted)
    shifts = []
    for number in range(12):
        del asked[:], answers[:]
        loss, values = step(whole, 0.99, (0, number))
        assert values["on_answer"] == 1.0 and torch.isfinite(loss)
        assert [scale for scale, _ in asked] == [1, 2, 3] * 2
        for at, (scale, center) in enumerate(asked):
            before = torch.tensor([place], dtype=torch.float64) if scale == 1 else answers[at - 1]
            away = (center - before)[0].numpy()
            if scale < 3:
                assert away == pytest.approx([0] * 3, abs=1e-9)
            else:
                shifts.append(away)
    spread = np.abs(shifts).max(axis=0)
    if name == "end-to-end-noise":
        assert (spread > 4).all() and (spread <= 5).all() and (np.min(shifts, axis=0) < -3).all()
    else:
        assert spread == pytest.approx([0] * 3, abs=1e-9)


def test_gradients_flow_through_every_crop_however_far_off(whole, config):
    torch.manual_seed(0)
    model = MultiScaleLocNet(config)
    lead_astray(model, (500.0, -300.0, 900.0))
    last = replace(get("paper").recipe, weights=lambda progress, scales: [0.0, 0.0, 0.0, 1.0])
    TrainingStep(model, last, Augmentation())(whole, 1.0, (0, 0))[0].backward()
    assert sum(float(p.grad.abs().sum()) for p in model.nets[0].parameters() if p.grad is not None) > 0


def test_the_defaults_crops_are_not_always_on_the_answer(case, tiny):
    model = MultiScaleLocNet(tiny)
    step = TrainingStep(model, replace(get("default").recipe, coarse_only=0.0), Augmentation(cut=0.0))
    assert all(step(case, 0.5, (0, number))[1]["on_answer"] < 1 for number in range(3))


def test_a_box_of_the_whole_volume_shows_what_the_whole_shows_and_fill_outside(whole):
    for spacing in (1.0, 2.0, 4.0):
        for center in ([28.0, 4.0, -6.0], [70.0, -50.0, 50.0], [70.0, 300.0, 0.0], [-900.0, 900.0, 900.0]):
            views = []
            for level in (whole.around(np.array(center), 16 * spacing, spacing), whole.whole(spacing)):
                at, frame = torch.tensor([center], dtype=torch.float64), side_frame("left", spacing)[None]
                views.append(crop(level.image, level.world_to_index[None], at, frame, 16))
            torch.testing.assert_close(views[0], views[1], rtol=0, atol=0.01)
    assert (views[0] == FILL).all()
    assert whole.around(np.array([0.0, 0, 0]), 16.0, 1.0).image.numel() < 0.2 * whole.whole(1.0).image.numel()


def test_views_of_several_methods_are_one_case(config, tiny):
    views = all_views([views_of(config, anywhere=True), views_of(tiny)])
    assert views.wholes == (1.0, 2.0, 4.0, 8.0) and set(views.pieces) == {0.5, 1.0}


def test_the_papers_weights_are_the_last_steps_and_believe_in_every_volume(whole, config, tmp_path, volume):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        whole.save(tmp_path / split / "0.case")
    options = Options(tmp_path / "run", "paper", cases=tmp_path, steps=2, workers=0, device="cpu")
    path = train(options, config, get("paper").recipe)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    for name, value in load_weights(path)[0].state_dict().items():
        assert torch.equal(value, state["model"][name]), name
    seen = Detector.from_weights(path, "cpu").locate(volume, samples=2)
    assert [evidence.presences for evidence in seen.values()] == [[1.0] * 4] * 2
