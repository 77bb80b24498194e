"""The common fork, traced once for all tests of this folder."""

from __future__ import annotations

import pytest

from CarotidLandmarkLib.fork import Fork, trace_fork
from CarotidLandmarkLib.volume.ct import CTVolume
from Testing.lib.fork import tubes


@pytest.fixture(scope="session")
def neck() -> CTVolume:
    return tubes.draw(tubes.fork())


@pytest.fixture(scope="session")
def traced(neck: CTVolume) -> Fork:
    return trace_fork(neck, tubes.CARINA + [0.6, -0.5, 0.7], "left")
