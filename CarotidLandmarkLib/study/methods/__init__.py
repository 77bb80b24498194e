"""The methods that are trained and compared, a file each, found by its name: `heatmap_tuned.py` is `heatmap-tuned`.

A new method is a new file here with a `METHOD`; all commands know it then, and weights of it can be detected with.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from ...errors import BadInputError

if TYPE_CHECKING:
    from .method import Method

ALIASES = {"paper": "end-to-end-noise"}
NO_METHODS = ("method",)


def names() -> list[str]:
    """The names of all methods; none is imported for it."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in found if name not in NO_METHODS)


def get(name: str) -> Method:
    """The method of that name. Raises BadInputError if there is none."""
    known = names()
    if ALIASES.get(name, name) not in known:
        raise BadInputError(f"The method {name} is not known here; there are {', '.join(known)}.")
    module = importlib.import_module(f"{__name__}.{ALIASES.get(name, name).replace('-', '_')}")
    return module.METHOD


def make_known() -> None:
    """Let weights files of all methods be read: see model.networks."""
    for name in names():
        get(name)
