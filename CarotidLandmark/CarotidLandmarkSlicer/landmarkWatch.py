"""Watches all landmarks of a scene while the module is loaded."""

import slicer
from slicer.i18n import tr as _


class LandmarkWatch:
    """Turns drags into decisions, repairs what others break, and has an EngineRun say what there is to know of it.

    shownVolume() returns the volume that the user has selected. onChanged() is called after any change of landmarks.
    """

    def __init__(self, landmarkScene, run, shownVolume, onChanged):
        self.landmarkScene = landmarkScene
        self.run = run
        self.shownVolume = shownVolume
        self.onChanged = onChanged
        self._nodes = []
        self._orphans = []  # those of which it was said that their volume is gone

    def takeIn(self):
        """Watch the landmarks that are not watched yet; return whether there are any."""
        self._nodes = [node for node in self._nodes if slicer.mrmlScene.IsNodePresent(node)]
        newNodes = [node for node in self.landmarkScene.landmarkNodes() if node not in self._nodes]
        for landmarkNode in newNodes:
            self._nodes.append(landmarkNode)
            problem = self.landmarkScene.problem(landmarkNode)  # what is observed is repaired
            self.landmarkScene.note = ""
            self.landmarkScene.observe(landmarkNode, self._onChanged)
            if problem or self.landmarkScene.note:
                self.run.say(problem or self.landmarkScene.note)
        return bool(newNodes)

    def letGo(self):
        """Watch nothing any more, since the scene is closed or the module is."""
        self._nodes = []
        self.landmarkScene.unobserve()

    def _onChanged(self):
        if self.landmarkScene.note and self.landmarkScene.note != self.run.message:
            self.run.say(self.landmarkScene.note)
        movedNode, self.landmarkScene.movedNode = self.landmarkScene.movedNode, None
        if movedNode is not None and self.landmarkScene.volumeNode(movedNode) is not self.shownVolume():
            self.run.say(belongsElsewhere(movedNode))
        deleted = next((node for node in self._nodes if not slicer.mrmlScene.IsNodePresent(node)), None)
        if deleted is not None:
            self.run.say(_("{name} was deleted; Detect makes it again.").format(name=deleted.GetName()))
        orphans = [node for node in self.landmarkScene.landmarkNodes() if self.landmarkScene.volumeNode(node) is None]
        for node in [node for node in orphans if node not in self._orphans]:
            self.run.say(_("“{name}” has lost its volume: load that again to go on.").format(name=node.GetName()))
        self._orphans = orphans
        self.takeIn()
        self.onChanged()


def belongsElsewhere(landmarkNode):
    """Return the sentence about a change of landmarks whose volume is not the one that is selected."""
    return _("“{name}” has changed, which belongs to another volume.").format(name=landmarkNode.GetName())
