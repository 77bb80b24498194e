from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

os.environ["CAROTID_LANDMARK_DATA"] = os.path.join(tempfile.gettempdir(), "CarotidLandmark-nothing-is-installed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

try:
    import torch
except ImportError:
    torch = None
else:
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    unmet = {}
    if not SHARED_DATA.is_dir():
        unmet["shared"] = f"no folder {SHARED_DATA}"
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
