"""Which number type a model runs in on a device: bfloat16 where it is the quicker and agrees with float32."""

from __future__ import annotations

import torch

from .config import BFLOAT16_TOLERANCE
from .locnet import ScaleNet
from .multiscale import MultiScaleLocNet


def has_bfloat16(device: torch.device) -> bool:
    """Whether `device` multiplies bfloat16 in hardware that torch's convolutions use. Unknown counts as no."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return False


def quicker_in_bfloat16(device: torch.device) -> bool:
    """Whether `device` answers sooner in bfloat16 than in float32: it has it, and is no CPU that announces AMX.

    Those are Intel's. With AMX kept off (see the package's __init__) a detection takes them 1.3 times as long in it.
    """
    amx = device.type == "cpu" and getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    return has_bfloat16(device) and not amx


@torch.inference_mode()
def agreement(net: ScaleNet, image: torch.Tensor) -> float:
    """Root mean square difference of bfloat16 from float32 logits, relative to their spread; inf if not finite."""
    kept = net.compute_dtype
    logits = []
    try:
        for dtype in (torch.float32, torch.bfloat16):
            net.compute_dtype = dtype
            logits.append(net(image).logits)
    finally:
        net.compute_dtype = kept
    difference = (logits[1] - logits[0]).square().mean().sqrt() / logits[0].std().clamp_min(1e-6)
    return float(difference.nan_to_num(nan=float("inf")))


def choose_dtype(model: MultiScaleLocNet, device: str | torch.device) -> torch.dtype:
    """bfloat16 if `device` is quicker in it and every net of `model` (in evaluation mode, on that device) passes a
    self-test on a small random image; else float32. The choice depends on the machine and the weights only, never on
    timing. Apply it with model.use_dtype."""
    device = torch.device(device)
    if not quicker_in_bfloat16(device):
        return torch.float32
    coarse = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse * 400, (26, 24, 28), mode="trilinear").to(device)
    try:
        passed = all(agreement(net, image) < BFLOAT16_TOLERANCE for net in model.nets)
    except RuntimeError:
        passed = False
    return torch.bfloat16 if passed else torch.float32
