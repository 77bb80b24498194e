from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from CarotidLandmarkLib.cli import main
from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet, ScaleOutput
from CarotidLandmarkLib.model.weights import load_weights
from CarotidLandmarkLib.study.methods import get, names
from CarotidLandmarkLib.study.train import loop
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.cases import all_views, cut_case
from CarotidLandmarkLib.study.train.loop import Options, train
from CarotidLandmarkLib.study.train.losses import heatmap_loss, patches_loss, stage_weights
from CarotidLandmarkLib.study.train.step import TrainingStep
from CarotidLandmarkLib.volume.sample import VolumePyramid


def narrow(method):
    """A method's architecture at half resolution, small enough for a test."""
    config = get(method).config
    channels = tuple(tuple(min(width, 8) for width in widths) for widths in config.channels)
    return dataclasses.replace(config, channels=channels, crop_size=32, dropout=0.0).at_half_resolution()


@pytest.fixture
def ready(volume, truth, tmp_path):
    """A folder of ready-made cases for all methods."""
    for split in ("train", "val"):
        (tmp_path / "cases" / split).mkdir(parents=True)
        views = all_views([get(method).recipe.views(narrow(method)) for method in names() if get(method).installed()])
        case = cut_case(split, VolumePyramid(volume), volume.grid, dict(truth), views, seed=0)
        case.save(tmp_path / "cases" / split / "0.case")
    return tmp_path / "cases"


def options(ready, **changes):
    given = {"cases": ready, "steps": 3, "epoch": 10**9, "device": "cpu", "workers": 0}
    return Options(**{"out": ready.parent / "run", **given, **changes})


def test_every_method_has_an_architecture_and_a_recipe():
    for name in names():
        method = get(name)
        assert method.name == name and method.recipe.about and method.recipe.optimizer in loop.OPTIMIZERS
    assert get("paper") is get("end-to-end-noise")


@pytest.mark.parametrize("method", [name for name in names() if get(name).installed()])
def test_every_method_trains_and_its_weights_are_validated_and_load(method, ready):
    path = train(options(ready, method=method), dataclasses.replace(narrow(method)))
    model, header = load_weights(path)
    assert model.config.network == get(method).config.network
    assert header["training"]["steps"] == 3 and header["training"]["options"]["method"] == method
    last = header["training"]["validation"]
    assert last["step"] == 3 and np.isfinite(last["median"])
    torch.manual_seed(0)
    new = MultiScaleLocNet(model.config).state_dict()
    assert any(not torch.equal(value, new[name]) for name, value in model.state_dict().items())


def gradients(step, case, progress):
    step.zero_grad(set_to_none=True)
    step(case, progress, (0, 1))[0].backward()
    return [any(p.grad is not None for p in net.parameters()) for net in step.model.nets]


def test_multi_step_trains_one_scale_after_another(case, tiny):
    model = MultiScaleLocNet(tiny)
    step = TrainingStep(model, get("multi-step").recipe, Augmentation(cut=0.0))
    for stage, progress in enumerate((0.1, 0.3, 0.6, 1.0)):
        assert gradients(step, case, progress) == [scale == stage for scale in range(4)]
        assert [net.training for net in model.nets] == [scale == stage for scale in range(4)]
        seen = step(case, progress, (0, 1))[1]
        assert [f"error/{spacing:g}mm/left" in seen for spacing in tiny.scales_mm] == [n <= stage for n in range(4)]


def test_without_gradients_through_the_crops_each_net_learns_from_its_own_loss_alone(case, tiny, monkeypatch):
    import CarotidLandmarkLib.study.train.step as module

    monkeypatch.setattr(module, "JITTER_MM", (500.0,) * 4)  # every answer is near enough
    last = lambda progress, scales: [0.0] * (scales - 1) + [1.0]  # noqa: E731
    for through, reached in ((1.0, True), (0.0, False)):
        torch.manual_seed(0)
        recipe = dataclasses.replace(get("default").recipe, through=through, answers=1.0, coarse_only=0.0, weights=last)
        step = TrainingStep(MultiScaleLocNet(tiny), recipe, Augmentation(cut=0.0, mirror=0.0))
        assert gradients(step, case, 0.5) == [reached, reached, reached, True]


def test_a_presence_that_is_only_read_learns_faster_than_the_network():
    for method, detached in (
        ("default", 0),
        ("end-to-end", 8),
        ("heatmap", 2),
        ("heatmap-tuned", 0),
        ("patch-based", 2),
    ):
        model = MultiScaleLocNet(narrow(method))
        groups = loop.parameter_groups(model)
        assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
        assert [(len(g["params"]), g["pace"]) for g in groups[1:]] == ([(detached, 50.0)] if detached else [])


def test_stage_weights_are_one_scale_at_a_time():
    stages = [stage_weights(progress, 4).index(1.0) for progress in (0.0, 0.24, 0.26, 0.5, 0.99, 1.0)]
    assert stages == [0, 0, 1, 2, 3, 3]


def heatmap(logits, spacing=2.0, presence=50.0, displacement=None):
    center = torch.zeros(1, 3, dtype=torch.float64)
    frame = spacing * torch.eye(3, dtype=torch.float64)[None]
    return ScaleOutput(center, frame, torch.tensor([presence]), logits, center, frame, displacement)


