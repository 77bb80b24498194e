"""One training step: a case through all scales, as the detector will go, and the loss at each."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ...landmarks.points import SIDES
from ...model.multiscale import MultiScaleLocNet, ScaleOutput
from ...model.pyramid import LevelLike, TensorLevel, of_geometry
from ..methods.method import Recipe
from .augment import Augmentation
from .cases import JITTER_MM, TrainingCase

SURE = 100.0  # logit of a presence that is taken for granted
OTHER = {"left": "right", "right": "left"}


class TrainingStep(nn.Module):
    """Losses of one case, as ``recipe`` has it.

    Crops are centred on the previous scale's answer: where the recipe says so anywhere, always, and else for its share
    of them, once it comes near enough, and otherwise on the truth, shifted by up to ``JITTER_MM``; `on_answer` in the
    log is the share that was. A net that has no weight at the time, and through whose answer no gradient is to flow, is
    frozen; scales after the last one with a weight are not looked at.
    ``scales`` (mm; empty = all) are those to train: of scales trained apart, each knows only crops at the truth.
    A side that is unreviewed teaches nothing, and its case has no decoys, for one may lie on its landmark.
    """

    def __init__(
        self, model: MultiScaleLocNet, recipe: Recipe, augmentation: Augmentation, scales: tuple[float, ...] = ()
    ) -> None:
        super().__init__()
        self.coarse_only = 0.0 if scales else recipe.coarse_only
        self.coarse = not scales or model.config.scales_mm[0] in scales
        self.fine = [i for i, s in enumerate(model.config.scales_mm) if i and (not scales or s in scales)]
        self.model, self.recipe, self.augmentation = model, recipe, augmentation
        self.loss = recipe.loss
        if not recipe.presence:
            assume_present(model)

    def forward(self, case: TrainingCase, progress: float, seed: tuple[int, int]) -> tuple[Tensor, dict[str, float]]:
        """The weighted loss, and what to log: loss and error in mm of each scale. Random numbers come from ``seed``."""
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(rng.integers(2**31)))
        self.generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        config = self.model.config
        weights = self.recipe.weights(progress, len(config.scales_mm))
        self.learns = [weight > 0 or self.recipe.through > 0 for weight in weights]
        for net, learns in zip(self.model.nets, self.learns):
            net.train(learns)
        losses: list[list[Tensor]] = [[] for _ in weights]
        self.on_answer: list[bool] = []
        log: dict[str, float] = {}
        answers = self._coarse(case, rng, losses[0], log) if self.coarse else dict.fromkeys(SIDES)
        fine = [scale for scale in self.fine if any(weights[scale:])]
        if fine and rng.random() >= self.coarse_only:
            for side in SIDES:
                if case.truth[side] is not None:
                    self._refine(case, side, answers[side], rng, fine, losses, log)
            decoy = rng.random() < self.recipe.decoys or not losses[fine[-1]]
            if decoy and self.recipe.presence and not case.unreviewed:
                self._decoy(case, rng, [scale for scale in fine if self.learns[scale]], losses)
        weighted = [w * torch.stack(terms).mean() for w, terms in zip(weights, losses) if terms]
        total = torch.stack(weighted).sum() if weighted else torch.zeros((), device=self._place())
        if not total.requires_grad:  # the case teaches nothing; processes beside each other still wait for a gradient
            total = total + 0.0 * next(p for p in self.model.parameters() if p.requires_grad).sum()
        for spacing, terms in zip(config.scales_mm, losses):
            if terms:
                log[f"loss/{spacing:g}mm"] = float(torch.stack(terms).detach().mean())
        if self.on_answer:
            log["on_answer"] = float(np.mean(self.on_answer))
        return total, log

    def _place(self) -> torch.device:
        return next(self.model.parameters()).device

    def _view(self, level: LevelLike, rng: np.random.Generator) -> TensorLevel:
        moved = TensorLevel(level.image.to(self._place()), level.world_to_index.to(of_geometry(self._place())))
        if not self.recipe.augmented:
            return moved
        return TensorLevel(self.augmentation.contrast(moved.image, rng, self.generator), moved.world_to_index)

    def _coarse(
        self, case: TrainingCase, rng: np.random.Generator, losses: list[Tensor], log: dict[str, float]
    ) -> dict[str, Tensor | None]:
        spacing = self.model.config.scales_mm[0]
        level, mirrored = self._view(self.model.view(case).whole(spacing), rng), False
        if self.recipe.augmented:
            level, mirrored = self.augmentation.whole(level, rng)
        with torch.set_grad_enabled(self.learns[0]):
            outputs = self.model.coarse(level)
        answers: dict[str, Tensor | None] = {}
        size = np.array(level.image.shape[:1:-1])
        for side in SIDES:
            seen = outputs[OTHER[side] if mirrored else side]
            truth = _tensor(case.truth[side], seen.position)
            if truth is not None and self.recipe.augmented:
                index = (level.world_to_index[:3, :3] @ truth[0] + level.world_to_index[:3, 3]).cpu().numpy()
                if (index < 0).any() or (index > size - 1).any():
                    truth = None
            if side not in case.unreviewed:
                losses.append(self.loss(seen, truth))
            answers[side] = seen.position if truth is not None else None
            if truth is not None:
                log[f"error/{spacing:g}mm/{side}"] = _error(seen, truth)
        return answers

    def _refine(
        self,
        case: TrainingCase,
        side: str,
        answer: Tensor | None,
        rng: np.random.Generator,
        fine: list[int],
        losses: list[list[Tensor]],
        log: dict[str, float],
    ) -> None:
        config = self.model.config
        last = len(config.scales_mm) - 1
        for scale in fine:
            spacing = config.scales_mm[scale]
            truth = _tensor(case.truth[side], self._frame(side, scale))
            assert truth is not None
            noise = config.noise_mm if scale == last else 0.0
            reach = JITTER_MM[scale] - noise
            allowed = max(reach, 0.2 * JITTER_MM[scale])
            on_answer = answer is not None and (self.recipe.anywhere or self._near(answer, truth, allowed, rng))
            self.on_answer.append(on_answer)
            if answer is not None and on_answer:
                center = answer.detach() + self.recipe.through * (answer - answer.detach())
            else:
                center = truth + torch.from_numpy(rng.uniform(-1, 1, (1, 3)) * reach).to(truth)
            center = center + torch.from_numpy(rng.uniform(-1, 1, (1, 3)) * noise).to(center)
            output = self._look(case, scale, center, side, rng)
            losses[scale].append(self.loss(output, truth))
            log[f"error/{spacing:g}mm/{side}"] = _error(output, truth)
            answer = output.position

    def _near(self, answer: Tensor, truth: Tensor, allowed: float, rng: np.random.Generator) -> bool:
        """Whether the answer is off by less than ``allowed`` mm on each axis, and one of the recipe's share."""
        near = float((answer.detach() - truth).abs().max()) < allowed
        return near and (self.recipe.answers == 1 or rng.random() < self.recipe.answers)

    def _decoy(self, case: TrainingCase, rng: np.random.Generator, fine: list[int], losses: list[list[Tensor]]) -> None:
        """A crop without a landmark, at one of these scales: the network must say that it sees none."""
        scale = int(rng.choice(fine))
        half = self.model.config.extent_mm[scale] / 2
        points = [p for p in case.truth.values() if p is not None]
        if any(float(np.abs(p - case.decoy).max()) < 1.5 * half for p in points):
            return
        center = _tensor(case.decoy, self._frame("right", scale))
        assert center is not None
        output = self._look(case, scale, center, str(rng.choice(SIDES)), rng)
        losses[scale].append(self.loss(output, None))

    def _look(self, case: TrainingCase, scale: int, center: Tensor, side: str, rng: np.random.Generator) -> ScaleOutput:
        config = self.model.config
        spacing = config.scales_mm[scale]
        where = center[0].detach().cpu().numpy()
        level = self._view(self.model.view(case).around(where, config.extent_mm[scale], spacing), rng)
        frame = self._frame(side, scale)
        if self.recipe.augmented:
            frame = torch.from_numpy(self.augmentation.deformation(rng)).to(center) @ frame
        with torch.set_grad_enabled(self.learns[scale]):
            return self.model.refine(scale, level.image, level.world_to_index, center, frame[None])

    def _frame(self, side: str, scale: int) -> Tensor:
        return self.model.frame(side, scale).to(of_geometry(self._place()))


@torch.no_grad()
def assume_present(model: MultiScaleLocNet) -> None:
    """Let every net say that the landmark is there, whatever it answers."""
    for net in model.nets:
        if net.presence_scale is not None:
            net.presence_scale.zero_().requires_grad_(False)
        net.presence_bias.fill_(-SURE).requires_grad_(False)


def _tensor(point: np.ndarray | None, like: Tensor) -> Tensor | None:
    return None if point is None else torch.from_numpy(np.asarray(point, float))[None].to(like)


def _error(output: ScaleOutput, truth: Tensor) -> float:
    return float((output.position.detach() - truth).norm())
