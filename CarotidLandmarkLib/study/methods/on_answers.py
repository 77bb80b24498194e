"""The default, end to end."""

from __future__ import annotations

from .default import METHOD as DEFAULT

METHOD = DEFAULT.but(
    "on-answers",
    "The default with every crop on the answer before, however far off, and the whole gradient through it (the "
    "default's are there only half of the time and where that is near, with a tenth of the gradient).",
    recipe={"anywhere": True, "through": 1.0},
    table="ablations",
    place=6,
)
