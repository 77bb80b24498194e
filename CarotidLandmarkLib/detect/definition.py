"""Where a site's readers put the landmark, seen from where the networks see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..landmarks.points import SIDES, as_position, mirrored

LARGEST_MM = 10.0  # a rule that puts the point farther off means another landmark


def read_offsets(header: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Side -> (3,) LPS mm to add to an answer: what the header of a weights file says under "site" of the left side,
    and its mirror image; zero where it says nothing.

    It is added to positions: these have to lie inside of the volume, and the lumen's carina is told to be so far from
    them. Scales, rivals and the lumen are compared with what the networks saw.

    Raises BadInputError where it cannot be understood.
    """
    try:
        told = (header.get("site") or {}).get("offset_lps_mm", [0.0, 0.0, 0.0])
        offset = as_position(told)
        if np.linalg.norm(offset) > LARGEST_MM:
            raise ValueError(f"it is longer than {LARGEST_MM:g} mm")
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInputError(f"What the weights file says of its site cannot be understood ({error}).") from error
    return {side: mirrored(side, offset) for side in SIDES}
