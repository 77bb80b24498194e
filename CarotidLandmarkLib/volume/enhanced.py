"""Where the frames of an enhanced CT lie, by pydicom (DICOM PS3.3 C.7.6.16).

Of shuffled or uneven frames GDCM silently makes a spacing of 1 mm, and a tilt it overlooks.
"""

from __future__ import annotations

from typing import Any

from ..errors import BadInputError, CannotRunError
from .headers import decode

SHARED, PER_FRAME = 0x52009229, 0x52009230
PLANE_POSITION, PLANE_ORIENTATION, PIXEL_MEASURES, PIXEL_VALUES = 0x00209113, 0x00209116, 0x00289110, 0x00289145
PLACES = {
    "position": (PLANE_POSITION, 0x00200032),
    "orientation": (PLANE_ORIENTATION, 0x00200037),
    "spacing": (PIXEL_MEASURES, 0x00280030),
    "intercept": (PIXEL_VALUES, 0x00281052),
    "slope": (PIXEL_VALUES, 0x00281053),
}


def read_frames(path: str) -> list[dict[str, str]]:
    """For each frame the texts of its position, orientation, spacing, slope and intercept, "" where one is missing.

    Raises BadInputError for a damaged header, CannotRunError where pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise CannotRunError(
            f"'{path}' is an enhanced CT or has several frames, which needs pydicom: install it with pip install "
            "'carotid-landmark[dicom]'."
        ) from error
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        shared = dataset[SHARED].value[0] if SHARED in dataset else {}
        return [_texts(shared, own) for own in dataset[PER_FRAME].value] if PER_FRAME in dataset else []
    except Exception as error:  # of a damaged file pydicom raises whatever its parts do
        raise BadInputError(f"'{path}' has a damaged DICOM header: export the series again.") from error


def _texts(shared: Any, own: Any) -> dict[str, str]:
    found = {}
    for name, (group, tag) in PLACES.items():
        items = [frame[group].value[0] for frame in (own, shared) if group in frame and frame[group].value]
        raw = items[0].get_item(tag).value if items and tag in items[0] else None  # as stored, not pydicom's float
        found[name] = decode((raw or b"").decode("latin-1"), "")
    return found
