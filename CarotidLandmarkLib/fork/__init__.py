"""The lumen around a point of a CT: traced, checked for being a carotid fork, and measured."""

from .check import Check, check_fork
from .measures import measure_fork
from .structures import measure_structures, read_structures
from .trace import Branch, Fork, trace_fork

__all__ = [
    "Branch",
    "Check",
    "Fork",
    "check_fork",
    "measure_fork",
    "measure_structures",
    "read_structures",
    "trace_fork",
]
