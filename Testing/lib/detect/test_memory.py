"""What counts as memory that has run out."""

import pytest

from CarotidLandmarkLib.detect.device import is_out_of_memory


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("Exception from src/plugin.cpp: Failed to allocate 16777216000 bytes of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_every_library_s_words_for_it_are_known(error, is_one):
    assert is_out_of_memory(error) is is_one
