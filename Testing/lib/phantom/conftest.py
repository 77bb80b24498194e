"""Phantoms that all tests of this folder look at, drawn once."""

from __future__ import annotations

import functools

import pytest

MANY = 120


@pytest.fixture(scope="session")
def drawn():
    """The phantom of a seed."""
    from CarotidLandmarkLib.phantom import Phantom  # not above: it needs torch, and this file is read without

    return functools.cache(lambda seed: Phantom.draw(seed, "val"))


@pytest.fixture(scope="session")
def many(drawn):
    return [drawn(seed) for seed in range(MANY)]
