"""The model of conftest.BrightBackend in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from CarotidLandmarkLib.model.config import ModelConfig
from CarotidLandmarkLib.model.multiscale import MultiScaleLocNet


class Bright(nn.Module):
    """Logits that follow the brightness; with two landmarks, each on its own half of the image."""

    def __init__(self, landmarks: int) -> None:
        super().__init__()
        self.landmarks = landmarks

    def forward(self, image: Tensor) -> Tensor:
        logits = 30 * image[:, :1]
        if self.landmarks == 1:
            return logits
        x = torch.linspace(-1, 1, image.shape[-1])
        return torch.cat([logits * (x > 0), logits * (x < 0)], 1)


def bright_model() -> MultiScaleLocNet:
    once = {"looks": 1, "starts_mm": (0.0,), "covariance_scale": (0.05,) * 4}
    model = MultiScaleLocNet(ModelConfig(channels=((1,),) * 4, convs=(1,) * 4, window_hu=((100.0, 500.0),), **once))
    for scale, net in enumerate(model.nets):
        net.unet = Bright(2 if scale == 0 else 1)
        nn.init.constant_(net.presence_bias, 14.0)
    return model