def test_heatmap_loss_is_the_squared_difference_from_a_gaussian_of_6_mm():
    z, y, x = torch.meshgrid(*(2.0 * (torch.arange(n) - (n - 1) / 2) for n in (41, 43, 45)), indexing="ij")
    truth = torch.tensor([[3.0, -4.0, 5.0]])
    gaussian = torch.exp(-((x - 3) ** 2 + (y + 4) ** 2 + (z - 5) ** 2) / (2 * 6**2))[None, None]
    assert float(heatmap_loss(heatmap(gaussian), truth)) == pytest.approx(0, abs=1e-4)
    assert float(heatmap_loss(heatmap(0 * gaussian), truth)) == pytest.approx(1, abs=0.01)
    assert float(heatmap_loss(heatmap(gaussian, presence=-50.0), None)) == pytest.approx(1, abs=0.01)


def test_patches_loss_is_least_for_the_patch_that_holds_the_truth_and_the_way_to_it():
    truth = torch.tensor([[40.0, -16.0, 6.0]])  # patches of 16 mm: index (2 + 2.5, 3 - 1, 1 + .375) of 6 x 7 x 3
    logits = torch.full((1, 1, 3, 7, 6), -20.0)
    logits[0, 0, 1, 2, 5] = 20.0
    grid = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in (3, 7, 6)), indexing="ij")[::-1])
    way = (torch.tensor([5.0, 2.0, 1.375])[:, None, None, None] - grid)[None, None]
    right = heatmap(logits, 16.0, displacement=way)
    moved = heatmap(logits.roll(1, 3), 16.0, displacement=way)
    bent = heatmap(logits, 16.0, displacement=way + 0.5)
    values = [float(patches_loss(output, truth)) for output in (right, moved, bent)]
    assert values[0] < 21 < values[1] and values[0] + 0.05 < values[2]
    assert float(patches_loss(heatmap(logits, 16.0, presence=-50.0), None)) > 15


def test_the_clock_can_be_the_processors(ready, monkeypatch):
    monkeypatch.setitem(loop.CLOCKS, "cpu", iter(range(0, 10**6, 6)).__next__)  # 6 s between two looks at it
    path = train(options(ready, method="patch-based", steps=10**9, max_minutes=1.0, clock="cpu"), narrow("patch-based"))
    summary = load_weights(path)[1]["training"]
    assert 1 <= summary["steps"] <= 6 and 1.0 <= summary["minutes"] < 1.5


def test_checkpoints_come_by_the_minute_between_epochs(ready, monkeypatch):
    saved = []
    monkeypatch.setattr(loop, "save_checkpoint", lambda *given: saved.append(given[-2]["step"]))
    train(options(ready, method="patch-based", steps=4, checkpoint_minutes=0.0), narrow("patch-based"))
    assert saved[:4] == [1, 2, 3, 4]


def test_methods_and_their_older_name_are_taken_from_the_command_line(ready, monkeypatch):
    asked = []
    monkeypatch.setattr(loop, "train", lambda options: asked.append(options))
    for words in (["--method", "multi-step", "--half-resolution"], ["--preset", "paper"], []):
        assert main(["train", "--out", str(ready.parent / "run"), "--cases", str(ready), *words]) == 0
    assert [o.method for o in asked] == ["multi-step", "paper", None]
    assert [o.half_resolution for o in asked] == [True, False, False] and asked[0].cases == ready


def test_a_folder_without_cases_is_a_sentence(tmp_path):
    with pytest.raises(BadInputError, match=r"no training cases .* in .*train"):
        train(Options(out=tmp_path / "run", cases=tmp_path, device="cpu"))


def test_cases_without_what_a_method_looks_at_are_refused(ready, case, tiny):
    for split in ("train", "val"):
        (ready / split / "0.case").unlink()
        case.save(ready / split / "0.case")
    anywhere = dataclasses.replace(tiny, name="end-to-end")
    with pytest.raises(BadInputError, match=r"lack what end-to-end looks at at 0.5 mm"):
        train(options(ready, steps=1), anywhere, get("end-to-end").recipe)
    assert train(options(ready, steps=1), tiny, get("default").recipe).is_file()


def test_a_case_serves_all_methods_and_levels_that_are_not_kept_are_averaged(ready, volume):
    from CarotidLandmarkLib.study.train.cases import load_case

    case = load_case(ready / "train" / "0.case")
    for config in (narrow(method) for method in names() if get(method).installed()):
        for spacing in config.scales_mm:
            assert case.around(case.truth["left"], 20.0, spacing).image.dtype == torch.float32
        assert case.whole(config.scales_mm[0]).image.ndim == 5
    fine, coarse = case.whole(2.0), case.whole(16.0)
    assert 16.0 not in case.wholes
    block = float(fine.image[0, 0, 8:16, 8:16, 8:16].mean())
    assert float(coarse.image[0, 0, 1, 1, 1]) == pytest.approx(block, abs=1e-3)
    corner = torch.linalg.inv(coarse.world_to_index) @ torch.tensor([1.0, 1, 1, 1], dtype=torch.float64)
    assert (fine.world_to_index @ corner)[:3].tolist() == pytest.approx([11.5] * 3)
