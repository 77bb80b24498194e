"""The codes of our DICOM reports: value, scheme and meaning, which may be 16, 16 and 64 letters long (PS3.3 8.8).

Where DICOM PS3.16 and SNOMED CT have no word for something it is one of our own, in the private scheme SCHEME.
"""

from __future__ import annotations

from typing import NamedTuple


class Concept(NamedTuple):
    """A coded concept; two with the same value and scheme are the same, whatever their meanings say."""

    value: str
    scheme: str
    meaning: str


DEVICE = "CarotidLandmark"
SCHEME, SCHEME_NAME = "99CAROTIDLM", "Words of CarotidLandmark"
MADE_BY, WEIGHTS = "software", "weights_sha256"  # among the parameters of the algorithm


def _ours(value: str, meaning: str) -> Concept:
    return Concept(value, SCHEME, meaning)


BIFURCATION = Concept("80272002", "SCT", "Carotid bifurcation")
LATERALITY = {"left": Concept("7771000", "SCT", "Left"), "right": Concept("24028007", "SCT", "Right")}
PRESENCE = Concept("121052", "DCM", "Presence of property")
PRESENT = Concept("52101004", "SCT", "Present")
ABSENT = Concept("272519000", "SCT", "Absent")
VOLUME = Concept("118565006", "SCT", "Volume")
COMMENT = Concept("121106", "DCM", "Comment")
CT = Concept("25045-6", "LN", "CT unspecified body region")
UNITS = {
    "mm": Concept("mm", "UCUM", "millimeter"),
    "mm3": Concept("mm3", "UCUM", "cubic millimeter"),
    "deg": Concept("deg", "UCUM", "degree"),
    "%": Concept("%", "UCUM", "percent"),
    "": Concept("1", "UCUM", "no units"),
}

PROBABILITY = _ours("presence", "Probability that the landmark is in the image")
REGION = _ours("region", "Region that holds the carotid bifurcation")
RADII = tuple(_ours(f"radius_{number}", f"Radius {number} of the region, longest first") for number in (1, 2, 3))
STATUS = _ours("status", "Status of the landmark")
STATUSES = {
    "found": _ours("found", "Found"),
    "review": _ours("review", "To be reviewed"),
    "absent": _ours("absent", "Not found"),
    "accepted": _ours("accepted", "Accepted by the reader"),
    "moved": _ours("moved", "Placed by the reader"),
    "missing": _ours("missing", "Not in the image, by the reader"),
}
LUMEN = _ours("lumen", "What the lumen shows at the landmark")
CHECKS = {
    "verified": _ours("verified", "The fork of the carotid"),
    "contradicted": _ours("contradicted", "Not the fork of the carotid"),
    "unclear": _ours("unclear", "Unclear"),
    "unasked": _ours("unasked", "Not looked at"),
}
MEASURES = {
    "common_10_mm": _ours("cca_10", "Diameter of the common carotid 10 mm below the fork"),
    "common_20_mm": _ours("cca_20", "Diameter of the common carotid 20 mm below the fork"),
    "bulb_mm": _ours("bulb", "Greatest diameter of the carotid bulb"),
    "internal_20_mm": _ours("ica_20", "Diameter of the internal carotid 20 mm above the fork"),
    "internal_30_mm": _ours("ica_30", "Diameter of the internal carotid 30 mm above the fork"),
    "external_10_mm": _ours("eca_10", "Diameter of the external carotid 10 mm above the fork"),
    "area_ratio": _ours("area_ratio", "Area of internal and external carotid to that of the common"),
    "angle_deg": _ours("angle", "Angle between internal and external carotid"),
    "internal_narrowest_mm": _ours("ica_least", "Least diameter of the internal carotid"),
    "internal_narrowest_at_mm": _ours("ica_least_at", "Distance of the least diameter from the fork"),
    "nascet_percent": _ours("nascet", "Stenosis of the internal carotid by NASCET"),
    "calcium_mm3": _ours("calcium", "Volume of calcium at the fork"),
    "above_top_mm": _ours("to_top", "Distance to the top of the volume"),
    "below_bottom_mm": _ours("to_bottom", "Distance to the bottom of the volume"),
    "mandible_angle_mm": _ours("mandible", "Height beside the angle of the mandible"),
    "hyoid_mm": _ours("hyoid", "Height beside the hyoid bone"),
    **{f"c{level}_mm": _ours(f"c{level}", f"Height beside the vertebra C{level}") for level in range(2, 8)},
    "skull_base_mm": _ours("skull_base", "Height beside the skull base"),
}
