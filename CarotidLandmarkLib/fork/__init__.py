"""The lumen around a point of a CT: traced, and checked for being a carotid fork."""

from .check import Check, check_fork
from .trace import Branch, Fork, trace_fork

__all__ = ["Branch", "Check", "Fork", "check_fork", "trace_fork"]
