"""Phantoms that all tests of this folder look at, drawn once."""

from __future__ import annotations

import pytest

MANY = 120


@pytest.fixture(scope="session")
def many():
    from CarotidLandmarkLib.phantom import Phantom  # not above: it needs torch, and this file is read without

    return [Phantom.draw(seed, "val") for seed in range(MANY)]
