"""The button that saves the key image: when it can, where to, in which folder the last one went."""

import os
import re

import qt
import slicer
from slicer.i18n import tr as _

FOLDER = "CarotidLandmark/keyImageFolder"  # in the settings
LONGEST_NAME = 80
ENDING = ".png"


class KeyImagePanel:
    """Offers the key image of one landmark node. run: the EngineRun; draw(landmarkNode, path) begins to draw it."""

    def __init__(self, ui, landmarkScene, run, draw):
        self.ui = ui
        self.landmarkScene = landmarkScene
        self.run = run
        self.draw = draw
        self.landmarkNode = None
        self.hasPoints = False
        ui.keyImageButton.connect("clicked()", self.save)

    def show(self, landmarkNode, reviews):
        """Offer a node with its LandmarkReviews, or None and none."""
        self.landmarkNode = landmarkNode
        self.hasPoints = any(review.ras is not None for review in reviews)
        self.update()

    def update(self):
        """Show whether there is something to draw and nothing else under way."""
        if self.run.busy:
            reason = _("A key image is being drawn.") if self.run.isDrawing else _("A detection is under way.")
        elif self.landmarkNode is None:
            reason = _("Detect first.")
        elif not self.hasPoints:
            reason = _("There is a bifurcation on neither side, so there is nothing to draw.")
        else:
            reason = ""
        self.ui.keyImageButton.enabled = not reason
        self.ui.keyImageButton.toolTip = reason or _(
            "Save both sides as they stand, with your corrections, as one PNG to paste into a report."
        )

    def save(self):
        """Ask for a file and have the key image drawn into it."""
        landmarkNode = self.landmarkNode
        name = self.landmarkScene.volumeNode(landmarkNode).GetName()
        path = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(),
            _("Save key image"),
            os.path.join(_folder(), fileName(name)),
            _("PNG picture") + f" (*{ENDING})",
        )
        if not path:
            return
        if not path.lower().endswith(ENDING):
            path += ENDING
            if os.path.exists(path) and not slicer.util.confirmOkCancelDisplay(  # the dialog asked about another name
                _("{path} is there already. Replace it?").format(path=path)
            ):
                return
        qt.QSettings().setValue(FOLDER, os.path.dirname(path))
        if landmarkNode is self.landmarkNode:  # the scene may have been closed behind the dialog
            self.draw(landmarkNode, path)


def fileName(volumeName):
    """Return a name for the key image of a volume that every file system takes."""
    name = re.sub(r'[\x00-\x1f\\/:*?"<>|]+', "_", volumeName)[:LONGEST_NAME].strip(" .")
    return _("{volume} key image").format(volume=name or _("Carotid")) + ENDING


def _folder():
    last = slicer.util.settingsValue(FOLDER, "")
    return last if os.path.isdir(last) else os.path.expanduser("~")
