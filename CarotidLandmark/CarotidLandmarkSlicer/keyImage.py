"""What the engine needs to draw the key image of a landmark node."""

import numpy as np
from slicer.i18n import tr as _

from CarotidLandmarkLib.errors import BadInputError
from CarotidLandmarkLib.landmarks.points import LABELS

from .landmarkRecord import LandmarkRecord


def pictureRequest(landmarkScene, landmarkNode, path):
    """Return the volume and the request for the key image, to the file at ``path``, of a landmark node as it stands.

    The name is the volume's as it is now, the ellipsoids are those that are shown. Raises BadInputError where volume or
    detection are gone, or the volume is no longer where the detection was made in it.
    """
    volumeNode, detection = landmarkScene.source(landmarkNode)
    if not np.allclose(LandmarkRecord(landmarkNode).frame, np.eye(4), rtol=0, atol=1e-6):
        raise BadInputError(_("The volume was transformed after the detection: detect again, then save the key image."))
    reviews = landmarkScene.reviews(landmarkNode)
    for side, review in reviews.items():
        if review.problem:
            raise BadInputError(f"{LABELS[side]}: {review.problem}")
    detection["case"] = volumeNode.GetName()
    detection["settings"]["confidence"] = landmarkScene.display(landmarkNode)["confidence"]
    for landmark in detection["landmarks"]:
        radii = reviews[landmark["side"]].radiiMm
        landmark["confidence_radii_mm"] = None if radii is None else list(radii)
    readings = {
        side: {"decision": review.decision, "position_lps_mm": None if review.lps is None else list(review.lps)}
        for side, review in reviews.items()
    }
    return volumeNode, {"detection": detection, "readings": readings, "output": path}
