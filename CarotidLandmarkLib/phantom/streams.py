"""Random numbers of one phantom: every organ and every property of the scan has a stream of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

SPLITS = ("train", "val", "test")


class Streams:
    """Streams of a phantom's seed by name, so one more draw in an organ leaves all others as they were.

    No two splits, seeds or names share a stream; the same name gives the same stream from its beginning again.
    """

    def __init__(self, seed: int, split: str) -> None:
        self.entropy = [SPLITS.index(split), seed]

    def __call__(self, name: str) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.entropy, spawn_key=tuple(name.encode())))

    def torch(self, name: str) -> torch.Generator:
        """The stream of ``name`` for tensors on the CPU."""
        import torch

        return torch.Generator().manual_seed(int(self(name).integers(2**63)))
