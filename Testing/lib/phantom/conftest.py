"""Phantoms that all tests of this folder look at, drawn once."""

from __future__ import annotations

import pytest

from CarotidLandmarkLib.phantom import Phantom

MANY = 120


@pytest.fixture(scope="session")
def many():
    return [Phantom.draw(seed, "val") for seed in range(MANY)]
