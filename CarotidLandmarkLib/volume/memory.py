"""Is there memory for it? On the machine, and in the control groups (containers, batch jobs) that hold the process."""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import CannotRunError

try:
    import psutil
except ImportError:  # an application's own Python may lack it; then memory that runs out is met when it does
    psutil = None

GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
# The kernel takes cached files back where memory is short, though they count as used.
VERSION_1 = ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file")
VERSION_2 = ("", "memory.max", "memory.current", "inactive_file", "active_file", "slab_reclaimable")


def require_memory(needed: int, where: str) -> None:
    """Raise CannotRunError if `needed` bytes are not free for this process."""
    free = available_memory()
    if needed > free:
        raise CannotRunError(
            f"'{where}' needs about {needed / 2**30:.1f} GB of memory and {free / 2**30:.1f} GB are free: "
            "close other programs, or crop the volume to the neck."
        )


def available_memory() -> int:
    """Bytes that this process may still take: the machine's, or less where a control group has a limit."""
    free = psutil.virtual_memory().available if psutil else sys.maxsize
    try:
        lines = [line.split(":", 2) for line in GROUPS_OF_PROCESS.read_text().splitlines()]
    except OSError:  # not Linux
        return free
    for number, controllers, name in lines:
        if number == "0" or "memory" in controllers.split(","):
            group = Path(name.lstrip("/"))
            for folder in (group, *group.parents):  # a container may know only the root, whatever its name outside
                free = min(free, _left(folder, *(VERSION_2 if number == "0" else VERSION_1)))
    return max(free, 0)


def _left(group: Path, mount: str, limit: str, used: str, *reclaimed: str) -> int:
    folder = CONTROL_GROUPS / mount / group
    try:
        room = int((folder / limit).read_text()) - int((folder / used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or its limit is "max"
        return sys.maxsize
    return room + sum(int(stat.get(key, 0)) for key in reclaimed)
