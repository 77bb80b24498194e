"""What the search asks of whoever runs the networks."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...errors import CannotRunError
from ...model.config import ModelConfig
from ...volume.sample import Level, VolumePyramid


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network of one scale says of one side. Raises CannotRunError where that is no number.

    position (3,) LPS mm; covariance (3, 3) mm^2 of its heatmap, not calibrated; presence_logit, above 0 where the
    landmark is likely to be in view. All float64.
    logits (D, H, W): the heatmap, where it was asked for, on the voxels center + frame @ (v - (size - 1) / 2) of index
    v = (x, y, z), with center (3,) and frame (3, 3) float64 in LPS mm.
    """

    position: np.ndarray
    covariance: np.ndarray
    presence_logit: float
    center: np.ndarray
    frame: np.ndarray
    logits: np.ndarray | None = None

    def __post_init__(self) -> None:
        place = np.isfinite(self.position).all() and np.isfinite(self.covariance).all()
        if not place or np.isnan(self.presence_logit):
            raise CannotRunError(
                "The networks give answers that are no numbers: take other weights, or another --device or --backend."
            )

    @property
    def heatmap(self) -> np.ndarray:
        """The logits of an answer of which they were asked for."""
        assert self.logits is not None
        return self.logits


class Ask(NamedTuple):
    """For one look: of a side, in `view`, one of the backend's own, at `center` (3,) LPS mm."""

    side: str
    view: Any
    center: np.ndarray


Answers = Generator[Answer, None, None]


class Views(Protocol):
    """Views of one volume, of whatever type the backend's own networks read; see volume.sample.VolumePyramid."""

    def whole(self, spacing_mm: float) -> Any: ...
    def around(self, center_lps: np.ndarray, extent_mm: float, spacing_mm: float) -> Any: ...


class Backend(Protocol):
    """The networks of a model, ready to run. `name` is that of detect.BACKENDS, `device` where it computes ("cpu",
    "cuda:0"), `precision` what its convolutions compute in ("float32", "bfloat16")."""

    name: str

    @property
    def config(self) -> ModelConfig: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...

    def views(self, pyramid: VolumePyramid) -> Views:
        """`pyramid` as the networks are to see it."""
        ...

    def as_array(self, view: Any) -> Level:
        """One of its views, for whoever else wants to see it."""
        ...

    def coarse(self, view: Any) -> dict[str, Answer]:
        """Both sides, with heatmaps, from a view of a whole volume."""
        ...

    def look(self, scale: int, asks: Sequence[Ask], heatmaps: bool = False) -> Answers:
        """What the network of one of the finer scales says to each of `asks`.

        The answers come in this order, and several may be worked on at once: whoever wants no more closes the
        generator.
        """
        ...
