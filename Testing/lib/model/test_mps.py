"""A device that refuses float64, as Apple's MPS does: geometry stays on the CPU, and nothing mixes devices unasked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from CarotidLandmarkLib.detect.backends.with_torch import TorchBackend
from CarotidLandmarkLib.detect.detector import Detector
from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet
from CarotidLandmarkLib.study.methods import get
from CarotidLandmarkLib.study.train.augment import Augmentation
from CarotidLandmarkLib.study.train.batches import BatchStep
from CarotidLandmarkLib.study.train.cases import cut_case, views_of
from CarotidLandmarkLib.study.train.step import TrainingStep
from CarotidLandmarkLib.study.train.validate import calibrate, validate
from CarotidLandmarkLib.volume.sample import VolumePyramid

MPS = torch.device("mps")
CONFIG = ModelConfig(channels=((4, 8),) * 4, convs=(1,) * 4, crop_size=16, peaks=1, starts_mm=(0.0,), looks=1)


class OnMps(Tensor):
    """One that says that it is there."""

    device = MPS
    is_cpu = False


def there(value: Tensor) -> Tensor:
    if value.dtype == torch.float64:
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64.")
    return value if isinstance(value, OnMps) else value.as_subclass(OnMps)


def back(value: Tensor) -> Tensor:
    return value.as_subclass(Tensor) if isinstance(value, OnMps) else value


class PretendedMps(TorchFunctionMode):
    """Tensors go there and come back, and what is computed from those that are there is there."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.device:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        on_mps = [isinstance(value, OnMps) for value in tensors if value.dim()]
        target = self._target(name, tensors, args, kwargs)
        if name not in ("to", "cpu", "copy_") and any(on_mps) and not all(on_mps):
            raise RuntimeError(f"{name}: expected all tensors to be on the same device")
        if name in ("numpy", "__array__") and any(on_mps):
            raise TypeError("can't convert mps tensor to numpy")
        if target == MPS and "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        args = tuple(torch.device("cpu") if a == MPS and isinstance(a, torch.device) else a for a in args)
        plain_args, plain_kwargs = tree_map(lambda v: back(v) if isinstance(v, Tensor) else v, (args, kwargs))
        result = func(*plain_args, **plain_kwargs)
        stays = target == MPS if target is not None else any(on_mps) or (not on_mps and any_on_mps(tensors))
        if name == "to" and (stays or any_on_mps(tensors[:1])):  # moved as it is and converted there, or the reverse
            there(back(tensors[0])), there(result)
        return tree_map(lambda v: there(v) if stays and isinstance(v, Tensor) else v, result)

    def _target(self, name, tensors, args, kwargs):
        """The device that is asked for, or None."""
        if name == "cpu":
            return torch.device("cpu")
        if kwargs.get("device") is not None:
            return torch.device(kwargs["device"])
        if name == "to":
            for value in args[1:]:
                if isinstance(value, (torch.device, str)):
                    return torch.device(value)
                if isinstance(value, Tensor):
                    return MPS if isinstance(value, OnMps) else torch.device("cpu")
        return None


def any_on_mps(tensors):
    return any(isinstance(value, OnMps) for value in tensors)


def moved(model: nn.Module) -> nn.Module:
    """The model there."""
    for module in model.modules():
        for name, value in list(module._parameters.items()):
            if value is not None:
                module._parameters[name] = nn.Parameter(value.detach().as_subclass(OnMps))
        for name, value in list(module._buffers.items()):
            module._buffers[name] = None if value is None else value.as_subclass(OnMps)
    model.to = lambda *_: model
    return model


def model() -> MultiScaleLocNet:
    torch.manual_seed(0)
    made = MultiScaleLocNet(CONFIG)
    for net in made.nets:
        nn.init.constant_(net.presence_bias, -20.0)
    return made


def test_the_pretended_device_refuses_what_the_real_one_does():
    with PretendedMps():
        image = torch.zeros(2).to(MPS)
        assert image.device == MPS and (image + 1).device == MPS and image.cpu().device.type == "cpu"
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(2, dtype=torch.float64).to(MPS)
        with pytest.raises(TypeError, match="float64"):
            image.double()
        with pytest.raises(TypeError, match="float64"):
            image.to(torch.zeros(2, dtype=torch.float64))
        with pytest.raises(RuntimeError, match="same device"):
            image + torch.zeros(2)
        with pytest.raises(TypeError, match="numpy"):
            image.numpy()


def test_a_detection_there_is_that_of_the_cpu(volume):
    expected = Detector(TorchBackend(model()), {}).locate(volume, samples=2)
    there = TorchBackend(moved(model()), MPS)
    assert there.precision == "float32"
    with PretendedMps():
        found = Detector(there, {}).locate(volume, samples=2)
    for side, seen in expected.items():
        np.testing.assert_allclose(found[side].position, seen.position, rtol=0, atol=0.05)
        assert found[side].complete and found[side].samples.shape == (2, 3)


@pytest.mark.parametrize("name", ["default", "end-to-end-noise", "heatmap"])
def test_a_training_step_there_is_that_of_the_cpu(name, volume, balls):
    method = get(name)
    changes = {"channels": ((4, 8),) * len(method.config.scales_mm), "crop_size": 16, "dropout": 0.0}
    changes["convs"] = (1,) * len(method.config.scales_mm)
    config = dataclasses.replace(method.config, **changes)
    case = cut_case("neck", VolumePyramid(volume), volume.grid, dict(balls), views_of(config, anywhere=True), seed=0)

    def made() -> MultiScaleLocNet:
        torch.manual_seed(0)
        return MultiScaleLocNet(config)

    expected, _ = TrainingStep(made(), method.recipe, Augmentation())(case, 0.5, (0, 1))
    model = moved(made())
    with PretendedMps():
        loss, values = TrainingStep(model, method.recipe, Augmentation())(case, 0.5, (0, 1))
        assert loss.device == MPS
        loss.backward()
    assert float(back(loss.detach())) == pytest.approx(float(expected), rel=1e-3)
    assert any(value.grad is not None and back(value.grad).any() for value in model.parameters())


def test_a_step_of_many_cases_there_is_that_of_the_cpu(volume, balls):
    case = cut_case("neck", VolumePyramid(volume), volume.grid, dict(balls), views_of(CONFIG), seed=0)
    losses = []
    for make in (lambda: model(), lambda: moved(model())):
        net = make()
        with PretendedMps():
            loss, _ = BatchStep(net, get("default").recipe, Augmentation(), 2.0)([case], 0.5, (0, 1))
        losses.append(float(back(loss.detach())))
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_what_a_training_tells_there_is_what_it_tells_of_the_cpu(volume, balls):
    case = cut_case("neck", VolumePyramid(volume), volume.grid, dict(balls), views_of(CONFIG), seed=0)

    def told(net: MultiScaleLocNet) -> list:
        near, far = (validate(net, [case], whole_way=way) for way in (False, True))
        return [list(near), *near.values(), list(far), *far.values(), *calibrate(net, [case] * 5, 0)[0]]

    expected = told(model())
    with PretendedMps():
        found = told(moved(model()))
    assert expected[0][:3] == ["mean_2mm", "mean_1mm", "mean_0.5mm"]  # the coarsest net is not asked
    for one, other in zip(found, expected):
        assert one == (other if isinstance(other, list) else pytest.approx(other, rel=1e-3, abs=1e-3))
