"""Synthetic neck CTA with known truth. Start with ``Phantom.draw(seed).render(grid)`` or ``phantom_volume(seed)``."""

from .files import phantom_volume, write_phantoms
from .phantom import Phantom

__all__ = ["Phantom", "phantom_volume", "write_phantoms"]
