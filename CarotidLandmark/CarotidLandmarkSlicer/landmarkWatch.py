"""Watches all landmarks of a scene while the module is loaded."""

import slicer
from slicer.i18n import tr as _


class LandmarkWatch:
    """Turns drags into decisions, repairs what others break, and has an EngineRun say what there is to know of it.

    onChanged() is called after any change of landmarks.
    """

    def __init__(self, landmarkScene, run, onChanged):
        self.landmarkScene = landmarkScene
        self.run = run
        self.onChanged = onChanged
        self._nodes = []

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
        deleted = next((node for node in self._nodes if not slicer.mrmlScene.IsNodePresent(node)), None)
        if deleted is not None:
            self.run.say(_("{name} was deleted; Detect makes it again.").format(name=deleted.GetName()))
        self.takeIn()
        self.onChanged()
