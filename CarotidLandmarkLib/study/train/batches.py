"""Training the net of one scale on many cases a step, as a GPU wants it.

Shown one case after the other a GPU waits for most of the time. Here cases stay on it as they are kept (int16), the
geometry of a batch is reckoned on the CPU and goes over in one piece, and a net sees all crops of a step at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import BadInputError
from ...landmarks.points import SIDES
from ...model.config import ModelConfig
from ...model.crop import FILL_HU, side_frame
from ...model.locnet import LocNetOutput, ScaleNet
from ...model.multiscale import MultiScaleLocNet
from ...model.pyramid import TensorLevel
from ..methods.method import Recipe
from .augment import Augmentation
from .cases import JITTER_MM, TrainingCase
from .losses import DISTANCE_WEIGHT, TARGET_SD_VOXELS, default_loss

NOWHERE = float("nan")
SURE_LOGIT = 10.0  # a presence beyond it is as good as 0 or 1
RESIDENT = 4096  # cases that stay on the device
SEEING = ("view", "frame", "place")  # what a network may see otherwise than the default's
GROUP = 4  # whole volumes, of about the same height, that the coarsest net sees at once


class BatchStep(nn.Module):
    """Loss of one scale's net on several cases at once, with the crops and the loss of the default method.

    Crops lie around the truth and where no landmark is, none on another scale's answer. With ``keep_presence`` the net
    is to go on telling presence as it does now, whatever else it learns: what it knows of places without a landmark is
    not in a few cases. Raises BadInputError for methods that are trained otherwise.
    """

    def __init__(
        self,
        model: MultiScaleLocNet,
        recipe: Recipe,
        augmentation: Augmentation,
        spacing_mm: float,
        keep_presence: bool = False,
    ) -> None:
        super().__init__()
        own = any(getattr(type(net), name) is not getattr(ScaleNet, name) for net in model.nets for name in SEEING)
        if own or recipe.loss is not default_loss or recipe.anywhere or not recipe.augmented or not recipe.presence:
            raise BadInputError(f"--batch cannot be with {model.config.name}, which is trained in another way.")
        self.model, self.recipe, self.augmentation = model, recipe, augmentation
        self.scale = model.config.scales_mm.index(spacing_mm)
        self.spacing = spacing_mm
        self.coarse = not self.scale
        self.resident: dict[tuple[str, bytes], TrainingCase] = {}
        self.teacher: ScaleNet | None = None
        if keep_presence:
            self.teacher = deepcopy(model.nets[self.scale]).requires_grad_(False).eval()

    def forward(
        self, cases: Sequence[TrainingCase], progress: float, seed: tuple[int, int]
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss, and what to log: it, and the mean error in mm. Random numbers come from ``seed``."""
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(2**31)))
        device = next(self.model.parameters()).device
        net = self.model.nets[self.scale]
        kept = [self._resident(case, device) for case in cases]
        views = self._views(kept, rng, device)
        if not views:  # the cases teach nothing; processes beside each other still wait for a gradient
            return 0.0 * next(net.parameters()).sum(), {}
        losses, away = zip(*(self._loss(net, *view) for view in views))
        loss = torch.stack(losses).mean()
        log = {f"loss/{self.spacing:g}mm": float(loss.detach())}
        errors = self.spacing * torch.cat([of_view.flatten() for of_view in away])
        if errors.isfinite().any():
            log[f"error/{self.spacing:g}mm"] = float(errors.nanmean())
        return loss, log

    def _loss(self, net: ScaleNet, image: Tensor, truth: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        if self.teacher is None:
            return batch_loss(net(image), truth, known)
        with torch.no_grad():
            presence = self.teacher(image).presence_logit
        return batch_loss(net(image), truth, known, presence)

    def _resident(self, case: TrainingCase, device: torch.device) -> TrainingCase:
        """The case with what this scale looks at on the device, where it stays."""
        key = case.name, case.decoy.tobytes()  # names may be the same, and a decoy is drawn from the content
        if key not in self.resident:
            if len(self.resident) == RESIDENT:  # as of phantoms that are made online
                del self.resident[next(iter(self.resident))]

            def there(level: TensorLevel) -> TensorLevel:
                return TensorLevel(level.image.to(device), level.world_to_index)

            self.resident[key] = replace(
                case,
                wholes={at: there(level) for at, level in case.wholes.items() if at == self.spacing},
                pieces=[(at, anchor, there(level)) for at, anchor, level in case.pieces if at == self.spacing],
            )
        return self.resident[key]

    def _views(
        self, cases: Sequence[TrainingCase], rng: np.random.Generator, device: torch.device
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        config = self.model.config
        if self.scale:
            of_cases = [fine_looks(c, self.scale, config, self.augmentation, self.recipe.decoys, rng) for c in cases]
            looks = [look for of_case in of_cases for look in of_case]
            return [show(looks, [config.crop_size] * 3, device)] if looks else []
        wholes = sorted((whole_look(c, self.spacing, self.augmentation, rng) for c in cases), key=lambda w: w[1][2])
        groups = [wholes[first : first + GROUP] for first in range(0, len(wholes), GROUP)]
        sizes = [np.max([size for _, size in group], axis=0) for group in groups]
        return [show([look for look, _ in group], size.tolist(), device) for group, size in zip(groups, sizes)]


@dataclass(frozen=True)
class Look:
    """One view that a net is to be shown: of ``image`` (1, 1, D, H, W) HU with ``world_to_index`` (4, 4), LPS mm to its
    (x, y, z); the voxel v of the view lies at ``center`` (3,) + ``frame`` (3, 3) @ (v - (size - 1) / 2).
    ``truths`` (landmarks, 3) LPS mm, not a number where there is none; of those that are not ``known`` (landmarks,)
    nobody has said. ``contrast``: gain, shift and noise in HU. ``size``: (nx, ny, nz) of what is to be seen in the
    middle of the view, None: all of it."""

    image: Tensor
    world_to_index: np.ndarray
    center: np.ndarray
    frame: np.ndarray
    truths: np.ndarray
    known: np.ndarray
    contrast: tuple[float, float, float]
    size: np.ndarray | None = None


def fine_looks(
    case: TrainingCase,
    scale: int,
    config: ModelConfig,
    augmentation: Augmentation,
    decoys: float,
    rng: np.random.Generator,
) -> list[Look]:
    """Crops of a case for the net of a finer scale: around each landmark, shifted by up to ``JITTER_MM``, and in the
    share ``decoys`` of the cases, and in those without a landmark, where there is none."""
    spacing = config.scales_mm[scale]
    jitter = JITTER_MM[scale]
    noise = config.noise_mm if scale == len(config.scales_mm) - 1 else 0.0
    places = []
    for side in SIDES:
        truth = case.truth[side]
        if truth is not None:
            shift = rng.uniform(-1, 1, 3) * (jitter - noise) + rng.uniform(-1, 1, 3) * noise
            places.append((side, truth + shift, truth))
    reach = 0.75 * config.extent_mm[scale]
    near = any(np.abs(truth - case.decoy).max() < reach for truth in case.truth.values() if truth is not None)
    if (not places or rng.random() < decoys) and not near and not case.unreviewed:
        places.append((str(rng.choice(SIDES)), case.decoy, np.full(3, NOWHERE)))
    looks = []
    for side, center, truth in places:
        frame = augmentation.deformation(rng) @ side_frame(side, spacing).numpy()
        image, world_to_index = _nearest(case, spacing, center)
        looks.append(
            Look(image, world_to_index, center, frame, truth[None], np.ones(1, bool), _contrast(augmentation, rng))
        )
    return looks


def whole_look(
    case: TrainingCase, spacing: float, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[Look, np.ndarray]:
    """A whole volume, deformed, sometimes cut or mirrored, for the net of the coarsest scale, and its size (3,)."""
    image, matrix = case.wholes[spacing].image, case.wholes[spacing].world_to_index.numpy()
    middle, frame, size, mirrored = augmentation.of_whole(np.array(image.shape[:1:-1]), matrix, rng)
    sides = SIDES[::-1] if mirrored else SIDES
    points = [case.truth[side] for side in sides]
    truths = np.stack([np.full(3, NOWHERE) if point is None else point for point in points])
    known = np.array([side not in case.unreviewed for side in sides])
    return Look(image, matrix, middle, frame, truths, known, _contrast(augmentation, rng), size), size


def show(looks: Sequence[Look], size: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The views (B, 1, nz, ny, nx) of ``size`` (nx, ny, nz), HU; where in them, in voxels (B, landmarks, 3), the
    landmarks are, not a number where they are not; and of which (B, landmarks) that is known. See model.crop.crop for
    the geometry."""
    half = (np.array(size) - 1) / 2
    thetas, truths = [], []
    for look in looks:
        extent = np.array(look.image.shape[:1:-1])
        origin = look.world_to_index[:3, :3] @ look.center + look.world_to_index[:3, 3]
        steps = look.world_to_index[:3, :3] @ look.frame * half
        thetas.append(np.column_stack([steps * (2 / extent)[:, None], (2 * origin + 1) / extent - 1]))
        at = (look.truths - look.center) @ np.linalg.inv(look.frame).T + half
        inside = (np.abs(at - half) <= half - beyond(look, size)).all(1)
        truths.append(np.where(inside[:, None], at, NOWHERE))
    known = [look.known for look in looks]
    theta, truth, told = (_over(np.stack(values), device) for values in (thetas, truths, known))
    shape = [1, 1, *(int(n) for n in reversed(list(size)))]
    views = []
    for i, look in enumerate(looks):
        gain, shift, noise = look.contrast
        image = look.image.to(device, torch.float32)
        seen = torch.where(image > FILL_HU + 1, image * gain + shift + noise * torch.randn_like(image), image)
        grid = F.affine_grid(theta[i : i + 1], shape, align_corners=True)
        view = F.grid_sample(seen - FILL_HU, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        for axis, margin in zip((4, 3, 2), beyond(look, size).tolist()):
            along = view.movedim(axis, 0)
            along[:margin], along[len(along) - margin :] = 0, 0
        views.append(view)
    return torch.cat(views) + FILL_HU, truth, told > 0


def beyond(look: Look, size: Sequence[int]) -> np.ndarray:
    """How many voxels (x, y, z) of a view of this size lie before what is to be seen, and behind it."""
    return np.zeros(3, int) if look.size is None else -(-(np.array(size) - look.size) // 2)


def batch_loss(
    output: LocNetOutput, truth: Tensor, known: Tensor, presence_logit: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """losses.default_loss of a whole batch, in voxels: the mean over its known landmarks, and the distances
    (B, landmarks), not a number where there is none. ``truth`` (B, landmarks, 3) and ``known``: see ``show``.
    ``presence_logit`` (B, landmarks) is what to answer instead of whether there is a landmark."""
    there = torch.isfinite(truth).all(-1) & known
    count = known.sum().clamp_min(1)
    if presence_logit is None:
        presence = F.binary_cross_entropy_with_logits(
            output.presence_logit, there.float(), known.float(), reduction="sum"
        )
    else:
        ours, theirs = (logit.clamp(-SURE_LOGIT, SURE_LOGIT) for logit in (output.presence_logit, presence_logit))
        presence = (F.smooth_l1_loss(ours, theirs, reduction="none") * known).sum()
    at = torch.where(there[..., None], truth, output.position.detach())
    distance = DISTANCE_WEIGHT * (output.position - at).abs().sum() / count
    logits = output.logits.float()
    size = logits.shape[:1:-1]
    along = [torch.arange(n, device=at.device) - at[..., axis, None] for axis, n in enumerate(size)]
    x, y, z = (torch.softmax(-0.5 * (away / TARGET_SD_VOXELS) ** 2, -1) for away in along)
    expected = torch.einsum("blzyx,blz,bly,blx->bl", logits, z, y, x)
    entropy = ((logits.flatten(2).logsumexp(2) - expected) * there).sum() / count
    with torch.no_grad():
        away = torch.where(there, (output.position - at).norm(dim=-1), NOWHERE)
    return presence / count + distance + entropy, away


def _nearest(case: TrainingCase, spacing: float, center: np.ndarray) -> tuple[Tensor, np.ndarray]:
    pieces = [piece for piece in case.pieces if piece[0] == spacing]
    level = min(pieces, key=lambda p: float(np.linalg.norm(p[1] - center)))[2] if pieces else case.wholes[spacing]
    return level.image, level.world_to_index.numpy()


def _contrast(augmentation: Augmentation, rng: np.random.Generator) -> tuple[float, float, float]:
    gain = rng.uniform(1 - augmentation.gain, 1 + augmentation.gain)
    return gain, rng.uniform(-augmentation.shift, augmentation.shift), augmentation.noise * rng.random() ** 2


def _over(values: np.ndarray, device: torch.device) -> Tensor:
    """To the device, as float32, without waiting for it."""
    tensor = torch.from_numpy(values).float()
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
