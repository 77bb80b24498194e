"""The forks of a scene: the view of one, and what other modules get of them."""

import numpy as np

from CarotidLandmarkLib.landmarks.curves import seeds
from CarotidLandmarkLib.landmarks.points import SIDES

from .coordinates import toWorld
from .forkNodes import LUMEN_ROLES, makeRoi, makeSeeds, setForkDisplay, vesselLines
from .forkPlanes import forkPlanes
from .forkViews import isForkShown, restoreViews, showFork
from .landmarkPoints import fileBelowVolume
from .landmarkRecord import LandmarkRecord
from .ownedNodes import followTransform, ownedNode

OUTWARDS = {"left": (-1.0, 0.0, 0.0), "right": (1.0, 0.0, 0.0)}  # RAS


class ForkScene:
    """What can be done with the forks of a LandmarkScene's landmark nodes. Sides are "left" and "right"."""

    def __init__(self, landmarkScene):
        self.landmarkScene = landmarkScene
        self.scene = landmarkScene.scene

    def planes(self, landmarkNode, side):
        """Return the planes of a fork by name (see forkPlanes), around its carina, or None where it has none.

        Where the lumen has no carina they are around the landmark.
        """
        record = LandmarkRecord(landmarkNode)
        lines = vesselLines(record, side)
        if lines is None:
            return None
        carina = record.predictions[side].fork.carina_lps_mm
        center = record.toLocal(record.predicted(side) if carina is None else carina)
        world = {name: np.array([toWorld(landmarkNode, point) for point in line]) for name, line in lines.items()}
        return forkPlanes(toWorld(landmarkNode, center), world)

    def show(self, landmarkNode, side):
        """Turn all views to the fork; return False, with the views as they were, if there is none to turn to."""
        planes = self.planes(landmarkNode, side)
        if planes is not None:
            showFork(self.scene, self.landmarkScene.volumeNode(landmarkNode), planes, np.array(OUTWARDS[side]))
        return planes is not None

    @property
    def isShown(self):
        """Whether the views are turned to a fork."""
        return isForkShown(self.scene)

    def restoreViews(self):
        """Bring back what the views showed before."""
        restoreViews(self.scene)

    def setDisplay(self, landmarkNode, lumenVisible, centrelinesVisible):
        """Show or hide the lumens and the middle lines of both sides. No undo step."""
        setForkDisplay(LandmarkRecord(landmarkNode), lumenVisible, centrelinesVisible)

    def hasSeeds(self, landmarkNode, side):
        """Whether the vessels of that side are followed so far that a centreline can begin in one and end in others."""
        fork = LandmarkRecord(landmarkNode).predictions[side].fork
        return fork is not None and bool(seeds(fork))

    def makeSeeds(self, landmarkNode, side):
        """Return the fiducial node with the seeds of a side, made or brought up to date, and its lumen or None."""
        record = LandmarkRecord(landmarkNode)
        node = self._filed(record, makeSeeds(record, side))
        return node, ownedNode(landmarkNode, LUMEN_ROLES[side])

    def hasVessels(self, landmarkNode):
        """Whether there is a fork to put a box around."""
        record = LandmarkRecord(landmarkNode)
        return any(vesselLines(record, side) for side in SIDES)

    def makeRoi(self, landmarkNode):
        """Return the ROI node around the vessels of both forks, made or brought up to date."""
        record = LandmarkRecord(landmarkNode)
        return self._filed(record, makeRoi(record))

    def _filed(self, record, node):
        followTransform(record.node)
        if record.volumeNode is not None:
            fileBelowVolume(record.volumeNode, [node])
        return node
