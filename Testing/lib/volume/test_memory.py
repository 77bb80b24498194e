from __future__ import annotations

from types import SimpleNamespace

import pytest

from CarotidLandmarkLib.errors import CannotRunError
from CarotidLandmarkLib.volume import memory

GB = 1 << 30
STAT_1 = "cache {0}\nshmem 5\ninactive_file 1\ntotal_inactive_file {1}\ntotal_active_file {2}\n"
STAT_2 = "anon 7\nfile {0}\nshmem 5\ninactive_file {1}\nactive_file {2}\nslab_reclaimable 0\n"
UNLIMITED_1 = 9223372036854771712


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """groups(lines of /proc/self/cgroup, folder=(limit, used, inactive, active cached)...) on a machine of 64 GB."""
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GB))
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "GROUPS_OF_PROCESS", tmp_path / "own")

    def write(own, folders):
        (tmp_path / "own").write_text(own)
        for name, (limit, used, inactive, active) in folders.items():
            first = name.split("/")[0] == "memory"
            folder = tmp_path / "cgroup" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(f"{limit}\n")
            (folder / ("memory.usage_in_bytes" if first else "memory.current")).write_text(f"{used}\n")
            stat = STAT_1 if first else STAT_2
            (folder / "memory.stat").write_text(stat.format(inactive + active, inactive, active))

    return write


def test_cached_files_of_a_container_count_as_free(groups):
    groups("0::/\n", {"": (8 * GB, 8 * GB - 4096, 5 * GB, GB)})
    assert memory.available_memory() == 6 * GB + 4096


def test_cached_files_count_as_free_in_version_1(groups):
    own = "9:name=systemd:/x\n4:cpu,memory:/docker/abc\n0::/\n"
    groups(own, {"memory": (8 * GB, 7 * GB, 2 * GB, GB)})  # the container's root; its name outside is not there
    assert memory.available_memory() == 4 * GB
    groups(own, {"memory": (UNLIMITED_1, 7 * GB, 2 * GB, GB), "memory/docker/abc": (3 * GB, 2 * GB, 0, 0)})
    assert memory.available_memory() == GB


def test_the_narrowest_of_nested_groups_counts(groups):
    folders = {"job": (4 * GB, 2 * GB, GB, 0), "job/step": ("max", GB, GB, 0), "other": (GB, GB, 0, 0)}
    groups("0::/job/step\n", folders)
    assert memory.available_memory() == 3 * GB
    groups("0::/job/step\n", {"job/step": (GB, 2 * GB, 0, 0)})  # a limit lowered later
    assert memory.available_memory() == 0


def test_without_a_limit_the_machine_counts(groups):
    groups("0::/user\n", {"user": ("max", GB, 0, 0)})
    assert memory.available_memory() == 64 * GB
    groups("", {})
    assert memory.available_memory() == 64 * GB


def test_what_does_not_fit_is_refused_with_both_numbers(groups):
    groups("0::/\n", {"": (2 * GB, GB, 0, 0)})
    memory.require_memory(GB, "neck.nrrd")
    with pytest.raises(CannotRunError, match=r"'neck.nrrd' needs about 1.5 GB .* 1.0 GB are free: "):
        memory.require_memory(GB + GB // 2, "neck.nrrd")


def test_this_machine_has_memory():
    assert 1 << 24 < memory.available_memory() < 1 << 50
