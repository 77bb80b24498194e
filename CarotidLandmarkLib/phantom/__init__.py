"""Synthetic neck CTA with known truth. Start with ``Phantom.draw(seed).render(grid)`` or ``phantom_volume(seed)``.

What is named here needs torch, and is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .files import phantom_volume, write_phantoms
    from .phantom import Phantom

__all__ = ["Phantom", "phantom_volume", "write_phantoms"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import files

    return getattr(files, name)
