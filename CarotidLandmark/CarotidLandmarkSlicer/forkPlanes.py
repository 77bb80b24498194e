"""The planes in which a fork is looked at; numpy alone. Points are RAS mm in the world."""

from typing import NamedTuple

import numpy as np

NEAR_MM = 15.0  # the part of a vessel that counts for a plane
_FORK_MM = 3.0  # nearer to the carina a vessel's middle still turns
_FEWEST = 3  # points of a vessel
_PARTED_MM, _SEEN_MM = 8.0, 32.0  # heights above the carina between which the daughters are to be seen apart
_APART_MM = 5.0  # from middle to middle
_MOST_DEGREES, _STEP_DEGREES = 60, 5  # that the camera goes out of the plane
_LEFT, _POSTERIOR, _ANTERIOR, _INFERIOR = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0)


class Plane(NamedTuple):
    """A slice around ``center`` (3,); ``right`` and ``up`` (3,) are unit vectors of the picture."""

    center: np.ndarray
    right: np.ndarray
    up: np.ndarray

    @property
    def toViewer(self):
        """Unit vector (3,) out of the picture."""
        return np.cross(self.right, self.up)


def forkPlanes(center, vessels):
    """Return the planes "fork", "cross", "along" and "space" of a fork, or None where a vessel is too short to tell.

    ``center`` (3,): the carina. ``vessels``: "common", "internal" and "external" as (n, 3), from the fork outwards.
    "fork" goes through the three vessels near the carina, "cross" across the common carotid, "along" along the internal
    carotid and perpendicular to "fork". Upright ones have the head above, and of the patient's left and back what they
    show at the right, as Slicer's coronal and sagittal views; "cross" is seen from the feet. "space" is what to look at
    in 3D: "fork", turned about its upright axis where internal and external would cross before the eye.
    """
    parts = {name: _near(line, center) for name, line in vessels.items()}
    if min(map(len, parts.values())) < _FEWEST:
        return None
    weighted = np.concatenate([(part - center) / np.sqrt(len(part)) for part in parts.values()])
    normal = np.linalg.svd(weighted)[2][2]
    common, internal = -_axis(parts["common"]), _axis(parts["internal"])
    along = _unit(internal - internal @ normal * normal)
    across = np.cross(normal, along)
    toMiddle = (parts["internal"].mean(axis=0) - center) @ across * across
    fork = _upright(center, common, normal)
    return {
        "fork": fork,
        "cross": _axial(center, common),
        "along": _upright(center + toMiddle, along, across),
        "space": _apart(fork, vessels["internal"] - center, vessels["external"] - center),
    }


def _apart(plane, internal, external):
    """The plane turned as little as keeps the vessels, (n, 3) from its center, _APART_MM apart to the eye.

    Where none does, the one that keeps them furthest apart.
    """
    angles = sorted(range(-_MOST_DEGREES, _MOST_DEGREES + 1, _STEP_DEGREES), key=abs)
    turned = [_turned(plane, np.deg2rad(angle)) for angle in angles]
    gaps = [_gap(each, internal, external) for each in turned]
    return next((each for each, gap in zip(turned, gaps) if gap >= _APART_MM), turned[int(np.argmax(gaps))])


def _gap(plane, internal, external):
    """The least distance in mm to the right between points of the vessels at one height; below 0: they cross."""
    gaps = []
    for point in external[(external @ plane.up >= _PARTED_MM) & (external @ plane.up <= _SEEN_MM)]:
        heights = np.abs((internal - point) @ plane.up)
        if heights.min() <= 1.0:
            gaps.append((internal[heights.argmin()] - point) @ plane.right)
    return min(np.sign(gaps[0]) * np.array(gaps)) if gaps else np.inf


def _turned(plane, angle):
    right = np.cos(angle) * plane.right + np.sin(angle) * plane.toViewer
    return Plane(plane.center, right, plane.up)


def _upright(center, up, normal):
    """The plane across ``normal`` in which ``up`` points up, as nearly as it can."""
    up = _unit(up - up @ normal * normal)
    right = np.cross(up, normal)
    sideways = right @ _LEFT, right @ _POSTERIOR
    return Plane(center, right if max(sideways, key=abs) >= 0 else -right, up)


def _axial(center, vessel):
    toViewer = vessel if vessel @ _INFERIOR > 0 else -vessel
    aside = np.array(_LEFT if abs(vessel @ _LEFT) < 0.9 else _ANTERIOR)
    right = _unit(aside - aside @ vessel * vessel)
    return Plane(center, right, np.cross(toViewer, right))


def _axis(part):
    """The direction (3,) in which a part of a vessel runs, from its first point on."""
    away = part - part.mean(axis=0)
    axis = np.linalg.svd(away)[2][0]
    return axis if axis @ (away[-1] - away[0]) > 0 else -axis


def _near(line, center):
    away = np.linalg.norm(line - center, axis=1)
    return line[(away >= _FORK_MM) & (away <= NEAR_MM)]


def _unit(vector):
    return vector / np.linalg.norm(vector)
