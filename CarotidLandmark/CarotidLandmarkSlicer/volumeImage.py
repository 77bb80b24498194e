"""The voxels of a volume: which they are, and whether others show the same anatomy at a place."""

import json
import zlib

import numpy as np
import slicer

from .coordinates import ijkToRas, transformPoint

_HASHED = 20_000
_STEPS_MM = (-10.0, -5.0, 0.0, 5.0, 10.0)


class VolumeImage:
    """What is remembered of a volume's voxels.

    ``key`` tells them from others, in another session as well; ``hu`` (N,) are some of them, NaN outside, at ``points``
    (N, 3), mm of the volume's own RAS.
    """

    def __init__(self, key, points, hu):
        self.key, self.points, self.hu = key, points, hu

    @classmethod
    def of(cls, volumeNode, points):
        """Remember those of now; None where there are none."""
        key = imageKey(volumeNode)
        return None if key is None else cls(key, points, _sample(volumeNode, points))

    @classmethod
    def fromJson(cls, text):
        """Return what toJson() has written; None for anything else."""
        try:
            stored = json.loads(text)
            points = np.array(stored["points"], dtype=float).reshape(-1, 3)
            return cls(str(stored["key"]), points, np.array(stored["hu"], dtype=float).reshape(len(points)))
        except (TypeError, ValueError, KeyError):
            return None

    def toJson(self):
        """Return it as text, to a hundredth of a millimetre."""
        hu = [None if np.isnan(value) else round(float(value)) for value in self.hu]
        return json.dumps({"key": self.key, "points": self.points.round(2).tolist(), "hu": hu}, separators=(",", ":"))

    def likeness(self, volumeNode, step):
        """The correlation with what the volume shows at the points moved by ``step`` (4, 4), 0 if it says nothing."""
        now = _sample(volumeNode, transformPoint(step, self.points))
        both = ~np.isnan(self.hu) & ~np.isnan(now)
        one, other = self.hu[both], now[both]
        if len(one) < len(self.points) / 4 or not one.std() or not other.std():
            return 0.0
        return float(np.corrcoef(one, other)[0, 1])


def imageKey(volumeNode):
    """What tells the voxels of a volume from others; None where it has none."""
    image = None if volumeNode is None else volumeNode.GetImageData()
    if image is None or image.GetPointData().GetScalars() is None:
        return None
    voxels = slicer.util.arrayFromVolume(volumeNode)
    some = voxels.reshape(-1)[:: voxels.size // _HASHED | 1].astype(np.float32)
    return "{}x{}x{} {:08x}".format(*image.GetDimensions(), zlib.crc32(some.tobytes()))


def pointsAround(centres):
    """Return points (N, 3) that tell whether the anatomy around ``centres`` (M, 3) is the same."""
    lattice = np.stack(np.meshgrid(*[_STEPS_MM] * 3), -1).reshape(-1, 3)
    return (np.asarray(centres, dtype=float)[:, None] + lattice).reshape(-1, 3)


def _sample(volumeNode, points):
    """Return the nearest voxels (N,) to points (N, 3), NaN outside."""
    voxels = slicer.util.arrayFromVolume(volumeNode)
    voxels = voxels if voxels.ndim == 3 else voxels[..., 0]
    index = np.floor(transformPoint(np.linalg.inv(ijkToRas(volumeNode)), points) + 0.5).astype(int)[:, ::-1]
    inside = ((index >= 0) & (index < voxels.shape)).all(1)
    values = np.full(len(points), np.nan)
    values[inside] = voxels[tuple(index[inside].T)]
    return np.where(np.isfinite(values), values, np.nan)
