from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from Testing.host.skipping import WITHOUT_TORCH, TorchModule

os.environ["CAROTID_LANDMARK_DATA"] = os.path.join(tempfile.gettempdir(), "CarotidLandmark-nothing-is-installed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

if find_spec("torch"):
    import torch

    torch.set_num_threads(1)
else:
    torch = None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return TorchModule.from_parent(parent, path=module_path) if torch is None else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    unmet = {}
    if not SHARED_DATA.is_dir():
        unmet["shared"] = f"no folder {SHARED_DATA}"
    if torch is None:
        unmet["torch"] = WITHOUT_TORCH
    if torch is None or not torch.cuda.is_available():
        unmet["gpu"] = "no CUDA device"
    for item in items:
        for name, reason in unmet.items():
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def shared_data() -> Path:
    """The folder ../shared/data; the test is skipped where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no folder {SHARED_DATA}")
    return SHARED_DATA
